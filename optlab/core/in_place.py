"""Tasks whose variables live elsewhere and are changed where they are: networks too large for a second copy.

Such a task is never made into a :class:`~optlab.core.problem.Problem`, whose point and bounds are vectors of n
numbers. The method says which random direction, by a seed, and how far; the task does the arithmetic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.packing import Arrays
from optlab.core.shifts import CoordinateShifts

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.setting import Origin
    from optlab.typing import Vector

__all__ = ["AbstractInPlace", "VectorInPlace"]


class AbstractInPlace(ABC):
    """n variables that can be moved along random directions, and a loss that samples can be drawn for."""

    n: int
    m: int = 0
    """Number of rows: there are none."""

    name: str = ""
    origin: Origin | None = None
    steps_per_epoch: int = 1
    """Keys k, ..., k + steps_per_epoch - 1 with k a multiple of it go through all samples once."""

    sampled: bool = True
    """Whether ``loss(None)``, the average over all samples, is something else than the loss of a key."""

    @abstractmethod
    def shift(self, seed: int, scale: float) -> None:
        """Add scale * z(seed) to the variables, where z ~ N(0, I) is the same for the same seed.

        The same calls in the same order must lead to the same bits.
        """

    @abstractmethod
    def decay(self, factor: float) -> None:
        """Multiply the variables by a factor."""

    @abstractmethod
    def loss(self, key: int | None) -> float:
        """Evaluate the objective on a sample (:mod:`optlab.core.sampled`); None: on all of them."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """Return the variables by name, for a checkpoint; views are welcome."""

    @abstractmethod
    def load(self, arrays: Arrays) -> None:
        """Set the variables to what :meth:`arrays` gave."""

    def vector(self) -> Vector | None:
        """Return the variables as a new vector, shape (n,); None when they are too many for that."""
        return None


class VectorInPlace(AbstractInPlace):
    """A problem of vectors as a task in place: for comparison, and for small models.

    Shifts along one direction add up before they count, so that going there and back is exact.

    Parameters
    ----------
    problem
        Without rows; bounds are not looked at.
    """

    def __init__(self, problem: Problem) -> None:
        self.n, self.name = problem.n, problem.name
        self._problem = problem
        self._base: Vector = problem.x0.copy()
        self._seed: int | None = None
        self._scale = 0.0
        self.sampled = problem.sampled is not None
        if problem.sampled is not None:
            self.steps_per_epoch = problem.sampled.steps_per_epoch

    def shift(self, seed: int, scale: float) -> None:
        """Add a multiple of a random vector."""
        if seed != self._seed:
            self._base, self._seed, self._scale = self.vector(), seed, 0.0
        self._scale += scale

    def decay(self, factor: float) -> None:
        """Multiply the vector."""
        self._base, self._seed = self.vector() * factor, None

    def loss(self, key: int | None) -> float:
        """Evaluate the objective of the problem."""
        sampled = self._problem.sampled
        point = self.vector()
        point.flags.writeable = False
        if sampled is None or key is None:
            return float(self._problem.objective(point))
        here = CoordinateShifts(self.n, np.zeros(1, dtype=np.intp), np.zeros(1))
        return float(sampled.values(point, here, key, None)[0])

    def arrays(self) -> Arrays:
        """Return the vector."""
        return {"x": self.vector()}

    def load(self, arrays: Arrays) -> None:
        """Copy the vector."""
        self._base, self._seed = arrays["x"].astype(np.float64), None

    def vector(self) -> Vector:
        """Return the vector, as a copy."""
        if self._seed is None or self._scale == 0.0:
            return self._base.copy()
        z = np.random.default_rng(self._seed).standard_normal(self.n)
        return self._base + self._scale * z
