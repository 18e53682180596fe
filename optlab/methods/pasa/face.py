"""Minimise the quadratic model over the polyhedron by an active-set method with many changes a step.

From the working set of the last face the model is minimised on that face by one symmetric
indefinite factorization. If the minimiser leaves the polyhedron, the better (by model value) of

* the step truncated at the first constraints met, and
* (bounds alone) the projection of the whole step onto them,

is taken and the constraints met are added, all at once; at a face minimiser inside the polyhedron
the constraints with multipliers of the wrong sign are released, each at most once between two
decreases. The model value
falls at every change, so the accumulated step is a descent direction of the objective, and it costs
no evaluation of the objective at all.

This replaces the one-constraint-at-a-time face phase of PASA; compare ``pasa_cgexpand`` of the
authors' later version and the projected searches of Moré and Toraldo (SIAM J. Optim. 1, 1991).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.methods.pasa.interior import MAX_STEPS, REDUCTIONS, CentralPath
from optlab.methods.pasa.working_set import (
    WorkingSet,
    active_at,
    step_to_boundary,
    violated_at,
)

if TYPE_CHECKING:
    from optlab.linalg.kkt_system import FaceFactor
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.methods.pasa.convexify import Convexifier
    from optlab.methods.pasa.interior import CentralPoint
    from optlab.methods.pasa.model import QuadraticModel
    from optlab.methods.pasa.working_set import Blocking
    from optlab.typing import Vector

__all__ = ["Curved", "Effort", "FaceSolver", "FaceStep"]

HELD_TOLERANCE = 1e-9
"""Gap of a held row, relative to |a_i| (1 + |x|), that one solve with refinement may leave."""

FAR = 0.05
"""Where factorizations are dear: part of the inequalities that may be violated or have wrong signs; with
more, the central path is the shorter way."""

HOPELESS = 5
"""Factorizations without clearly fewer violations and wrong signs after which the primal-dual method is left."""

FEWER = 0.8
"""What is clearly fewer: where it converges their number falls by much at every change."""

MANY = 40
"""Inequalities from which on an interior-point method comes before the primal active-set method."""

PRIMAL_DUAL_CHANGES = 20
"""Factorizations of the primal-dual method before the primal one takes over: where it converges it
mostly does within ten."""


class Curved(enum.Enum):
    """What is done about a model that is not convex on a face."""

    MADE_CONVEX = "made convex"
    TAKEN = "taken as it is"
    """The result is a stationary point of the model, of any kind."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the primal-dual method may go on, and with which models."""

    changes: int = PRIMAL_DUAL_CHANGES
    """Factorizations."""

    far: float = np.inf
    """Constraints that may be wrong on one face."""

    curvature: Curved = Curved.MADE_CONVEX


USUAL = Effort()


@dataclass(frozen=True, slots=True)
class FaceStep:
    """Result of :meth:`FaceSolver.minimize`."""

    step: Vector
    """(n,) s with x + s in the polyhedron."""

    block_multipliers: Vector
    """(mh,) nu."""

    row_multipliers: Vector
    """(ml,) multipliers of the rows of A; > 0 at an upper side, < 0 at a lower one."""

    working_set: WorkingSet
    sigma: float
    """Largest curvature added to W for the right inertia; 0: W itself is convex on the face."""

    factor: FaceFactor | None
    """Factorization of the last face, None when no usable one was found."""

    solved: bool
    """Whether the step reached the minimiser of the model on its last face."""

    changes: int
    """Factorizations beyond the first: how often the face changed."""


@dataclass(slots=True)
class _Iterate:
    """Where the model minimisation stands; private to one call."""

    s: Vector
    nu: Vector
    mu: Vector
    held: WorkingSet


@dataclass(slots=True)
class FaceSolver:
    """Model minimiser over one polyhedron; keeps the symbolic factorization and the shift."""

    polyhedron: Polyhedron
    convexifier: Convexifier
    max_changes: int

    def minimize(
        self, model: QuadraticModel, x: Vector, held: WorkingSet, mu: Vector
    ) -> FaceStep:
        """Minimise ``model`` over ``{s : x + s in polyhedron}``: primal-dual first, then primal.

        The primal-dual active-set method changes any number of constraints at a time and usually
        ends within a few factorizations, but may cycle; the primal one cannot.

        Parameters
        ----------
        model
            Quadratic model at ``x``.
        x
            Feasible point, shape (n,).
        held
            Working set to start from; every constraint in it is active at ``x``.
        mu
            Start for the row multipliers, shape (ml,).
        """
        inequalities = self._inequalities()
        many, kkt = inequalities > MANY, self.convexifier.kkt
        dear = many and kkt.is_heavy(model.hessian, model.jacobian)
        found = None
        if not dear or mu.any():
            # Where factorizations are dear, and nothing is known of the face, the path comes first.
            effort = Effort(far=FAR * inequalities if dear else np.inf)
            found = self.primal_dual(model, x, held, mu, effort)
        if found is None and many:
            found = self._interior(model, x, dear=dear)
        if found is not None and self._descends(model, found):
            return found
        return self._primal(model, x, held, mu)

    @staticmethod
    def _descends(model: QuadraticModel, found: FaceStep) -> bool:
        """Refuse a minimiser that is higher than the start: convex on its last face only, a model has such."""
        return model.slope(found.step) < 0.0 or not found.step.any()

    def _inequalities(self) -> int:
        """Count the bounds and rows that may be active or not."""
        poly = self.polyhedron
        bounds = (np.isfinite(poly.lo) | np.isfinite(poly.hi)) & (poly.lo < poly.hi)
        rows = (np.isfinite(poly.bl) | np.isfinite(poly.bu)) & (poly.bl < poly.bu)
        return int(np.count_nonzero(bounds) + np.count_nonzero(rows))

    def _interior(self, model: QuadraticModel, x: Vector, *, dear: bool) -> FaceStep | None:
        """Follow the central path of a convex model, then finish on the face where it ends.

        Whether it is convex is asked first, unless that factorization is dear: the path looks at the
        inertia of its own.
        """
        poly = self.polyhedron
        if not dear:
            always = active_at(x, poly.rows_times(x), poly)
            always = always.without(always.bounds != 2, always.rows != 2)
            factor, convex = self.convexifier.factorize(model, always)
            if factor is None or convex.convexified > model.convexified:
                return None
            model = convex
        path = CentralPath(model, x, poly, self.convexifier.kkt)
        point: CentralPoint | None = None
        for reduction in REDUCTIONS:
            point = path.follow(reduction)
            if point is None:
                break
            found = self.primal_dual(model, x, point.held, point.row_multipliers)
            if found is not None and self._descends(model, found):
                return found
        if point is None:
            return None
        step = np.clip(x + point.step, poly.lo, poly.hi) - x
        nu, mu = point.block_multipliers, point.row_multipliers
        return FaceStep(step, nu, mu, point.held, model.convexified, None, True, MAX_STEPS)

    def primal_dual(
        self,
        model: QuadraticModel,
        x: Vector,
        held: WorkingSet,
        mu: Vector,
        effort: Effort = USUAL,
    ) -> FaceStep | None:
        """Semismooth Newton on the model's optimality conditions (Hintermueller, Ito, Kunisch 2002).

        Hold what is violated and what has a multiplier of the right sign; solve; repeat until
        nothing changes. None when a working set comes back, when the number of wrong constraints has
        not fallen for some time, or when the effort is spent.
        """
        poly = self.polyhedron
        at = _Iterate(np.zeros(x.size), np.zeros(model.residual.size), mu.copy(), held)
        at.mu[held.rows == 0] = 0.0
        seen: set[bytes] = set()
        convexifier = self.convexifier
        factorize = {
            Curved.MADE_CONVEX: convexifier.factorize,
            Curved.TAKEN: convexifier.as_it_is,
        }[effort.curvature]
        fewest, since = held.bounds.size + held.rows.size + 1, 0
        for changes in range(effort.changes):
            key = at.held.bounds.tobytes() + at.held.rows.tobytes()
            if key in seen:
                return None
            seen.add(key)
            factor, model = factorize(model, at.held)
            if factor is None:
                return None
            _pin(at.s, x, at.held, poly)
            d, dnu, dmu = self._newton(model, factor, x, at)
            at.s = at.s + d
            at.nu = at.nu + dnu
            at.mu = at.mu + dmu
            if not np.all(np.isfinite(at.s)):
                return None
            if not self._holds(x + at.s, at.held):
                return None
            wrong_bounds, wrong_rows = self._wrong_signs(model, at)
            y = x + at.s
            outside = violated_at(y, poly.rows_times(y), at.held, poly)
            if not (wrong_bounds.any() or wrong_rows.any() or outside.size()):
                return FaceStep(
                    at.s, at.nu, at.mu, at.held, model.convexified, factor, True, changes
                )
            released = np.count_nonzero(wrong_bounds) + np.count_nonzero(wrong_rows)
            wrong = int(released) + outside.size()
            fewest, since = (wrong, 0) if wrong < FEWER * fewest else (fewest, since + 1)
            if since >= HOPELESS or wrong > effort.far:
                return None
            at.held = at.held.without(wrong_bounds, wrong_rows).with_added(outside)
            at.mu[at.held.rows == 0] = 0.0
        return None

    def _holds(self, y: Vector, held: WorkingSet) -> bool:
        """Whether the held rows are met: rows and bounds held together may contradict each other."""
        if not held.rows.any():
            return True
        poly = self.polyhedron
        values = poly.rows_times(y)
        gap = np.where(held.rows > 0, values - poly.bu, values - poly.bl)[held.active_rows]
        size = 1.0 + float(np.max(np.abs(y), initial=0.0))
        return bool(
            np.all(np.abs(gap) <= HELD_TOLERANCE * size * poly.row_norms[held.active_rows])
        )

    def _primal(
        self, model: QuadraticModel, x: Vector, held: WorkingSet, mu: Vector
    ) -> FaceStep:
        """Feasible active-set method from s = 0; the model value falls at every change."""
        poly = self.polyhedron
        mh = model.residual.size
        at = _Iterate(np.zeros(x.size), np.zeros(mh), np.where(held.rows != 0, mu, 0.0), held)
        released_bounds = np.zeros(x.size, dtype=bool)
        released_rows = np.zeros(mu.size, dtype=bool)
        factor, solved, lowest = None, False, np.inf
        changes = 0
        for changes in range(self.max_changes + 1):  # noqa: B007 - counted for the report
            factor, model = self.convexifier.factorize(model, at.held)
            if factor is None:
                break
            d, dnu, dmu = self._newton(model, factor, x, at)
            if not np.all(np.isfinite(d)):
                factor = None
                break
            y = x + at.s
            rows = (poly.rows_times(y), poly.rows_times(d))
            blocking = step_to_boundary(y, d, rows, at.held, poly)
            if blocking.size <= 1.0:
                self._bend(model, x, at, (d, dnu, dmu), blocking)
                continue
            at.s = at.s + d
            at.nu = at.nu + dnu
            at.mu = at.mu + dmu
            value = model.value(at.s)
            if value < lowest - 1e-14 * abs(value):
                # A lower minimiser cannot come back, so nothing that was released can cycle.
                lowest = value
                released_bounds[:] = False
                released_rows[:] = False
            wrong_bounds, wrong_rows = self._wrong_signs(model, at)
            solved = not (wrong_bounds.any() or wrong_rows.any())
            wrong_bounds &= ~released_bounds
            wrong_rows &= ~released_rows
            if solved or not (wrong_bounds.any() or wrong_rows.any()):
                break
            released_bounds |= wrong_bounds
            released_rows |= wrong_rows
            at.held = at.held.without(wrong_bounds, wrong_rows)
            at.mu = np.where(wrong_rows, 0.0, at.mu)
        return FaceStep(at.s, at.nu, at.mu, at.held, model.convexified, factor, solved, changes)

    def _newton(
        self, model: QuadraticModel, factor: FaceFactor, x: Vector, at: _Iterate
    ) -> tuple[Vector, Vector, Vector]:
        """Solve for the change of (s, nu, mu) that minimises the model on the face."""
        poly = self.polyhedron
        r = model.partial_gradient(at.s, at.nu)
        if at.mu.size:
            r = r + poly.transpose_times(at.mu)
            target = np.where(at.held.rows > 0, poly.bu, poly.bl)
            gap = np.where(at.held.active_rows, target - poly.rows_times(x + at.s), 0.0)
        else:
            gap = at.mu
        return factor.solve(-r, -model.penalty_residual(at.s, at.nu), gap)

    def _bend(
        self,
        model: QuadraticModel,
        x: Vector,
        at: _Iterate,
        change: tuple[Vector, Vector, Vector],
        blocking: Blocking,
    ) -> None:
        """Take the truncated step or, with bounds alone, the clipped one if its model value is lower."""
        d, dnu, dmu = change
        t = blocking.size
        poly = self.polyhedron
        truncated = at.s + t * d
        _pin(truncated, x, blocking.first, poly)
        if not at.mu.size and blocking.count > blocking.first.size():
            # With bounds alone the projection of the whole step is a clip. (With rows it was tried,
            # 2026-11: dozens of factorizations for a point that is rarely lower.)
            bent = np.clip(x + at.s + d, poly.lo, poly.hi) - x
            if model.value(bent) < model.value(truncated):
                at.s = bent
                at.nu = at.nu + dnu
                at.held = at.held.with_added(blocking.beyond)
                return
        at.s = truncated
        at.nu = at.nu + t * dnu
        at.mu = at.mu + t * dmu
        at.held = at.held.with_added(blocking.first)

    def _wrong_signs(
        self, model: QuadraticModel, at: _Iterate
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mark held inequality constraints whose multiplier says that leaving pays."""
        r = model.partial_gradient(at.s, at.nu)
        if at.mu.size:
            r = r + self.polyhedron.transpose_times(at.mu)
        tol = 1e-12 * (1.0 + float(np.max(np.abs(r), initial=0.0)))
        side = at.held.bounds
        wrong_bounds = ((side == -1) & (r < -tol)) | ((side == 1) & (r > tol))
        rows = at.held.rows
        tol_rows = 1e-12 * (1.0 + float(np.max(np.abs(at.mu), initial=0.0)))
        wrong_rows = ((rows == -1) & (at.mu > tol_rows)) | ((rows == 1) & (at.mu < -tol_rows))
        return wrong_bounds, wrong_rows


def _pin(s: Vector, x: Vector, held: WorkingSet, poly: Polyhedron) -> None:
    """Put every held variable exactly on its bound."""
    side = held.bounds
    s[side < 0] = (poly.lo - x)[side < 0]
    s[side > 0] = (poly.hi - x)[side > 0]
