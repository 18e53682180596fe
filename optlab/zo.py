"""Zeroth-order optimization: what users compose methods from.

    optlab.minimize(f, x0, method="zo-adam", estimator=optlab.zo.CGE(smoothing=1e-3))

Estimators of gradients from values of a function; each is a frozen object that says where values are wanted, at what cost,
and how they combine. See docs/zeroth/estimators.md.
"""

from __future__ import annotations

from optlab.methods.zeroth.estimators import (
    CGE,
    ESTIMATORS,
    RGE,
    SPSA,
    AbstractEstimator,
    Box,
    Estimate,
    Plan,
)

__all__ = [
    "CGE",
    "ESTIMATORS",
    "RGE",
    "SPSA",
    "AbstractEstimator",
    "Box",
    "Estimate",
    "Plan",
]
