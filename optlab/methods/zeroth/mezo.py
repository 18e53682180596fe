r"""MeZO: training at the memory of inference, by two losses and a seed per step.

    minimize  f(w) = average over samples of F(w; sample)

One step with smoothing h and rate r, z_k ~ N(0, I) known by its seed ([MGN23], Algorithm 1):

    w <- w + h z_k,   l+ = F(w),   w <- w - 2 h z_k,   l- = F(w),   w <- w + h z_k
    g_k = (l+ - l-) / (2 h),       w <- (1 - r d) w - r g_k z_k

z_k is drawn again every time it is needed, so no vector of n numbers is kept. The run is known by the numbers g_k alone: the
same shifts in the same order lead to the same bits (:meth:`MeZO.rebuild`).

A rate that is not given follows the scale of the objective: r_k = s(k) h / rms(g), so that a typical step along z is as
long as the probe was. The root mean square runs over the steps so far, forgetting with time.

=============  ==========================
paper          code
=============  ==========================
epsilon        ``smoothing``
eta            ``learning_rate``
projected_grad ``State.slope``
=============  ==========================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.guards import NOTHING
from optlab.core.method import MethodInfo, WarmStart
from optlab.core.progress import Progress
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.errors import EvaluationError
from optlab.methods.zeroth.run import AbstractEpochs, need_positive
from optlab.methods.zeroth.schedules import AbstractSchedule, Constant, Cosine
from optlab.typing import Vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.core.in_place import AbstractInPlace

__all__ = ["MeZO", "MeZOState", "Trail"]

_BLOCK = 1024
"""Numbers of a trail that are copied at most when one is added."""

_MEMORY = 0.99
"""Weight that the mean square of the slopes gives to the past."""

_PATIENCE = 10
"""Steps in a row whose losses are not finite before the run is given up."""


@dataclass(frozen=True, slots=True)
class Trail:
    """A sequence of numbers that grows; adding one leaves the old sequence as it is."""

    blocks: tuple[Vector, ...] = ()
    """Full ones."""

    last: Vector = field(default_factory=lambda: np.zeros(0))

    def plus(self, number: float) -> Trail:
        """Return the sequence with one more number."""
        last = np.append(self.last, number)
        if last.size < _BLOCK:
            return Trail(self.blocks, last)
        return Trail((*self.blocks, last))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.blocks) * _BLOCK + self.last.size

    @property
    def array(self) -> Vector:
        """All numbers, shape (k,)."""
        return np.concatenate((*self.blocks, self.last))


@dataclass(frozen=True, slots=True)
class MeZOState:
    """Where a run is; the variables are in the task."""

    root: int
    """Seed of the run: z_k is drawn from (root, k)."""

    horizon: int | None
    """Steps that the limits allow, for the schedule."""

    last_step: int | None
    """Steps that ``max_epochs`` allows."""

    k: int = 0
    f: float = math.nan
    """Mean of the two losses of the last step."""

    slope: float = math.nan
    """g_k of the last step."""

    square: float = 0.0
    """Weighted sum of g^2 of the steps so far."""

    weight: float = 0.0
    """Sum of the weights."""

    failures: int = 0
    """Steps in a row whose losses were not finite."""

    slopes: Trail = field(default_factory=Trail)
    """g_0, ..., g_{k-1}; nan where a loss was not finite."""

    @property
    def rms(self) -> float:
        """Root mean square of the slopes, an estimate of the gradient's norm, since E g^2 = |grad f|^2 to first order."""
        return math.sqrt(self.square / self.weight) if self.weight > 0.0 else math.nan

    @property
    def rms_error(self) -> float:
        """Standard error of ``rms`` for normal slopes: rms / sqrt(2 m), with m the effective number of steps."""
        if not self.weight > 0.0:
            return math.nan
        count = min(self.k, (1.0 + _MEMORY) / (1.0 - _MEMORY))
        return self.rms / math.sqrt(2.0 * max(1.0, count))


@register(
    MethodInfo(
        name="mezo",
        summary="seed replay: two losses a step, variables changed in place, the memory of inference",
        needs_gradient=False,
        handles_bounds=False,
        stochastic=True,
        reference="MGN23",
        in_place=True,
    )
)
@dataclass(frozen=True, kw_only=True)
class MeZO(AbstractEpochs[MeZOState]):
    """MeZO ([MGN23]) with any schedule; see the module."""

    smoothing: float = 1e-3
    """h: length of the probes along a direction of unit variance in every variable."""

    learning_rate: float | None = None
    """r at the start; None: chosen from the slopes."""

    schedule: AbstractSchedule | None = None
    """Factor of the rate; None: cosine where the length of the run is known, else constant."""

    weight_decay: float = 0.0
    """d"""

    records: ClassVar[tuple[type, ...]] = (MeZOState, Trail)

    def __post_init__(self) -> None:
        super().__post_init__()
        need_positive(self, "smoothing", "learning_rate")

    def init(
        self,
        oracle: Any,
        x0: Vector,  # noqa: ARG002 - the start is in the task
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,  # noqa: ARG002
    ) -> MeZOState:
        """Draw the root of all seeds; nothing is evaluated."""
        last = self.last_step(oracle.task.steps_per_epoch)
        horizon = self.horizon(oracle.limits, last, per_step=2)
        return MeZOState(int(rng.integers(2**62)), horizon, last)

    def step(self, oracle: Any, state: MeZOState) -> MeZOState:
        """Probe both ways along a direction and move along it."""
        if oracle.evaluations_left < 2:
            raise BudgetSpent(StopReason.MAX_EVAL)
        task, h, k = oracle.task, self.smoothing, state.k
        seed = _direction(state.root, k)
        at = 0.0
        losses = []
        try:
            for to in (h, -h):
                task.shift(seed, to - at)
                at = to
                losses.append(oracle.loss(k, f"{state.root}/{k}/{to}"))
        except BaseException:
            task.shift(seed, -at)  # back, up to rounding: the run ends here
            raise
        task.shift(seed, h)
        following = self._after(state, (losses[0] - losses[1]) / (2.0 * h))
        if following.failures >= _PATIENCE:
            cause = f"is not finite in {_PATIENCE} steps in a row"
            raise EvaluationError("objective", NOTHING, cause)
        self._move(task, following)
        return replace(following, f=state.f if following.failures else 0.5 * sum(losses))

    def progress(self, state: MeZOState) -> Progress:
        """Report the losses of the last step."""
        extras = {"gnorm": state.rms, "gnorm_se": state.rms_error, "rate": self._rate(state)}
        return Progress(x=NOTHING, f=state.f, primal=0.0, dual=None, extras=extras)

    def stop(self, state: MeZOState) -> StopReason | None:
        """End with the last epoch."""
        done = state.last_step is not None and state.k >= state.last_step
        return StopReason.MAX_ITER if done else None

    def memory(self, state: MeZOState) -> dict[str, Any]:
        """Keep what rebuilds the run, and the estimated gradient."""
        return {
            "estimated_gradient_norm": state.rms,
            "standard_error": state.rms_error,
            "root": state.root,
            "horizon": state.horizon,
            "slopes": state.slopes.array,
        }

    def rebuild(self, task: AbstractInPlace, memory: Mapping[str, Any]) -> None:
        """Do the moves of a run again without its losses, to the same bits.

        Parameters
        ----------
        task
            With the variables that the run began with.
        memory
            ``Result.extras`` of the run; the options of the method must be those of the run.
        """
        state = MeZOState(memory["root"], memory["horizon"], None)
        h = self.smoothing
        for slope in memory["slopes"]:
            seed = _direction(state.root, state.k)
            for move in (h, -h - h, h):
                task.shift(seed, move)
            state = self._after(state, float(slope))
            self._move(task, state)

    def _after(self, state: MeZOState, slope: float) -> MeZOState:
        """Count a step and what its slope says of the gradient."""
        known = math.isfinite(slope)
        return replace(
            state,
            k=state.k + 1,
            slope=slope,
            square=_MEMORY * state.square + slope**2 if known else state.square,
            weight=_MEMORY * state.weight + 1.0 if known else state.weight,
            failures=0 if known else state.failures + 1,
            slopes=state.slopes.plus(slope),
        )

    def _rate(self, state: MeZOState) -> float:
        """Return r_k of the step that the state counted last."""
        schedule = self.schedule
        if schedule is None:
            schedule = Constant() if state.horizon is None else Cosine()
        factor = schedule(max(0, state.k - 1), state.horizon)
        if self.learning_rate is not None:
            return factor * self.learning_rate
        return factor * self.smoothing / state.rms if state.rms > 0.0 else 0.0

    def _move(self, task: AbstractInPlace, state: MeZOState) -> None:
        """Move along the direction of the step that the state counted last."""
        if state.failures:
            return
        rate = self._rate(state)
        if self.weight_decay:
            task.decay(1.0 - rate * self.weight_decay)
        task.shift(_direction(state.root, state.k - 1), -rate * state.slope)


def _direction(root: int, k: int) -> int:
    """Return the seed of z_k, below 2^63."""
    words = np.random.SeedSequence((root, k)).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))
