"""Things that state themselves as problems, such as learning tasks: what ``minimize(thing)`` calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optlab.core.in_place import AbstractInPlace
    from optlab.core.problem import Problem
    from optlab.core.result import Result

__all__ = ["AbstractStated"]


class AbstractStated(ABC):
    """Something that can be solved as it is, and takes the answer back."""

    @abstractmethod
    def problem(self) -> Problem:
        """State the problem, from where the thing is now."""

    def deliver(self, result: Result) -> None:  # noqa: B027 - not everything keeps answers
        """Take the answer; called for every ending of a solve. Default: it is in the result only."""

    def in_place(self) -> AbstractInPlace | None:
        """Return the variables where they are, for methods that work there; None: this is not offered."""
        return None
