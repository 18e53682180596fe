"""Weights of a mixture from spectra, a convex quadratic program over the simplex.

    minimize  (1/R) ||s - M^T p||^2    subject to   sum_k p_k = 1,   p >= 0

s is the mean spectrum of a batch, (R,), the rows of M are those of K augmentations, (K, R). What p_k says: the batch looks as
if a share p_k of it were of augmentation k.
"""

from __future__ import annotations

import numpy as np

from optlab.api import minimize
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.typing import Vector

__all__ = ["simplex_weights"]

TOLERANCE = 1e-9
"""Of the certificate, for spectra in units of their deviation."""


def simplex_weights(spectrum: Vector, means: Vector) -> Result:
    """Solve the program with PASA, from equal weights; ``x`` are the weights, (K,).

    Where several weights are best (augmentations with linearly dependent spectra) the answer is one of them.
    """
    count = len(means)
    rings = spectrum.size
    gram = (2.0 / rings) * means @ means.T
    problem = Problem(
        objective=lambda p: float(np.mean((p @ means - spectrum) ** 2)),
        gradient=lambda p: (2.0 / rings) * means @ (p @ means - spectrum),
        hessian=lambda _p, _y, sigma: sigma * gram,
        constraints=lambda p: np.array([p.sum()]),
        jacobian=lambda _p: np.ones((1, count)),
        x0=np.full(count, 1.0 / count),
        lb=0.0,
        ub=1.0,
        cl=[1.0],
        cu=[1.0],
        linear=[True],
        name="weights of a deck",
    )
    result = minimize(problem, method="pasa", tol=TOLERANCE)
    result.raise_if_failed()
    return result
