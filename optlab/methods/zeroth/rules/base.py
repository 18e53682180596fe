"""What an update rule is: from estimated gradients to directions of descent.

    x_{k+1} = P(x_k - rate_k d_k),     d_k = rule(g_1, ..., g_k, x_k)

A rule is a frozen object; what it remembers of past gradients is a dict of arrays that the method carries in its
state, so that a run can be stored and resumed. The rate and the projection P are the method's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from optlab.errors import OptionError
from optlab.typing import Vector

if TYPE_CHECKING:
    from optlab.core.sampled import Block

__all__ = ["AbstractRule", "Memory", "Signal", "Turn", "decayed", "need"]

Memory: TypeAlias = dict[str, Vector]
"""Arrays by name; never changed in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What one step tells a rule."""

    x: Vector
    """(n,) the point."""

    gradient: Vector
    """(n,) its estimated gradient."""

    slope: float = np.nan
    """Standard deviation of the objective over the displaced points, divided by the length of a displacement;
    nan: not known. For directions of unit variance it estimates the norm of the gradient."""

    blocks: tuple[Block, ...] = ()
    """Variables that belong together, in order; empty: one vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a rule makes of a signal."""

    direction: Vector
    """(n,) d; the step is -rate d."""

    memory: Memory
    metric: Vector | None = None
    """(n,) weights w > 0 of the norm sum w_j x_j^2 in which the step is to be projected; None: ones."""


@dataclass(frozen=True, kw_only=True)
class AbstractRule(ABC):
    """Base of the update rules; the fields of a subclass are its settings."""

    @property
    def carry(self) -> float:
        """The momentum with which gradients are added up; 0: they are not."""
        return 0.0

    @abstractmethod
    def start(self, n: int) -> Memory:
        """Return the memory before the first gradient, for n variables."""

    @abstractmethod
    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Make a direction of a gradient and of what is remembered."""


def need(label: str, value: float, low: float, high: float, *, ends: str = "[)") -> None:
    """Refuse a setting outside an interval.

    Raises
    ------
    OptionError
        Says what is needed.
    """
    above = low <= value if ends[0] == "[" else low < value
    below = value <= high if ends[1] == "]" else value < high
    if not (above and below):
        raise OptionError(
            f"{label} is {value!r}; a number in {ends[0]}{low}, {high}{ends[1]} is needed"
        )


def decayed(signal: Signal, weight_decay: float) -> Vector:
    """Return the gradient of f(x) + weight_decay / 2 |x|^2, shape (n,)."""
    if weight_decay == 0.0:
        return signal.gradient
    return signal.gradient + weight_decay * signal.x
