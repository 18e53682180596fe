"""Derivatives that are not given: estimated from differences, and checked against them."""

from __future__ import annotations

from optlab.core.derivatives.missing import estimate_derivatives, wanted_differences
from optlab.core.derivatives.options import Differences

__all__ = ["Differences", "estimate_derivatives", "wanted_differences"]
