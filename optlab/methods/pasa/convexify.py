"""Make the quadratic model convex on a face, by as little as possible.

The face matrix has the right inertia if and only if the model is strictly convex on the face. Where it
is not,

* small (dense) problems reflect the negative eigenvalues of the reduced Hessian M = Z'(W + J'J/D)Z,
  lambda -> max(|lambda|, delta): directions of negative curvature get a step of natural length, and
  curvature across a valley no longer shortens the step along it (the absolute-value Newton method of
  Greenstadt, Math. Comp. 21, 1967);
* others raise sigma in W + sigma I until the inertia is right, from a value remembered between calls
  (the rule of Wächter and Biegler, Math. Program. 106, 2006, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from optlab.linalg.low_rank import LowRank

if TYPE_CHECKING:
    from optlab.linalg.kkt_system import FaceFactor, KKTSystem
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.methods.pasa.model import QuadraticModel
    from optlab.methods.pasa.working_set import WorkingSet

__all__ = ["Convexifier"]

REFLECTION_SIZE = 200
"""Order up to which the reduced Hessian of a dense problem is decomposed: ten milliseconds at the limit,
paid only where the model is not convex. A sparse factorization is so much cheaper than an eigenvalue
decomposition that raising sigma a few times is the better bargain there (2026-11, medium.open: half the
time of the networks, same counts)."""

REFLECTION_ORDER = 1000
"""Rows of the dense face matrix up to which the reflected model is factorized."""

REFLECTION_FLOOR = 1e-8
"""delta, relative to the largest eigenvalue."""

FIRST_SHIFT = 3e-6
"""First sigma, in units of the curvature radii. Not a power of ten: sigma = 1 is Gershgorin's bound itself,
where the Hessian of a product x y becomes singular, which rounding may take for definite. Growing by tens
and fours from here never meets it."""

SHIFT_TRIES = 40

FASTEST_DUAL = 1e-7
"""Below this D the penalty block dominates M to rounding; the shift is used instead."""


@dataclass(slots=True)
class Convexifier:
    """Factorizes face matrices with the inertia of a convex model."""

    polyhedron: Polyhedron
    kkt: KKTSystem
    last_shift: float = 0.0
    """Shift that the last nonconvex model needed; the next search starts below it."""

    def factorize(
        self, model: QuadraticModel, held: WorkingSet
    ) -> tuple[FaceFactor | None, QuadraticModel]:
        """Return a factor with the right inertia and the model it belongs to.

        None when no shift is large enough, which means that W is not finite.
        """
        factor = self._factor(model, held)
        if factor.inertia_ok:
            return factor, model
        if self._may_reflect(model, held):
            reflected = self._reflect(model, held)
            if reflected is not None:
                factor = self._factor(reflected, held)
                if factor.inertia_ok:
                    return factor, reflected
        return self._shift(model, held)

    def as_it_is(
        self, model: QuadraticModel, held: WorkingSet
    ) -> tuple[FaceFactor | None, QuadraticModel]:
        """Return a factor of any inertia: for root finding next to a stationary point.

        A singular face (a flat direction) gets the smallest shift, a proximal term.
        """
        factor = self._factor(model, held)
        if sum(factor.inertia[:2]) and not factor.inertia.zero:
            return factor, model
        model = _with_first_shift(model)
        factor = self._factor(model, held)
        return (factor if sum(factor.inertia[:2]) else None), model

    def _factor(self, model: QuadraticModel, held: WorkingSet) -> FaceFactor:
        reflected = model.convexified > 0.0 and isinstance(model.hessian, np.ndarray)
        factorize = self.kkt.factorize_full if reflected else self.kkt.factorize
        return factorize(
            model.hessian,
            model.jacobian,
            model.dual_regularization,
            held.free,
            held.active_rows,
            sigma=model.shift * model.metric,
        )

    def _shift(
        self, model: QuadraticModel, held: WorkingSet
    ) -> tuple[FaceFactor | None, QuadraticModel]:
        """Raise sigma in W + sigma M, M = diag of the curvature radii, until the inertia is right."""
        if model.shift == 0.0:
            model = replace(model, metric=curvature_radii(model.hessian))
        largest = float(np.max(model.metric))
        growth = 4.0 if self.last_shift > 0.0 else 10.0
        shift = max(4.0 * model.shift, self.last_shift / 4.0, FIRST_SHIFT)
        for _ in range(SHIFT_TRIES):
            added = max(model.convexified, shift * largest)
            shifted = replace(model, shift=shift, convexified=added)
            factor = self._factor(shifted, held)
            if factor.inertia_ok:
                self.last_shift = shift
                return factor, shifted
            shift *= growth
        return None, model

    def _may_reflect(self, model: QuadraticModel, held: WorkingSet) -> bool:
        if not self.kkt.is_dense or isinstance(model.hessian, LowRank):
            return False
        if model.jacobian is not None and np.min(model.dual_regularization) < FASTEST_DUAL:
            return False
        order = self.kkt.n + self.kkt.mh + self.kkt.ml
        dimension = int(np.count_nonzero(held.free)) - int(np.count_nonzero(held.rows))
        return order <= REFLECTION_ORDER and dimension <= REFLECTION_SIZE

    def _reflect(self, model: QuadraticModel, held: WorkingSet) -> QuadraticModel | None:
        """Return the model with the negative eigenvalues of M reflected."""
        free = held.free
        hessian = _full(model.hessian)
        W = hessian[np.ix_(free, free)]
        if model.shift:
            W = W + np.diag(np.broadcast_to(model.shift * model.metric, free.shape)[free])
        if model.jacobian is not None:
            J = _full(model.jacobian)[:, free]
            W = W + (J.T / model.dual_regularization) @ J
        Z = self._null_space(held)
        M = W if Z is None else Z.T @ W @ Z
        if not M.size or not np.all(np.isfinite(M)):
            return None
        values, vectors = np.linalg.eigh(0.5 * (M + M.T))
        floor = REFLECTION_FLOOR * max(float(np.max(np.abs(values))), 1e-300)
        wanted = np.maximum(np.abs(values), floor)
        changed = wanted > values
        if not changed.any():
            return None
        basis = vectors[:, changed] if Z is None else Z @ vectors[:, changed]
        added = (basis * (wanted - values)[changed]) @ basis.T
        hessian = hessian.copy()
        hessian[np.ix_(free, free)] += added
        return replace(
            model, hessian=hessian, convexified=float(np.max((wanted - values)[changed]))
        )

    def _null_space(self, held: WorkingSet) -> Any:
        """Return an orthonormal basis of {d : A_F d = 0} on the free variables; None: all."""
        active = held.active_rows
        if self.polyhedron.A is None or not active.any():
            return None
        A = self.polyhedron.A
        return scipy.linalg.null_space(_full(A)[np.ix_(active, held.free)])


def _with_first_shift(model: QuadraticModel) -> QuadraticModel:
    """Add the first shift: it decides flat directions and hardly bends others."""
    shift = max(model.shift, FIRST_SHIFT)
    metric = model.metric if model.shift else curvature_radii(model.hessian)
    added = max(model.convexified, shift * float(np.max(metric)))
    return replace(model, shift=shift, metric=metric, convexified=added)


def _full(matrix: Any) -> Any:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


RADIUS_FLOOR = 1e-3
"""Smallest entry of M relative to its largest."""


def curvature_radii(hessian: Any) -> Any:
    """Return sum_j |W_ij|, (n,), not below RADIUS_FLOOR of the largest; 1 for a zero matrix.

    By Gershgorin's theorem W + sigma M is positive definite for sigma > 1 at the latest, and a variable
    whose curvature is small or measured in other units is shifted by as little as it needs.
    """
    radii: Any
    if isinstance(hessian, LowRank):
        radii = np.broadcast_to(np.abs(hessian.diagonal), (hessian.n,)).astype(np.float64)
    elif isinstance(hessian, np.ndarray):
        radii = np.abs(hessian).sum(axis=1)
    else:
        rows = np.repeat(np.arange(hessian.shape[0]), np.diff(hessian.indptr))
        weights = np.abs(hessian.data)
        radii = np.asarray(np.bincount(rows, weights, minlength=hessian.shape[0]))
    largest = float(np.max(radii, initial=0.0))
    return np.maximum(radii, RADIUS_FLOOR * largest) if largest > 0.0 else np.ones_like(radii)
