"""Normalized descent whose divisor costs nothing: the spread of the values that were measured anyway.

    d = g / slope,     slope = std_j f(x + s_j) / smoothing

For directions of unit variance the standard deviation of the values is smoothing |grad f| to first order, so that
the step has about the length rate, whatever the scale of f [DKL25].

=============  ==========================================
here           in [DKL25]
=============  ==========================================
``rate``       eta / epsilon
``smoothing``  epsilon
=============  ==========================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optlab.methods.zeroth.rules.base import AbstractRule, Memory, Signal, Turn, need

__all__ = ["Normalized"]


@dataclass(frozen=True, kw_only=True)
class Normalized(AbstractRule):
    """The gradient divided by the standard deviation of the losses, per unit of displacement.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    momentum: float = 0.0
    """Of the divided gradients: d_k = momentum d_{k-1} + g_k / slope_k."""

    def __post_init__(self) -> None:
        need("momentum", self.momentum, 0.0, 1.0)

    @property
    def carry(self) -> float:
        """The momentum."""
        return self.momentum

    def start(self, n: int) -> Memory:
        """Start with an empty sum, where there is one."""
        return {"sum": np.zeros(n)} if self.momentum else {}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Divide; by the norm of the gradient where fewer than two values leave the spread unknown."""
        size = signal.slope
        if not (math.isfinite(size) and size > 0.0):
            size = float(np.linalg.norm(signal.gradient))
        d = signal.gradient / size if size > 0.0 else np.zeros_like(signal.gradient)
        if not self.momentum:
            return Turn(direction=d, memory=memory)
        d = self.momentum * memory["sum"] + d
        return Turn(direction=d, memory={"sum": d})
