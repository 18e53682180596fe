"""Evaluating an objective at many points at once: where a :class:`~optlab.core.asktell.Query` gets its values.

Four ways, the first that the problem offers: a sampled objective evaluates displacements as it likes; a vectorised
objective takes an array of points; an executor takes points one by one; a loop does what remains. A point that cannot
be evaluated has the value nan; what it raised is kept, and raised when not one point of a batch gives a value.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.guards import NOTHING, finite_number, guarded, immutable
from optlab.core.journal import digest
from optlab.core.status import StopReason
from optlab.errors import EvaluationError, OptlabWarning, ProblemError
from optlab.typing import Vector

if TYPE_CHECKING:
    from optlab.core.asktell import Query
    from optlab.core.oracle import Oracle

__all__ = ["average_at", "gradient_at", "values_at"]

_CHUNK = 2**22
"""Numbers in the points given to a vectorised objective at a time: 32 MB."""

_WINDOW = 256
"""Points in an executor's queue at a time."""


def values_at(oracle: Oracle, query: Query) -> Vector:
    """Evaluate the points of a query, counted and within the limits; called as ``oracle.values(query)``.

    Parameters
    ----------
    oracle
        Door to the problem; its journal, if any, answers first.
    query
        k points.

    Returns
    -------
    Vector
        (k,); nan where an evaluation failed.

    Raises
    ------
    BudgetSpent
        When the limits do not allow k evaluations. What they allow is evaluated first where that may find a better
        point: not for samples and noisy values.
    EvaluationError
        When not one point gives a value and the query needs one.
    """
    oracle.check()
    wanted = len(query)
    allowed = int(min(wanted, oracle.evaluations_left))
    exact = oracle.keeps_incumbent
    if allowed == 0 or (allowed < wanted and not exact):
        raise BudgetSpent(StopReason.MAX_EVAL)
    batch = _Batch(oracle, query, allowed)
    try:
        batch.evaluate()
    finally:
        if exact and not oracle.m:
            batch.offer_best()
    if allowed < wanted:
        raise BudgetSpent(StopReason.MAX_EVAL)
    if query.needed and not np.isfinite(batch.values).any():
        raise batch.failure()
    return batch.values


def average_at(oracle: Oracle, x: Vector) -> float:
    """Evaluate the average over all samples at the end of a solve; counted as ``average``, beyond the limits.

    Raises
    ------
    EvaluationError
        When it fails.
    """
    oracle.counts["average"] = oracle.counts.get("average", 0) + 1
    oracle.account.enter("objective")
    try:
        point = immutable(x.tobytes())
        return finite_number(
            "objective", guarded("objective", oracle.problem.objective, point), point
        )
    finally:
        oracle.account.leave()


def gradient_at(oracle: Oracle, x: Vector, key: int | None) -> tuple[float, Vector]:
    """Return F(x; key) and its gradient, that of the objective where it is no average over samples.

    Parameters
    ----------
    x
        (n,)
    key
        The sample.
    """
    sampled = oracle.problem.sampled
    if sampled is None or not sampled.has_gradient:
        return oracle.objective(x), np.array(oracle.gradient(x))
    oracle.check()
    oracle.counts["gradient"] += 1
    f, gradient = sampled.gradient(x, key)
    return float(f), np.asarray(gradient, dtype=np.float64)


class _Batch:
    """The points of one query on their way to values."""

    def __init__(self, oracle: Oracle, query: Query, count: int) -> None:
        self.oracle, self.query = oracle, query
        self.values: Vector = np.full(count, np.nan)
        self.done = 0
        """Values from the start that are there."""
        self.cause: Exception | None = None

    def evaluate(self) -> None:
        """Fill in the values, those that the journal knows first."""
        oracle, count = self.oracle, self.values.size
        journal = oracle.journal
        if journal is not None:
            self._take(journal.begin(digest(self.query), len(self.query))[:count])
        account = oracle.account
        account.enter("objective")
        begin = process_time()
        try:
            for part in self._rest() if self.done < count else ():
                if journal is not None:
                    journal.add(part)
                self._take(part)
        finally:
            account.cpu["objective"] += process_time() - begin
            account.leave()

    def offer_best(self) -> None:
        """Show the best point to the oracle, which keeps it if it is the best so far."""
        found = self.values[: self.done]
        if np.isfinite(found).any():
            best = int(np.nanargmin(np.where(np.isfinite(found), found, np.inf)))
            point = self.query.shifts.points(self.query.x, best, best + 1)[0]
            self.oracle.offer(immutable(point.tobytes()), float(found[best]), NOTHING)

    def failure(self) -> EvaluationError:
        """Say why there is no value."""
        cause: Any = self.cause or f"gives no finite value at any of {self.done} points"
        if isinstance(cause, EvaluationError):
            return cause
        return EvaluationError("objective", self.query.x, cause)

    def _take(self, part: Vector) -> None:
        """Count values and put them in their places."""
        stop = self.done + part.size
        self.values[self.done : stop] = np.where(np.isfinite(part), part, np.nan)
        self.done = stop
        self.oracle.counts["objective"] += part.size

    def _rest(self) -> Iterator[Vector]:
        """Evaluate what is missing, in order; a value is yielded as soon as it is there."""
        problem, executor = self.oracle.problem, self.oracle.executor
        if problem.sampled is not None:
            return self._by_samples()
        if problem.objective_batch is not None:
            return self._vectorised()
        return self._one_by_one() if executor is None else self._handed_out(executor)

    def _by_samples(self) -> Iterator[Vector]:
        sampled = self.oracle.problem.sampled
        assert sampled is not None
        part = self.query.shifts.part(self.done, self.values.size)

        def values(x: Vector) -> Vector:
            return sampled.values(x, part, self.query.key, self.oracle.executor)

        yield self._guarded(values, len(part))

    def _vectorised(self) -> Iterator[Vector]:
        function: Any = self.oracle.problem.objective_batch
        rows = max(1, _CHUNK // max(1, self.oracle.n))
        while self.done < self.values.size:
            self.oracle.check()
            stop = min(self.done + rows, self.values.size)
            points = self.query.shifts.points(self.query.x, self.done, stop)
            yield self._guarded(partial(_on_points, function, points), len(points))

    def _guarded(self, function: Any, count: int) -> Vector:
        """Call a function of many points; nan for all when it raises."""
        x = immutable(self.query.x.tobytes())
        try:
            found = np.asarray(guarded("objective", function, x), dtype=np.float64)
        except EvaluationError as error:
            self.cause = self.cause or error
            return np.full(count, np.nan)
        if found.shape != (count,):
            raise ProblemError(
                f"the objective of {count} points has shape {found.shape}; shape ({count},) is needed"
            )
        return found

    def _one_by_one(self) -> Iterator[Vector]:
        for j in range(self.done, self.values.size):
            self.oracle.check()
            yield self._value(self._point(j))

    def _point(self, j: int) -> Vector:
        point: Vector = immutable(self.query.shifts.points(self.query.x, j, j + 1)[0].tobytes())
        return point

    def _value(self, point: Vector) -> Vector:
        """Evaluate one point here."""
        try:
            raw = guarded("objective", self.oracle.problem.objective, point)
            return np.array([float(raw)])
        except (EvaluationError, TypeError, ValueError) as error:
            self.cause = self.cause or (
                error
                if isinstance(error, EvaluationError)
                else EvaluationError("objective", point, error)
            )
            return np.array([np.nan])

    def _handed_out(self, executor: Executor) -> Iterator[Vector]:
        """Let an executor evaluate; what a dying worker takes with it is evaluated here."""
        objective = self.oracle.problem.objective
        waiting: list[tuple[Vector, Future[Any]]] = []
        following = self.done
        broken: BrokenExecutor | None = None
        try:
            while self.done < self.values.size:
                while (
                    broken is None and len(waiting) < _WINDOW and following < self.values.size
                ):
                    point = self._point(following)
                    try:
                        waiting.append((point, executor.submit(objective, point)))
                    except BrokenExecutor as error:
                        broken = error
                        break
                    following += 1
                self.oracle.check()
                if not waiting:
                    yield self._value(self._point(self.done))
                    continue
                point, future = waiting.pop(0)
                try:
                    part = np.array([guarded("objective", partial(_awaited, future), point)])
                except EvaluationError as error:
                    if isinstance(error.__cause__, BrokenExecutor):
                        broken = self._mourn(error.__cause__, broken)
                        part = self._value(point)
                    else:
                        self.cause = self.cause or error
                        part = np.array([np.nan])
                yield part
        finally:
            for _, future in waiting:
                future.cancel()

    def _mourn(self, error: BrokenExecutor, known: BrokenExecutor | None) -> BrokenExecutor:
        """Say once that the executor is broken."""
        if known is None:
            warnings.warn(
                f"the executor is broken ({error}); what it had not finished is evaluated in this process",
                OptlabWarning,
                stacklevel=2,
            )
        return error


def _on_points(function: Any, points: Vector, x: Vector) -> Any:  # noqa: ARG001 - guarded() passes the point
    return function(points)


def _awaited(future: Future[Any], x: Vector) -> float:  # noqa: ARG001
    return float(future.result())
