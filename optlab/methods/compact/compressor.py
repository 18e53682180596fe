"""Training under a cardinality constraint: what all compressing methods share.

    min f(w)   s.t.   ||w_G||_0 <= k_G            (:mod:`optlab.core.sparsity`)

A run is a sequence of legs (:mod:`optlab.methods.compact.legs`). Step k of a leg, on sample k:

    u_{k+1} = M (u_k - rate_k rule(g_1, ..., g_k)),       g_k = dF(w(u_k); k)/du

Subclasses say what the variables u are: the weights themselves, or scores that choose among weights.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.batch import gradient_at
from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.progress import Column, Progress
from optlab.core.sparsity import CollapsedError
from optlab.core.status import StopReason
from optlab.errors import CapabilityError, EvaluationError, OptionError
from optlab.methods.zeroth.rules import AbstractRule, Momentum, Signal
from optlab.methods.zeroth.schedules import AbstractSchedule, Cosine, WarmUp

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.core.sparsity import Sparsity
    from optlab.methods.compact.legs import Leg
    from optlab.methods.zeroth.rules import Memory
    from optlab.typing import Mask, Vector

__all__ = ["AbstractCompressor", "State", "compressor_info"]

AVERAGED = 0.95
"""Share of the old average in the moving average of the samples' losses."""

WARM_UP = 0.05
"""Share of a leg in which its rate rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run is."""

    seed: int
    u: Vector
    """(n,) what is trained: weights or scores."""

    weights: Vector
    """(n,) w(u), the point."""

    mask: Mask
    """(n,) variables that may differ from zero."""

    memory: Memory
    """The rule's."""

    frozen: Vector
    """(n,) weights to go back to, or to choose from."""

    per_epoch: int
    """Steps of a pass through the samples."""

    density: float = 1.0
    """Kept share of the prunable variables."""

    k: int = 0
    """Steps done."""

    leg: int = 0
    step: int = 0
    """Steps of the leg that are done."""

    f: float = math.nan
    """Moving average of the samples' losses."""

    rate: float = math.nan
    length: float = 0.0
    """Of the last step, Euclidean."""

    store: dict[str, Vector] = field(default_factory=dict[str, Any])
    """Arrays that a method adds."""

    ended: StopReason | None = None


def compressor_info(name: str, summary: str, reference: str) -> MethodInfo:
    """Return the record of a compressing method."""
    return MethodInfo(
        name=name,
        summary=summary,
        handles_bounds=False,
        handles_sparsity=True,
        stochastic=True,
        reference=reference,
    )


@dataclass(frozen=True, kw_only=True)
class AbstractCompressor(AbstractMethod[State]):
    """Legs of masked descent."""

    learning_rate: float = 0.1
    """Rate at the schedule's factor 1."""

    rule: AbstractRule = Momentum(momentum=0.9, weight_decay=5e-4)  # noqa: RUF009 - frozen
    """How gradients become directions."""

    schedule: AbstractSchedule = WarmUp(WARM_UP, Cosine())  # noqa: RUF009 - frozen
    """Factors on the rate over each leg."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("density", "density", "{:>8.4f}"),
        Column("leg", "leg", "{:>4d}"),
        Column("rate", "rate", "{:>8.1e}"),
    )
    records: ClassVar[tuple[type, ...]] = (State,)
    default_max_iter: ClassVar[int] = 10**9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.learning_rate < math.inf:
            raise OptionError(
                f"learning_rate is {self.learning_rate!r}; a positive number is needed"
            )

    # What a method says -----------------------------------------------------------------------------

    @abstractmethod
    def legs(self) -> tuple[Leg, ...]:
        """Return the plan of the run."""

    @abstractmethod
    def begun(self, state: State, leg: Leg, sparsity: Sparsity) -> State:
        """Prune, and turn back what is to be turned back, before the first step of a leg."""

    @abstractmethod
    def moved(self, state: State, gradient: Vector, sparsity: Sparsity) -> State:
        """Take a step; ``gradient`` is that of the loss for the weights, (n,), ``state.rate`` the rate."""

    # Verbs --------------------------------------------------------------------------------------------

    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,  # noqa: ARG002 - its point is x0
    ) -> State:
        """Take the start as it is; evaluates nothing."""
        sampled = oracle.problem.sampled
        if sampled is not None and not sampled.has_gradient:
            raise CapabilityError(
                f"method {self.info.name!r} needs gradients of samples, which the task does not give"
            )
        state = State(
            seed=int(rng.integers(2**63)),
            u=x0,
            weights=x0,
            mask=np.ones(x0.size, dtype=bool),
            memory=self.rule.start(x0.size),
            frozen=x0,
            per_epoch=1 if sampled is None else max(1, sampled.steps_per_epoch),
        )
        return self._begun(state, self._sparsity(oracle))

    @staticmethod
    def _sparsity(oracle: Oracle) -> Sparsity:
        sparsity = oracle.problem.sparsity
        assert sparsity is not None  # checked with the capabilities
        return sparsity

    def step(self, oracle: Oracle, state: State) -> State:
        """Take a step on the next sample; at the end of a leg, begin the next one."""
        legs, sparsity = self.legs(), self._sparsity(oracle)
        leg = legs[state.leg]
        last = leg.steps(state.per_epoch)
        key = None if oracle.problem.sampled is None else state.k
        f, gradient = gradient_at(oracle, state.weights, key)
        if not (math.isfinite(f) and np.isfinite(gradient).all()):
            raise EvaluationError(
                "objective",
                state.weights,
                f"is {f} or has a gradient that is not finite; use a lower learning_rate than {self.learning_rate:g}",
            )
        rate = self.learning_rate * leg.rate * self.schedule(state.step, last)
        before = state.weights
        mean = f if math.isnan(state.f) else AVERAGED * state.f + (1.0 - AVERAGED) * f
        state = replace(state, rate=rate, f=mean, k=state.k + 1, step=state.step + 1)
        try:
            state = self.moved(self._thinned(state, leg, last, sparsity), gradient, sparsity)
            if state.step >= last:
                state = self._next(state, len(legs), sparsity)
        except CollapsedError as error:
            raise EvaluationError("sparsity", before, str(error)) from error
        length = float(np.linalg.norm(state.weights - before))
        return replace(state, length=length, density=sparsity.share(state.mask))

    def _thinned(self, state: State, leg: Leg, last: int, sparsity: Sparsity) -> State:
        """Prune within a leg whose density falls."""
        if leg.ramp is None:
            return state
        mask = sparsity.keep(state.u, leg.thinning(state.step / last), among=state.mask)
        return replace(state, mask=mask)

    def _next(self, state: State, count: int, sparsity: Sparsity) -> State:
        """Begin the next leg, or end."""
        if state.leg + 1 == count:
            return replace(state, ended=StopReason.COMPLETED)
        memory = self.rule.start(state.u.size)
        return self._begun(replace(state, leg=state.leg + 1, step=0, memory=memory), sparsity)

    def _begun(self, state: State, sparsity: Sparsity) -> State:
        return self.begun(state, self.legs()[state.leg], sparsity)

    def direction(self, state: State, gradient: Vector) -> tuple[Vector, Memory]:
        """Return what the rule makes of a gradient for u."""
        turn = self.rule.turn(Signal(x=state.u, gradient=gradient), state.memory)
        return turn.direction, turn.memory

    def progress(self, state: State) -> Progress:
        """Report the weights; how much they violate the constraint is known at the end."""
        return Progress(
            x=state.weights,
            f=state.f,
            primal=0.0,
            dual=None,
            step=state.length,
            extras={
                "density": state.density,
                "leg": state.leg,
                "rate": state.rate,
            },
        )

    def stop(self, state: State) -> StopReason | None:
        """End when the last leg is done."""
        return state.ended

    def memory(self, state: State) -> dict[str, Any]:
        """Return the mask and the legs done."""
        return {"mask": state.mask, "legs": state.leg + (state.ended is not None)}
