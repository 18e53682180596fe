"""Whether the KKT matrix of a face is regular, and which of its two conditions fails if not.

    K = [[W, J'], [J, 0]] is regular with the inertia of a strict minimizer if and only if
    the rows of J are independent (LICQ) and W is positive definite on their null space (second order)

K is equilibrated, K^ = S K S, and the norm of its inverse is estimated by a few steps of the power method, each
one a solve with the factor that is there. Where that is infinite, or the solves leave a residual, two more
measurements tell why: the block of the variables in the inverse is that of the reduced Hessian, Z (Z'WZ)^-1 Z',
and with a positive definite matrix in place of W only dependent rows are left.

A matrix that is singular at the exact solution is not quite so at the computed one (x**4 near 0). It gives itself
away by its *drift*: how much K changes, measured by itself, along the Newton step to the solution

    drift = |K^-1 (K(x + dx, y + dy) - K(x, y))|,    by the power method again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import row_max, scipy_module
from optlab.errors import EvaluationError
from optlab.parametric.face import Face
from optlab.parametric.least_norm import LEAST_NORM_ORDER, SHIFT, LeastNormFactor, ShiftedFactor
from optlab.parametric.perturbation import Change
from optlab.parametric.point import moved_by
from optlab.parametric.step import CONSISTENT

if TYPE_CHECKING:
    from optlab.linalg.kkt_face import AbstractFaceFactor
    from optlab.typing import Vector

__all__ = ["Regularity", "examined"]

SINGULAR = 1e10
"""Norm of a block of the inverse of the equilibrated matrix from which on it counts as singular: the
factorizations take pivots below 1e-10 for a sign of dependent rows."""

DRIFT = 0.1
"""Drift from which on derivatives are called inaccurate: they change by so much within the error of the point."""

_STEPS = 3
_PASSES = 4
_FLOOR = 1e-12
"""Rows of K whose entries are below this part of the largest are not scaled up: they are rounding errors
of a zero."""


@dataclass(frozen=True, slots=True)
class Regularity:
    """What the theorem on implicit functions needs, as far as arithmetic can tell."""

    independent: bool
    """The active rows and bounds have independent gradients (LICQ), so multipliers are unique."""

    second_order: bool
    """The Hessian of the Lagrangian is positive definite along the active constraints."""

    singular: bool
    """The reduced Hessian is singular: the solution is not isolated, or moves infinitely fast."""

    inverse_norm: float
    """Estimate of the norm of the inverse of the equilibrated KKT matrix, a lower bound."""

    drift: float
    """Relative change of the KKT matrix within the error of the point, where it is largest."""


def examined(face: Face) -> tuple[Face, Regularity]:
    """Measure the inverse and, where it is infinite, find out why.

    Returns
    -------
    Face
        The one given, or where it is singular one that solves in least norm.
    Regularity
    """
    K = face.matrix()
    scale = _equilibration(face, abs(K))
    n, everything = face.point.problem.n, slice(None)
    norm, weakest = _inverse_norm(face, face.factor, scale, everything)
    convex = face.factor.inertia_ok
    if norm <= SINGULAR:
        return face, Regularity(True, convex, False, norm, _drift(face, scale, weakest))
    curvature, _ = _inverse_norm(face, face.factor, scale, slice(0, n))
    weight = scipy_module("sparse").diags_array(scale[:n] ** -2.0, format="csr")
    rows, _ = _inverse_norm(face, face.refactored(weight), scale, everything)
    singular = curvature > SINGULAR
    # What is singular neither by its rows nor by its curvature is at the edge: the rows are blamed.
    independent = rows <= SINGULAR and singular
    solving = Face(face.point, face.active, _for_singular(face, K, scale))
    return solving, Regularity(independent, convex and not singular, singular, norm, 0.0)


def _for_singular(face: Face, K: Any, scale: Vector) -> AbstractFaceFactor:
    """Return what solves the singular system as well as it can be solved."""
    n = face.point.problem.n
    alive = np.concatenate((face.free, face.held))
    if scale.size <= LEAST_NORM_ORDER:
        return LeastNormFactor(K.toarray(), scale, alive, n)
    shift = scipy_module("sparse").diags_array(SHIFT * scale[:n] ** -2.0, format="csr")
    shifted = scipy_module("sparse").csr_array(face.point.W) + shift
    return ShiftedFactor(K, np.where(alive, scale, 1.0), face.refactored(shifted), n)


def _inverse_norm(
    face: Face, factor: AbstractFaceFactor, scale: Vector, block: slice
) -> tuple[float, Vector]:
    """Estimate the norm of a diagonal block of the inverse, and the direction in which it is largest."""
    n = face.point.problem.n
    rng = np.random.default_rng(scale.size)
    alive = np.concatenate((face.free, face.held))
    v = np.zeros(scale.size)
    v[block] = rng.standard_normal(v[block].size)
    v[~alive] = 0.0
    largest, length = 0.0, math.sqrt(v @ v)
    for _ in range(_STEPS):
        if length == 0.0 or largest > SINGULAR:
            break
        b = v / (length * scale)
        dx, _, dy = factor.solve(b[:n], None, b[n:])
        if factor.residual > CONSISTENT:
            return math.inf, v
        w = np.concatenate((dx, dy)) / scale
        v = np.zeros(scale.size)
        v[block] = w[block]
        length = math.sqrt(v @ v)
        largest = max(largest, length)
    return largest, v


def _drift(face: Face, scale: Vector, weakest: Vector) -> float:
    """Return the drift of the module's docstring; inf where there is no derivative at the Newton point."""
    point, n = face.point, face.point.problem.n
    step = face.forward(_errors(face))
    size = math.sqrt(weakest @ weakest)
    if size == 0.0 or not (step.x.any() or step.y.any()):
        return 0.0
    try:
        moved = moved_by(point, step.x, step.y)
    except EvaluationError:
        return math.inf
    J, W = moved.J, moved.W
    v, ratio = weakest / size, 0.0
    for _ in range(_STEPS):
        u = scale * v
        change_x = (W @ u[:n] - point.W @ u[:n]) + (J.T @ u[n:] - point.J.T @ u[n:])
        dx, _, dy = face.factor.solve(change_x, None, J @ u[:n] - point.J @ u[:n])
        w = np.concatenate((dx, dy)) / scale
        length = math.sqrt(w @ w)
        if length == 0.0:
            break
        v, ratio = w / length, max(ratio, length)
    return ratio


def _errors(face: Face) -> Change:
    """State the residuals of the KKT conditions as a change of the data, which the Newton step undoes."""
    point, problem = face.point, face.point.problem
    zero = np.zeros(problem.m)
    sides = np.where(face.active.rows < 0.0, problem.cl, problem.cu)
    return Change(
        # Multipliers of inactive sides are zero at the solution; those of active bounds follow the rest.
        gradient=point.g + point.J.T @ np.where(face.held, point.y, 0.0),
        constraints=np.where(face.held, point.c - np.where(face.held, sides, 0.0), 0.0),
        objective=0.0,
        lb=np.where(face.active.bounds < 0.0, problem.lb - point.x, 0.0),
        ub=np.where(face.active.bounds > 0.0, problem.ub - point.x, 0.0),
        cl=zero,
        cu=zero,
    )


def _equilibration(face: Face, K: Any) -> Vector:
    """Return the diagonal of S, (n + m,), for the matrix |K| with zeros off the face ([Ruiz01])."""
    sparse = scipy_module("sparse")
    n = face.point.problem.n
    largest = row_max(K)
    scale = np.where(largest > 0.0, 1.0 / np.where(largest > 0.0, largest, 1.0), 1.0)
    # Rows may have any unit; the variables start from theirs, so that rounding errors show.
    scale[:n] = 1.0
    floor = -1.0
    for _ in range(_PASSES):
        by = sparse.diags_array(scale)
        largest = row_max(by @ K @ by)
        floor = _FLOOR * float(largest.max(initial=0.0)) if floor < 0.0 else floor
        root = np.sqrt(np.where(largest > floor, largest, 1.0))
        scale /= root
    return scale
