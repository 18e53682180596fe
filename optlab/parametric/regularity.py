"""Whether the KKT matrix of a face is regular, and which of its two conditions fails if not.

    K = [[W, J'], [J, 0]] is regular with the inertia of a strict minimizer if and only if
    the rows of J are independent (LICQ) and W is positive definite on their null space (second order)

K is equilibrated, K^ = S K S, and the two diagonal blocks of its inverse are measured by a few steps of the
power method, each one a solve with the factor that is there: the block of the variables is the inverse of the
reduced Hessian, Z (Z'WZ)^-1 Z', the block of the rows is large where rows are dependent. A system without
a solution, told by its residual, counts as an infinite inverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import row_max, scipy_module
from optlab.parametric.face import Face
from optlab.parametric.least_norm import LEAST_NORM_ORDER, SHIFT, LeastNormFactor, ShiftedFactor
from optlab.parametric.step import CONSISTENT

if TYPE_CHECKING:
    from optlab.linalg.kkt_face import AbstractFaceFactor
    from optlab.typing import Vector

__all__ = ["Regularity", "examined"]

SINGULAR = 1e10
"""Norm of a block of the inverse of the equilibrated matrix from which on it counts as singular: the
factorizations take pivots below 1e-10 for a sign of dependent rows."""

_STEPS = 2
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

    @property
    def ok(self) -> bool:
        """Whether the solution is differentiable once no constraint is weakly active."""
        return self.independent and self.second_order


def examined(face: Face) -> tuple[Face, Regularity]:
    """Measure the two blocks of the inverse.

    Returns
    -------
    Face
        The one given, or where it is singular one that solves in least norm.
    Regularity
    """
    K = face.matrix()
    scale = _equilibration(face, abs(K))
    curvature, rows = _inverse_norms(face.factor, scale, face)
    singular = curvature > SINGULAR
    independent = rows <= SINGULAR
    if singular and not independent:
        # A singular reduced Hessian makes the second number large, too: ask the rows alone.
        n = face.point.problem.n
        weight = scipy_module("sparse").diags_array(scale[:n] ** -2.0, format="csr")
        _, alone = _inverse_norms(face.refactored(weight), scale, face)
        independent = alone <= SINGULAR
    regularity = Regularity(
        independent=independent,
        second_order=face.factor.inertia_ok and not singular,
        singular=singular,
        inverse_norm=max(curvature, rows),
    )
    if singular or not independent:
        face = Face(face.point, face.active, _for_singular(face, K, scale))
    return face, regularity


def _for_singular(face: Face, K: Any, scale: Vector) -> AbstractFaceFactor:
    """Return what solves the singular system as well as it can be solved."""
    n = face.point.problem.n
    alive = np.concatenate((face.free, face.held))
    if scale.size <= LEAST_NORM_ORDER:
        return LeastNormFactor(K.toarray(), scale, alive, n)
    shift = scipy_module("sparse").diags_array(SHIFT * scale[:n] ** -2.0, format="csr")
    shifted = scipy_module("sparse").csr_array(face.point.W) + shift
    return ShiftedFactor(K, np.where(alive, scale, 1.0), face.refactored(shifted), n)


def _inverse_norms(
    factor: AbstractFaceFactor, scale: Vector, face: Face
) -> tuple[float, float]:
    """Estimate the norms of the blocks of variables and of rows."""
    n, m = face.point.problem.n, face.point.problem.m
    rng = np.random.default_rng(n + m)
    alive = np.concatenate((face.free, face.held))
    norms = []
    for block in (slice(0, n), slice(n, n + m)):
        v = np.zeros(n + m)
        v[block] = rng.standard_normal(v[block].size)
        v[~alive] = 0.0
        largest, length = 0.0, math.sqrt(v @ v)
        for _ in range(_STEPS):
            if length == 0.0 or largest > SINGULAR:
                break
            b = v / (length * scale)
            dx, _, dy = factor.solve(b[:n], None, b[n:])
            if factor.residual > CONSISTENT:
                largest = math.inf
                break
            w = np.concatenate((dx, dy)) / scale
            v = np.zeros(n + m)
            v[block] = w[block]
            length = math.sqrt(v @ v)
            largest = max(largest, length)
        norms.append(largest)
    return norms[0], norms[1]


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
