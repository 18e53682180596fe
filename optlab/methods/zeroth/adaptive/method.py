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
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.methods.zeroth.adaptive import descent, newton
from optlab.methods.zeroth.adaptive.state import (
    RECORDS,
    Phase,
    State,
    Told,
    query_at,
)
from optlab.methods.zeroth.estimators.base import Box
from optlab.methods.zeroth.estimators.noise import NoisePlan, noise_plan
from optlab.methods.zeroth.estimators.space import space_of
from optlab.methods.zeroth.run import AbstractRun
from optlab.methods.zeroth.state import Scene, Shown

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
class AdaptiveZerothOrder(AbstractRun[State], AbstractAskTell[State]):
    """Descent along random directions at the greedy rate, or quasi-Newton steps where values are exact and few are needed."""

    records: ClassVar[tuple[type, ...]] = RECORDS

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
        x = scene.domain.project(x0)
        ended = None if scene.free.size else StopReason.CONVERGED
        return State(
            scene=scene, x=x, shown=Shown(x=x), direction=np.zeros(x.size), ended=ended
        )

    def queries_per_step(self, scene: Scene) -> int:  # noqa: ARG002
        """Return that it is not known: the rate follows the evaluations themselves."""
        return 0

    def memory(self, state: State) -> dict[str, Any]:
        """Return what every run keeps, and the noise."""
        return super().memory(state) | {"noise": state.noise}

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
        scene = state.scene
        box = Box(state.x, scene.domain.lb, scene.domain.ub)
        space = space_of(scene.n, scene.scale, box, scene.free)
        return noise_plan(space, SPACING, scene.generator(0, purpose=1))

    def _chosen(self, state: State, values: Vector) -> State:
        """Choose the way by noise, number of variables and limits."""
        scene, m = state.scene, state.scene.free.size
        noise = float(self._noise_plan(state).combine(values))
        noise = noise if math.isfinite(noise) else 0.0
        size = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
        relative = noise / size if size > 0.0 else 0.0
        state = replace(state, noise=noise, phase=Phase.GRADIENT)
        step = 2 * m + len(newton.LENGTHS)
        afforded = scene.evaluations is None or scene.evaluations >= FEWEST_STEPS * step
        trusted = relative <= (NOISY if scene.noisy else EXACT)
        if not scene.sampled and m <= FEW and trusted and afforded:
            return replace(state, newton=newton.start(m, relative))
        paired = relative > NEARLY_EXACT or (scene.noisy and not scene.sampled)
        return replace(state, descent=descent.start(scene.n, paired=paired))
