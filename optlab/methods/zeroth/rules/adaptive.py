"""Rules that divide by an average size of past gradients, coordinate by coordinate.

    m_k = beta1 m_{k-1} + (1 - beta1) g_k,     v_k = beta2 v_{k-1} + (1 - beta2) g_k^2

=========  ===========================================================================================
Adam       d = (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + floor)                         [KB15]
AdaMM      d = m / sqrt(w), w_k = max(w_{k-1}, v_k)                                             [CLX19]
R-AdaZO    v averages m^2 instead of g^2, which a zeroth-order estimate inflates                   [SHY25]
=========  ===========================================================================================

Where there are linear rows the step is projected in the norm sum d_j x_j^2 of the divisor d: in the Euclidean one such a
method need not converge on a bounded set ([CLX19], Proposition 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from optlab.methods.zeroth.rules.base import AbstractRule, Memory, Signal, Turn, decayed, need
from optlab.typing import Vector

__all__ = ["AdaMM", "Adam", "RAdaZO"]


@dataclass(frozen=True, kw_only=True)
class _Moments(AbstractRule):
    """Two moving averages.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    floor: float = 1e-8
    """Added to the divisor, in the gradient's unit."""

    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        need("beta1", self.beta1, 0.0, 1.0)
        need("beta2", self.beta2, 0.0, 1.0)
        need("floor", self.floor, 0.0, math.inf)
        need("weight_decay", self.weight_decay, 0.0, math.inf)

    def start(self, n: int) -> Memory:
        """Start both averages at zero."""
        return {"first": np.zeros(n), "second": np.zeros(n), "steps": np.zeros(1)}

    def _first(self, g: Vector, memory: Memory) -> Vector:
        return self.beta1 * memory["first"] + (1.0 - self.beta1) * g

    def _second(self, g: Vector, memory: Memory) -> Vector:
        return self.beta2 * memory["second"] + (1.0 - self.beta2) * g**2

    def _turn(self, first: Vector, second: Vector, steps: Vector) -> Turn:
        """Divide the averages, both corrected for their start at zero."""
        k = float(steps[0])
        size = np.sqrt(second / (1.0 - self.beta2**k)) + self.floor
        kept = {"first": first, "second": second, "steps": steps}
        return _divided(first / (1.0 - self.beta1**k), size, kept)


@dataclass(frozen=True, kw_only=True)
class Adam(_Moments):
    """Adam; ``decoupled`` makes it AdamW.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    decoupled: bool = False
    """Whether the weight decay goes into the step itself instead of the averages [LH19]."""

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Divide the averaged gradient by its averaged size."""
        g = decayed(signal, 0.0 if self.decoupled else self.weight_decay)
        steps = memory["steps"] + 1.0
        first, second = self._first(g, memory), self._second(g, memory)
        turn = self._turn(first, second, steps)
        if self.decoupled:
            turn = replace(turn, direction=turn.direction + self.weight_decay * signal.x)
        return turn


@dataclass(frozen=True, kw_only=True)
class RAdaZO(_Moments):
    """Adam with the second average taken of the first one, whose noise is smaller.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Divide the averaged gradient by the averaged size of itself."""
        g = decayed(signal, self.weight_decay)
        steps = memory["steps"] + 1.0
        first = self._first(g, memory)
        return self._turn(first, self._second(first, memory), steps)


@dataclass(frozen=True, kw_only=True)
class AdaMM(_Moments):
    """ZO-AdaMM: the divisor never falls.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    def start(self, n: int) -> Memory:
        """Start all averages at zero."""
        return super().start(n) | {"largest": np.zeros(n)}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Divide the averaged gradient by the largest averaged size so far."""
        g = decayed(signal, self.weight_decay)
        first, second = self._first(g, memory), self._second(g, memory)
        largest = np.maximum(memory["largest"], second)
        size = np.sqrt(largest) + self.floor
        kept = {
            "first": first,
            "second": second,
            "largest": largest,
            "steps": memory["steps"] + 1.0,
        }
        return _divided(first, size, kept)


def _divided(top: Vector, size: Vector, kept: Memory) -> Turn:
    """Divide; the step is projected in the norm sum size_j x_j^2, in which its direction is the steepest."""
    # A coordinate that never had a gradient does not move; any positive weight will do.
    known = size > 0.0
    direction = np.divide(top, size, out=np.zeros_like(top), where=known)
    return Turn(direction=direction, memory=kept, metric=np.where(known, size, 1.0))
