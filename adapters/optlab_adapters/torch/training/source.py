"""Training tasks as a problem source: what ``minimize(task)`` calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.errors import OptionError

if TYPE_CHECKING:
    from optlab_adapters.torch.training.module_in_place import ModuleInPlace
    from optlab_adapters.torch.training.task import TrainingTask

__all__ = ["deliver", "in_place", "load"]


def load(task: TrainingTask, params: Mapping[str, Any]) -> Problem:
    """State a task as a problem.

    Raises
    ------
    OptionError
        When parameters are given.
    """
    if params:
        raise OptionError(
            f"parameters {sorted(params)} are given with a TrainingTask; it takes none, make another task"
        )
    return task.problem()


def deliver(task: TrainingTask, _problem: Problem, result: Result) -> None:
    """Write the answer into the model."""
    task.write(result.x)


def in_place(task: TrainingTask) -> ModuleInPlace:
    """Return the variables of a task where they are."""
    return task.in_place()
