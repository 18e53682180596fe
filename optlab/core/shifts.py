"""Displacements of a point, described so compactly that they can travel and be exploited.

A zeroth-order method asks for the objective at x + s_1, ..., x + s_k. Which way the s_j are described decides what
an evaluator can make of them: a displacement along one coordinate lets a network restart at the layer it changes
(feature reuse), and only an index and a number go to a worker.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from optlab.errors import ProblemError
from optlab.typing import Indices, Vector

__all__ = ["AbstractShifts", "CoordinateShifts", "DenseShifts"]


class AbstractShifts(ABC):
    """k displacements s_1, ..., s_k in R^n; a zero row asks for the point itself."""

    n: int

    @abstractmethod
    def __len__(self) -> int:
        """Return k."""

    @abstractmethod
    def rows(self, start: int = 0, stop: int | None = None) -> Vector:
        """Return displacements ``start`` to ``stop`` as a new array, shape (stop - start, n)."""

    @abstractmethod
    def part(self, start: int, stop: int) -> AbstractShifts:
        """Return the displacements ``start`` to ``stop`` in the same description."""

    def points(self, x: Vector, start: int = 0, stop: int | None = None) -> Vector:
        """Return x + s_j for j = start, ..., stop - 1 as a new array, shape (stop - start, n)."""
        return x + self.rows(start, stop)


@dataclass(frozen=True, slots=True)
class CoordinateShifts(AbstractShifts):
    """Displacements along coordinates: s_j = step_j e_{index_j}.

    Raises
    ------
    ProblemError
        When index and step differ in shape or an index is not in 0, ..., n - 1.
    """

    n: int
    index: Indices
    """(k,), read-only by convention."""

    step: Vector
    """(k,); 0 asks for the point itself, whatever the index."""

    def __post_init__(self) -> None:
        if self.index.ndim != 1 or self.index.shape != self.step.shape:
            raise ProblemError(
                f"index has shape {self.index.shape} and step {self.step.shape}; (k,) twice is needed"
            )
        if self.index.size and not 0 <= self.index.min() <= self.index.max() < self.n:
            raise ProblemError(f"an index is not in 0, ..., {self.n - 1}")

    def __len__(self) -> int:
        """Return k."""
        return self.index.size

    def rows(self, start: int = 0, stop: int | None = None) -> Vector:
        """Return displacements as a dense array."""
        index, step = self.index[start:stop], self.step[start:stop]
        dense = np.zeros((index.size, self.n))
        dense[np.arange(index.size), index] = step
        return dense

    def part(self, start: int, stop: int) -> CoordinateShifts:
        """Return some of the displacements."""
        return CoordinateShifts(self.n, self.index[start:stop], self.step[start:stop])


@dataclass(frozen=True, slots=True)
class DenseShifts(AbstractShifts):
    """Displacements with no structure.

    Raises
    ------
    ProblemError
        When the array does not have two dimensions.
    """

    array: Vector
    """(k, n), read-only by convention."""

    def __post_init__(self) -> None:
        if self.array.ndim != 2:
            raise ProblemError(f"displacements have shape {self.array.shape}; (k, n) is needed")

    @property
    def n(self) -> int:  # type: ignore[override]
        """Number of variables."""
        return int(self.array.shape[1])

    def __len__(self) -> int:
        """Return k."""
        return int(self.array.shape[0])

    def rows(self, start: int = 0, stop: int | None = None) -> Vector:
        """Return displacements, copied."""
        return self.array[start:stop].copy()

    def part(self, start: int, stop: int) -> DenseShifts:
        """Return some of the displacements."""
        return DenseShifts(self.array[start:stop])
