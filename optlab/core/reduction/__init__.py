"""Reductions: a problem in another form, and the exact way back for points and multipliers."""

from __future__ import annotations

from optlab.core.reduction.base import (
    IDENTITY,
    AbstractReduction,
    Chain,
    ChainInverse,
    Identity,
    Inverse,
    Multiplied,
)

__all__ = [
    "IDENTITY",
    "AbstractReduction",
    "Chain",
    "ChainInverse",
    "Identity",
    "Inverse",
    "Multiplied",
]
