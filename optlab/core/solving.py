"""From a problem and the user's wishes to a result: what is missing is estimated, what is guessed is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.checkpoint import Checkpoint
from optlab.core.control import Limits
from optlab.core.derivatives import Differences, estimate_derivatives
from optlab.core.driver import run
from optlab.core.driver_in_place import run_in_place
from optlab.core.guards import NOTHING
from optlab.core.guesses import LastPoint, believing, refuted
from optlab.core.in_place import AbstractInPlace, VectorInPlace
from optlab.core.method import AbstractMethod, WarmStart
from optlab.core.options import check_capabilities, choose_method
from optlab.core.oracle import Oracle
from optlab.core.probe import find_linear_rows
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.core.status import PointStatus
from optlab.core.timing import Timing
from optlab.errors import OptionError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab.core.progress import Observer
    from optlab.typing import Vector

__all__ = ["Order", "solved", "solved_in_place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a problem is to be solved."""

    build: Callable[[Any], AbstractMethod[Any]]
    """Makes a method from a name, class or instance, with the user's tolerance and options."""

    method: Any
    limits: Limits
    watchers: tuple[Any, ...]
    seed: int
    checkpoint: Checkpoint | None
    executor: Executor | None = None
    start: Vector = field(default_factory=lambda: NOTHING)
    """(n,)"""

    warm: WarmStart | None = None

    @property
    def in_place(self) -> bool:
        """Whether the method changes variables where they are."""
        return self.method != "auto" and self.build(self.method).info.in_place

    def suited(self, problem: Problem) -> AbstractMethod[Any]:
        """Return the method, chosen for the problem where that is asked for.

        Raises
        ------
        CapabilityError
            When it cannot handle the problem.
        """
        chosen = self.build(choose_method(problem) if self.method == "auto" else self.method)
        check_capabilities(chosen.info, problem)
        return chosen


def solved(order: Order, problem: Problem, wanted: Differences | None) -> Result:
    """Fill in what the problem lacks, solve it, and check what was guessed.

    Parameters
    ----------
    order
        With the start.
    problem
        As the user stated it.
    wanted
        How derivatives that it lacks are estimated; None: not at all.
    """
    if order.in_place:
        check_capabilities(order.build(order.method).info, problem)
        return solved_in_place(order, VectorInPlace(problem.replace(x0=order.start)))
    if order.method == "auto" and problem.noisy:
        order = replace(order, method=choose_method(problem))
    early = None if order.method == "auto" else order.build(order.method)
    if wanted is not None and (early is None or early.info.needs_gradient):
        problem = estimate_derivatives(problem, wanted)
    # Peers make nothing of the knowledge which rows are linear.
    probed = problem.m > 0 and problem.linear is None and problem.has_jacobian
    if early is not None:
        # What can be said without evaluating anything is said first.
        check_capabilities(early.info, problem, rows=problem.linear is not None)
        probed = probed and not early.info.external
    oracle = Oracle(problem, executor=order.executor)
    if probed:
        problem = problem.replace(linear=find_linear_rows(oracle, order.start))
        oracle = oracle.reopened(problem)
    chosen = order.suited(problem)
    limits, warm, seed = order.limits, order.warm, order.seed
    if not (probed or problem.derivatives == "estimated"):
        at, plan = order.start, order.checkpoint
        return run(
            chosen, oracle, at, limits, order.watchers, warm=warm, seed=seed, checkpoint=plan
        )
    if order.checkpoint is not None:
        raise OptionError(
            "checkpoint= and resume= are for methods that need no derivatives that must be estimated first, and for "
            'rows that are known to be linear; pass derivatives="exact" and linear=... to optlab.Problem'
        )
    last = LastPoint()

    def solve(door: Oracle, rest: Limits) -> Result:
        watchers = (*order.watchers, last)
        suited = order.suited(door.problem) if order.method == "auto" else chosen
        check_capabilities(suited.info, door.problem)
        return run(suited, door, order.start, rest, watchers, warm=warm, seed=seed)

    oracle, result = (
        believing(solve, oracle, limits) if probed else (oracle, solve(oracle, limits))
    )
    left = _left(limits, result, oracle)
    revised = refuted(result, oracle, left, last, probed=probed)
    if revised is None:
        return _counted(result, oracle)
    again = oracle.reopened(revised)
    return _resumed(result, order.suited(revised), again, limits, order.watchers)


def solved_in_place(order: Order, task: AbstractInPlace) -> Result:
    """Run a method that changes the variables of a task where they are."""
    return run_in_place(
        order.build(order.method),
        task,
        order.limits,
        order.watchers,
        seed=order.seed,
        checkpoint=order.checkpoint,
    )


def _counted(result: Result, oracle: Oracle) -> Result:
    """Bring the work done after the result was made into it."""
    return replace(
        result,
        evaluations=dict(oracle.counts),
        callback_time=oracle.callback_time,
        timing=Timing.of(oracle.account),
    )


def _left(limits: Limits, result: Result, oracle: Oracle) -> Limits:
    """Return what a first solve left of the limits."""
    spent = oracle.counts["objective"]
    return Limits(
        None if limits.max_iter is None else max(0, limits.max_iter - result.iterations),
        None if limits.max_eval is None else max(0, limits.max_eval - spent),
        None if limits.max_time is None else max(0.0, limits.max_time - result.time),
    )


def _resumed(
    result: Result,
    method: AbstractMethod[Any],
    oracle: Oracle,
    limits: Limits,
    watchers: Sequence[Observer],
) -> Result:
    """Go on from the best point of a first solve with what is left of the limits."""
    warm: WarmStart | None = None
    y = result.multipliers.constraints
    if oracle.derivatives == "estimated" and np.isfinite(y).all():
        warm = WarmStart(result.x, y)
    left = _left(limits, result, oracle)
    second = run(method, oracle, result.x, left, watchers, warm=warm, seed=result.seed)
    lost = second.point is PointStatus.UNKNOWN and result.point is PointStatus.FEASIBLE
    if lost or not np.isfinite(second.fun):
        # Nothing was left for even one evaluation, or little: the first answer stands.
        return _counted(result, oracle)
    return replace(
        second,
        iterations=result.iterations + second.iterations,
        time=result.time + second.time,
        history=result.history + second.history,
        setting=second.setting and replace(second.setting, limits=limits),
    )
