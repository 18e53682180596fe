"""Mehrotra's predictor-corrector method over a polyhedron, and projection by it.

    minimize q(x)   subject to   A x = s,   bl <= s <= bu,   lo <= x <= hi,     q convex quadratic

:func:`follow_central_path` is the method ([NW06], section 16.6); what one Newton step solves is the
business of an :class:`AbstractCentralSystem`. The projection's, q = 1/2 |x - y|^2, is here: the rescue
for degenerate polyhedra. Where many more constraints meet than there are variables, the active-set iteration of
:mod:`optlab.linalg.dual_newton` has to find its way through a great number of faces; the
primal-dual interior-point method ([NW06], section 16.6) takes twenty to sixty steps whatever the
geometry. Its multipliers of the rows are only good to some digits, but they are a start from
which the active-set iteration has little left to do.

With zeta the multipliers of the bounds of x and eta those of the bounds of s, one step solves

    (A X A' + S) dlam = A X r_x - S r_s - r_p,     X = (I + zeta / gaps)^{-1},  S = (eta / gaps)^{-1},

zero entries of X and S standing for fixed variables and equality rows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from optlab.linalg.arrays import BoolArray, FloatArray
    from optlab.linalg.scaled_rows import ScaledRows

SideArray: TypeAlias = "npt.NDArray[np.int8]"

MAX_STEPS = 80
# Average complementarity relative to its start that ends the iteration: half the digits.
REDUCTION = 1e-16
# Fraction of the way to the boundary.
TO_BOUNDARY = 0.995


@dataclass(slots=True)
class Box:
    """Values v between limits, with the multipliers of both sides.

    The gaps to the limits are kept beside the values, because their difference would round to
    zero. A side without a limit has the gap 1 and the multiplier 0, so that it never matters.
    """

    v: FloatArray
    below: FloatArray
    above: FloatArray
    down: FloatArray
    up: FloatArray
    has_low: BoolArray
    has_high: BoolArray
    fixed: BoolArray

    @classmethod
    def around(
        cls,
        v: FloatArray,
        low: FloatArray,
        high: FloatArray,
        scale: float,
        multiplier: float | None = None,
    ) -> Box:
        """Move v inside its limits by up to ``scale``; multipliers start there, too, or as given."""
        multiplier = scale if multiplier is None else multiplier
        fixed = low == high
        has_low, has_high = np.isfinite(low) & ~fixed, np.isfinite(high) & ~fixed
        room = np.where(has_low & has_high, 0.4 * np.where(fixed, 0.0, high - low), scale)
        margin = np.minimum(room, scale)
        v = np.where(has_low, np.maximum(v, low + margin), v)
        v = np.where(has_high, np.minimum(v, high - margin), v)
        v = np.where(fixed, low, v)
        down, up = np.where(has_low, multiplier, 0.0), np.where(has_high, multiplier, 0.0)
        # At least the margin by construction, whatever the difference of v and the limit rounds to.
        below = np.where(has_low, np.maximum(v - low, margin), 1.0)
        above = np.where(has_high, np.maximum(high - v, margin), 1.0)
        return cls(v, below, above, down, up, has_low, has_high, fixed)

    @property
    def stiffness(self) -> FloatArray:
        """Return the diagonal that the eliminated multipliers leave behind: sum of ratios."""
        ratios: FloatArray = self.down / self.below + self.up / self.above
        return ratios

    @property
    def held(self) -> SideArray:
        """Sides that are probably active, as -1, 1 or 0: the multiplier outweighs the gap."""
        low = self.has_low & (self.down > self.below)
        high = self.has_high & (self.up > self.above)
        return np.where(low, -1, np.where(high, 1, 0)).astype(np.int8)

    def pull(self, target: float, cross: tuple[FloatArray, FloatArray]) -> FloatArray:
        """Return the push inward for complementarity products of ``target`` less ``cross``."""
        inward: FloatArray = np.where(self.has_low, (target - cross[0]) / self.below, 0.0)
        inward -= np.where(self.has_high, (target - cross[1]) / self.above, 0.0)
        return inward

    def complementarity(self) -> float:
        """Return the sum of the products of gaps and multipliers."""
        below, above = self.below, self.above
        return float(below.dot(self.down) + above.dot(self.up))

    def count(self) -> int:
        """Count the limits."""
        return int(np.count_nonzero(self.has_low) + np.count_nonzero(self.has_high))

    def multipliers(
        self, dv: FloatArray, target: float, cross: tuple[FloatArray, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Return the changes of the multipliers that belong to dv."""
        below, above = self.below, self.above
        d_down = np.where(self.has_low, (target - cross[0] - self.down * dv) / below, 0.0)
        d_up = np.where(self.has_high, (target - cross[1] + self.up * dv) / above, 0.0)
        return d_down - self.down, d_up - self.up

    def move(self, t: float, dv: FloatArray, d_down: FloatArray, d_up: FloatArray) -> None:
        """Add t times the changes."""
        self.v = self.v + t * dv
        self.below = self.below + t * np.where(self.has_low, dv, 0.0)
        self.above = self.above - t * np.where(self.has_high, dv, 0.0)
        self.down, self.up = self.down + t * d_down, self.up + t * d_up

    def longest(self, dv: FloatArray, d_down: FloatArray, d_up: FloatArray) -> float:
        """Return the largest step in [0, 1] that keeps gaps and multipliers nonnegative."""
        below, above = self.below, self.above
        t = 1.0
        for value, change, there in (
            (below, dv, self.has_low), (above, -dv, self.has_high),
            (self.down, d_down, self.has_low), (self.up, d_up, self.has_high),
        ):  # fmt: skip
            falling = there & (change < 0.0)
            if falling.any():
                t = min(t, float((-value[falling] / change[falling]).min()))
        return t


class AbstractCentralSystem(ABC):
    """The Newton equations of the central path at one iterate after another."""

    @abstractmethod
    def factorize(self, x: Box, s: Box) -> bool:
        """Prepare the equations at an iterate; return False where that fails."""

    @abstractmethod
    def solve(
        self,
        target: float,
        cross_x: tuple[FloatArray, FloatArray],
        cross_s: tuple[FloatArray, FloatArray],
    ) -> tuple[FloatArray, FloatArray]:
        """Return dx, ds for complementarity products aimed at ``target`` less ``cross``."""

    @abstractmethod
    def move(self, t: float) -> None:
        """Add t times the last solution to the multipliers that the system keeps itself."""


def average_complementarity(x: Box, s: Box) -> float:
    """Return the barrier parameter: the average product of a gap and its multiplier."""
    return (x.complementarity() + s.complementarity()) / max(1, x.count() + s.count())


def follow_central_path(
    system: AbstractCentralSystem, x: Box, s: Box, target: float, max_steps: int = MAX_STEPS
) -> float:
    """Move x, s and the system's multipliers along the central path.

    Parameters
    ----------
    system
        The Newton equations.
    x, s
        Start, strictly inside; changed in place.
    target
        Average complementarity that ends the iteration.
    max_steps
        Limit on factorizations.

    Returns
    -------
    float
        Average complementarity; infinite after a breakdown.
    """
    barrier = average_complementarity(x, s)
    for _ in range(max_steps):
        if not np.isfinite(barrier) or barrier <= target:
            break
        if not system.factorize(x, s):
            return math.inf
        nothing = np.zeros(x.v.size), np.zeros(x.v.size)
        none = np.zeros(s.v.size), np.zeros(s.v.size)
        dx, ds = system.solve(0.0, nothing, none)
        zx, zs = x.multipliers(dx, 0.0, nothing), s.multipliers(ds, 0.0, none)
        t = min(x.longest(dx, *zx), s.longest(ds, *zs))
        # Mehrotra's centring: little where the affine step goes far.
        aim = barrier * (1.0 - t) ** 3
        cross_x, cross_s = (dx * zx[0], -dx * zx[1]), (ds * zs[0], -ds * zs[1])
        dx, ds = system.solve(aim, cross_x, cross_s)
        zx, zs = x.multipliers(dx, aim, cross_x), s.multipliers(ds, aim, cross_s)
        t = TO_BOUNDARY * min(x.longest(dx, *zx), s.longest(ds, *zs))
        if not (np.isfinite(dx).all() and np.isfinite(ds).all()):
            return math.inf
        x.move(t, dx, *zx)
        s.move(t, ds, *zs)
        system.move(t)
        barrier = average_complementarity(x, s)
    return barrier if np.isfinite(barrier) else math.inf


def interior_multipliers(rows: ScaledRows, y: FloatArray) -> FloatArray | None:
    """Return approximate multipliers of the rows, (ml,), or None if the method broke down."""
    scale = max(1.0, float(np.mean(np.abs(y))))
    x = Box.around(y.copy(), rows.lo, rows.hi, scale)
    s = Box.around(rows.A @ x.v, rows.bl, rows.bu, scale)
    system = _ProjectionSystem(rows, y)
    target = REDUCTION * average_complementarity(x, s)
    if not math.isfinite(follow_central_path(system, x, s, target)):
        return None
    return np.where(s.fixed | (s.held != 0), system.lam, 0.0)


class _ProjectionSystem(AbstractCentralSystem):
    """The equations of the projection, reduced to the multipliers of the rows."""

    def __init__(self, rows: ScaledRows, y: FloatArray) -> None:
        self._rows, self._y = rows, y
        self.lam = np.zeros(rows.bl.size)

    def factorize(self, x: Box, s: Box) -> bool:
        self._x, self._s = x, s
        self._X = np.where(x.fixed, 0.0, 1.0 / (1.0 + x.stiffness))
        stiffness = s.stiffness
        # A row without limits takes part with an infinite S, that is not at all.
        self._S = np.where(s.fixed, 0.0, 1.0 / np.where(stiffness == 0.0, 1e-20, stiffness))
        self._apply: Callable[[FloatArray], FloatArray]
        self._apply = self._rows.gram.weighted(self._X, self._S)
        return True

    def solve(
        self,
        target: float,
        cross_x: tuple[FloatArray, FloatArray],
        cross_s: tuple[FloatArray, FloatArray],
    ) -> tuple[FloatArray, FloatArray]:
        rows, x, s = self._rows, self._x, self._s
        r_x = self._y - x.v - rows.AT @ self.lam + x.pull(target, cross_x)
        r_s = self.lam + s.pull(target, cross_s)
        r_p = s.v - rows.A @ x.v
        self._dlam = self._apply(rows.A @ (self._X * r_x) - self._S * r_s - r_p)
        dx = self._X * (r_x - rows.AT @ self._dlam)
        ds = self._S * (r_s + self._dlam)
        return dx, ds

    def move(self, t: float) -> None:
        self.lam = self.lam + t * self._dlam
