"""Estimators of gradients from values."""

from optlab.methods.zeroth.estimators.base import AbstractEstimator, Box, Estimate, Plan
from optlab.methods.zeroth.estimators.coordinate import CGE
from optlab.methods.zeroth.estimators.low_rank import LowRank
from optlab.methods.zeroth.estimators.noise import NoisePlan
from optlab.methods.zeroth.estimators.randomized import RGE, SPSA
from optlab.methods.zeroth.estimators.subspace import Subspace

__all__ = [
    "CGE",
    "ESTIMATORS",
    "RGE",
    "SPSA",
    "AbstractEstimator",
    "Box",
    "Estimate",
    "LowRank",
    "NoisePlan",
    "Plan",
    "Subspace",
]

ESTIMATORS: tuple[type[AbstractEstimator], ...] = (CGE, RGE, SPSA, Subspace, LowRank)
"""Every estimator that can be instantiated."""
