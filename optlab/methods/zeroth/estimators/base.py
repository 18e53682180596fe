"""What an estimator of gradients is.

An estimator is a frozen object. For every estimate it draws a :class:`Plan`: which displaced points to evaluate, and
how their values combine into a gradient. Between the two anybody may evaluate: optlab, a cluster, an experiment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.core.shifts import AbstractShifts
from optlab.errors import OptionError
from optlab.typing import Indices, Vector

__all__ = ["AbstractEstimator", "Box", "Estimate", "Plan"]


@dataclass(frozen=True, slots=True)
class Box:
    """Where points may lie: the estimator keeps every displaced point within lb <= x + s <= ub."""

    x: Vector
    lb: Vector
    ub: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A gradient as far as values of the objective tell."""

    gradient: Vector
    """(n,), read-only by convention."""

    f: float
    """Value of the objective at the point, or the best stand-in that the values give."""

    standard_error: float
    """Estimated standard deviation of the gradient's error, Euclidean norm: sqrt of the sum of the coordinates' variances;
    0 where the values leave nothing to chance, nan where they do not tell."""

    queries: int
    """Evaluations that were asked for."""

    failed: int = 0
    """How many of them gave no finite value and were left out."""

    @property
    def norm(self) -> float:
        """Euclidean norm of the gradient."""
        return float(np.linalg.norm(self.gradient))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The points of one estimate, and how their values combine."""

    shifts: AbstractShifts
    """k displacements of the point."""

    combine: Callable[[Vector], Estimate]
    """Values (k,) -> estimate; a nan stands for an evaluation that failed and is left out. Raises EvaluationError
    never: an estimate from no values has gradient 0 and ``failed`` equal to ``queries``."""

    @property
    def queries(self) -> int:
        """Exact number of evaluations."""
        return len(self.shifts)


@dataclass(frozen=True, kw_only=True)
class AbstractEstimator(ABC):
    """Base of the estimators; the fields of a subclass are its settings."""

    smoothing: float = 5e-3
    """Length of a displacement in units of ``scale``, the smoothing radius of the literature."""

    scale: Vector | None = None
    """(n,) natural size of a step in each variable, or one number; None: ones."""

    def __post_init__(self) -> None:
        if not 0.0 < self.smoothing < np.inf:
            raise OptionError(f"smoothing is {self.smoothing!r}; a positive number is needed")
        if self.scale is not None:
            scale = np.array(self.scale, dtype=np.float64)
            if scale.ndim > 1 or not np.all((scale > 0.0) & (scale < np.inf)):
                raise OptionError(
                    "scale must be one positive number for each variable, or one for all"
                )
            object.__setattr__(self, "scale", scale)

    @abstractmethod
    def queries(self, n: int, active: Indices | None = None) -> int:
        """Return the exact number of evaluations of one estimate in n variables, whatever the bounds.

        Parameters
        ----------
        n
            Number of variables.
        active
            As for :meth:`plan`.
        """

    @abstractmethod
    def plan(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        box: Box | None = None,
        active: Indices | None = None,
    ) -> Plan:
        """Draw the displacements of one estimate.

        Parameters
        ----------
        n
            Number of variables.
        rng
            The only source of randomness.
        box
            The point and its bounds, to be respected by every displaced point; None: no bounds.
        active
            Variables that may be displaced, in increasing order; the gradient is 0 elsewhere. None: all.
        """

    def gradient(
        self,
        function: Callable[[Vector], Any],
        x: Any,
        rng: np.random.Generator | int | None = None,
        *,
        batch: bool = False,
        active: Indices | None = None,
    ) -> Estimate:
        """Estimate the gradient of a function at a point, right here.

        Parameters
        ----------
        function
            (n,) -> float, or with ``batch`` (k, n) -> (k,).
        x
            (n,)
        rng
            Generator or seed.
        batch
            Whether ``function`` takes all points at once.
        active
            As for :meth:`plan`.

        Examples
        --------
        >>> import numpy as np, optlab
        >>> estimate = optlab.zo.CGE(central=True).gradient(lambda x: float(x @ x), [1.0, 2.0])
        >>> estimate.gradient, estimate.queries
        (array([2., 4.]), 4)
        """
        point = np.asarray(x, dtype=np.float64)
        plan = self.plan(point.size, np.random.default_rng(rng), active=active)
        points = plan.shifts.points(point)
        values = function(points) if batch else [function(p) for p in points]
        return plan.combine(np.asarray(values, dtype=np.float64))
