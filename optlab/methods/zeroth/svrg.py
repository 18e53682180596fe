"""Variance reduction by an anchor: v = g_b(x) - g_b(x~) + g(x~), the same sample b and directions in both g_b.

Every ``anchor_every`` steps the point becomes the anchor x~, and its gradient is estimated with care on all samples.
In between, the estimate on a sample is corrected by what the same sample and the same directions say at the anchor.
Near the anchor both errors are nearly equal and cancel [JZ13]; with function values: [GLX24].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.asktell import Query
from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.errors import OptionError
from optlab.methods.zeroth.descent import Turned
from optlab.methods.zeroth.estimators import CGE, RGE
from optlab.methods.zeroth.estimators.base import AbstractEstimator, Estimate
from optlab.methods.zeroth.optimizers import DIRECTIONS
from optlab.methods.zeroth.rules import SGD, AbstractRule
from optlab.methods.zeroth.sight import Sight
from optlab.methods.zeroth.state import Phase, Scene, State
from optlab.methods.zeroth.zeroth_order import AbstractZerothOrder

if TYPE_CHECKING:
    from optlab.typing import Vector

__all__ = ["SVRG"]

FULL = 4096
"""Up to so many variables the anchor's gradient is taken along every coordinate."""

_BESIDE = "beside"
"""Phase: the sample's gradient at the anchor."""

_ANCHOR = 2
"""Purpose of the random numbers of the anchor's estimate."""


@register(
    MethodInfo(
        name="zo-svrg",
        summary="estimated gradients corrected by those at an anchor",
        needs_gradient=False,
        handles_constraints="linear",
        stochastic=True,
        batch=True,
        reference="GLX24",
    )
)
@dataclass(frozen=True, kw_only=True)
class SVRG(AbstractZerothOrder):
    """Stochastic variance-reduced gradient descent."""

    rule: AbstractRule = SGD()  # noqa: RUF009 - frozen
    anchor_every: int | None = None
    """Steps between two anchors; None: an epoch, at least 10."""

    anchor_estimator: AbstractEstimator | None = None
    """For the gradient at the anchor; None: all coordinates of up to 4096 variables, else ten times as many orthogonal
    directions as a step has."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchor_every is not None and self.anchor_every < 1:
            raise OptionError(f"anchor_every is {self.anchor_every!r}; at least 1 is needed")

    def suited(self, scene: Scene) -> AbstractEstimator:
        """Return orthogonal random directions."""
        return RGE(count=min(scene.n, DIRECTIONS), law="orthogonal")

    def _by_chance(self, estimate: Estimate) -> bool:  # noqa: ARG002
        """Trust directions: what is corrected by an anchor is known well."""
        return False

    def period(self, scene: Scene) -> int:
        """Return the steps between two anchors."""
        if self.anchor_every is not None:
            return self.anchor_every
        return max(10, scene.steps_per_epoch)

    def queries_per_step(self, scene: Scene) -> int:
        """Return the evaluations in a step on the average, rounded up."""
        free, period = scene.domain.free, self.period(scene)
        beside = 2 * self.chosen(scene).queries(scene.n, free)
        full = self._anchors(scene.n).queries(scene.n, free)
        return -(-(full + (period - 1) * beside) // period)

    def _anchors(self, n: int) -> AbstractEstimator:
        if self.anchor_estimator is not None:
            return self.anchor_estimator
        return CGE() if n <= FULL else RGE(count=10 * DIRECTIONS, law="orthogonal")

    def _turn(self, state: State) -> Turned:
        """Choose what to ask for by the phase, and by whether an anchor is due."""
        if state.phase == _BESIDE:
            return self._beside(state)
        if state.phase == Phase.ESTIMATE:
            if state.k % self.period(state.scene) == 0:
                return self._anchored(state)
            return self._here(state)
        return super()._turn(state)

    def _anchored(self, state: State) -> Turned:
        """Ask for the gradient on all samples; the step goes along it."""
        scene = state.scene
        estimator = self._scaled(self._anchors(scene.n), state)
        plan = self._drawn(estimator, state, state.x, _ANCHOR)
        query = Query(state.x, plan.shifts)

        def absorb(values: Vector) -> State:
            estimate = plan.combine(values)
            sight = Sight.of(plan.shifts, values, estimator.smoothing)
            store = {
                "anchor": state.x,
                "gradient": estimate.gradient,
                "error": np.array([estimate.standard_error]),
            }
            if scene.sampled:
                # A search looks at one sample; the value on all of them is no measure for it.
                sight = Sight(np.nan, sight.slope)
            return self._estimated(replace(state, store=store), estimate, sight)

        return Turned(query, absorb)

    def _here(self, state: State) -> Turned:
        """Ask for the sample's gradient at the point."""
        estimator = self._estimator(state)
        plan = self._drawn(estimator, state, state.x)
        query = Query(state.x, plan.shifts, state.scene.key(state.k))

        def absorb(values: Vector) -> State:
            found = plan.combine(values)
            sight = Sight.of(plan.shifts, values, estimator.smoothing)
            facts = [
                found.f,
                found.standard_error,
                found.queries,
                found.failed,
                sight.f,
                sight.slope,
            ]
            store = state.store | {"here": found.gradient, "facts": np.array(facts)}
            return replace(state, phase=_BESIDE, store=store)

        return Turned(query, absorb)

    def _beside(self, state: State) -> Turned:
        """Ask for the sample's gradient at the anchor, along the same directions."""
        scene, store = state.scene, state.store
        estimator = self._estimator(state)
        plan = self._drawn(estimator, state, store["anchor"])
        query = Query(store["anchor"], plan.shifts, scene.key(state.k))

        def absorb(values: Vector) -> State:
            there = plan.combine(values)
            f, error, queries, failed, at_point, slope = store["facts"]
            squares = np.array([error, there.standard_error, store["error"][0]]) ** 2
            estimate = Estimate(
                gradient=store["here"] - there.gradient + store["gradient"],
                f=float(f),
                # The errors here and there are alike, so that this is more than the error of their difference.
                standard_error=float(np.sqrt(squares.sum())),
                queries=int(queries) + there.queries,
                failed=int(failed) + there.failed,
            )
            sight = Sight(float(at_point), float(slope))
            kept = {k: v for k, v in store.items() if k not in ("here", "facts")}
            return self._estimated(replace(state, store=kept), estimate, sight)

        return Turned(query, absorb)
