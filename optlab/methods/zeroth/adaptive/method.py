"""The default zeroth-order method: no learning rate, no smoothing, no number of directions to choose.

    min f(x)  s.t.  lb <= x <= ub,      f known by values only: exact, noisy, or averages over samples

It measures the noise of the values first (seven evaluations, [MW11]) and goes on in one of two ways:

* *descent along random directions* at half the greedy rate, which two numbers known from values give in every step
  (:mod:`.descent`); for noise, samples, and many variables. Step k, on sample k:

      d_k     = (1/q) sum_j (g_k'u_j) u_j,         u_j orthogonal,  q = 24,  (q + 1 evaluations; 2q + 1 with noise)
      r_k     = sum_i 0.95^(k-i) g_i'd_i / sum_i 0.95^(k-i) d_i'H_i d_i,                        (1 evaluation)
      x_{k+1} = P(x_k - (1 - share of the run that is over) r_k d_k / 2)

* *quasi-Newton steps* on central differences (:mod:`.newton`) where values are exact and variables few: 2n + 5
  evaluations a step (2n + 10 with linear rows), and the accuracy that engineers expect of ten variables.

The linear decrease of the rate needs the limits: ``max_eval``, ``max_epochs`` or ``max_iter`` should be what you can
spend. What was tried and lost is in docs/decisions/0020-default-zeroth-order.md.

References: [NS17] for random directions and their rate 1 / tr H; [MW11] for noise; [Ber82], [Pow78], [Kel11] for
the second way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.asktell import AbstractAskTell, Query
from optlab.core.method import MethodInfo, WarmStart
from optlab.core.progress import Column, Progress
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.errors import OptionError
from optlab.methods.zeroth.adaptive import descent, newton
from optlab.methods.zeroth.adaptive.state import (
    RECORDS,
    Phase,
    Setting,
    State,
    Told,
    query_at,
)
from optlab.methods.zeroth.domain import Domain
from optlab.methods.zeroth.estimators.base import Box
from optlab.methods.zeroth.estimators.noise import NoisePlan, noise_plan
from optlab.methods.zeroth.estimators.space import space_of
from optlab.methods.zeroth.state import natural_scale

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["AdaptiveZerothOrder"]

SPACING = 5e-5
"""Distance of the points that tell the noise, natural units."""

FEW = 200
"""Most variables for quasi-Newton steps, whose algebra costs n^3."""

FEWEST_STEPS = 10
"""Quasi-Newton steps that the limits must allow."""

EXACT, NOISY, NEARLY_EXACT = 1e-6, 1e-1, 1e-5
"""Noise in units of the values: up to which quasi-Newton steps are taken, without and with a warning of noise by the
user (then the other way takes over in time); and above which values of samples have errors."""


@register(
    MethodInfo(
        name="zo",
        summary="values only, nothing to tune: noise, minibatches, many variables, or few",
        needs_gradient=False,
        handles_constraints="linear",
        stochastic=True,
        batch=True,
        reference="NS17",
    )
)
@dataclass(frozen=True, kw_only=True)
class AdaptiveZerothOrder(AbstractAskTell[State]):
    """Descent along random directions at the greedy rate, or quasi-Newton steps where values are exact and few are needed."""

    scale: Vector | None = None
    """(n,) natural size of a step in each variable, or a number; None: a tenth of the distance of its bounds, else the
    power of ten of a start value of 10 and more, else 1 (and 1 for learning tasks without bounds)."""

    max_epochs: float | None = None
    """Passes through the samples after which the run ends; None: no limit."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("gnorm", "|g|"),
        Column("gnorm_se", "+-", "{:>8.1e}"),
        Column("rate", "rate", "{:>8.1e}"),
    )
    records: ClassVar[tuple[type, ...]] = RECORDS

    @property
    def default_max_iter(self) -> int:  # type: ignore[override]
        """Limit on iterations when the caller gives none; epochs are a limit, too."""
        return 100_000 if self.max_epochs is None else 10**9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_epochs is not None and not 0.0 < self.max_epochs < math.inf:
            raise OptionError(
                f"max_epochs is {self.max_epochs!r}; a positive number or None is needed"
            )
        if self.scale is not None:
            scale = np.array(self.scale, dtype=np.float64)
            if not np.all((scale > 0.0) & (scale < np.inf)):
                raise OptionError("scale must be positive and finite in every variable")
            object.__setattr__(self, "scale", scale)

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
        setting = self._setting(oracle, int(rng.integers(2**63)))
        x = setting.domain.project(x0)
        ended = None if setting.free.size else StopReason.CONVERGED
        return State(setting=setting, x=x, shown=x, direction=np.zeros(x.size), ended=ended)

    def _setting(self, oracle: Oracle, seed: int) -> Setting:
        problem, limits = oracle.problem, oracle.limits
        sampled = problem.sampled
        if self.max_epochs is not None and sampled is None:
            raise OptionError(
                "max_epochs is for objectives that are averages over samples; give max_iter or max_eval"
            )
        scale = natural_scale(oracle, sampled=sampled is not None)
        if self.scale is not None:
            if self.scale.shape not in ((), (oracle.n,)):
                raise OptionError(
                    f"scale has shape {self.scale.shape}; ({oracle.n},) or one number is needed"
                )
            scale = np.array(np.broadcast_to(self.scale, oracle.n))
        last = None
        if self.max_epochs is not None and sampled is not None:
            last = max(1, math.ceil(self.max_epochs * max(1, sampled.steps_per_epoch)))
        own = limits.max_iter is None or limits.max_iter == self.default_max_iter
        known = [k for k in (last, None if own else limits.max_iter) if k is not None]
        return Setting(
            seed=seed,
            domain=Domain.of(oracle),
            scale=scale,
            sampled=sampled is not None,
            noisy=problem.noisy,
            evaluations=limits.max_eval,
            steps=min(known, default=None),
            last_step=last,
        )

    def progress(self, state: State) -> Progress:
        """Report a point and what is known of it; it is within the bounds by construction."""
        rate = math.nan if state.descent is None else state.descent.rate
        return Progress(
            x=state.shown,
            f=state.f,
            primal=0.0,
            dual=None,
            step=state.step,
            extras={"gnorm": state.gnorm, "gnorm_se": state.gnorm_se, "rate": rate},
        )

    def stop(self, state: State) -> StopReason | None:
        """End when a step has found a reason, or after the epochs asked for."""
        last = state.setting.last_step
        if state.ended is None and last is not None and state.k >= last:
            return StopReason.MAX_ITER
        return state.ended

    def memory(self, state: State) -> dict[str, Any]:
        """Return the last estimate of the gradient's norm, its standard error, the noise, and the evaluations."""
        return {
            "estimated_gradient_norm": state.gnorm,
            "standard_error": state.gnorm_se,
            "noise": state.noise,
            "queries": state.queries,
            "steps": state.k,
        }

    # Ask and tell -----------------------------------------------------------------------------------

    def ask(self, state: State) -> Query:
        """Say where values are wanted next."""
        if state.phase == Phase.NOISE:
            return query_at(state, self._noise_plan(state).shifts)
        way: Any = descent if state.newton is None else newton
        memory = state.descent if state.newton is None else state.newton
        part = way.gradient_shifts if state.phase == Phase.GRADIENT else way.step_shifts
        return query_at(state, part(state, memory))

    def tell(self, state: State, query: Query, values: Vector) -> State:
        """Take in the values."""
        told = Told(query.shifts, values)
        state = replace(state, queries=state.queries + values.size)
        if state.phase == Phase.NOISE:
            return self._chosen(state, values)
        gradient = state.phase == Phase.GRADIENT
        # Overflow of a wild value is met by the tests for finite numbers.
        with np.errstate(over="ignore", invalid="ignore"):
            if state.newton is not None:
                if gradient:
                    return newton.gradient_told(state, state.newton, told, self.tol)
                return newton.step_told(state, state.newton, told)
            assert state.descent is not None
            part: Callable[..., State] = (
                descent.gradient_told if gradient else descent.step_told
            )
            return part(state, state.descent, told)

    def step(self, oracle: Oracle, state: State) -> State:
        """Ask and tell until a step is done."""
        k = state.k
        while state.k == k and state.ended is None:
            query = self.ask(state)
            state = self.tell(state, query, oracle.values(query))
        return state

    def _noise_plan(self, state: State) -> NoisePlan:
        setting = state.setting
        box = Box(state.x, setting.domain.lb, setting.domain.ub)
        space = space_of(setting.n, setting.scale, box, setting.free)
        return noise_plan(space, SPACING, np.random.default_rng([setting.seed, 0, 1]))

    def _chosen(self, state: State, values: Vector) -> State:
        """Choose the way by noise, number of variables and limits."""
        setting, m = state.setting, state.setting.free.size
        noise = float(self._noise_plan(state).combine(values))
        noise = noise if math.isfinite(noise) else 0.0
        size = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        relative = noise / size if size > 0.0 else 0.0
        state = replace(state, noise=noise, phase=Phase.GRADIENT)
        step = 2 * m + len(newton.LENGTHS)
        afforded = setting.evaluations is None or setting.evaluations >= FEWEST_STEPS * step
        trusted = relative <= (NOISY if setting.noisy else EXACT)
        if not setting.sampled and m <= FEW and trusted and afforded:
            return replace(state, newton=newton.start(m, relative))
        paired = relative > NEARLY_EXACT or (setting.noisy and not setting.sampled)
        return replace(state, descent=descent.start(setting.n, paired=paired))
