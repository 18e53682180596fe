r"""``zo``: the method for functions that can only be evaluated, with nothing to tune.

    minimize  f(x) = average over samples of F(x; sample), or f(x) with noise, or f(x) as it is,   x in Omega

**By chance.** Values that are of a sample or noisy, or so many variables that the budget does not pay for many gradients:
step k draws q random directions, and the estimate g_k points the way ([NS17]). Its length is measured, not tuned.
On the sample of the step the objective along -g_k is a parabola up to third order,

    phi_k(t) = F(x_k - t g_k) = phi_k(0) - a_k t + b_k t^2 / 2,

whose a_k and b_k follow from the values at two lengths. One step's parabola is a random one: the step that is best for all
of them together minimizes the sum of the last ones, weighted by the decay r,

    t_k = A_k / B_k,   A_k = sum_j r^(k-j) a_j,   B_k = sum_j r^(k-j) b_j,       x_{k+1} = P(x_k - c s_k t_k g_k).

This is the exact line search of the average, for two evaluations in q + 3, and does not know the unit of f or x. c < 1
holds back, since a_k is measured on the very sample that g_k was fitted to; s_k falls on a line to 0 over the run, so that
the noise of the steps averages out. Few directions and many steps: at equal evaluations that beats few good gradients
(docs/zeroth/zo.md has the numbers; docs/decisions/0020).

**As it is.** Exact values and a budget for many gradients: central differences along all coordinates, steps by
limited-memory BFGS, whose length is searched on three values; variables at a bound that the gradient pushes on stay there.

======  =================================
paper   code
======  =================================
q       ``directions``
c       ``caution``
t_k     ``State.rate``
A, B    ``State.store["parabola"]``
r       ``MEMORY``
======  =================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.asktell import Query
from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.core.shifts import DenseShifts
from optlab.errors import OptionError
from optlab.methods.zeroth.descent import Sight, Turned
from optlab.methods.zeroth.estimators import CGE, RGE
from optlab.methods.zeroth.estimators.base import AbstractEstimator, Estimate
from optlab.methods.zeroth.rules import AbstractRule, QuasiNewton
from optlab.methods.zeroth.schedules import AbstractSchedule, Constant, Linear
from optlab.methods.zeroth.state import Phase, Scene, State, Trial
from optlab.methods.zeroth.zeroth_order import AbstractZerothOrder

if TYPE_CHECKING:
    from optlab.typing import Vector

__all__ = ["ZO"]

MEMORY = 0.95
"""r: weight of the past in the sums of the parabolas, a memory of twenty steps."""

CHANGE = 3.0
"""Most by which the length changes from step to step."""

FIRST_LENGTH = 1e-3
"""Root mean square of the first step in natural units: it grows threefold until the parabola shows."""

GRADIENTS = 20
"""A budget pays for many gradients when it pays for so many."""

FEW = 100
"""Variables up to which it is assumed to, where there is no budget."""

VISIBLE = 8.0
"""Ratio of bend to noise above which a parabola is seen: the standard error of phi(0) - 2 phi(t/2) + phi(t) is sqrt(6)
times the noise, and this is about three of them."""


@register(
    MethodInfo(
        name="zo",
        summary="descent by values only: random directions with measured steps, or quasi-Newton; nothing to tune",
        needs_gradient=False,
        handles_constraints="linear",
        stochastic=True,
        batch=True,
        reference="NS17",
    )
)
@dataclass(frozen=True, kw_only=True)
class ZO(AbstractZerothOrder):
    """Random directions with measured steps, or quasi-Newton steps; see the module."""

    rule: AbstractRule = QuasiNewton()  # noqa: RUF009 - frozen
    """Makes directions of gradients where values are exact and many gradients are affordable."""

    directions: int = 10
    """q"""

    caution: float = 0.35
    """c: the fraction of the measured length that is stepped."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.directions < 1:
            raise OptionError(f"directions is {self.directions!r}; at least 1 is needed")
        if not 0.0 < self.caution <= 1.0:
            raise OptionError(f"caution is {self.caution!r}; a number in (0, 1] is needed")

    def by_chance(self, scene: Scene) -> bool:
        """Whether estimates are left to chance."""
        if scene.noisy:
            return True
        if scene.evaluations is None:
            return scene.n > FEW
        return scene.evaluations < GRADIENTS * 2 * scene.n

    def default_schedule(self, scene: Scene) -> AbstractSchedule:
        """Return a line to 0 where the end is known."""
        return Constant() if scene.horizon is None else Linear()

    def suited(self, scene: Scene) -> AbstractEstimator:
        """Return the estimator for a scene."""
        q = min(self.directions, scene.n)
        if not self.by_chance(scene):
            return CGE(central=True, smoothing=1e-4)
        if scene.sampled or not scene.noisy:
            return RGE(count=q, smoothing=1e-3)
        if scene.n <= self.directions:
            return CGE(central=True, noise="estimate")
        return RGE(count=q, central=True, noise="estimate")

    def queries_per_step(self, scene: Scene) -> int:
        """Return the evaluations of an estimate and of the two lengths, or of a search."""
        estimator = self.chosen(scene)
        probes = 2 if self.by_chance(scene) else 3
        return estimator.queries(scene.n, scene.domain.free) + probes

    # A step by chance -------------------------------------------------------------------------------

    def _stepped(self, state: State, estimate: Estimate, sight: Sight) -> State:
        """Look along the estimate for how far to go."""
        scene = state.scene
        if not self.by_chance(scene) or self.learning_rate is not None:
            return super()._stepped(state, _unblocked(state, estimate), sight)
        direction = scene.scale**2 * estimate.gradient
        size = float(np.linalg.norm(direction / scene.scale)) / math.sqrt(max(1, scene.n))
        if size == 0.0:
            return self._moved(state, state.x, math.nan)
        rate = FIRST_LENGTH / size if math.isnan(state.rate) else state.rate
        trial = Trial(direction=direction, metric=None, f=sight.f, by_chance=True)
        return replace(state, phase=Phase.SEARCH, trial=trial, rate=rate)

    def _searching(self, state: State) -> Turned:
        """Ask for the objective at two lengths of the step, by chance; else search."""
        if not self.by_chance(state.scene):
            return super()._searching(state)
        trial, domain, t = state.trial, state.scene.domain, state.rate
        assert trial is not None
        lengths = (0.5 * t, t) if math.isfinite(trial.f) else (0.5 * t, t, 0.0)
        points = [domain.project(state.x - r * trial.direction) for r in lengths]
        query = Query(
            np.zeros(state.x.size), DenseShifts(np.array(points)), state.scene.key(state.k)
        )
        return Turned(query, lambda values: self._measured(state, trial, values))

    def _measured(self, state: State, trial: Trial, values: Vector) -> State:
        """Take in a parabola and step."""
        scene, t = state.scene, state.rate
        half, whole = float(values[0]), float(values[1])
        here = trial.f if values.size == 2 else float(values[2])
        state = replace(state, queries=state.queries + values.size)
        slope = (3.0 * here - 4.0 * half + whole) / t
        bend = 4.0 * (here - 2.0 * half + whole) / t**2
        noise = 0.0 if math.isnan(state.noise) else state.noise
        if not math.isfinite(bend):
            return self._moved(replace(state, rate=t / CHANGE), state.x, math.nan)
        seen = bend * t**2 / 4.0 > VISIBLE * noise
        past = state.store.get("parabola", np.zeros(2))
        if seen or not noise:
            past = MEMORY * past + np.array([slope, bend])
        A, B = past
        if B > 0.0 and (seen or not noise):
            best = max(A, 0.0) / B
        else:
            best = t * CHANGE  # too short for its bend to show, or bent down
        rate = min(max(best, t / CHANGE), t * CHANGE)
        length = self.caution * self._factor(state.k, scene) * rate
        x = scene.domain.project(state.x - length * trial.direction)
        return self._moved(replace(state, rate=rate, store={"parabola": past}), x, math.nan)

    # A step as it is --------------------------------------------------------------------------------

    def _rates(self, state: State, trial: Trial) -> Vector:
        """Try the natural length of a quasi-Newton step first."""
        memory = state.memory
        if memory.get("S", np.zeros((0, 0))).shape[0]:
            return np.array([1.0, 0.25, 4.0])
        return super()._rates(state, trial)

    def _in_vain(self, state: State, rate: float) -> State:
        """Begin again with the gradient, whose length is not known."""
        following = super()._in_vain(state, rate)
        return following if self.by_chance(state.scene) else replace(following, rate=math.nan)


def _unblocked(state: State, estimate: Estimate) -> Estimate:
    """Leave out of a gradient what pushes variables against their bounds."""
    domain, g, x = state.scene.domain, estimate.gradient, state.x
    blocked = ((x <= domain.lb) & (g > 0.0)) | ((x >= domain.ub) & (g < 0.0))
    return replace(estimate, gradient=np.where(blocked, 0.0, g)) if blocked.any() else estimate
