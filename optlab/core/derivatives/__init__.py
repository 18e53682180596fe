"""Derivatives that are not given: estimated from differences, and checked against them."""

from __future__ import annotations

from optlab.core.derivatives.check import check_derivatives
from optlab.core.derivatives.findings import DerivativeCheck, WrongEntry
from optlab.core.derivatives.missing import estimate_derivatives, wanted_differences
from optlab.core.derivatives.options import Differences

__all__ = [
    "DerivativeCheck",
    "Differences",
    "WrongEntry",
    "check_derivatives",
    "estimate_derivatives",
    "wanted_differences",
]
