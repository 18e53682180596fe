"""The verdict on a point: its multipliers completed, its certificate, its status."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.derivatives.accuracy import derivative_error
from optlab.core.kkt import (
    Certificate,
    certificate,
    derived_bound_multipliers,
    fitted_multipliers,
    least_squares_multipliers,
)
from optlab.core.status import PointStatus

if TYPE_CHECKING:
    from optlab.core.control import Tolerances
    from optlab.core.kkt import Evaluable
    from optlab.typing import Vector

__all__ = ["CertifiedPoint", "certify", "infeasibility_stationarity", "point_status"]

UNBOUNDED_OBJECTIVE = -1e20
"""A feasible point whose objective is below this may be called unbounded, when the method proposes
it. The number is the "infinity" of the CUTEst and AMPL file formats."""

_INFEASIBLE_ROOT = 0.5
"""INFEASIBLE_STATIONARY asks for a relative stationarity of tol**0.5, as Percival.jl does
(docs/decisions): the violation itself keeps a gradient of its own size near such a point."""


@dataclass(frozen=True, slots=True)
class CertifiedPoint:
    """A point, its multipliers and what the checker says of them."""

    x: Vector
    f: float
    y: Vector
    z: Vector
    certificate: Certificate
    status: PointStatus


def certify(
    problem: Evaluable,
    x: Vector,
    f: float,
    multipliers: tuple[Vector | None, Vector | None],
    tolerances: Tolerances,
    *,
    unbounded: bool = False,
) -> CertifiedPoint:
    """Complete the multipliers, evaluate the certificate and classify the point.

    Missing y are least-squares multipliers. Of the method's z and the z that minimises the
    estimators for the same y (:func:`optlab.core.multipliers.bound_multipliers`) the one with the
    smaller E1 is kept: a method may carry multipliers of 1e-9 at distant bounds, which E0 punishes.

    Parameters
    ----------
    x
        (n,)
    f
        Objective at x.
    multipliers
        y and z as the method left them; None where it has none.
    unbounded
        Whether the method proposes UNBOUNDED_DIRECTION.
    """
    y, z = multipliers
    if not problem.has_gradient or (problem.m and not problem.has_jacobian):
        y = np.full(problem.m, np.nan) if y is None else y
        z = np.full(problem.n, np.nan) if z is None else z
        cert = certificate(problem, x, None, None)
    else:
        if y is None:
            y, z = least_squares_multipliers(problem, x)
        derived = derived_bound_multipliers(problem, x, y)
        cert = certificate(problem, x, y, derived)
        given = None if z is None else certificate(problem, x, y, z)
        if z is None or given is None or (cert.E1, cert.E0) <= (given.E1, given.E0):
            z = derived
        else:
            cert = given
    value = f if unbounded else None
    status = point_status(problem, x, cert, tolerances, unbounded_value=value)
    if cert.derivatives == "estimated":
        if status is PointStatus.STATIONARY:
            cert = replace(cert, derivative_error=derivative_error(problem, x, y))
            status = point_status(problem, x, cert, tolerances, unbounded_value=value)
        # Nothing is known of the derivative along a variable that cannot move.
        z = np.where(problem.lb == problem.ub, np.nan, z)
    return CertifiedPoint(x, f, y, z, cert, status)


def point_status(
    problem: Evaluable,
    x: Vector,
    cert: Certificate,
    tolerances: Tolerances,
    *,
    unbounded_value: float | None = None,
) -> PointStatus:
    """Classify a point by its certificate.

    STATIONARY iff primal <= ctol, dual / scale <= tol and complementarity / scale <= tol, where the
    error of estimated derivatives, as far as it is known, counts with both.
    INFEASIBLE_STATIONARY iff primal > ctol and the violation cannot be reduced to first order:
    :func:`infeasibility_stationarity` <= sqrt(tol).

    Parameters
    ----------
    unbounded_value
        Objective at x when the method proposes UNBOUNDED_DIRECTION, else None. The proposal is
        accepted at a feasible point with an objective below -1e20.
    """
    feasible = cert.primal <= tolerances.ctol
    if feasible and unbounded_value is not None and unbounded_value < UNBOUNDED_OBJECTIVE:
        return PointStatus.UNBOUNDED_DIRECTION
    if feasible:
        limit = tolerances.tol * cert.scale
        error = 0.0 if math.isnan(cert.derivative_error) else cert.derivative_error
        if max(cert.dual, cert.complementarity) + error <= limit:
            return PointStatus.STATIONARY
        return PointStatus.FEASIBLE
    if math.isfinite(cert.primal) and problem.has_jacobian and problem.m:
        slope = infeasibility_stationarity(problem, x)
        if slope <= tolerances.tol**_INFEASIBLE_ROOT:
            return PointStatus.INFEASIBLE_STATIONARY
    return PointStatus.UNKNOWN


_ROUNDING = 1e-10
"""Violation of a linear row, relative to 1 + |c|, that counts as none."""


def infeasibility_stationarity(problem: Evaluable, x: Vector) -> float:
    """Measure how far x is from a stationary point of the violation.

    With v = c - P[cl, cu](c) the violation of the rows and u = v / |v|, returns the max-norm of the
    projected gradient of |v| over the bounds and the satisfied linear rows,

        |P[lb, ub](x - J'u - A'w) - x|,   w = sign-feasible least-squares multipliers of these rows,

    which is relative to the size of the violation. 0 when no row is violated.

    Parameters
    ----------
    x
        (n,)
    """
    c = np.asarray(problem.constraints(x), dtype=np.float64)
    v = c - np.clip(c, problem.cl, problem.cu)
    size = float(np.linalg.norm(v))
    if size == 0.0:
        return 0.0
    J = problem.jacobian(x)
    d = np.asarray(J.T @ (v / size))
    # Rounding in a row that holds must not make it one of the violated ones.
    holds = np.abs(v) <= _ROUNDING * (1.0 + np.abs(c))
    kept = np.zeros(problem.m, dtype=bool) if problem.linear is None else problem.linear & holds
    if kept.any():
        d = d + J.T @ fitted_multipliers(problem, x, d, J, c, kept)[0]
    inside = np.clip(x, problem.lb, problem.ub)
    return _largest(np.abs(np.clip(inside - d, problem.lb, problem.ub) - inside))


def _largest(values: Vector) -> float:
    return float(values.max()) if values.size else 0.0
