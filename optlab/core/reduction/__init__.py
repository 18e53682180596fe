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
from optlab.core.reduction.fixed import FixedVariables
from optlab.core.reduction.presolve import Presolve, PresolveInverse, PresolveSummary
from optlab.core.reduction.scaling import GradientScaling, Scaling
from optlab.core.reduction.slacks import Slacks

__all__ = [
    "IDENTITY",
    "AbstractReduction",
    "Chain",
    "ChainInverse",
    "FixedVariables",
    "GradientScaling",
    "Identity",
    "Inverse",
    "Multiplied",
    "Presolve",
    "PresolveInverse",
    "PresolveSummary",
    "Scaling",
    "Slacks",
]
