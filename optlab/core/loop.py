"""The only loop of optlab: iterate until the method, a limit, an observer or an error ends it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from optlab.core.control import BudgetSpent, Limits
from optlab.core.method import AbstractExternalMethod, AbstractMethod, Watch
from optlab.core.progress import Progress
from optlab.core.status import StopReason
from optlab.errors import EvaluationError

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle

__all__ = ["ENDINGS", "Ending", "Hooks", "effective", "loop", "reason_of"]

S = TypeVar("S")

_NUMERICAL_ERRORS = (
    np.linalg.LinAlgError,
    FloatingPointError,
    ZeroDivisionError,
    OverflowError,
)
"""Numerical failures inside a method: they end the solve, they do not lose the best point."""

ENDINGS = (BudgetSpent, EvaluationError, KeyboardInterrupt, *_NUMERICAL_ERRORS)
"""What may end a loop from inside; anything else is a bug and goes on to the caller."""


@dataclass(frozen=True, slots=True)
class Ending(Generic[S]):
    """How a loop ended."""

    stop: StopReason
    iterations: int
    state: S | None
    """Last state, None when the first one could not be made."""

    progress: Progress | None
    """Report of that state, in the method's own variables."""

    error: BaseException | None = None
    """What went wrong, for EVAL_ERROR and NUMERICAL_ERROR."""


@dataclass(frozen=True, slots=True)
class Hooks(Generic[S]):
    """Who takes part in a loop beside its method."""

    report: Callable[[int, Progress], bool] | None = None
    """Called with every iterate; true asks for a stop."""

    resume: Callable[[S, Progress], S | None] | None = None
    """Called with a state that claims convergence; may return one to go on from."""

    save: Callable[[int, S], None] | None = None
    """Called with every state before it is worked on."""


def effective(method: AbstractMethod[Any], limits: Limits) -> Limits:
    """Fill in the method's own limit on iterations, so that it knows its horizon."""
    if limits.max_iter is not None:
        return limits
    return replace(limits, max_iter=method.default_max_iter)


def loop(
    method: AbstractMethod[S],
    oracle: Any,
    first: Callable[[], S],
    limits: Limits,
    hooks: Hooks[S] | None = None,
    k: int = 0,
) -> Ending[S]:
    """Iterate until the method, a limit, an observer or an error ends it: the only loop.

    Parameters
    ----------
    oracle
        The door that the method works with; an Oracle, or what a task in place has.
    first
        Makes the first state.
    limits
        Of this loop.
    hooks
        Who else takes part; None: nobody.
    k
        Number of the first iterate; not 0 in a resumed run.
    """
    hooks = Hooks() if hooks is None else hooks
    report, resume, save = hooks.report, hooks.resume, hooks.save
    max_iter = method.default_max_iter if limits.max_iter is None else limits.max_iter
    if isinstance(method, AbstractExternalMethod):
        bounds = Limits(max_iter, None, limits.max_time)
        return _foreign_loop(method, oracle, first, bounds, hooks)
    state: S | None = None
    progress: Progress | None = None
    try:
        state = first()
        while True:
            if save is not None:
                save(k, state)
            progress = method.progress(state)
            asked = report is not None and report(k, progress)
            stop = method.stop(state)
            if stop is StopReason.CONVERGED and resume is not None:
                resumed = resume(state, progress)
                if resumed is not None:
                    state, stop = resumed, None
            if stop is None and asked:
                stop = StopReason.USER
            if stop is None and k >= max_iter:
                stop = StopReason.MAX_ITER
            if stop is not None:
                return Ending(stop, k, state, progress)
            oracle.check()
            state = method.step(oracle, state)
            k += 1
    except ENDINGS as error:
        return Ending(reason_of(error, oracle), k, state, progress, error)


def _foreign_loop(
    method: AbstractExternalMethod[S],
    oracle: Oracle,
    first: Callable[[], S],
    limits: Limits,
    hooks: Hooks[S],
) -> Ending[S]:
    """Let a solver run its own loop; observers and limits act on the iterates that it shows."""
    started = time.monotonic()
    report, resume = hooks.report, hooks.resume
    max_iter = 0 if limits.max_iter is None else limits.max_iter
    max_time = math.inf if limits.max_time is None else limits.max_time
    k = -1
    progress: Progress | None = None

    def show(shown: Progress) -> None:
        nonlocal k, progress
        if k >= max_iter:
            raise BudgetSpent(StopReason.MAX_ITER)
        k, progress = k + 1, shown
        if report is not None and report(k, shown):
            raise BudgetSpent(StopReason.USER)
        oracle.check()

    state: S | None = None
    try:
        following: S | None = first()
        while following is not None:
            left = max_time - (time.monotonic() - started)
            watch = Watch(show, max_iter - max(k, 0), left)
            state = method.solve(oracle, following, watch)
            progress = method.progress(state)
            following = None
            if resume is not None and method.stop(state) is StopReason.CONVERGED:
                following = resume(state, progress)
    except ENDINGS as error:
        return Ending(reason_of(error, oracle), max(k, 0), state, progress, error)
    # A solver that gives no reason knows no way to go on.
    stop = None if state is None else method.stop(state)
    return Ending(stop or StopReason.STALLED, max(k, 0), state, progress)


def reason_of(error: BaseException, oracle: Oracle) -> StopReason:
    """Translate what ended an iteration."""
    if isinstance(error, BudgetSpent):
        return error.reason
    if isinstance(error, EvaluationError):
        return StopReason.EVAL_ERROR
    if isinstance(error, KeyboardInterrupt):
        # An inner loop that is interrupted must end the outer one, too.
        oracle.request_stop(StopReason.USER)
        return StopReason.USER
    return StopReason.NUMERICAL_ERROR
