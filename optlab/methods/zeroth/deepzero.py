"""DeepZero: training networks by values only, with sparse coordinate-wise gradients of a dense model [CZJ24].

    1. Once, at the start: ZO-GraSP scores (:mod:`optlab.methods.zeroth.grasp`) from two randomized estimates
       give the share of each layer that is left out; the scores are thrown away.
    2. Every K epochs a fresh random mask S with exactly these shares; biases and normalizations are always in S.
    3. In each step coordinate-wise differences over S alone, |S| + 1 evaluations, and a step of gradient
       descent with momentum on the whole, dense model.

Coordinates rather than random directions: an evaluation can then start at the layer that is displaced, and the coordinates can
be spread over processes, to the same bits (:class:`optlab.adapters.TrainingTask`).

===========================  =================================================
paper and its program        code
===========================  =================================================
mu = 5e-3                    ``smoothing`` of the estimator
mask-shuffle-interval        ``refresh_epochs``
192 directions               ``grasp_directions``
lr 0.1, momentum, decay      ``learning_rate``, ``rule``
3 epochs of warm-up, cosine  ``warm_up_epochs``, ``schedule``
===========================  =================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from optlab.core.asktell import Query
from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.core.sampled import Block
from optlab.errors import OptionError
from optlab.methods.zeroth.descent import Turned
from optlab.methods.zeroth.estimators import CGE, RGE
from optlab.methods.zeroth.grasp import grasp_scores, kept_counts, ranked
from optlab.methods.zeroth.rules import AbstractRule, Momentum
from optlab.methods.zeroth.schedules import AbstractSchedule, Constant, Cosine, WarmUp
from optlab.methods.zeroth.state import Phase, Scene, State
from optlab.methods.zeroth.zeroth_order import AbstractZerothOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optlab.core.control import Limits
    from optlab.core.method import WarmStart
    from optlab.core.oracle import Oracle
    from optlab.methods.zeroth.estimators import AbstractEstimator
    from optlab.methods.zeroth.estimators.base import Estimate
    from optlab.methods.zeroth.sight import Sight
    from optlab.typing import Indices, Vector

__all__ = ["DeepZero"]

USUAL_RATE = 0.1
"""Learning rate of the authors' experiments."""

_HERE, _THERE = "scores here", "scores there"
"""Phases before the first step: the two estimates of ZO-GraSP."""

_MASK = 1
"""Purpose of the random numbers that draw a mask; estimates use 0 and the ones after this."""

_SCORES = 2


@register(
    MethodInfo(
        name="deepzero",
        summary="networks by values only: sparse coordinate-wise gradients, layer-wise ratios, dense model",
        needs_gradient=False,
        handles_constraints="linear",
        stochastic=True,
        batch=True,
        reference="CZJ24",
    )
)
@dataclass(frozen=True, kw_only=True)
class DeepZero(AbstractZerothOrder):
    """Sparse coordinate-wise descent; see the module."""

    sparsity: float = 0.9
    """Share of the prunable variables that is left out of a step."""

    mask: Literal["dynamic", "uniform", "fixed"] = "dynamic"
    """``"dynamic"``: ZO-GraSP's ratios, fresh masks. For comparison, ``"uniform"``: the same ratio in every block, fresh
    masks; ``"fixed"``: the variables with the largest scores, throughout."""

    refresh_epochs: float = 5.0
    """K: epochs after which a fresh mask is drawn."""

    grasp_directions: int = 192
    """Random directions of each of the two estimates that scores are made of."""

    common_directions: bool = False
    """Whether the two share their directions; the authors' program draws anew."""

    learning_rate: float | None = None
    """Rate at the schedule's factor 1; None: 0.1 for learning tasks, searched otherwise."""

    rule: AbstractRule = Momentum(momentum=0.9, weight_decay=5e-4)  # noqa: RUF009 - frozen
    warm_up_epochs: float = 3.0
    """Epochs over which the rate rises, where the run is longer than twice as long; used without ``schedule``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.sparsity < 1.0:
            raise OptionError(f"sparsity is {self.sparsity!r}; a number in [0, 1) is needed")
        if self.mask not in ("dynamic", "uniform", "fixed"):
            raise OptionError(
                f"mask is {self.mask!r}; 'dynamic', 'uniform' or 'fixed' is needed"
            )
        if not self.refresh_epochs > 0.0:
            raise OptionError(
                f"refresh_epochs is {self.refresh_epochs!r}; a positive number is needed"
            )
        if self.grasp_directions < 1:
            raise OptionError(
                f"grasp_directions is {self.grasp_directions!r}; at least 1 is needed"
            )

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
        if self.mask == "uniform":
            sizes = [self._share(b) for b in _blocks(state.scene)]
            return replace(state, store={"counts": np.array(sizes, dtype=np.float64)})
        return replace(state, phase=_HERE)

    def suited(self, scene: Scene) -> AbstractEstimator:  # noqa: ARG002 - the same for all
        """Return forward differences."""
        return CGE(smoothing=5e-3)

    def base_rate(self, scene: Scene) -> float | None:
        """Return the rate, that of the paper for learning tasks."""
        if self.learning_rate is None and scene.sampled:
            return USUAL_RATE
        return self.learning_rate

    def default_schedule(self, scene: Scene) -> AbstractSchedule:
        """Return a cosine, after a warm-up where there is time for it."""
        if scene.horizon is None:
            return Constant()
        rise = self.warm_up_epochs * scene.steps_per_epoch
        return WarmUp(rise, Cosine()) if 1.0 <= rise < scene.horizon / 2 else Cosine()

    def queries_per_step(self, scene: Scene) -> int:
        """Return |S| + 1."""
        active = sum(self._share(b) for b in _blocks(scene))
        return self.chosen(scene).queries(scene.n, np.arange(min(active, scene.free.size)))

    def queries_before(self) -> int:
        """Return the evaluations that the ratios take before the first step."""
        return 0 if self.mask == "uniform" else 2 * (self.grasp_directions + 1)

    def _horizon(self, limits: Limits, scene: Scene) -> int | None:
        """Take the evaluations for the ratios off the budget."""
        found = super()._horizon(limits, scene)
        if limits.max_eval is None or found is None:
            return found
        left = max(0, limits.max_eval - self.queries_before())
        return min(found, max(1, left // self.queries_per_step(scene)))

    def _share(self, block: Block) -> int:
        """Return how many variables of a block a uniform mask has, at least one."""
        if not block.prunable:
            return block.size
        return min(block.size, max(1, round((1.0 - self.sparsity) * block.size)))

    # Ratios -----------------------------------------------------------------------------------------

    def _turn(self, state: State) -> Turned:
        """Ask for the scores first."""
        if state.phase in (_HERE, _THERE):
            return self._scoring(state)
        return super()._turn(state)

    def _scoring(self, state: State) -> Turned:
        """Ask for one of the two estimates of ZO-GraSP."""
        scene, there = state.scene, state.phase == _THERE
        chosen = self.chosen(scene)
        estimator = self._scaled(
            RGE(count=self.grasp_directions, smoothing=chosen.smoothing, scale=chosen.scale),
            state,
        )
        h = chosen.smoothing
        at = scene.domain.project(state.x + h * state.store["here"]) if there else state.x
        purpose = _SCORES + (there and not self.common_directions)
        plan = self._drawn(estimator, state, at, purpose)
        query = Query(at, plan.shifts, scene.key(0))

        def absorb(values: Vector) -> State:
            g = plan.combine(values).gradient
            after = replace(state, queries=state.queries + values.size)
            if not there:
                return replace(after, phase=_THERE, store={"here": g})
            scores = grasp_scores(state.x, state.store["here"], g, h)
            kept = ranked(scores, _blocks(scene), self.sparsity)
            store: dict[str, Vector] = {
                "counts": kept_counts(kept, _blocks(scene)).astype(np.float64)
            }
            if self.mask == "fixed":
                store["fixed"] = kept.astype(np.float64)
            return replace(after, phase=Phase.ESTIMATE, store=store)

        return Turned(query, absorb)

    def _estimated(self, state: State, estimate: Estimate, sight: Sight) -> State:
        """Step; say that the error is not known where a mask hides part of the gradient."""
        active = self._active(state)
        if active is not None and active.size < state.scene.free.size:
            estimate = replace(estimate, standard_error=math.nan)
        return super()._estimated(state, estimate, sight)

    # Masks ------------------------------------------------------------------------------------------

    def _active(self, state: State) -> Indices | None:
        """Return the mask of a step: what is always in it, and what was drawn for its period."""
        scene = state.scene
        if state.phase != Phase.ESTIMATE:
            return scene.domain.free
        blocks = _blocks(scene)
        if "fixed" in state.store:
            chosen = [state.store["fixed"].astype(np.intp)]
        else:
            period = max(1, round(self.refresh_epochs * scene.steps_per_epoch))
            rng = scene.generator(state.k // period * period, _MASK)
            chosen = [
                block.start + rng.choice(block.size, size=int(count), replace=False)
                for block, count in zip(blocks, state.store["counts"], strict=True)
                if block.prunable
            ]
        always = [np.arange(b.start, b.stop) for b in blocks if not b.prunable]
        active = np.sort(np.concatenate([*chosen, *always]))
        free = scene.domain.free
        return active if free is None else np.intersect1d(active, free)


def _blocks(scene: Scene) -> Sequence[Block]:
    """Return the blocks of a task, one for all variables where it has none."""
    return scene.blocks or (Block("x", (scene.n,), 0),)
