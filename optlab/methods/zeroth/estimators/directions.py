"""Displacements along arbitrary directions, and the differences of values that belong to them.

    forward      x, x + s_1, ..., x + s_q                                q + 1 evaluations
    central      x + s_1, x - s_1, ..., x + s_q, x - s_q                 2 q
    antithetic   both                                                    2 q + 1

Antithetic pairs give the central difference and the value at the point itself; when one of a pair fails, the other still
gives a forward difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optlab.core.shifts import DenseShifts
from optlab.methods.zeroth.estimators.differences import Averages, finite_mean
from optlab.methods.zeroth.estimators.space import Space
from optlab.typing import Indices, Mask, Vector

__all__ = ["Bundle", "Differences", "Kind", "count_points"]

Kind = Literal["forward", "central", "antithetic"]


def count_points(kind: Kind, q: int) -> int:
    """Return the number of points for q directions."""
    return {"forward": q + 1, "central": 2 * q, "antithetic": 2 * q + 1}[kind]


@dataclass(frozen=True, slots=True)
class Differences:
    """What the values say along the directions that did not fail."""

    direction: Vector
    """(q, m) displacement between the two points of each difference, in steps, per unit of smoothing."""

    slope: Vector
    """(q,) difference of the values, per unit of smoothing."""

    side: Vector
    """(q,) 1 for x + s against x, -1 for x against x - s, 0 for pairs."""

    variance: Vector
    """(q,) of the errors of the slopes, that of the shared value at x left out."""

    shared: Vector
    """(q,) error of the slope per error of the value at x."""

    base_variance: float
    """Of the value at x."""

    f: float
    """Value at x, or the best stand-in."""

    @property
    def has_noise(self) -> bool:
        """Whether anything is known of errors of the values."""
        return bool(np.any(self.variance)) or self.base_variance > 0.0


class Bundle:
    """Points x + s_j along directions, cut at the bounds.

    Parameters
    ----------
    space
        What may be displaced.
    directions
        (q, m) rows u_j.
    radius
        Smoothing; s_j = radius * scale * u_j.
    kind
        Which points belong to a direction.
    """

    def __init__(self, space: Space, directions: Vector, radius: float, kind: Kind) -> None:
        q = directions.shape[0]
        base = 0 if kind == "central" else 1
        self.space, self.radius, self.kind, self.base = space, radius, kind, base
        step = radius * space.scale
        rows = np.zeros((count_points(kind, q), space.size))
        if kind == "forward":
            rows[base:] = directions * step
        else:
            rows[base::2] = directions * step
            rows[base + 1 :: 2] = -rows[base::2]
        bounded = bool(np.any(np.isfinite(space.up)) or np.any(np.isfinite(space.down)))
        before = rows.copy() if bounded else rows
        self.rows = space.cut(rows) if bounded else rows
        self.is_cut = bounded and not np.array_equal(before, self.rows)
        self.shifts = DenseShifts(rows if space.size == space.n else space.lift(rows))

    def differences(self, values: Averages) -> Differences:
        """Take the differences of averaged values."""
        there = np.isfinite(values.mean)
        ahead, behind = self._ends(there)
        side = (
            (behind == 0).astype(np.float64) - (ahead == 0)
            if self.base
            else np.zeros(ahead.size)
        )
        used = there[ahead] & there[behind] & (ahead != behind)
        ahead, behind, side = ahead[used], behind[used], side[used]
        width = (2.0 - np.abs(side)) * self.radius
        direction = (self.rows[ahead] - self.rows[behind]) / (
            width[:, np.newaxis] * self.space.scale
        )
        own = np.where(side == -1.0, 0.0, values.variance[ahead])
        own += np.where(side == 1.0, 0.0, values.variance[behind])
        return Differences(
            direction=direction,
            slope=(values.mean[ahead] - values.mean[behind]) / width,
            side=side,
            variance=own / width**2,
            shared=-side / width,
            base_variance=float(values.variance[0]) if self.base else 0.0,
            f=float(values.mean[0]) if self.base else finite_mean(values.mean),
        )

    def _ends(self, there: Mask) -> tuple[Indices, Indices]:
        """Return the rows of the two points of each difference; the point itself for the failed one of a pair."""
        k = self.rows.shape[0]
        if self.kind == "forward":
            ahead = np.arange(1, k)
            return ahead, np.zeros_like(ahead)
        ahead, behind = np.arange(self.base, k, 2), np.arange(self.base + 1, k, 2)
        if self.base:
            return np.where(there[ahead], ahead, 0), np.where(there[behind], behind, 0)
        return ahead, behind
