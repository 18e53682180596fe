"""Limited-memory BFGS on estimated gradients, for values without noise [LN89].

The inverse Hessian's approximation comes from the last pairs s = x+ - x, y = g+ - g. Differences of estimates are as
good as the estimates: a pair counts only where s'y > 0 by a margin, and a method whose step was in vain starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.methods.zeroth.rules.base import AbstractRule, Memory, Signal, Turn, need
from optlab.typing import Vector

__all__ = ["QuasiNewton"]

CURVATURE = 1e-8
"""Least s'y / (|s| |y|) of a pair that counts."""


@dataclass(frozen=True, kw_only=True)
class QuasiNewton(AbstractRule):
    """d = H g with H by limited-memory BFGS; g itself until there is a pair.

    Its steps have a natural length: with pairs the rate 1 is the one to try first.
    """

    pairs: int = 20
    """Pairs that are kept."""

    def __post_init__(self) -> None:
        need("pairs", self.pairs, 1, np.inf)

    def start(self, n: int) -> Memory:
        """Return no pairs."""
        return {"S": np.zeros((0, n)), "Y": np.zeros((0, n)), "last": np.zeros((0, n))}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Take in the pair of the last step and apply H."""
        S, Y, last = memory["S"], memory["Y"], memory["last"]
        if last.shape[0]:
            s, y = signal.x - last[0], signal.gradient - last[1]
            size = float(np.linalg.norm(s) * np.linalg.norm(y))
            if s @ y > CURVATURE * size:
                S = np.vstack((S, s))[-self.pairs :]
                Y = np.vstack((Y, y))[-self.pairs :]
        last = np.vstack((signal.x, signal.gradient))
        direction = _applied(S, Y, signal.gradient)
        return Turn(direction=direction, memory={"S": S, "Y": Y, "last": last})


def _applied(S: Vector, Y: Vector, g: Vector) -> Vector:
    """Return H g by the two loops of [LN89], the newest pair last; (n,)."""
    if not S.shape[0]:
        return g
    d = g.copy()
    rho = 1.0 / np.einsum("ij,ij->i", S, Y)
    alpha = np.zeros(rho.size)
    for i in reversed(range(rho.size)):
        alpha[i] = rho[i] * (S[i] @ d)
        d -= alpha[i] * Y[i]
    d /= rho[-1] * (Y[-1] @ Y[-1])
    for i in range(rho.size):
        d += (alpha[i] - rho[i] * (Y[i] @ d)) * S[i]
    return d
