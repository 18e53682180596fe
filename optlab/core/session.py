"""Ask and tell: a method whose values somebody else evaluates, at a pace of their own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from optlab.core.asktell import AbstractAskTell, Query
from optlab.core.control import Limits
from optlab.core.finish import Candidate, Outcome, finish
from optlab.core.guards import NOTHING, immutable
from optlab.core.loop import effective
from optlab.core.oracle import Oracle
from optlab.core.problem import Problem
from optlab.core.progress import Progress
from optlab.core.reduction import Multiplied
from optlab.core.result import Result
from optlab.core.setting import Setting
from optlab.core.status import StopReason
from optlab.errors import CapabilityError, ProblemError
from optlab.typing import Vector, is_a

__all__ = ["AskTell"]


class AskTell:
    """A run in which the user evaluates: a cluster, a laboratory, another program.

    Made by :func:`optlab.ask_tell`.

    Parameters
    ----------
    method
        One that only needs values.
    problem
        Its start and bounds; its objective is never called.
    limits
        ``max_time`` counts from here.
    seed
        Of everything random.

    Raises
    ------
    CapabilityError
        When the method has no ask and tell.

    Examples
    --------
    >>> import numpy as np, optlab
    >>> run = optlab.ask_tell([3.0, 3.0], method="zo", lb=-5.0, ub=5.0, max_eval=2000, seed=1)
    >>> while not run.stop:
    ...     points = run.ask()
    ...     run.tell([(x - 1.0) @ (x - 1.0) for x in points])
    >>> bool(np.allclose(run.result().x, 1.0, atol=1e-2))
    True
    """

    def __init__(self, method: Any, problem: Problem, limits: Limits, seed: int) -> None:
        if not is_a(method, AbstractAskTell):
            raise CapabilityError(
                f"method {method.info.name!r} does its evaluations itself; ask and tell work with methods such as 'zo', "
                "'zo-adam' and 'deepzero'"
            )
        self._method: AbstractAskTell[Any] = method
        self._oracle = Oracle(problem)
        self._limits = effective(method, limits)
        self._oracle.set_limits(self._limits)
        self._seed, self._started = seed, time.monotonic()
        with np.errstate(all="ignore"):
            self._state = method.init(self._oracle, problem.x0, np.random.default_rng(seed))
        self._iterations = 0
        self._query: Query | None = None

    @property
    def progress(self) -> Progress:
        """What the method says of its current iterate."""
        return self._method.progress(self._state)

    @property
    def stop(self) -> StopReason | None:
        """Why the run is over; None while it goes on."""
        ended = self._method.stop(self._state)
        if ended is not None:
            return ended
        limits = self._limits
        if limits.max_iter is not None and self._iterations >= limits.max_iter:
            return StopReason.MAX_ITER
        if self._oracle.evaluations_left < len(self._asked()):
            return StopReason.MAX_EVAL
        late = (
            limits.max_time is not None and time.monotonic() - self._started >= limits.max_time
        )
        return StopReason.MAX_TIME if late else None

    def ask(self) -> Vector:
        """Return the points where values are wanted, as a new array of shape (k, n); the same until they are told."""
        return self._asked().points

    def query(self) -> Query:
        """Return the same as displacements of a point, which may be cheaper to evaluate than points."""
        return self._asked()

    def tell(self, values: Any) -> None:
        """Give the values.

        Parameters
        ----------
        values
            (k,), in the order of the points; nan where there is none.

        Raises
        ------
        ProblemError
            When there are more or fewer than points.
        """
        query = self._asked()
        told = np.asarray(values, dtype=np.float64)
        if told.shape != (len(query),):
            raise ProblemError(
                f"values have shape {told.shape}; shape ({len(query)},) is needed, one for each point that was asked for"
            )
        told = np.where(np.isfinite(told), told, np.nan)
        self._oracle.counts["objective"] += told.size
        if self._oracle.keeps_incumbent and np.isfinite(told).any():
            best = int(np.nanargmin(told))
            point = query.shifts.points(query.x, best, best + 1)[0]
            self._oracle.offer(immutable(point.tobytes()), float(told[best]), NOTHING)
        with np.errstate(all="ignore"):
            self._state = self._method.tell(self._state, query, told)
        self._iterations += 1
        self._query = None

    def result(self) -> Result:
        """Return what is known now, whether the run is over or not (then ``stop`` is USER)."""
        progress = self.progress
        candidate = Candidate(
            progress.x, progress.f, lambda: Multiplied(progress.x, None, None), unbounded=False
        )
        outcome = Outcome(self.stop or StopReason.USER, self._iterations, candidate, None)
        memory = self._method.memory(self._state)
        door = self._oracle
        result = finish(door, self._method, door.x0, outcome, memory)
        return replace(
            result,
            time=time.monotonic() - self._started,
            seed=self._seed,
            setting=Setting.of(self._method, door.problem, self._limits),
        )

    def _asked(self) -> Query:
        if self._query is None:
            self._query = self._method.ask(self._state)
        return self._query
