"""PASA's two phases on a :class:`PolyhedralObjective`: gradient projection and the face phase.

    minimize phi(x)   subject to   x in Omega = { lo <= x <= hi,  bl <= A x <= bu }

Phase one projects a Barzilai-Borwein step of the gradient on Omega and searches the segment; it
releases any number of constraints at once but converges slowly. Phase two minimises a second-order
model on the current face (:mod:`optlab.methods.pasa.face`) and searches along the step, bent by a
second-order correction where the objective has a penalty block. The face phase is the rule; gradient
projection starts a run without curvature information and repairs a face phase that made no progress.

References
----------
.. [PASA16] W. W. Hager and H. Zhang, "An active set algorithm for nonlinear optimization with
   polyhedral constraints", Science China Mathematics 59 (2016).
.. [HZ06] W. W. Hager and H. Zhang, "A new active set algorithm for box constrained optimization",
   SIAM J. Optim. 17 (2006).
.. [ZH04] H. Zhang and W. W. Hager, "A nonmonotone line search technique and its application to
   unconstrained optimization", SIAM J. Optim. 14 (2004).
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.errors import EvaluationError
from optlab.linalg.polyhedron import EmptyPolyhedronError
from optlab.linesearch import LineSearchOptions, Reference, approximate_wolfe
from optlab.methods.pasa.iterate import KernelState, Phase, multiplier_error
from optlab.methods.pasa.objective import guarded_value
from optlab.methods.pasa.working_set import WorkingSet, active_at

if TYPE_CHECKING:
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.linalg.projection import Projector
    from optlab.methods.pasa.face import FaceSolver, FaceStep
    from optlab.methods.pasa.krylov_face import KrylovFaceSolver
    from optlab.methods.pasa.model import QuadraticModel
    from optlab.methods.pasa.objective import PolyhedralObjective
    from optlab.typing import Vector

__all__ = ["FAILED", "Kernel", "feasible"]


UNBOUNDED_VALUE = -1e20
"""An objective below this along feasible points is taken as unbounded (the field's usual 1e20)."""
LONGEST_MODEL_STEP = 1e3
"""Longest step, relative to 1 + |x|, for which a quadratic model is believed (max-norm): a nearly flat
model would throw the iterate out of the region where anything is known. The search may go further."""
RADIUS_GROWTH = 3.0
"""How much longer than a step that was cut the next one may be (2026-11, 132 CUTEst problems: 4 % fewer
evaluations and CPU time; 2 and 4 save less, 10 nothing)."""
ROW_TOLERANCE = 1e-11
"""Violation of a row, relative to |a_i| (1 + |x|), above which an iterate is projected again."""

LONGEST_STEP = 1e25
"""Cap of the line search's expansion: far enough to tell an unbounded objective."""

BLIND_STEPS = 20
"""Iterations in a row that may do without second derivatives where they cannot be evaluated: they may be
infinite on a boundary, and a few gradient steps lead away from it."""

FAILED = (EvaluationError, EmptyPolyhedronError)
"""What a trial point may raise: from far away the projection cannot tell a feasible set from an empty one."""


def feasible(x: Vector, polyhedron: Polyhedron, projector: Projector) -> Vector:
    """Clip ``x`` to its bounds; project it if a row is then violated by more than rounding."""
    poly = polyhedron
    clipped = np.clip(x, poly.lo, poly.hi)
    if poly.bl.size == 0:
        return clipped
    rows = poly.rows_times(clipped)
    size = 1.0 + float(np.max(np.abs(clipped), initial=0.0))
    tol = ROW_TOLERANCE * poly.row_norms * size
    if np.all(rows >= poly.bl - tol) and np.all(rows <= poly.bu + tol):
        return clipped
    return projector.project(x).x


@dataclass(slots=True)
class Kernel:
    """PASA on one objective; ``step`` is the algorithm, the caller owns the loop."""

    objective: PolyhedralObjective
    polyhedron: Polyhedron
    projector: Projector
    faces: FaceSolver | KrylovFaceSolver
    line_search: LineSearchOptions

    # -- start -------------------------------------------------------------------------------

    def start(self, x0: Vector, mu: Vector | None = None) -> KernelState:
        """Project ``x0`` on the polyhedron and evaluate there; errors at the start propagate."""
        x = self.feasible(x0)
        if mu is None:
            mu = np.zeros(self.polyhedron.bl.size)
        return self._state(x, mu, Phase.START)

    def feasible(self, x: Vector) -> Vector:
        """Return ``x`` when it is in the polyhedron to rounding, else its projection."""
        return feasible(x, self.polyhedron, self.projector)

    # -- one iteration -----------------------------------------------------------------------

    def step(self, state: KernelState) -> KernelState:
        """Take one iteration: a face step, or a gradient projection step where that fails.

        Raises
        ------
        EvaluationError
            When second derivatives could not be evaluated ``BLIND_STEPS`` times in a row.
        """
        moved = None
        try:
            model = self.objective.model(state.x)
        except EvaluationError:
            if state.blind >= BLIND_STEPS:
                raise
            state = replace(state, blind=state.blind + 1)
        else:
            state = replace(state, blind=0)
            with suppress(*FAILED):
                moved = self._face_step(state, model)
        moved = moved or self._gradient_projection_step(state)
        if moved is None:
            with suppress(EmptyPolyhedronError):
                moved = self._same_point(state, self._projection_multipliers(state))
        return moved or replace(state, phase=Phase.BLOCKED, step_norm=0.0)

    def _face_step(self, state: KernelState, model: QuadraticModel) -> KernelState | None:
        held = state.held
        if state.phase is Phase.START or not state.row_multipliers.size:
            held = self._binding(state)
        found = self.faces.minimize(model, state.x, held, state.row_multipliers)
        s = found.step
        size = float(np.max(np.abs(s), initial=0.0))
        longest = LONGEST_MODEL_STEP * (1.0 + float(np.max(np.abs(state.x), initial=0.0)))
        longest = min(longest, state.radius)
        if size > longest:
            s = s * (longest / size)
        slope = float(state.gradient @ s)
        if math.isfinite(slope) and size > 0.0 and slope < 0.0:
            after = self._search(state, s, slope, found)
            if after is not None:
                return after
        return self._same_point(state, found.row_multipliers)

    def _projection_multipliers(self, state: KernelState) -> Vector:
        """Return mu(x, alpha), the multipliers of the projection of x - alpha g, divided by alpha.

        Where more constraints are active than there are variables the multipliers of a face need not
        have the right signs; those of a projection do.
        """
        if not state.row_multipliers.size:
            return state.row_multipliers
        alpha = 1.0 / max(1.0, float(np.max(np.abs(state.gradient), initial=0.0)))
        projection = self.projector.project(state.x - alpha * state.gradient)
        return np.asarray(projection.row_multipliers / alpha)

    def _same_point(self, state: KernelState, mu: Vector) -> KernelState | None:
        """Keep x, take the multipliers of the face if they explain the gradient better.

        At a vertex the model has no step to offer, but its multipliers are what was missing.
        """
        if not np.all(np.isfinite(mu)):
            return None
        there = self._state(state.x, mu, Phase.FACE)
        if there.error >= 0.99 * state.error:
            return None
        return replace(there, step_norm=0.0, reference=state.reference)

    def _binding(self, state: KernelState) -> WorkingSet:
        """Hold the active constraints whose present multiplier has the right sign."""
        held = state.held
        side, t = held.bounds, state.reduced
        bounds = ((side == -1) & (t < 0.0)) | ((side == 1) & (t > 0.0))
        rows, mu = held.rows, state.row_multipliers
        loose = ((rows == -1) & (mu > 0.0)) | ((rows == 1) & (mu < 0.0))
        return held.without(bounds, loose)

    def _search(
        self, state: KernelState, s: Vector, slope: float, found: FaceStep
    ) -> KernelState | None:
        """Search along s; when the unit step is too long or too short, along the arc that follows h."""
        x = state.x
        a_max = self._largest_step(x, s)
        bend: Vector | None = None
        points: dict[float, Vector] = {}

        def point(a: float) -> Vector:
            if a not in points:
                y = x + a * s
                if bend is not None:
                    y += (a * a) * bend
                points[a] = self._tidy(y)
            return points[a]

        def value(a: float) -> float:
            try:
                return guarded_value(self.objective, point(a))
            except FAILED:
                return math.inf

        def slope_at(a: float) -> float:
            try:
                return float(self.objective.gradient(point(a)) @ s)
            except FAILED:
                return 0.0

        trials = 0
        unit = value(1.0)
        short = unit > state.value + self.line_search.decrease * slope
        # Negative curvature wants more than the unit step; a curved h = 0 would not let it.
        far = not short and a_max > 1.0 and slope_at(1.0) < self.line_search.curvature * slope
        if short or far:
            bend = self._second_order_correction(x, s, found)
            if bend is not None:
                trials += 1
                straight = points.pop(1.0)
                if value(1.0) > unit:
                    bend, points[1.0] = None, straight
        result = approximate_wolfe(
            value,
            slope_at,
            (state.value, slope),
            max(a_max, 1.0),
            self.line_search,
            reference=None if state.reference is None else state.reference.level,
        )
        if not result.found:
            return None
        x_new = point(result.size)
        mu = state.row_multipliers + result.size * (
            found.row_multipliers - state.row_multipliers
        )
        if result.size > 1.0:
            mu = found.row_multipliers
        nu = found.block_multipliers if result.size == 1.0 else None
        moved = float(np.max(np.abs(x_new - x), initial=0.0))
        whole = result.size >= 1.0 and s is found.step
        return self._advance(
            state,
            x_new,
            mu,
            phase=Phase.FACE,
            radius=math.inf if whole else RADIUS_GROWTH * moved,
            sigma=found.sigma,
            block_multipliers=nu,
            evaluations=trials + result.trials,
        )

    def _largest_step(self, x: Vector, s: Vector) -> float:
        """Return the largest feasible multiple of s, at least 1 and at most LONGEST_STEP."""
        poly = self.polyhedron
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t = np.where(s < 0.0, poly.lo - x, poly.hi - x) / s
            t[np.isnan(t) | (s == 0.0)] = np.inf
            largest = float(t.min(initial=LONGEST_STEP))
            if poly.bl.size:
                rows, change = poly.rows_times(x), poly.rows_times(s)
                quiet = np.abs(change) <= 1e-13 * poly.row_norms * np.max(np.abs(s))
                t = np.where(change < 0.0, poly.bl - rows, poly.bu - rows) / change
                t[np.isnan(t) | quiet] = np.inf
                largest = min(largest, float(t.min(initial=LONGEST_STEP)))
        return max(largest, 1.0)

    def _second_order_correction(self, x: Vector, s: Vector, found: FaceStep) -> Vector | None:
        """Solve for the bend e that keeps h(x + s + e) at its linear prediction h + J s.

        One more solve with the factor of the face: K (e, dnu, dmu) = (0, -defect, 0).
        """
        try:
            defect = self.objective.curvature_defect(x, s)
        except EvaluationError:
            return None
        if defect is None or found.factor is None:
            return None
        zero_rows = np.zeros(found.row_multipliers.size)
        bend, _, _ = found.factor.solve(np.zeros(x.size), -defect, zero_rows)
        if not np.all(np.isfinite(bend)) or np.linalg.norm(bend) > np.linalg.norm(s):
            return None
        return np.asarray(bend)

    # -- gradient projection -----------------------------------------------------------------

    def _gradient_projection_step(self, state: KernelState) -> KernelState | None:
        """Project a scaled gradient step and backtrack on the segment (phase one of [PASA16])."""
        x, g = state.x, state.gradient
        size = float(np.max(np.abs(g), initial=0.0))
        if size == 0.0:
            return None
        alpha = max(1.0, float(np.max(np.abs(x), initial=0.0))) / size
        for _ in range(30):
            try:
                projection = self.projector.project(x - alpha * g)
                d = projection.x - x
                trial = self._tidy(x + d)
            except FAILED:
                alpha *= 0.1
                continue
            slope = float(g @ d)
            if slope >= -1e-16 * abs(state.value) and alpha * size < 1e-14:
                return None
            value = guarded_value(self.objective, trial)
            if slope < 0.0 and value <= state.value + self.line_search.decrease * slope:
                mu = projection.row_multipliers / alpha
                return self._advance(state, trial, mu, phase=Phase.GRADIENT_PROJECTION)
            alpha *= 0.1
        return None

    # -- bookkeeping -------------------------------------------------------------------------

    def _tidy(self, x: Vector) -> Vector:
        """Remove the rounding of ``x + s``: an iterate is never outside the polyhedron."""
        return self.objective.polish(self.feasible(x))

    def _advance(
        self, state: KernelState, x_new: Vector, mu: Vector, **more: Any
    ) -> KernelState:
        self.objective.accept(state.x, x_new)
        step_norm = float(np.max(np.abs(x_new - state.x), initial=0.0))
        new = self._state(x_new, mu, more.pop("phase"))
        reference = (state.reference or Reference.at(state.value)).after(new.value)
        return replace(new, step_norm=step_norm, reference=reference, blind=state.blind, **more)

    def _state(self, x: Vector, mu: Vector, phase: Phase) -> KernelState:
        poly = self.polyhedron
        value = self.objective.value(x)
        gradient = self.objective.gradient(x)
        rows = poly.rows_times(x)
        held = active_at(x, rows, poly)
        mu = np.where(held.rows != 0, mu, 0.0)
        mu = np.where(
            ((held.rows == -1) & (mu > 0.0)) | ((held.rows == 1) & (mu < 0.0)), 0.0, mu
        )
        reduced = gradient + poly.transpose_times(mu) if mu.size else gradient
        return KernelState(
            x=x,
            value=value,
            gradient=gradient,
            held=held,
            row_multipliers=mu,
            reduced=reduced,
            error=multiplier_error(x, reduced, mu, rows, poly),
            phase=phase,
            unbounded=value < UNBOUNDED_VALUE,
        )
