"""Zeroth-order optimization: what users compose methods from.

    optlab.minimize(f, x0, method="zo-adam", estimator=optlab.zo.CGE(smoothing=1e-3))

Estimators of gradients from values of a function; each is a frozen object that says where values are wanted, at what cost,
and how they combine (docs/zeroth/estimators.md). Rules that make steps of gradients, and schedules for their rates
(docs/zeroth/optimizers.md). ZO-GraSP's ratios for sparse methods (docs/zeroth/deepzero.md).
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
    LowRank,
    NoisePlan,
    Plan,
    Subspace,
)
from optlab.methods.zeroth.grasp import grasp_ratios, grasp_scores
from optlab.methods.zeroth.rules import (
    SGD,
    AbstractRule,
    Adam,
    AdaMM,
    Momentum,
    Normalized,
    RAdaZO,
    Sign,
    Spectral,
)
from optlab.methods.zeroth.schedules import (
    AbstractSchedule,
    Constant,
    Cosine,
    Linear,
    PowerDecay,
    Steps,
    WarmUp,
)

__all__ = [
    "CGE",
    "ESTIMATORS",
    "RGE",
    "SGD",
    "SPSA",
    "AbstractEstimator",
    "AbstractRule",
    "AbstractSchedule",
    "AdaMM",
    "Adam",
    "Box",
    "Constant",
    "Cosine",
    "Estimate",
    "Linear",
    "LowRank",
    "Momentum",
    "NoisePlan",
    "Normalized",
    "Plan",
    "PowerDecay",
    "RAdaZO",
    "Sign",
    "Spectral",
    "Steps",
    "Subspace",
    "WarmUp",
    "grasp_ratios",
    "grasp_scores",
]
