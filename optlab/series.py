"""Series of similar problems, each solved from the answer to the one before.

    minimize f(x; p_k)   subject to   c(x; p_k)   within limits,      k = 0, 1, 2, ...

A controller solves such a series (the horizon moves on), a market does (prices change), and so does
everyone who traces how a solution depends on a parameter. :func:`sequence` hands point, multipliers and
what the method keeps (a penalty, analysed sparsity patterns) from one solve to the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from optlab.api import minimize
from optlab.core.method import WarmStart
from optlab.core.problem_sources import load_problem
from optlab.core.result import Result
from optlab.core.status import StopReason
from optlab.errors import OptionError, ProblemError

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Vector

__all__ = ["Row", "Series", "Shift", "Transform", "sequence"]

Transform: TypeAlias = "Callable[[Result, Problem], Result | WarmStart | None]"
"""Maps the last result and the next problem to its start; None asks for a cold start."""

Source: TypeAlias = "Iterable[Any] | Callable[[int, Result | None], Any]"

_LIMITS = (
    StopReason.MAX_ITER,
    StopReason.MAX_EVAL,
    StopReason.MAX_TIME,
    StopReason.USER,
)
"""Endings after which a second try from elsewhere would only spend the limit again."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Move a horizon by one stage: every block takes the values of the next one, the last repeats.

    Examples
    --------
    >>> from optlab.series import Shift
    >>> Shift(x=2).moved([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2).tolist()
    [3.0, 4.0, 5.0, 6.0, 5.0, 6.0]
    """

    x: int
    """Variables in a stage."""

    y: int = 0
    """Rows in a stage."""

    def __call__(self, result: Result, problem: Problem) -> WarmStart:
        """Shift point and multipliers of ``result``; the rest is handed on as it is."""
        if problem.n % self.x or (self.y and problem.m % self.y):
            raise ProblemError(
                f"Shift(x={self.x}, y={self.y}) needs a whole number of stages; the problem has "
                f"{problem.n} variables and {problem.m} rows"
            )
        y, z = result.multipliers.constraints, result.multipliers.bounds
        known = bool(np.isfinite(y).all() and np.isfinite(z).all())
        return WarmStart(
            self.moved(result.x, self.x),
            self.moved(y, self.y) if known else None,
            self.moved(z, self.x) if known else None,
            dict(result.extras),
        )

    @staticmethod
    def moved(values: Any, width: int) -> Vector:
        """Return ``values`` moved by ``width`` entries."""
        array: Vector = np.asarray(values, dtype=np.float64)
        if not width or not array.size:
            return array
        return np.concatenate((array[width:], array[-width:]))


@dataclass(frozen=True, slots=True)
class Row:
    """One solve of a series, in numbers."""

    problem: str
    warm: bool
    """Whether it was started from an earlier answer, and stayed with that."""

    success: bool
    fun: float
    iterations: int
    gradients: int
    """Evaluations of the gradient."""

    hessians: int
    time: float
    """Seconds of wall time."""

    callback_time: float
    """Seconds of CPU time in the functions of the problem."""


class Series(Iterator[Result]):
    """Solves the problems one by one, as it is iterated over; keeps one line about each.

    Attributes
    ----------
    rows : list of Row
    last : Result or None
        Of the most recent solve.
    """

    def __init__(self, source: Source, plan: _Plan) -> None:
        self.rows: list[Row] = []
        self.last: Result | None = plan.first
        self._plan = plan
        self._deadline: float | None = None
        self._next: Callable[[], Any]
        if callable(source):
            call = source
            self._next = lambda: call(len(self.rows), self.last)
        else:
            items = iter(source)
            self._next = lambda: next(items, None)

    def __iter__(self) -> Series:
        """Return itself: a series can be gone through once."""
        return self

    def __next__(self) -> Result:
        """Solve the next problem.

        Raises
        ------
        StopIteration
            When there is no further problem, or the time for all of them is spent.
        """
        left = self._time_left()
        if left is not None and left <= 0.0:
            raise StopIteration
        given = self._next()
        if given is None:
            raise StopIteration
        plan = self._plan
        problem = load_problem(given, plan.params)
        warm = self._start(problem)
        result, stayed = self._solve(problem, warm, left)
        self.last = result
        evaluations = result.evaluations
        self.rows.append(
            Row(
                problem.name,
                warm is not None and stayed,
                result.success,
                result.fun,
                result.iterations,
                evaluations.get("gradient", 0),
                evaluations.get("hessian", 0),
                result.time,
                result.callback_time,
            )
        )
        return result

    def run(self) -> Series:
        """Solve all that are left and return the series, for its summary."""
        for _ in self:
            pass
        return self

    def summary(self) -> str:
        """Return a table: a line for every solve, then the sums."""
        header = ("k", "problem", "start", "solved", "f", "iter", "grad", "hess", "time s")
        lines = [
            (
                str(k),
                row.problem or "-",
                "warm" if row.warm else "cold",
                "yes" if row.success else "NO",
                f"{row.fun:.8g}",
                str(row.iterations),
                str(row.gradients),
                str(row.hessians),
                f"{row.time:.4f}",
            )
            for k, row in enumerate(self.rows)
        ]
        solved = sum(row.success for row in self.rows)
        total = (
            "",
            "all",
            "",
            f"{solved}/{len(self.rows)}",
            "",
            str(sum(row.iterations for row in self.rows)),
            str(sum(row.gradients for row in self.rows)),
            str(sum(row.hessians for row in self.rows)),
            f"{sum(row.time for row in self.rows):.4f}",
        )
        table = [header, *lines, total]
        widths = [max(len(line[i]) for line in table) for i in range(len(header))]
        rows = [
            "  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in table
        ]
        rule = "-" * len(rows[0])
        return "\n".join((rows[0], rule, *rows[1:-1], rule, rows[-1]))

    def _time_left(self) -> float | None:
        """Return the seconds left for the series; its clock starts with the first solve."""
        total = self._plan.total_time
        if total is None:
            return None
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + total
        return self._deadline - now

    def _start(self, problem: Problem) -> Result | WarmStart | None:
        last = self.last
        if last is None or not np.isfinite(last.x).all():
            return None
        transform = self._plan.transform
        return last if transform is None else transform(last, problem)

    def _solve(
        self, problem: Problem, warm: Result | WarmStart | None, left: float | None
    ) -> tuple[Result, bool]:
        """Solve from the warm start; when that fails, from the problem's own start.

        Returns
        -------
        tuple
            The better result, with the costs of both, and whether it is that of the warm start.
        """
        plan = self._plan
        result = minimize(problem, warm_start=warm, max_time=plan.time(left), **plan.options)
        if result.success or warm is None or not plan.retry or result.stop in _LIMITS:
            return result, True
        left = self._time_left()
        again = minimize(problem, max_time=plan.time(left), **plan.options)
        better = again if again.success else result
        first = result.evaluations
        sums = {k: v + first.get(k, 0) for k, v in again.evaluations.items()}
        return replace(
            better,
            iterations=result.iterations + again.iterations,
            evaluations=sums,
            time=result.time + again.time,
            callback_time=result.callback_time + again.callback_time,
            timing=result.timing + again.timing,
        ), better is result


@dataclass(frozen=True, slots=True)
class _Plan:
    """What stays the same over a series."""

    first: Result | None
    transform: Transform | None
    retry: bool
    max_time: float | None
    total_time: float | None
    params: Any
    options: dict[str, Any]

    def time(self, left: float | None) -> float | None:
        """Return the limit of one solve."""
        if left is None:
            return self.max_time
        left = max(left, 0.0)
        return left if self.max_time is None else min(left, self.max_time)


def sequence(
    problems: Source,
    method: Any = "auto",
    *,
    transform: Transform | Literal["same"] = "same",
    warm_start: Result | None = None,
    retry: bool = True,
    total_time: float | None = None,
    **options: Any,
) -> Series:
    """Solve a series of similar problems, each from the answer to the one before.

    Parameters
    ----------
    problems
        Problems, or whatever :func:`optlab.minimize` takes as one; a generator is asked for the
        next one only when it is its turn. Or a function ``(k, last_result) -> problem`` for series
        in which a problem depends on the answer before, ended by None; ``last_result`` is None (or
        ``warm_start``) for the first.
    method
        As for :func:`optlab.minimize`.
    transform
        ``(last_result, next_problem) -> Result or WarmStart`` makes the start, for example
        :class:`Shift` for a moving horizon; None from it asks for a cold start. Default: the
        last result as it is.
    warm_start
        Result to start the first problem from.
    retry
        Whether a problem whose warm start fails (not by a limit) is tried from its own start.
    total_time
        Limit for the whole series from the first solve on: the solve that reaches it ends with
        MAX_TIME and is the last.
    **options
        Everything else that :func:`optlab.minimize` takes: tol, options, max_iter, max_eval,
        max_time, observers, callback, seed, executor, params. Limits hold for each solve.

    Returns
    -------
    Series
        An iterator over the results; nothing is solved before it is asked for. It keeps numbers
        (``rows``, ``summary()``) and the last result, no other.

    Raises
    ------
    OptionError
        An option that belongs to a single solve only.
    ProblemError
        While iterating: sizes of start and problem differ and no transform mends that.

    Examples
    --------
    >>> import numpy as np, optlab
    >>> def tracked(p):
    ...     return optlab.Problem(
    ...         objective=lambda x: float((x - p) @ (x - p)), gradient=lambda x: 2 * (x - p),
    ...         hessian=lambda x, y, s: 2 * s * np.eye(2), x0=np.zeros(2), lb=0.0, ub=1.0)
    >>> series = optlab.sequence(tracked(p) for p in (0.2, 0.4, 1.7))
    >>> [round(float(result.x[0]), 6) for result in series]
    [0.2, 0.4, 1.0]
    >>> [row.warm for row in series.rows]
    [False, True, True]
    """
    for name in ("x0", "jac", "hess", "bounds"):
        if name in options:
            raise OptionError(
                f"{name} belongs to a single solve; give each problem of a sequence its own"
            )
    plan = _Plan(
        warm_start,
        None if transform == "same" else transform,
        retry,
        options.pop("max_time", None),
        total_time,
        options.pop("params", None),
        {"method": method, **options},
    )
    return Series(problems, plan)
