"""Sums over the samples above an edge, as smooth functions of the edge.

For samples of a channel with potential u_i, target r_i and weights w_i and v_i, the tails

    S(e) = sum over u_i > e of w_i,   R(e) = sum over u_i > e of w_i r_i,   V(e) = sum over u_i > e of v_i

are steps in e. Here each sample is spread by a cubic B-spline about 4 bins wide, so that the tails have three
continuous derivatives and are exact for the spread samples. Samples are first split between the two nearest grid
points, which keeps their mean. After that the cost of an evaluation does not depend on their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import BSpline

if TYPE_CHECKING:
    from optlab.typing import Vector

__all__ = ["Edge", "Tails"]

BINS = 256
"""Grid intervals over the range of a channel: about 16 per level at T = 4. On four times as many, single samples make
valleys in which a solve ends."""

DEGREE = 3
MARGIN = 4
"""Grid points beside the range of a channel: kernels reach two intervals to either side, and the spline is defined from the
third of its intervals on."""


@dataclass(frozen=True)
class Edge:
    """Tails at edges of shape (C, L), their densities -S', -R', -V' and the slopes of those; each (C, L, 3)."""

    tail: Vector
    density: Vector
    slope: Vector


class Tails:
    """The tails S, R and V of every channel.

    All channels lie in one spline, one after the other, each in intervals of its own.

    Parameters
    ----------
    potentials : array, shape (C, N)
        u.
    columns : array, shape (C, N, 3)
        w, w r and v.
    bins : int
        Grid intervals of a channel.
    """

    def __init__(self, potentials: Vector, columns: Vector, bins: int = BINS) -> None:
        self.low = potentials.min(axis=1)
        spread = potentials.max(axis=1) - self.low
        # A channel that is constant gets a grid of the size of its value.
        self.width = np.where(spread > 0, spread, np.maximum(np.abs(self.low), 1.0)) / bins
        self.length = bins + 1 + 2 * MARGIN
        self.first = np.arange(len(potentials)) * self.length
        place = self._place(potentials)
        left = np.minimum(np.floor(place), (self.first + self.length - 1)[:, None])
        share = place - left
        left = left.astype(np.intp)
        size = len(potentials) * self.length
        coefficients = np.stack(
            [
                np.bincount(left.ravel(), ((1 - share) * column).ravel(), size)
                + np.bincount(left.ravel() + 1, (share * column).ravel(), size + 1)[:size]
                for column in np.moveaxis(columns, 2, 0)
            ],
            axis=1,
        )
        # The kernel of coefficient j is centred at knot j + 2.
        knots = np.arange(size + DEGREE + 1) - 2.0
        self._density = BSpline(knots, coefficients, DEGREE)
        self._below = self._density.antiderivative()
        self._slope = self._density.derivative()
        self._ends = self._below(self.first + self.length - 1.0)

    def _place(self, edges: Vector) -> Vector:
        """Return places on the common grid, kept inside the intervals of their channel."""
        inside = (edges - self.low[:, None]) / self.width[:, None] + MARGIN
        kept: Vector = self.first[:, None] + np.clip(inside, 0, self.length - 1.0)
        return kept

    def at(self, edges: Vector) -> Edge:
        """Evaluate at edges, shape (C, L)."""
        place = self._place(edges)
        width = self.width[:, None, None]
        return Edge(
            self._ends[:, None] - self._below(place),
            self._density(place) / width,
            self._slope(place) / width**2,
        )
