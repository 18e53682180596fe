"""The step that all descent methods of this package share: rule, rate, projection.

    x_{k+1} = P(x_k - rate_k d_k),     d_k = rule(g_1, ..., g_k, x_k),   g an estimate of grad f or the gradient itself

Rules work in the variables x / scale. The rate is ``learning_rate`` times a schedule; or, without a learning rate, it
is searched: the objective at three lengths of the step, four times apart, on the same sample as the gradient tells
whether to go on longer, shorter or not at all. The first search spans five decades. So nothing depends on the unit of
f, and a rate that is too long for the point reached mends itself [VMLS19]. On samples and noisy values only the first
steps search (:mod:`optlab.methods.zeroth.calibration`). Where no length lowers an exact objective
the estimate is at fault: the smoothing falls, as in implicit filtering [Kel11], and what the rule remembers is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from optlab.core.asktell import Query
from optlab.core.shifts import DenseShifts
from optlab.core.status import StopReason
from optlab.errors import EvaluationError, OptionError
from optlab.methods.zeroth.calibration import calibrated, learned, wants_rates
from optlab.methods.zeroth.guard import averaged, is_astray, remembered
from optlab.methods.zeroth.rules import SGD, AbstractRule, Signal
from optlab.methods.zeroth.run import AbstractRun, need_positive
from optlab.methods.zeroth.schedules import AbstractSchedule, Constant, Cosine
from optlab.methods.zeroth.sight import Sight
from optlab.methods.zeroth.state import (
    RECORDS,
    Phase,
    Scene,
    Shown,
    State,
    Trial,
)

if TYPE_CHECKING:
    from optlab.core.method import WarmStart
    from optlab.core.oracle import Oracle
    from optlab.methods.zeroth.estimators.base import Estimate
    from optlab.typing import Vector

__all__ = ["AbstractDescent", "Turned"]

LENGTHS = (4.0, 1.0, 0.25)
"""Candidates of a search, in units of the last good rate."""

FIRST_LENGTHS = tuple(10.0 ** (0.5 * j) for j in range(2, -9, -1))
"""Candidates of the first search: root mean square of the step in natural units, 10 to 1e-4."""

BAD_LUCK = 0.5
"""Factor on the rate after a search in vain along a random direction."""

MANY = 20
"""Searches in vain along random directions, one after the other, before the run may end for small steps."""

SMALLEST_STEP = 1e-10
"""A search for an exact objective that has come down to this, in natural units, ends the run."""

REFINEMENT, LEAST_REFINEMENT = 0.25, 0.01
"""Factor on the smoothing after a search in vain, and the least product of such factors: values of simulators have
errors that a smaller one would blow up."""

CONFIDENCE = 2.0
"""Standard errors that are added to a norm before it is compared with the tolerance."""


class Turned(NamedTuple):
    """A query, and what becomes of its values."""

    query: Query
    absorb: Callable[[Vector], State]


@dataclass(frozen=True, kw_only=True)
class AbstractDescent(AbstractRun[State]):
    """Rule, rate and projection; where the gradient comes from is a subclass's business."""

    rule: AbstractRule = SGD()  # noqa: RUF009 - frozen
    """How gradients become directions."""

    learning_rate: float | None = None
    """Rate at the schedule's factor 1, in natural units; None: searched."""

    schedule: AbstractSchedule | None = None
    """Factors on ``learning_rate``; None: a cosine where the limits tell the number of steps, else constant."""

    patience: int = 3
    """Consecutive estimates of the gradient whose norm plus two standard errors must be at most ``tol``."""

    records: ClassVar[tuple[type, ...]] = RECORDS

    def __post_init__(self) -> None:
        super().__post_init__()
        need_positive(self, "learning_rate")
        if self.patience < 1:
            raise OptionError(f"patience is {self.patience!r}; at least 1 is needed")

    # Verbs ----------------------------------------------------------------------------------------

    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,  # noqa: ARG002 - its point is x0
    ) -> State:
        """Project the start; evaluates nothing."""
        scene = self.scene(oracle, int(rng.integers(2**63)))
        if self.base_rate(scene) is not None:
            self._factor(0, scene)  # a schedule that lacks the horizon says so now
        elif self.schedule is not None:
            raise OptionError(
                "a schedule is given without learning_rate; rates that are searched follow no schedule"
            )
        x = scene.domain.project(x0)
        return State(scene=scene, x=x, shown=Shown(x=x), memory=self.rule.start(oracle.n))

    def queries_per_step(self, scene: Scene) -> int:  # noqa: ARG002
        """Return the evaluations of the objective in a step whose length is not searched."""
        return 0

    # A step ---------------------------------------------------------------------------------------

    def base_rate(self, scene: Scene) -> float | None:  # noqa: ARG002 - of use to subclasses
        """Return the rate at the schedule's factor 1; None: it is searched."""
        return self.learning_rate

    def _by_chance(self, estimate: Estimate) -> bool:
        """Say whether another estimate at the point would differ; nan, an error that is not known, counts as well."""
        return estimate.standard_error != 0.0

    def default_schedule(self, scene: Scene) -> AbstractSchedule:
        """Return the schedule where none is given."""
        return Constant() if scene.horizon is None else Cosine()

    def _factor(self, k: int, scene: Scene) -> float:
        """Return the schedule's factor."""
        schedule = self.default_schedule(scene) if self.schedule is None else self.schedule
        return schedule(k, scene.horizon)

    def _estimated(self, state: State, estimate: Estimate, sight: Sight) -> State:
        """Take in an estimate of the gradient: end, step, or search how far to step."""
        lost = estimate.failed == estimate.queries > 0
        if lost or (estimate.failed and not estimate.gradient.any()):
            raise EvaluationError(
                "objective",
                state.x,
                f"gives too few values for a gradient: {estimate.failed} of {estimate.queries} points failed",
            )
        scene, f = state.scene, estimate.f if math.isnan(sight.f) else sight.f
        gnorm = scene.domain.stationarity(state.x, estimate.gradient)
        state = averaged(state, f)
        if is_astray(state, f):
            return self._returned(state, estimate)
        small = gnorm + CONFIDENCE * estimate.standard_error <= self.tol
        state = replace(
            state,
            queries=state.queries + estimate.queries,
            below=state.below + 1 if small else 0,
            shown=Shown(
                x=state.x,
                f=state.mean_f if scene.noisy else f,
                gnorm=gnorm,
                gnorm_se=estimate.standard_error,
                step=state.shown.step,
            ),
        )
        if not math.isnan(state.base):
            state = remembered(state)
        if state.below >= self.patience:
            return replace(state, k=state.k + 1, ended=StopReason.CONVERGED)
        return self._stepped(state, estimate, sight)

    def _returned(self, state: State, estimate: Estimate) -> State:
        """Go back to the best point with half the rate."""
        haven = state.haven
        assert haven is not None
        back = replace(
            state,
            queries=state.queries + estimate.queries,
            base=0.5 * state.base,
            memory=self.rule.start(state.scene.n),
            mean_f=haven.f,
            shown=replace(state.shown, f=haven.f),
        )
        return self._moved(back, haven.x, math.nan)

    def _stepped(self, state: State, estimate: Estimate, sight: Sight) -> State:
        """Apply the rule, and the rate when it is given."""
        scene, scale = state.scene, state.scene.scale
        gradient = estimate.gradient
        if scene.domain.has_rows:
            # What points out of the rows would be lost in the projection, after it has misled the rule.
            gradient = state.x - scene.domain.project(state.x - gradient)
        signal = Signal(
            x=state.x / scale, gradient=gradient * scale, slope=sight.slope, blocks=scene.blocks
        )
        base = self.base_rate(scene)
        by_chance = self._by_chance(estimate)
        if base is None and not math.isnan(state.base):
            base = state.base
        alone = base is None and wants_rates(state)
        turn = self.rule.turn(signal, self.rule.start(scene.n) if alone else state.memory)
        state = replace(state, memory=turn.memory)
        direction = turn.direction * scale
        metric = None if turn.metric is None else turn.metric / scale**2
        if base is None:
            f = math.nan if scene.sampled else sight.f
            trial = Trial(direction=direction, metric=metric, f=f, by_chance=by_chance)
            if not direction.any():
                return self._in_vain(replace(state, trial=trial), state.rate)
            return replace(state, phase=Phase.SEARCH, trial=trial)
        rate = base * self._factor(state.k, scene)
        x = scene.domain.project(state.x - rate * direction, metric)
        return self._moved(replace(state, rate=rate), x, math.nan)

    def _moved(self, state: State, x: Vector, f: float) -> State:
        """Finish a step at a new point, whose value f is known or nan."""
        step = float(np.linalg.norm(x - state.x))
        shown = replace(state.shown, step=step)
        if state.scene.noisy:
            shown = replace(shown, x=x)
        elif not math.isnan(f):
            shown = replace(shown, x=x, f=f)
        k = state.k + 1
        if state.trial is not None and wants_rates(state):
            by_chance = state.trial.by_chance
            base = calibrated(state, self.rule.carry, by_chance=by_chance)
            state = replace(state, base=base)
        return replace(state, x=x, shown=shown, k=k, phase=Phase.ESTIMATE, trial=None)

    # The search -----------------------------------------------------------------------------------

    def _searching(self, state: State) -> Turned:
        """Ask for the objective at some lengths of the step."""
        trial, domain = state.trial, state.scene.domain
        assert trial is not None
        rates = self._rates(state, trial)
        points = [domain.project(state.x - r * trial.direction, trial.metric) for r in rates]
        if math.isnan(trial.f):
            points.append(state.x)
        # Points, not displacements: what was projected is to be evaluated, to the last bit.
        query = Query(
            np.zeros(state.x.size),
            DenseShifts(np.array(points)),
            # Not the sample that the direction is made of: it would praise steps that are too long for all others.
            state.scene.key(state.k + 1),
            needed=False,
        )
        return Turned(query, lambda values: self._searched(state, rates, points, values))

    def _rates(self, state: State, trial: Trial) -> Vector:
        if wants_rates(state) and state.tried.size:
            return state.tried
        if not math.isnan(state.rate):
            return state.rate * np.array(LENGTHS)
        return np.array(FIRST_LENGTHS) / _size(trial.direction, state.scene)

    def _searched(
        self, state: State, rates: Vector, points: list[Vector], values: Vector
    ) -> State:
        """Take the lowest point if it is lower than where the search began."""
        trial = state.trial
        assert trial is not None
        state = replace(state, queries=state.queries + values.size)
        f = float(values[rates.size]) if values.size > rates.size else trial.f
        tried = np.where(np.isfinite(values[: rates.size]), values[: rates.size], np.inf)
        if wants_rates(state):
            state, best = learned(state, rates, values[: rates.size] - f)
            if best is None or not math.isfinite(values[best]):
                return self._in_vain(state, math.nan)
            return self._moved(replace(state, rate=float(rates[best])), points[best], math.nan)
        best = int(np.argmin(tried))
        if tried[best] < (f if math.isfinite(f) else np.inf):
            moved = self._moved(state, points[best], float(tried[best]))
            return replace(moved, rate=float(rates[best]), vain=0)
        return self._in_vain(state, state.rate if trial.by_chance else float(rates.min()))

    def _in_vain(self, state: State, rate: float) -> State:
        """Finish a step that found nothing lower: stay, and be more careful."""
        trial, scene = state.trial, state.scene
        assert trial is not None
        # The next random direction may be a better one: as in the one-fifth rule of evolution strategies a failure
        # takes back a part only of what a success gives.
        shorter = replace(state, rate=rate * (BAD_LUCK if trial.by_chance else LENGTHS[-1]))
        if scene.noisy:
            return self._moved(shorter, state.x, math.nan)
        refined = max(LEAST_REFINEMENT, state.refinement * REFINEMENT)
        vain = state.vain + 1
        small = (
            refined == state.refinement
            and not rate * _size(trial.direction, scene) > SMALLEST_STEP
            and (vain >= MANY or not trial.by_chance)
        )
        return self._moved(
            replace(
                shorter,
                refinement=refined,
                vain=vain,
                memory=self.rule.start(scene.n),
                ended=StopReason.SMALL_STEP if small else None,
            ),
            state.x,
            state.shown.f,
        )


def _size(direction: Vector, scene: Scene) -> float:
    """Return the root mean square of a step in natural units."""
    return float(np.linalg.norm(direction / scene.scale)) / math.sqrt(max(1, scene.n))
