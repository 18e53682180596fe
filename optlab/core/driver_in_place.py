"""Runs of methods that change the variables of a task where they are (:mod:`optlab.core.in_place`).

The loop is the driver's; what differs is that no point travels: reports carry an empty x unless somebody who is
neither a log nor a table wants to see it, and the answer is in the task.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.checkpoint import Checkpoint
from optlab.core.control import BudgetSpent, Door, Limits
from optlab.core.finish import Outcome, said
from optlab.core.frame import Frame
from optlab.core.guards import NOTHING, guarded
from optlab.core.kkt import Certificate
from optlab.core.observers import AbstractObserver
from optlab.core.result import Multipliers, Result
from optlab.core.status import PointStatus, StopReason
from optlab.errors import EvaluationError

if TYPE_CHECKING:
    from optlab.core.in_place import AbstractInPlace
    from optlab.core.loop import Ending
    from optlab.core.method import AbstractMethod
    from optlab.core.progress import Observer, Progress
    from optlab.typing import Vector

__all__ = ["InPlaceDoor", "run_in_place"]


class InPlaceDoor(Door):
    """Counted and limited access to a task in place.

    Parameters
    ----------
    task
        Whose variables are changed.
    """

    __slots__ = ("task",)

    def __init__(self, task: AbstractInPlace) -> None:
        super().__init__()
        self.task = task

    def loss(self, key: int | None, mark: str) -> float:
        """Evaluate the loss where the variables are now; nan when it fails.

        Parameters
        ----------
        key
            The sample.
        mark
            Says where the variables are, to find the value in a journal.

        Raises
        ------
        BudgetSpent
            When a limit is reached.
        """
        self.check()
        if self.evaluations_left < 1:
            raise BudgetSpent(StopReason.MAX_EVAL)
        journal = self.journal
        if journal is not None:
            place = hashlib.blake2b(f"{mark}/{key}".encode(), digest_size=8).digest()
            known = journal.begin(place, 1)
            if known.size:
                self.counts["objective"] += 1
                return float(known[0])
        value = self._evaluated(key)
        self.counts["objective"] += 1
        if journal is not None:
            journal.add(np.array([value]))
        return value

    def average(self) -> float:
        """Evaluate the loss on all samples, beyond the limits; counted apart, nan when it fails."""
        verb = "average" if self.task.sampled else "objective"
        self.counts[verb] = self.counts.get(verb, 0) + 1
        return self._evaluated(None)

    def _evaluated(self, key: int | None) -> float:
        self.account.enter("objective")
        begin = process_time()

        def loss(x: Vector) -> float:  # noqa: ARG001 - the point is in the task
            return self.task.loss(key)

        try:
            value = float(guarded("objective", loss, NOTHING))
        except (EvaluationError, TypeError, ValueError):
            return math.nan
        finally:
            self.account.cpu["objective"] += process_time() - begin
            self.account.leave()
        return value if math.isfinite(value) else math.nan


def run_in_place(
    method: AbstractMethod[Any],
    task: AbstractInPlace,
    limits: Limits,
    observers: Sequence[Observer] = (),
    *,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Run a method of the kind ``MethodInfo.in_place`` to its end; the answer is left in the task.

    Parameters
    ----------
    method
        Its ``init`` and ``step`` get an :class:`InPlaceDoor` where others get an Oracle.
    task
        Whose variables are the start.
    limits, observers, seed, checkpoint
        As for :func:`optlab.core.driver.run`.

    Returns
    -------
    Result
        With ``x`` as the task's ``vector()`` gives it, empty where it gives none; ``fun`` is the loss on all samples.
    """
    door = InPlaceDoor(task)
    frame = Frame(
        method=method,
        door=door,
        stated=task,
        limits=limits,
        observers=tuple(observers),
        seed=seed,
    )
    with frame.opened(checkpoint, task.arrays):
        ending = _iterated(frame, door, seed)
        fun = _final(door, ending)
    return frame.finished(_result(method, door, ending, fun))


def _final(door: InPlaceDoor, ending: Ending[Any]) -> float:
    """Evaluate where the run has ended; where the budget does not allow that, take what the method says."""
    if door.task.sampled or door.evaluations_left >= 1:
        return door.average()
    return math.nan if ending.progress is None else ending.progress.f


def _iterated(frame: Frame, door: InPlaceDoor, seed: int) -> Ending[Any]:
    if frame.start is not None:
        door.task.load(frame.start.variables)

    def first() -> Any:
        at: Any = door
        return frame.method.init(at, NOTHING, np.random.default_rng(seed))

    def report(k: int, progress: Progress) -> bool:
        asked: list[bool | None] = []
        for observer in frame.observers:
            shown = progress
            if not isinstance(observer, AbstractObserver):
                x = door.task.vector()
                shown = progress if x is None else replace(progress, x=x)
            asked.append(observer(k, shown))
        return any(bool(answer) for answer in asked)

    return frame.iterated(door, first, report)


def _result(
    method: AbstractMethod[Any], door: InPlaceDoor, ending: Ending[Any], fun: float
) -> Result:
    """Build the result of a task without bounds or rows: its point is feasible if its loss is a number."""
    status = PointStatus.FEASIBLE if math.isfinite(fun) else PointStatus.UNKNOWN
    cert = Certificate(primal=0.0, Ec=0.0)
    outcome = Outcome(ending.stop, ending.iterations, None, ending.error)
    finished = ending.stop in (StopReason.CONVERGED, StopReason.TARGET_REACHED)
    vector = door.task.vector()
    memory = {} if ending.state is None else method.memory(ending.state)
    return Result(
        x=np.zeros(0) if vector is None else vector,
        fun=fun,
        success=finished and status is PointStatus.FEASIBLE,
        message=said(outcome, status, cert, memory),
        stop=ending.stop,
        point=status,
        multipliers=Multipliers(
            np.zeros(0), np.full(door.task.n if vector is not None else 0, np.nan)
        ),
        certificate=cert,
        iterations=ending.iterations,
        evaluations=dict(door.counts),
        time=math.nan,
        callback_time=door.callback_time,
        method=method.info.name,
        problem=door.task.name,
        extras=memory,
    )
