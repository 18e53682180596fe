"""The plan of a compressing run: legs, in which the density falls as a thinning says.

A final density rho is reached by way of higher ones, d(rho) with d from 1 to rho:

    power s of [0, 1]     d = rho^s                          the same share of what is left goes at every pruning [FC19]
    cubic at t of [0, 1]  d = rho + (1 - rho) (1 - t)^3      fast at first, slow at the end [ZG18]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Leg", "Thinning", "cubic", "power"]

Thinning: TypeAlias = Callable[[float], float]
"""From a final density to the one in force."""


def power(s: float) -> Thinning:
    """Return rho -> rho^s.

    Examples
    --------
    >>> power(0.5)(0.04)
    0.2
    """
    return lambda rho: float(rho**s)


def cubic(t: float, first: float = 1.0) -> Thinning:
    """Return rho -> rho + (first - rho) (1 - t)^3, from ``first`` (where rho is below it) to rho.

    Examples
    --------
    >>> [round(cubic(t)(0.1), 3) for t in (0.0, 0.6, 1.0)]
    [1.0, 0.158, 0.1]
    """
    share = (1.0 - min(1.0, max(0.0, t))) ** 3
    return lambda rho: rho + max(0.0, first - rho) * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A training from one pruning to the next, with a schedule of its own."""

    epochs: float
    rate: float = 1.0
    """Factor on the learning rate."""

    power: float = 0.0
    """s of the density rho^s, to which the weights are pruned before the leg."""

    rewinds: bool = False
    """Whether what is left of the weights goes back to their early values before the leg."""

    ramp: tuple[float, float] | None = None
    """Shares of the leg between which the density falls cubically; None: it stays."""

    def steps(self, per_epoch: int) -> int:
        """Return the number of steps, at least one."""
        return max(1, math.ceil(self.epochs * per_epoch))

    def thinning(self, done: float) -> Thinning:
        """Return the thinning when a share of the leg is done."""
        if self.ramp is None:
            return power(self.power)
        begin, end = self.ramp
        return cubic((done - begin) / (end - begin))
