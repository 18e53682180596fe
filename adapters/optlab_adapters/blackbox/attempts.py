"""Runs with retries: what happens in the place where a run happens, here or in an executor's worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optlab.errors import EvaluationError, OptionError, ProblemError
from optlab.typing import Vector
from optlab_adapters.blackbox.failures import RejectedPoint, RunError
from optlab_adapters.blackbox.runs import AbstractRun

__all__ = ["Outcome", "Retries", "attempt", "judged"]


@dataclass(frozen=True)
class Retries:
    """How often, and after what waiting, a failed run is tried again.

    Raises
    ------
    OptionError
        When a number is negative.
    """

    count: int = 0
    """Tries after the first one."""

    wait: float = 1.0
    """Seconds before the first retry."""

    factor: float = 2.0
    """By which the waiting grows from retry to retry."""

    longest: float = 60.0
    """Seconds that are never exceeded."""

    sleep: Callable[[float], Any] = time.sleep

    def __post_init__(self) -> None:
        if self.count < 0 or min(self.wait, self.factor, self.longest) < 0.0:
            raise OptionError(f"{self!r} has a negative number; retries need numbers >= 0")

    def pause(self, retry: int) -> None:
        """Wait before retry number 0, 1, ..."""
        self.sleep(min(self.wait * self.factor**retry, self.longest))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one point."""

    outputs: Vector | None
    """(), (m,), possibly with entries that are not finite; None when there was no result."""

    error: EvaluationError | None = None
    """Why the point has no finite result."""

    attempts: int = 1
    seconds: float = 0.0
    """Wall time of the runs, without the waiting between them."""


def attempt(run: AbstractRun, points: Vector, retries: Retries) -> list[Outcome]:
    """Run a simulator at points (k, n), again where that fails; k outcomes.

    When a run of many points fails, the points are tried one by one, so that only those fail that must.

    Raises
    ------
    ProblemError
        When what a run returns has a wrong shape: that is a mistake in the program, not a failed run.
    """
    if not run.batch and len(points) > 1:
        return [attempt(run, x[None], retries)[0] for x in points]
    begin = time.perf_counter()
    try:
        rows = _once(run, points)
    except EvaluationError as error:
        seconds = time.perf_counter() - begin
        if len(points) == 1:
            return [_again(run, points, retries, Outcome(None, error, 1, seconds))]
        alone = [attempt(run, x[None], retries)[0] for x in points]
        return [replace(o, attempts=o.attempts + 1) for o in alone]
    seconds = (time.perf_counter() - begin) / len(points)
    return [judged(x, row, 1, seconds) for x, row in zip(points, rows, strict=True)]


def _again(run: AbstractRun, points: Vector, retries: Retries, failed: Outcome) -> Outcome:
    """Retry one failed point."""
    error, seconds = failed.error, failed.seconds
    for retry in range(retries.count):
        if error is None or isinstance(error.__cause__, RejectedPoint):
            break
        retries.pause(retry)
        failed = replace(failed, attempts=failed.attempts + 1)
        begin = time.perf_counter()
        try:
            (row,) = _once(run, points)
        except EvaluationError as again:
            error = again
        else:
            seconds += time.perf_counter() - begin
            return judged(points[0], row, failed.attempts, seconds)
        seconds += time.perf_counter() - begin
    return replace(failed, error=error, seconds=seconds)


def _once(run: AbstractRun, points: Vector) -> Vector:
    """Run once and return a row, number or (m,), for every point.

    Raises
    ------
    EvaluationError
        Whatever the run raised, as the cause.
    """
    given = points.copy() if run.batch else points[0].copy()
    try:
        found = run(given)
    except Exception as error:
        words = str(error) if isinstance(error, RunError) else f"raised {error!r}"
        raise EvaluationError("simulator", points[0], words) from error
    rows = _numbers(found)
    if not run.batch:
        rows = rows[None]
    if rows.ndim not in (1, 2) or len(rows) != len(points):
        needed = f"({len(points)}, m) or ({len(points)},)" if run.batch else "a number or (m,)"
        raise ProblemError(
            f"the simulator returned shape {np.shape(found)} when it was given shape {given.shape}; {needed} is needed"
            + (
                ". A function of one point at a time is Simulator(f), without batch=True"
                * run.batch
            )
        )
    return rows


def _numbers(found: Any) -> Vector:
    """Return what a simulator returned as numbers."""
    try:
        return np.array(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(
            f"the simulator returned a {type(found).__name__} that is not numbers: {error}"
        ) from error


def judged(x: Vector, row: Vector, attempts: int, seconds: float) -> Outcome:
    """Call outputs that are not finite an error: they are a result, but none to go on with."""
    error = None
    if not np.isfinite(row).all():
        shown = np.array2string(row, precision=4, threshold=6)
        error = EvaluationError("simulator", x, f"returned {shown}")
    return Outcome(row, error, attempts, seconds)
