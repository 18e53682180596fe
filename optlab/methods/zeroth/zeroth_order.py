"""Descent on gradients that are estimated from values of the objective: one engine for all rules and estimators.

A step asks for the displaced points of an estimate (:mod:`optlab.methods.zeroth.estimators`), and, where the rate is
searched, for the objective at a few lengths of the step. What the estimates are good for is measured, not believed:
every one has a standard error, and the run ends as CONVERGED only when the norm of the estimated gradient plus two
standard errors was at most ``tol`` several times in a row. That says that the gradient of the *smoothed* objective is
small; the point is never called stationary.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optlab.core.asktell import AbstractAskTell, Query
from optlab.methods.zeroth.descent import AbstractDescent, Turned
from optlab.methods.zeroth.estimators.base import AbstractEstimator, Box
from optlab.methods.zeroth.schedules import AbstractSchedule
from optlab.methods.zeroth.sight import Sight
from optlab.methods.zeroth.state import Phase, Scene, State

if TYPE_CHECKING:
    import numpy as np

    from optlab.core.method import WarmStart
    from optlab.core.oracle import Oracle
    from optlab.methods.zeroth.estimators.base import Plan
    from optlab.typing import Indices, Vector

__all__ = ["AbstractZerothOrder"]


@dataclass(frozen=True, kw_only=True)
class AbstractZerothOrder(AbstractDescent, AbstractAskTell[State]):
    """Estimator, rule, rate and projection."""

    estimator: AbstractEstimator | None = None
    """How gradients are estimated; None: the method's choice for the number of variables."""

    smoothing_schedule: AbstractSchedule | None = None
    """Factors on the estimator's smoothing; None: none."""

    @abstractmethod
    def suited(self, scene: Scene) -> AbstractEstimator:
        """Return the estimator for a scene where none is given."""

    def chosen(self, scene: Scene) -> AbstractEstimator:
        """Return the estimator that was given, or the one for the scene."""
        return self.suited(scene) if self.estimator is None else self.estimator

    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,
    ) -> State:
        """Project the start; evaluates nothing."""
        state = super().init(oracle, x0, rng, warm=warm)
        if getattr(self.chosen(state.scene), "noise_is_wanted", False):
            return replace(state, phase=Phase.NOISE)
        return state

    # The two halves of a step -----------------------------------------------------------------------

    def ask(self, state: State) -> Query:
        """Say where values are wanted next: for an estimate, or for a search."""
        return self._turn(state).query

    def tell(self, state: State, query: Query, values: Vector) -> State:  # noqa: ARG002
        """Take in the values."""
        return self._turn(state).absorb(values)

    def step(self, oracle: Oracle, state: State) -> State:
        """Ask and tell until a step is done."""
        k = state.k
        while state.k == k:
            # Not ask and tell: the plan of an estimate would be drawn twice.
            turn = self._turn(state)
            state = turn.absorb(oracle.values(turn.query))
        return state

    def _turn(self, state: State) -> Turned:
        """Choose what to ask for by the phase."""
        if state.phase == Phase.SEARCH:
            return self._searching(state)
        if state.phase == Phase.NOISE:
            return self._measuring(state)
        return self._estimating(state)

    # Estimates --------------------------------------------------------------------------------------

    def _is_noisy(self, oracle: Oracle) -> bool:
        estimator: Any = self.estimator
        told = getattr(estimator, "noise", None) or getattr(estimator, "repeats", 1) > 1
        return bool(told) or super()._is_noisy(oracle)

    def queries_per_step(self, scene: Scene) -> int:
        """Return the evaluations of one estimate."""
        return self.chosen(scene).queries(scene.n, scene.domain.free)

    def _active(self, state: State) -> Indices | None:
        """Return the variables that step k displaces; None: all."""
        return state.scene.domain.free

    def _estimator(self, state: State) -> AbstractEstimator:
        """Return the estimator of a step."""
        return self._scaled(self.chosen(state.scene), state)

    def _scaled(self, estimator: AbstractEstimator, state: State) -> AbstractEstimator:
        """Return an estimator in the natural scale, with the smoothing and the noise of now."""
        scene = state.scene
        smoothing = estimator.smoothing * state.refinement
        if self.smoothing_schedule is not None:
            smoothing *= self.smoothing_schedule(state.k, scene.horizon)
        scale = scene.scale if estimator.scale is None else estimator.scale
        scaled: Any = replace(estimator, smoothing=smoothing, scale=scale)
        if getattr(scaled, "noise_is_wanted", False) and state.phase != Phase.NOISE:
            scaled = scaled.knowing(state.noise)
        chosen: AbstractEstimator = scaled
        return chosen

    def _drawn(
        self, estimator: AbstractEstimator, state: State, at: Vector, purpose: int = 0
    ) -> Plan:
        """Draw the displacements of step k round a point (n,).

        Parameters
        ----------
        purpose
            As for :meth:`Scene.generator`.
        """
        scene, domain = state.scene, state.scene.domain
        return estimator.plan(
            scene.n,
            scene.generator(state.k, purpose),
            box=Box(at, domain.lb, domain.ub),
            active=self._active(state),
        )

    def _estimating(self, state: State) -> Turned:
        """Ask for the values of an estimate."""
        estimator = self._estimator(state)
        plan = self._drawn(estimator, state, state.x)
        query = Query(state.x, plan.shifts, state.scene.key(state.k))

        def absorb(values: Vector) -> State:
            sight = Sight.of(plan.shifts, values, estimator.smoothing)
            return self._estimated(state, plan.combine(values), sight)

        return Turned(query, absorb)

    def _measuring(self, state: State) -> Turned:
        """Ask for values that tell their noise."""
        estimator: Any = self._estimator(state)
        scene, domain = state.scene, state.scene.domain
        plan = estimator.noise_plan(
            scene.n,
            scene.generator(0, purpose=1),
            box=Box(state.x, domain.lb, domain.ub),
            active=self._active(state),
        )
        query = Query(state.x, plan.shifts, scene.key(0))

        def absorb(values: Vector) -> State:
            noise = float(plan.combine(values))
            return replace(
                state,
                phase=Phase.ESTIMATE,
                noise=noise if math.isfinite(noise) else math.nan,
                queries=state.queries + values.size,
            )

        return Turned(query, absorb)
