"""CGE: gradients coordinate by coordinate.

    g_i = (f(x + h_i e_i) - f(x)) / h_i                      forward, m + 1 evaluations
    g_i = (f(x + h_i e_i) - f(x - h_i e_i)) / (2 h_i)        central, 2 m evaluations

for the m displaced coordinates: all, those of an active set, or a random sample of them with weights that keep the
estimate unbiased. The error for smooth f is h_i f_ii / 2 forward and h_i^2 f_iii / 6 central.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.core.shifts import CoordinateShifts
from optlab.errors import OptionError
from optlab.methods.zeroth.estimators.differences import (
    AbstractDesign,
    AbstractDifferences,
    Averages,
    finite_mean,
    mean_error,
    whole_number,
)
from optlab.methods.zeroth.estimators.sampling import Draw, draw_coordinates
from optlab.methods.zeroth.estimators.space import Space
from optlab.typing import Indices, Vector

__all__ = ["CGE"]


@dataclass(frozen=True, kw_only=True)
class CGE(AbstractDifferences):
    """Coordinate-wise gradient estimator.

    Where a bound leaves no room a forward step turns round, and a central pair goes to one side; a variable with no room at
    all gets the gradient 0, its evaluations are spent nevertheless, so that the count never depends on bounds.

    Raises
    ------
    OptionError
        When a setting is out of range or two of them contradict each other.

    Examples
    --------
    >>> import optlab
    >>> estimator = optlab.zo.CGE(count=2, importance=[1.0, 1.0, 8.0])
    >>> estimator.queries(3)
    3
    >>> estimator.gradient(lambda x: float(x @ x), [1.0, 2.0, 3.0], rng=1).gradient
    array([4.01 , 0.   , 6.005])
    """

    central: bool = False
    """Whether differences are central: twice the evaluations, no error on quadratic functions."""

    coordinates: Indices | None = None
    """The only coordinates to displace, in increasing order; the gradient is 0 elsewhere. None: all."""

    count: int | None = None
    """How many of the coordinates to draw for each estimate; None: all."""

    importance: Vector | None = None
    """(n,) chances of being drawn, positive, in any unit; best proportional to the size of the gradient's entries.
    None: the same for all."""

    replacement: bool = False
    """Whether a coordinate may be drawn twice. Without replacement the estimate varies less."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is not None:
            whole_number("count", self.count)
        elif self.importance is not None or self.replacement:
            raise OptionError(
                "importance and replacement say how coordinates are drawn; give count too"
            )
        if self.coordinates is not None:
            object.__setattr__(self, "coordinates", np.array(self.coordinates, dtype=np.intp))
        if self.importance is not None:
            weights = np.array(self.importance, dtype=np.float64)
            if weights.ndim != 1 or not np.all((weights > 0.0) & (weights < np.inf)):
                raise OptionError(
                    "importance must be one positive number for each variable: a coordinate that "
                    "is never drawn would bias the estimate; leave it out by coordinates=, or mix "
                    "the importance with a share of equal chances"
                )
            object.__setattr__(self, "importance", weights)

    @property
    def symmetric(self) -> bool:
        """Whether differences are central."""
        return self.central

    def points(self, n: int, active: Indices | None) -> int:
        """Return 2 m or m + 1."""
        m = self._draws(self.variables(n, active).size)
        return 2 * m if self.central else m + 1

    def variables(self, n: int, active: Indices | None) -> Indices:
        """Return the variables that may be displaced: those that are chosen and active."""
        index = super().variables(n, active)
        if self.coordinates is None:
            return index
        chosen = super().variables(n, self.coordinates)
        return np.intersect1d(index, chosen, assume_unique=True)

    def design(self, space: Space, rng: np.random.Generator) -> AbstractDesign:
        """Draw the coordinates and choose the steps."""
        draw = self._draw(space, rng)
        step = self.radius() * space.scale[draw.place]
        up, down = space.up[draw.place], space.down[draw.place]
        if self.central:
            ahead, behind = np.minimum(step, up), -np.minimum(step, down)
        else:
            cases = [up >= step, down >= step, up >= down]
            ahead = np.select(cases, [step, -step, up], default=-down)
            behind = np.zeros(step.size)
        return _Coordinates(space.n, space.index[draw.place], ahead, behind, draw, self.central)

    def _draws(self, size: int) -> int:
        """Return how many of the given number of variables are displaced, duplicates counted."""
        if self.count is None:
            return size
        return self.count if self.replacement and size else min(self.count, size)

    def _draw(self, space: Space, rng: np.random.Generator) -> Draw:
        """Draw among the variables of the space."""
        count = self._draws(space.size)
        if count == space.size and not (self.replacement and count):
            return Draw(np.arange(count), np.ones(count))
        weights = np.ones(space.size)
        if self.importance is not None:
            if self.importance.shape != (space.n,):
                raise OptionError(
                    f"importance has shape {self.importance.shape}; ({space.n},) is needed"
                )
            weights = self.importance[space.index]
        return draw_coordinates(weights, count, rng, replacement=self.replacement)


class _Coordinates(AbstractDesign):
    """Differences along coordinates."""

    def __init__(
        self,
        n: int,
        index: Indices,
        ahead: Vector,
        behind: Vector,
        draw: Draw,
        central: bool,
    ) -> None:
        self.n, self.index, self.draw, self.central = n, index, draw, central
        self.width = ahead - behind
        if central:
            pairs = np.stack((ahead, behind), axis=1).ravel()
            self.shifts = CoordinateShifts(n, np.repeat(index, 2), pairs)
        else:
            index = np.concatenate((np.zeros(1, dtype=np.intp), index))
            self.shifts = CoordinateShifts(n, index, np.concatenate((np.zeros(1), ahead)))

    def estimate(self, values: Averages) -> tuple[Vector, float, float]:
        """Divide the differences by the displacements and weight them."""
        if self.central:
            ahead, behind = values.mean[::2], values.mean[1::2]
            spread = values.variance[::2] + values.variance[1::2]
            base_spread, f = 0.0, finite_mean((ahead + behind) / 2.0)
        else:
            ahead, behind = values.mean[1:], values.mean[0]
            base_spread, f = float(values.variance[0]), float(values.mean[0])
            spread = values.variance[1:] + base_spread
        fixed = self.width == 0.0
        width = np.where(fixed, 1.0, self.width)
        slope = np.where(fixed, 0.0, ahead - behind) / width
        there = np.isfinite(slope)
        slope, weight = slope[there], self.draw.weight[there]
        if self.draw.replacement and slope.size:
            weight = weight * (there.size / slope.size)
        gradient = np.zeros(self.n)
        np.add.at(gradient, self.index[there], weight * slope)
        if there.size and not slope.size:
            return gradient, float("nan"), f
        if self.draw.replacement:
            error = mean_error((weight * slope * slope.size) ** 2, gradient)
            error += float((weight * base_spread / width[there] ** 2).sum())
        else:
            # A variance noise of the slope is met with chance 1 / w and weight w^2; sampling adds g^2 (w - 1).
            noise = (spread / width**2)[there]
            error = float((weight * noise + slope**2 * (weight**2 - weight)).sum())
            # What failed is as far from 0 as the others are.
            error += (there.size - slope.size) * float((slope**2).mean()) if slope.size else 0.0
        return gradient, float(np.sqrt(error)), f
