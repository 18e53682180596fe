"""A simulator as the rest of optlab sees it: many points in, many outputs out, nothing paid for twice.

Around the plain runs of :mod:`~optlab_adapters.blackbox.runs` it puts, from the inside out: retries, an executor, a
budget, the cache of evaluated points, and the policy for points that fail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.problem import Problem
from optlab.errors import EvaluationError, OptionError, ProblemError
from optlab.typing import Indices, Mask, Vector
from optlab_adapters.blackbox.attempts import Outcome, Retries, judged
from optlab_adapters.blackbox.cache import EvaluationCache
from optlab_adapters.blackbox.counts import Account, Counts
from optlab_adapters.blackbox.dispatch import Dispatcher
from optlab_adapters.blackbox.finite import finite_rows
from optlab_adapters.blackbox.objective import SimulatorObjective
from optlab_adapters.blackbox.runs import AbstractRun, PythonFunction

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

__all__ = ["POLICIES", "Evaluated", "Simulator"]

POLICIES = ("stop", "drop", "penalise")
"""What happens when a point fails after all retries."""


@dataclass(frozen=True)
class Evaluated:
    """What a simulator said about k points."""

    values: Vector
    """(k, m); rows of nan where the point failed. One column for a simulator that returns a number."""

    errors: dict[int, EvaluationError]
    """Number of a point -> why it failed."""

    @property
    def ok(self) -> Mask:
        """(k,) true where there is a result."""
        return finite_rows(self.values)


@dataclass(eq=False)
class Simulator:
    """A simulator with retries, a cache, a budget and a policy for failures.

    Raises
    ------
    OptionError
        When an option has a wrong value, or a cache is wanted for a function that needs an ``identity``.

    Examples
    --------
    >>> simulator = Simulator(lambda x: [x[0] * x[1], x[0] - x[1]], cache=":memory:")
    >>> simulator([[2.0, 3.0], [1.0, 1.0], [2.0, 3.0]])
    array([[ 6., -1.],
           [ 1.,  0.],
           [ 6., -1.]])
    >>> simulator.counts.queries, simulator.counts.cache_hits
    (2, 1)
    """

    run: AbstractRun | Callable[[Vector], Any]
    """A run, such as a Command or an HttpEndpoint, or a function: (n,) -> number or (m,)."""

    batch: bool = field(default=False, kw_only=True)
    """Whether that function takes all points at once: (k, n) -> (k,) or (k, m)."""

    batch_size: int | None = field(default=None, kw_only=True)
    """Most points in one call of a run that takes many; None: no limit. With an executor every call is one task."""

    executor: Executor | None = field(default=None, kw_only=True)
    """Of ``concurrent.futures``, for runs side by side. Threads do for commands and servers."""

    cache: str | Path | EvaluationCache | None = field(default=None, kw_only=True)
    """File that keeps every result (SQLite, for any number of processes); ``":memory:"`` while the simulator lives; None:
    every point is run whenever it is asked for, as averaging over the noise of a simulator needs."""

    identity: str | None = field(default=None, kw_only=True)
    """Names the simulator in the cache; None: from the run. Must change when the results may."""

    retries: int | Retries = field(default=0, kw_only=True)
    on_failure: str = field(default="stop", kw_only=True)
    """``"stop"`` raises EvaluationError, ``"drop"`` gives nan, ``"penalise"`` gives ``penalty``."""

    penalty: Any = field(default=None, kw_only=True)
    """Number or (m,)."""

    max_queries: int | None = field(default=None, kw_only=True)
    """Most points that are run; retries are not counted, nor what the cache knew. Never exceeded."""

    outputs: int | None = field(default=None, kw_only=True)
    """m, where it must be known before the first run succeeds; 0 for a simulator that returns a number."""

    def __post_init__(self) -> None:
        if isinstance(self.run, AbstractRun) and self.batch:
            raise OptionError(
                f"batch=True belongs to a plain function; {type(self.run).__name__} says itself how many points it takes"
            )
        if self.on_failure not in POLICIES:
            raise OptionError(
                f"on_failure is {self.on_failure!r}; one of {', '.join(map(repr, POLICIES))} is needed"
            )
        if (self.on_failure == "penalise") != (self.penalty is not None):
            raise OptionError(
                "on_failure='penalise' and penalty=, a number or one number per output, are "
                f"needed together; given were {self.on_failure!r} and {self.penalty!r}"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch_size is {self.batch_size}; at least 1 is needed")
        run = self.run
        if not isinstance(run, AbstractRun):
            run = PythonFunction(run, batch=self.batch)
        retries = self.retries if isinstance(self.retries, Retries) else Retries(self.retries)
        self._work = Dispatcher(run, retries, self.executor, self.batch_size)
        self._account = Account(self.max_queries)
        self._lock = threading.Lock()
        self._cache: EvaluationCache | None = None
        if self.cache is not None:
            self.identity = run.identity() if self.identity is None else self.identity
            given = self.cache
            self._cache = (
                given if isinstance(given, EvaluationCache) else EvaluationCache(given)
            )

    @property
    def counts(self) -> Counts:
        """What was run so far."""
        return self._account.counts

    def __call__(self, x: Any) -> Any:
        """Run the simulator, and do with failed points what ``on_failure`` says.

        Parameters
        ----------
        x
            A point (n,), or points (..., n).

        Returns
        -------
        float or Vector
            (...,) for a simulator that returns a number, (..., m) for one that returns m.

        Raises
        ------
        EvaluationError
            When a point fails and ``on_failure`` is ``"stop"``.
        BudgetError
            When the budget does not allow the points; then none is run.
        ProblemError
            When shapes are wrong.
        """
        points = np.asarray(x, dtype=np.float64)
        if points.ndim == 0:
            raise ProblemError(
                "the simulator was given a number; a point of shape (n,) is needed"
            )
        found = self.evaluate(points.reshape(-1, points.shape[-1]))
        values = self.settled(found.values)
        if self.outputs == 0:
            return (
                float(values[0, 0]) if points.ndim == 1 else values.reshape(points.shape[:-1])
            )
        return values.reshape(*points.shape[:-1], values.shape[1])

    def evaluate(self, points: Vector) -> Evaluated:
        """Run the simulator at points (k, n); failed ones are rows of nan unless ``on_failure`` is ``"stop"``.

        Raises
        ------
        EvaluationError, BudgetError, ProblemError
            As for a call.
        """
        if not np.isfinite(points).all():
            bad = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
            raise ProblemError(
                f"point {bad} of {len(points)} is {points[bad]}; finite numbers are needed"
            )
        outcomes = self._looked_up(points)
        groups = self._groups(points, outcomes)
        if groups:
            self._run(points, groups, outcomes)
        return self._collected(outcomes)

    def settled(self, values: Vector) -> Vector:
        """Put the penalty into the rows of failed points; ``values`` (k, m) is not changed.

        Raises
        ------
        ProblemError
            When the penalty does not fit the outputs.
        """
        if self.on_failure != "penalise":
            return values
        penalty = np.asarray(self.penalty, dtype=np.float64)
        if penalty.shape not in ((), values.shape[1:]):
            raise ProblemError(
                f"penalty has shape {penalty.shape}; a number or shape {values.shape[1:]} is needed"
            )
        penalised: Vector = np.where(finite_rows(values)[:, None], values, penalty)
        return penalised

    def problem(
        self,
        x0: Any,
        *,
        lower: Any = None,
        upper: Any = None,
        loss: Callable[[Vector], Any] | None = None,
        **more: Any,
    ) -> Problem:
        """State the minimization of the simulator's number, or of a loss of its outputs, as a problem.

        A solve ends with MAX_EVAL when ``max_queries`` is spent, and with EVAL_ERROR when a run fails and ``on_failure`` is
        ``"stop"``; ``"drop"`` gives nan, which zeroth-order methods leave out.

        Parameters
        ----------
        x0
            Start point, (n,).
        lower, upper
            Bounds, (n,) or a number.
        loss
            (m,) outputs -> number; None for a simulator that returns a number.
        more
            What else :class:`optlab.Problem` takes: gradient, constraints, noisy, variable_names ...

        Examples
        --------
        >>> import optlab
        >>> simulator = Simulator(lambda x: [x[0] + x[1], x[0] * x[1]], cache=":memory:")
        >>> problem = simulator.problem([0.0, 0.0], loss=lambda y: (y[0] - 1.0) ** 2 + y[1] ** 2)
        >>> problem.objective([0.5, 0.5])
        0.0625
        """
        objective = SimulatorObjective(self, loss)
        return Problem(
            objective=objective.value,
            objective_batch=objective.values,
            x0=x0,
            lb=lower,
            ub=upper,
            **more,
        )

    def archive(self) -> tuple[Vector, Vector]:
        """Return what the cache knows of this simulator, oldest first: points (k, n) and outputs (k, m).

        Results that are not finite are among them; failed runs without a result are not.

        Raises
        ------
        OptionError
            When there is no cache.
        """
        if self._cache is None:
            raise OptionError("the simulator has no cache; pass cache='results.sqlite'")
        found = self._cache.contents(self.identity)
        if not found:
            return np.empty((0, 0)), np.empty((0, 0))
        return np.stack([x for _, x, _ in found]), np.stack(
            [np.atleast_1d(y) for *_, y in found]
        )

    def close(self) -> None:
        """Close the cache; the executor belongs to whoever made it."""
        if self._cache is not None:
            self._cache.close()

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process without executor and counts; a cache in a file is shared."""
        return {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name != "executor"
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin counting in the other process."""
        self.__init__(**state)  # type: ignore[misc]

    def _looked_up(self, points: Vector) -> list[Outcome | None]:
        """Ask the cache."""
        if self._cache is None or self.identity is None:
            return [None] * len(points)
        known = self._cache.get(self.identity, points)
        self._account.hits(len(known))
        return [
            self._fitting(x, judged(x, known[i], 1, 0.0)) if i in known else None
            for i, x in enumerate(points)
        ]

    def _groups(self, points: Vector, outcomes: Sequence[Outcome | None]) -> list[list[int]]:
        """Return the points to run, equal ones together.

        Without a cache a point that is asked for twice is run twice: its noise may be the question.
        """
        new = [i for i, outcome in enumerate(outcomes) if outcome is None]
        if self._cache is None:
            return [[i] for i in new]
        groups: dict[bytes, list[int]] = {}
        for i in new:
            groups.setdefault((points[i] + 0.0).tobytes(), []).append(i)
        self._account.hits(len(new) - len(groups))
        return list(groups.values())

    def _run(
        self, points: Vector, groups: list[list[int]], outcomes: list[Outcome | None]
    ) -> None:
        """Run one point of every group; what is done is counted and stored at once."""
        chosen = points[[group[0] for group in groups]]
        self._account.admit(len(groups))
        left = len(groups)

        def keep(portion: Indices, found: list[Outcome]) -> bool:
            nonlocal left
            left -= len(found)
            done = [self._fitting(chosen[j], o) for j, o in zip(portion, found, strict=True)]
            self._account.done(done)
            self._store(chosen[portion], done)
            for j, outcome in zip(portion, done, strict=True):
                for i in groups[j]:
                    outcomes[i] = outcome
            return self.on_failure == "stop" and any(o.error is not None for o in done)

        try:
            self._work.work(chosen, keep)
        finally:
            self._account.release(left)

    def _store(self, points: Vector, outcomes: Sequence[Outcome]) -> None:
        """Keep results, also those that are not finite: they are paid for and would be the same again."""
        if self._cache is None or self.identity is None:
            return
        there = [i for i, outcome in enumerate(outcomes) if outcome.outputs is not None]
        if there:
            outputs = [o.outputs for o in outcomes if o.outputs is not None]
            self._cache.put(
                self.identity, points[there], outputs, [outcomes[i].seconds for i in there]
            )

    def _collected(self, outcomes: Sequence[Outcome | None]) -> Evaluated:
        """Put the results together, or raise as ``on_failure`` and ``outputs`` have it."""
        errors = {
            i: outcome.error
            for i, outcome in enumerate(outcomes)
            if outcome is not None and outcome.error is not None
        }
        if errors and self.on_failure == "stop":
            raise next(iter(errors.values()))
        if self.outputs is None:
            if errors:
                # Nobody knows how many nan to return. A mistake in the program shows itself here, too.
                raise next(iter(errors.values()))
            return Evaluated(np.empty((0, 0)), {})
        values = np.full((len(outcomes), max(1, self.outputs)), np.nan)
        for i, outcome in enumerate(outcomes):
            if outcome is not None and outcome.outputs is not None and i not in errors:
                values[i] = outcome.outputs
        return Evaluated(values, errors)

    def _fitting(self, x: Vector, outcome: Outcome) -> Outcome:
        """Note how many outputs there are, and call another number of them a failed run: an answer was cut off."""
        if outcome.outputs is None:
            return outcome
        m = 0 if outcome.outputs.ndim == 0 else len(outcome.outputs)
        with self._lock:
            if self.outputs is None and outcome.error is None:
                self.outputs = m
        if self.outputs is None or max(1, self.outputs) == max(1, m):
            return outcome
        said = f"returned {_counted(m)} where {_counted(self.outputs)} is needed"
        error = EvaluationError("simulator", x, f"{said}, by outputs= or by an earlier run")
        return replace(outcome, outputs=None, error=error)


def _counted(m: int | None) -> str:
    """Name the shape of outputs."""
    return f"shape ({m},)" if m else "a number"
