"""Estimators of gradients from values."""

from optlab.methods.zeroth.estimators.base import AbstractEstimator, Box, Estimate, Plan
from optlab.methods.zeroth.estimators.coordinate import CGE
from optlab.methods.zeroth.estimators.randomized import RGE, SPSA

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

ESTIMATORS: tuple[type[AbstractEstimator], ...] = (CGE, RGE, SPSA)
"""Every estimator that can be instantiated."""
