"""Least-squares lines through the same points with many sets of weights, as one problem.

    minimize  (1/2) sum_r sum_i w_ri (a_r (x_i - m) / s + c_r - y_i)^2

over the a_r and c_r, with m and s the mean and deviation of x, so that every line's Hessian is near the unit matrix. It is
separable in r: its Hessian is a block of two by two for each line, and one factorization solves for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from optlab.api import minimize
from optlab.core.problem import Problem
from optlab.typing import Vector

__all__ = ["Lines", "fit_lines", "lines_problem"]

TOLERANCE = 1e-12
"""Of the certificate, for points in units of their deviation."""

_ROUNDING = 1e-14
"""Deviations of y by less, relative to its size, come from rounding."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines y = slope x + intercept.

    Attributes
    ----------
    slope, intercept : Vector
        Shape (lines,).
    r2 : Vector
        Part of the weighted variance of y that each line explains, shape (lines,); 0 where y does not vary.
    """

    slope: Vector
    intercept: Vector
    r2: Vector


def lines_problem(x: Vector, y: Vector, weights: Vector) -> Problem:
    """State the problem in (a_1, ..., a_R, c_1, ..., c_R) for weights of shape (R, n) whose rows sum to 1."""
    count = len(weights)
    scaled = (x - x.mean()) / x.std()
    xs, xx = weights @ scaled, weights @ scaled**2
    ys, xy, yy = weights @ y, weights @ (scaled * y), weights @ y**2
    ones = sparse.diags_array(np.ones(count))
    cross = sparse.diags_array(xs)
    hessian = sparse.csr_array(
        sparse.block_array([[sparse.diags_array(xx), cross], [cross, ones]])
    )
    linear = np.concatenate([xy, ys])
    constant = yy.sum() / 2
    return Problem(
        objective=lambda z: float(z @ (hessian @ z) / 2 - linear @ z + constant),
        gradient=lambda z: hessian @ z - linear,
        hessian=lambda _z, _y, sigma: sigma * hessian,
        x0=np.zeros(2 * count),
        name="least-squares lines",
    )


def fit_lines(x: Vector, y: Vector, counts: Vector) -> Lines:
    """Fit a line for each row of counts.

    Parameters
    ----------
    x, y
        Points, shape (n,).
    counts
        Weights of the points, shape (R, n), at least 0; in each row two points of different x, at least, have weight.

    Raises
    ------
    SolveError
        When the solve fails.
    """
    weights = counts / counts.sum(axis=1, keepdims=True)
    result = minimize(lines_problem(x, y, weights), method="pasa", tol=TOLERANCE)
    result.raise_if_failed()
    scaled_slope, height = np.split(result.x, 2)
    slope = scaled_slope / x.std()
    intercept = height - slope * x.mean()
    residual = y - slope[:, None] * x - intercept[:, None]
    spread = y - (weights @ y)[:, None]
    unexplained, total = ((weights * part**2).sum(axis=1) for part in (residual, spread))
    varies = total > (_ROUNDING * np.abs(y).max()) ** 2
    r2 = 1 - np.divide(unexplained, total, out=np.ones(len(total)), where=varies)
    return Lines(slope, intercept, r2)
