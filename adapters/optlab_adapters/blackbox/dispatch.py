"""Many points at once: here one after another, or side by side in an executor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass

import numpy as np

from optlab.errors import EvaluationError
from optlab.typing import Indices, Vector
from optlab_adapters.blackbox.attempts import Outcome, Retries, attempt
from optlab_adapters.blackbox.runs import AbstractRun

__all__ = ["Dispatcher"]

Keep = Callable[[Indices, list[Outcome]], bool]
"""Takes numbers of points and what became of them; returns whether that is enough."""


@dataclass(frozen=True)
class Dispatcher:
    """Where and in which portions runs are made."""

    run: AbstractRun
    retries: Retries
    executor: Executor | None
    batch_size: int | None
    """Most points per call of a run that takes many; None: all."""

    def work(self, points: Vector, keep: Keep) -> None:
        """Run points (k, n), and hand over every portion as soon as it is done.

        When ``keep`` says that it is enough, or anything is raised (Ctrl-C too), portions that have not begun are never
        run; those under way are waited for and handed over: they are paid for.

        Raises
        ------
        EvaluationError
            When the executor broke.
        """
        size = (self.batch_size or max(1, len(points))) if self.run.batch else 1
        portions = [
            np.arange(start, min(start + size, len(points)))
            for start in range(0, len(points), size)
        ]
        if self.executor is not None:
            self._side_by_side(self.executor, points, portions, keep)
            return
        for portion in portions:
            if keep(portion, attempt(self.run, points[portion], self.retries)):
                return

    def _side_by_side(
        self, executor: Executor, points: Vector, portions: list[Indices], keep: Keep
    ) -> None:
        tasks: dict[Future[list[Outcome]], Indices] = {}
        try:
            for portion in portions:
                task = executor.submit(attempt, self.run, points[portion], self.retries)
                tasks[task] = portion
            for task in as_completed(list(tasks)):
                found = task.result()
                if keep(tasks.pop(task), found):
                    return
        except BrokenExecutor as error:
            raise EvaluationError(
                "simulator",
                points[0],
                "was lost: a worker of the executor died (killed, or out of memory), and the executor can be used no more. "
                "Finished runs are in the cache, if there is one; call again with a new executor",
            ) from error
        finally:
            begun = [task for task in tasks if not task.cancel()]
            for task in as_completed(begun):
                if task.exception() is None:
                    keep(tasks[task], task.result())
