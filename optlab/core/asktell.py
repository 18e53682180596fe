"""Methods that say where they want the objective to be evaluated, and leave the evaluating to others.

A step of an :class:`AbstractAskTell` method is ask, evaluate, tell; the driver evaluates through the oracle, an
:class:`AskTell` session leaves it to its user.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from optlab.core.method import AbstractMethod
from optlab.typing import Vector

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.core.shifts import AbstractShifts

__all__ = ["AbstractAskTell", "Query"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Query:
    """Points at which a method wants values: x + s_1, ..., x + s_k."""

    x: Vector
    """(n,), read-only by convention."""

    shifts: AbstractShifts
    key: int | None = None
    """Which sample of a sampled objective (:mod:`optlab.core.sampled`); None: all."""

    needed: bool = True
    """Whether the run ends when not one of the points can be evaluated; false for trial points that may be given up."""

    @property
    def points(self) -> Vector:
        """The points as a new array, shape (k, n)."""
        return self.shifts.points(self.x)

    def __len__(self) -> int:
        """Return k."""
        return len(self.shifts)


class AbstractAskTell(AbstractMethod[S]):
    """Base of the methods that need values only.

    ``init`` must not evaluate anything. Everything random in ``ask`` follows from the state, so that asking twice gives
    the same query.
    """

    @abstractmethod
    def ask(self, state: S) -> Query:
        """Say where values are wanted; ``state`` must not change."""

    @abstractmethod
    def tell(self, state: S, query: Query, values: Vector) -> S:
        """Make the next state of the values.

        Parameters
        ----------
        state
            The state that ``ask`` was given.
        query
            What it returned.
        values
            (k,); nan where an evaluation failed.
        """

    def step(self, oracle: Oracle, state: S) -> S:
        """Ask, evaluate, tell."""
        query = self.ask(state)
        return self.tell(state, query, oracle.values(query))
