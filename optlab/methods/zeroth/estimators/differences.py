"""What all estimators share: repeated evaluations, smoothing that suits the noise, averages of values.

A subclass makes a *design*: displacements and the sums that turn averaged values into a gradient. Evaluating every point
``repeats`` times and averaging happens here, once for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np

from optlab.core.shifts import AbstractShifts, CoordinateShifts, DenseShifts
from optlab.errors import OptionError
from optlab.methods.zeroth.estimators.base import AbstractEstimator, Box, Estimate, Plan
from optlab.methods.zeroth.estimators.noise import NoisePlan, best_step, noise_plan
from optlab.methods.zeroth.estimators.space import Space, space_of, variables
from optlab.typing import Indices, Vector, is_a

__all__ = [
    "AbstractDesign",
    "AbstractDifferences",
    "Averages",
    "finite_mean",
    "mean_error",
    "whole_number",
]

_SPACING = 1e-2
"""Distance of the points of a noise table in units of the smoothing: third differences of a smooth function then are
1e-6 of what the estimate itself meets, and single precision still tells the points apart."""


@dataclass(frozen=True, slots=True)
class Averages:
    """What is known of the values at the points of a design."""

    mean: Vector
    """(k,); nan where no evaluation gave a finite value."""

    variance: Vector
    """(k,) of the errors of ``mean``; 0 where nothing tells that there are any."""


class AbstractDesign(ABC):
    """Displaced points, and how the values there combine."""

    shifts: AbstractShifts
    """k displacements, without repeats."""

    @abstractmethod
    def estimate(self, values: Averages) -> tuple[Vector, float, float]:
        """Return the gradient (n,), its standard error, and the value at the point itself."""


@dataclass(frozen=True, kw_only=True)
class AbstractDifferences(AbstractEstimator):
    """Base of the estimators that divide differences of values by displacements.

    Raises
    ------
    OptionError
        When a setting is out of range.
    """

    repeats: int = 1
    """Evaluations of each point; their average is used, and their scatter enters the standard error. Of no use when the
    values are exact."""

    noise: float | Literal["estimate"] | None = None
    """Standard deviation of the error of one value. A positive number replaces ``smoothing`` by the displacement that balances
    noise and curvature; "estimate" has it measured first (:meth:`noise_plan`). None: unknown, ``smoothing`` as given."""

    curvature: float = 1.0
    """A guess of the second derivative along one natural step, of the third for central differences: used with ``noise``
    only. The best displacement goes with its square root (cube root), so that the order of magnitude is enough."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("repeats", self.repeats)
        told: Any = self.noise
        if not (
            told is None
            or told == "estimate"
            or (is_a(told, float, int, np.number) and 0.0 <= told < np.inf)
        ):
            raise OptionError(
                f"noise is {self.noise!r}; a standard deviation, 'estimate' or None is needed"
            )
        if not 0.0 < self.curvature < np.inf:
            raise OptionError(f"curvature is {self.curvature!r}; a positive number is needed")

    @property
    def symmetric(self) -> bool:
        """Whether displacements come in pairs s, -s."""
        return False

    @property
    def noise_is_wanted(self) -> bool:
        """Whether :meth:`noise_plan` must be evaluated, and :meth:`knowing` called, before :meth:`plan`."""
        return self.noise == "estimate"

    @property
    def known_noise(self) -> float:
        """Standard deviation of the error of one value; 0 while it is not known."""
        return 0.0 if self.noise is None or self.noise == "estimate" else float(self.noise)

    @abstractmethod
    def points(self, n: int, active: Indices | None) -> int:
        """Return the number of points of one estimate, repeats not counted."""

    @abstractmethod
    def design(self, space: Space, rng: np.random.Generator) -> AbstractDesign:
        """Draw the points of one estimate."""

    def queries(self, n: int, active: Indices | None = None) -> int:
        """Return the exact number of evaluations of one estimate."""
        return self.repeats * self.points(n, active)

    def plan(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        box: Box | None = None,
        active: Indices | None = None,
    ) -> Plan:
        """Draw the displacements of one estimate; see :meth:`AbstractEstimator.plan`.

        Raises
        ------
        OptionError
            When a setting does not fit n, or the noise was to be estimated and has not been.
        """
        if self.noise_is_wanted:
            raise OptionError(
                "noise='estimate' and the noise is not known yet; evaluate the points of "
                "noise_plan() first, and plan with estimator.knowing(noise)"
            )
        design = self.design(space_of(n, self.scale, box, self.variables(n, active)), rng)
        combine = partial(_combine, design, self.repeats, self.known_noise)
        return Plan(shifts=_repeated(design.shifts, self.repeats), combine=combine)

    def noise_plan(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        box: Box | None = None,
        active: Indices | None = None,
    ) -> NoisePlan:
        """Say at which points, near to one another, values tell their noise ([MW11]); seven evaluations.

        Parameters
        ----------
        n, rng, box, active
            As for :meth:`plan`.
        """
        space = space_of(n, self.scale, box, self.variables(n, active))
        return noise_plan(space, _SPACING * self.smoothing, rng)

    def knowing(self, noise: float) -> Self:
        """Return the same estimator with its noise known; nan: it could not be measured, ``smoothing`` stays."""
        return replace(self, noise=noise if np.isfinite(noise) else None)

    def gradient(
        self,
        function: Callable[[Vector], Any],
        x: Any,
        rng: np.random.Generator | int | None = None,
        *,
        batch: bool = False,
        active: Indices | None = None,
    ) -> Estimate:
        """Estimate the gradient right here, the noise first if that is wanted; its evaluations are counted in."""
        rng = np.random.default_rng(rng)
        point = np.asarray(x, dtype=np.float64)
        if not self.noise_is_wanted:
            return super().gradient(function, point, rng, batch=batch, active=active)
        known, spent = self.measured(function, point, rng, batch=batch)
        estimate = known.gradient(function, point, rng, batch=batch, active=active)
        return replace(estimate, queries=estimate.queries + spent)

    def measured(
        self,
        function: Callable[[Vector], Any],
        x: Any,
        rng: np.random.Generator | int | None = None,
        *,
        batch: bool = False,
    ) -> tuple[Self, int]:
        """Measure the noise of a function at a point; return the estimator that knows it, and the evaluations spent.

        Parameters
        ----------
        function, x, rng, batch
            As for :meth:`gradient`.
        """
        point = np.asarray(x, dtype=np.float64)
        plan = self.noise_plan(point.size, np.random.default_rng(rng))
        points = plan.shifts.points(point)
        values = function(points) if batch else [function(p) for p in points]
        return self.knowing(plan.combine(np.asarray(values, dtype=np.float64))), plan.queries

    def radius(self, length: float = 1.0) -> float:
        """Return the smoothing in use for directions of the given Euclidean length, in units of the scale.

        What balances noise and curvature is the length of the displacement, whatever the direction.
        """
        if not self.known_noise:
            return self.smoothing
        noise = self.known_noise / np.sqrt(self.repeats)
        return best_step(noise, self.curvature, central=self.symmetric) / length

    def variables(self, n: int, active: Indices | None) -> Indices:
        """Return the variables that may be displaced."""
        return variables(n, active)


def whole_number(name: str, value: object, least: int = 1) -> None:
    """Raise unless a setting is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise OptionError(f"{name} is {value!r}; a whole number of at least {least} is needed")


def finite_mean(values: Vector) -> float:
    """Return the mean of the finite values; nan when there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def mean_error(squares: Vector, mean: Vector) -> float:
    """Return the estimated squared error of a mean of independent vectors; nan for fewer than two.

    Parameters
    ----------
    squares
        (q,) squared Euclidean norms of the vectors.
    mean
        (n,) their mean.
    """
    q = squares.size
    if q < 2:
        return float("nan")
    return max(0.0, float(squares.sum()) - q * float(mean @ mean)) / (q * (q - 1))


def _repeated(shifts: AbstractShifts, repeats: int) -> AbstractShifts:
    """Ask for every point several times, all points once before any twice."""
    if repeats == 1:
        return shifts
    if isinstance(shifts, CoordinateShifts):
        index, step = np.tile(shifts.index, repeats), np.tile(shifts.step, repeats)
        return CoordinateShifts(shifts.n, index, step)
    return DenseShifts(np.tile(shifts.rows(), (repeats, 1)))


def _combine(design: AbstractDesign, repeats: int, noise: float, values: Vector) -> Estimate:
    """Average the repeats and hand the averages to the design."""
    finite = np.isfinite(values)
    averages = _averages(np.where(finite, values, np.nan).reshape(repeats, -1), noise)
    gradient, error, f = design.estimate(averages)
    return Estimate(
        gradient=gradient,
        f=f,
        standard_error=error,
        queries=values.size,
        failed=int(values.size - np.count_nonzero(finite)),
    )


def _averages(table: Vector, noise: float) -> Averages:
    """Average each column over its finite entries; the scatter tells the noise where it is not known."""
    there = np.isfinite(table)
    number = there.sum(axis=0)
    total = np.where(there, table, 0.0).sum(axis=0)
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    variance = noise**2
    spare = int(np.maximum(number - 1, 0).sum())
    if not noise and spare:
        variance = float(np.where(there, (table - mean) ** 2, 0.0).sum()) / spare
    return Averages(mean, np.full(mean.size, variance) / np.maximum(number, 1))
