"""Presolve of the linear rows and the bounds."""

from __future__ import annotations

from optlab.core.reduction.presolve.presolve import (
    Presolve,
    PresolveInverse,
    PresolveSummary,
    reduced,
)

__all__ = ["Presolve", "PresolveInverse", "PresolveSummary", "reduced"]
