"""What a reduction and its inverse are.

``reduction.apply(problem)`` returns the reduced problem and an :class:`Inverse`. The inverse maps a
point and its multipliers back such that the KKT residuals of the user's problem are those of the
reduced problem up to the stated scaling; ``forward`` is the other direction, for warm starts.
Multipliers have the signs of docs/notation.md on both sides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Vector

__all__ = [
    "IDENTITY",
    "AbstractReduction",
    "Chain",
    "ChainInverse",
    "Identity",
    "Inverse",
    "Multiplied",
]


class Multiplied(NamedTuple):
    """A point with its multipliers; None where they are not known."""

    x: Vector
    y: Vector | None
    z: Vector | None


class Inverse(ABC):
    """The way from a reduced problem back to the one it came from, and forth."""

    @abstractmethod
    def point(self, x: Vector) -> Vector:
        """Map a point of the reduced problem back."""

    @abstractmethod
    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:
        """Map a point and its multipliers back.

        Parameters
        ----------
        at
            Point and multipliers of the reduced problem.
        exact
            Whether derivatives of the original problem may be evaluated where the multipliers need
            them; otherwise such components are 0 (progress reports must not cost evaluations).
        """

    @abstractmethod
    def forward(self, at: Multiplied) -> Multiplied:
        """Map a point and multipliers of the original problem to the reduced one."""

    def objective(self, f: float) -> float:
        """Map an objective value back; default: the same."""
        return f


class AbstractReduction(ABC):
    """A change of form of a problem."""

    @abstractmethod
    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Return the reduced problem and the way back.

        Returns the problem itself and IDENTITY when there is nothing to do.

        Parameters
        ----------
        problem
            Its functions must return arrays as an oracle's do (``Oracle(p).as_problem()``).
        """


class Identity(Inverse):
    """The way back from no reduction at all."""

    def point(self, x: Vector) -> Vector:
        """Return x."""
        return x

    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:  # noqa: ARG002
        """Return the same."""
        return at

    def forward(self, at: Multiplied) -> Multiplied:
        """Return the same."""
        return at


IDENTITY = Identity()


@dataclass(frozen=True, slots=True)
class Chain(AbstractReduction):
    """Reductions applied one after the other, first to last."""

    reductions: Sequence[AbstractReduction]

    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Apply all; those with nothing to do leave no trace."""
        inverses: list[Inverse] = []
        for reduction in self.reductions:
            problem, inverse = reduction.apply(problem)
            if inverse is not IDENTITY:
                inverses.append(inverse)
        if len(inverses) <= 1:
            return problem, inverses[0] if inverses else IDENTITY
        return problem, ChainInverse(tuple(inverses))


@dataclass(frozen=True, slots=True)
class ChainInverse(Inverse):
    """Inverses of a chain, in the order in which the reductions were applied."""

    inverses: tuple[Inverse, ...]

    def point(self, x: Vector) -> Vector:
        """Undo the reductions, last to first."""
        for inverse in reversed(self.inverses):
            x = inverse.point(x)
        return x

    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:
        """Undo the reductions, last to first."""
        for inverse in reversed(self.inverses):
            at = inverse.back(at, exact=exact)
        return at

    def forward(self, at: Multiplied) -> Multiplied:
        """Redo the reductions, first to last."""
        for inverse in self.inverses:
            at = inverse.forward(at)
        return at

    def objective(self, f: float) -> float:
        """Undo the reductions, last to first."""
        for inverse in reversed(self.inverses):
            f = inverse.objective(f)
        return f
