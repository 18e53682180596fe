"""Gradient descent with momentum, as training programs know it.

    b_k = momentum b_{k-1} + g_k (b_1 = g_1),     d_k = b_k,   or with Nesterov's look-ahead d_k = g_k + momentum b_k

References: [Pol64] for momentum, [SMDH13] for this form of Nesterov's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optlab.errors import OptionError
from optlab.methods.zeroth.rules.base import (
    AbstractRule,
    Memory,
    Signal,
    Turn,
    decayed,
    need,
)

__all__ = ["SGD", "Momentum"]


@dataclass(frozen=True, kw_only=True)
class SGD(AbstractRule):
    """d = g + weight_decay x.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        need("weight_decay", self.weight_decay, 0.0, math.inf)

    def start(self, n: int) -> Memory:  # noqa: ARG002
        """Remember nothing."""
        return {}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Return the gradient."""
        return Turn(direction=decayed(signal, self.weight_decay), memory=memory)


@dataclass(frozen=True, kw_only=True)
class Momentum(AbstractRule):
    """A geometric sum of past gradients.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        need("momentum", self.momentum, 0.0, 1.0)
        need("weight_decay", self.weight_decay, 0.0, math.inf)
        if self.nesterov and self.momentum == 0.0:
            raise OptionError(
                "nesterov is set and momentum is 0; a positive momentum is needed"
            )

    @property
    def carry(self) -> float:
        """The momentum."""
        return self.momentum

    def start(self, n: int) -> Memory:
        """Start with an empty sum."""
        return {"sum": np.zeros(n)}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Add the gradient to the sum."""
        g = decayed(signal, self.weight_decay)
        b = self.momentum * memory["sum"] + g
        return Turn(direction=g + self.momentum * b if self.nesterov else b, memory={"sum": b})
