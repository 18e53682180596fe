"""Quantiser steps of the coefficients of a transform: which may be coarse, so that the rate is kept.

    min  sum_k D_k(u_k)   subject to   sum_k R_k(u_k) <= b,      u_k = log2 of step k

What is minimized is the logarithm of the sum, so that tolerances mean the same at every rate. For Gaussian coefficients of variance v at the rate-distortion bound, D = 4^u / 12 and R = 1/2 log2 (12 v) - u >= 0; the solution
is reverse water-filling, D_k = min(w, v_k) with one level w [CT06, section 10.3]. For Laplacian coefficients through a uniform
quantiser with rounding, D and the entropy R have the closed forms of :func:`laplace_rate_distortion`; at the solution all slopes
dD_k / dR_k are equal.

=======  ==========================================
paper    code
=======  ==========================================
v_k      ``variances``
w        ``level``
=======  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

import optlab
from optlab.errors import OptionError, ProblemError
from optlab.typing import Vector

__all__ = [
    "Allocation",
    "allocate",
    "allocation_problem",
    "laplace_rate_distortion",
    "reverse_water_filling",
]

Source = Literal["gaussian", "laplace"]

_COARSEST = 8.0
"""Largest step of Laplacian coefficients in standard deviations: the rate is then below 0.03 bits."""

_FINEST = 2.0**-12
"""Smallest step in standard deviations."""


@dataclass(frozen=True)
class Allocation:
    """Steps, and what they cost.

    Attributes
    ----------
    steps : Vector
    distortions, rates : Vector
        Mean squared error and bits of each coefficient in the model.
    slope : float
        -dD/db, the multiplier of the rate: how much less distortion another bit brings.
    result : optlab.Result
    """

    steps: Vector
    distortions: Vector
    rates: Vector
    slope: float
    result: optlab.Result


def allocate(
    variances: ArrayLike, bits: float, *, source: Source = "gaussian", method: str = "npasa"
) -> Allocation:
    """Choose steps for coefficients so that their rates sum to at most ``bits``.

    Parameters
    ----------
    variances
        Of the coefficients, positive, shape (n,).
    bits
        For all coefficients together.
    source
        Distribution of the coefficients.
    method
        Of :func:`optlab.minimize`.

    Raises
    ------
    ProblemError, OptionError
        For variances or bits that are none.
    SolveError
        When the method finds no solution.
    """
    problem = allocation_problem(variances, bits, source=source)
    result = optlab.minimize(problem, method=method)
    result.raise_if_failed()
    spread = np.asarray(variances, dtype=np.float64)
    logarithms = np.asarray(result.x)
    rates, distortions, _, _ = _models(spread, source, logarithms)
    # The objective is log2 of the distortion.
    slope = float(result.multipliers.constraints[0]) * np.log(2) * float(distortions.sum())
    return Allocation(2.0**logarithms, distortions, rates, slope, result)


def allocation_problem(
    variances: ArrayLike, bits: float, *, source: Source = "gaussian"
) -> optlab.Problem:
    """State the allocation of steps; x = log2 of the steps, and f = log2 of the sum of D."""
    spread = np.asarray(variances, dtype=np.float64)
    if spread.ndim != 1 or spread.size == 0 or not (spread > 0).all() or np.isinf(spread).any():
        raise ProblemError("variances must be positive, finite numbers of shape (n,)")
    if source not in ("gaussian", "laplace"):
        raise OptionError(f"source is {source!r}; 'gaussian' or 'laplace' is needed")
    if not (bits > 0 and np.isfinite(bits)):
        raise OptionError(f"bits is {bits!r}; a positive number is needed")
    widest = np.sqrt(12.0) if source == "gaussian" else _COARSEST
    scale = np.log2(np.sqrt(spread))
    upper = scale + np.log2(widest)
    most = float(_models(spread, source, upper)[0].sum())
    if bits < most:
        raise OptionError(f"bits is {bits:g}; the coarsest steps take {most:.3g}")

    def rate(x: Vector) -> Vector:
        return np.array([_models(spread, source, x)[0].sum()])

    def gradient(x: Vector) -> Vector:
        _, distortion, _, slope = _models(spread, source, x)
        shares: Vector = slope / (distortion.sum() * np.log(2))
        return shares

    return optlab.Problem(
        objective=lambda x: float(np.log2(_models(spread, source, x)[1].sum())),
        gradient=gradient,
        constraints=rate,
        jacobian=lambda x: _models(spread, source, x)[2][None, :],
        x0=np.clip(scale - bits / spread.size, scale + np.log2(_FINEST), upper),
        lb=scale + np.log2(_FINEST),
        ub=upper,
        cl=[-np.inf],
        cu=[float(bits)],
        name=f"steps of {spread.size} {source} coefficients",
    )


def reverse_water_filling(variances: ArrayLike, bits: float) -> tuple[float, Vector]:
    """Return the level w and D_k = min(w, v_k) with sum 1/2 log2 (v_k / D_k) = bits [CT06]."""
    spread = np.asarray(variances, dtype=np.float64)

    def excess(log_level: float) -> float:
        return float(np.maximum(np.log2(spread) - log_level, 0).sum()) / 2 - bits

    high = float(np.log2(spread.max()))
    level = 2.0 ** float(brentq(excess, high - 2 * bits - 1, high, xtol=1e-14))
    return level, np.minimum(level, spread)


def laplace_rate_distortion(steps: ArrayLike, variances: ArrayLike) -> tuple[Vector, Vector]:
    """Return the entropy in bits and the mean squared error of rounded Laplacian variables.

    With t the step over the scale sqrt(v / 2), s = t / 2 and p = exp(-s): the value 0 has probability 1 - p, and the others
    are two-sided geometric of ratio p^2, so R = h(p) + p (1 + h(p^2) / (1 - p^2)) with h the binary entropy.
    """
    spread = np.asarray(variances, dtype=np.float64)
    rates, distortions, _, _ = _laplace(spread, np.log2(np.asarray(steps, dtype=np.float64)))
    return rates, distortions


def _models(spread: Vector, source: Source, x: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Return R, D, dR/dx and dD/dx of every coefficient."""
    if source == "laplace":
        return _laplace(spread, x)
    distortion = 4.0**x / 12
    rate = np.log2(12 * spread) / 2 - x
    return rate, distortion, -np.ones_like(x), 2 * np.log(2) * distortion


def _laplace(spread: Vector, x: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    scale = np.sqrt(spread / 2)
    s = 2.0**x / scale / 2
    p = np.exp(-s)
    q = p**2
    tail = -np.expm1(-2 * s)
    # Entropy: dp/ds = -p, dq/ds = -2 q.
    inner = _entropy(q) / tail
    rate = _entropy(p) + p * (1 + inner)
    inner_slope = -2 * q * (_entropy_slope(q) / tail + _entropy(q) / tail**2)
    rate_slope = -p * _entropy_slope(p) - p * (1 + inner) + p * inner_slope
    # Squared error: the bin of 0, and a geometric series of equal bins.
    series = q / tail
    bin_error = np.exp(s) * (s**2 - 2 * s + 2) - p * (s**2 + 2 * s + 2)
    error = 2 - p * (s**2 + 2 * s + 2) + series * bin_error
    error_slope = s**2 * p - 2 * q / tail**2 * bin_error + series * s**2 * (np.exp(s) + p)
    by_x = s * np.log(2)
    return rate, scale**2 * error, rate_slope * by_x, scale**2 * error_slope * by_x


def _entropy(p: Vector) -> Vector:
    """Return h(p) = -p log2 p - (1 - p) log2 (1 - p) for 0 < p < 1."""
    bits: Vector = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return bits


def _entropy_slope(p: Vector) -> Vector:
    slope: Vector = np.log2((1 - p) / p)
    return slope
