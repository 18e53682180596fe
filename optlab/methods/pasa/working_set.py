"""Working sets: which bounds and rows of the polyhedron a face holds as equalities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.typing import Vector

__all__ = ["Blocking", "WorkingSet", "active_at", "step_to_boundary", "violated_at"]

Sides = NDArray[np.int8]
Mask = NDArray[np.bool_]

ACTIVITY_TOLERANCE = 1e-11
"""Relative distance below which a constraint counts as active: rounding of ``x + s``."""


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """Sides held: -1 at the lower limit, +1 at the upper, 2 equality (both), 0 not held."""

    bounds: Sides
    """(n,) int8."""

    rows: Sides
    """(ml,) int8."""

    @property
    def free(self) -> Mask:
        """(n,) variables that may move."""
        return np.equal(self.bounds, 0)

    @property
    def active_rows(self) -> Mask:
        """(ml,) rows held as equalities."""
        return np.not_equal(self.rows, 0)

    def with_added(self, other: WorkingSet) -> WorkingSet:
        """Return the union; sides already held stay."""
        return WorkingSet(
            np.where(self.bounds != 0, self.bounds, other.bounds),
            np.where(self.rows != 0, self.rows, other.rows),
        )

    def without(self, bounds: Mask, rows: Mask) -> WorkingSet:
        """Return the set with the marked constraints released."""
        return WorkingSet(
            np.where(bounds, np.int8(0), self.bounds), np.where(rows, np.int8(0), self.rows)
        )

    def size(self) -> int:
        """Count the constraints held."""
        return int(np.count_nonzero(self.bounds) + np.count_nonzero(self.rows))


def _sides(value: Vector, lower: Vector, upper: Vector, slack: Vector | float) -> Sides:
    at_lower = value <= lower + slack
    at_upper = value >= upper - slack
    sides = at_upper.astype(np.int8)
    sides[at_lower] = -1
    sides[lower == upper] = 2
    return sides


def active_at(x: Vector, row_values: Vector, polyhedron: Polyhedron) -> WorkingSet:
    """Return the constraints active at ``x`` to rounding; ``row_values`` is A x, shape (ml,)."""
    tol = ACTIVITY_TOLERANCE
    bounds = _sides(x, polyhedron.lo, polyhedron.hi, tol * (1.0 + np.abs(x)))
    if not row_values.size:
        return WorkingSet(bounds, np.zeros(0, dtype=np.int8))
    rows = _sides(
        row_values, polyhedron.bl, polyhedron.bu, 1e2 * tol * (1.0 + np.abs(row_values))
    )
    return WorkingSet(bounds, rows)


def violated_at(
    y: Vector, row_values: Vector, held: WorkingSet, polyhedron: Polyhedron
) -> WorkingSet:
    """Return the constraints outside ``held`` that ``y`` violates; ``row_values`` is A y."""

    def sides(value: Vector, lower: Vector, upper: Vector, known: Sides, tol: Vector) -> Sides:
        outside = (value > upper + tol).astype(np.int8)
        outside[value < lower - tol] = -1
        outside[known != 0] = 0
        return outside

    bounds = sides(
        y, polyhedron.lo, polyhedron.hi, held.bounds, ACTIVITY_TOLERANCE * (1.0 + np.abs(y))
    )
    if not row_values.size:
        return WorkingSet(bounds, held.rows)
    size = 1.0 + float(np.max(np.abs(y), initial=0.0))
    tol = ACTIVITY_TOLERANCE * size * polyhedron.row_norms
    return WorkingSet(bounds, sides(row_values, polyhedron.bl, polyhedron.bu, held.rows, tol))


@dataclass(frozen=True, slots=True)
class Blocking:
    """What stops a step: the largest feasible multiple and the constraints met there."""

    size: float
    """Largest t with y + t d feasible; ``inf`` when nothing is met."""

    first: WorkingSet
    """Constraints met at ``size``."""

    beyond: WorkingSet
    """Constraints that the full step ``y + d`` violates."""

    @property
    def count(self) -> int:
        """Number of constraints violated by the full step."""
        return self.beyond.size()


def _ratios(value: Vector, change: Vector, lower: Vector, upper: Vector) -> Vector:
    """Return t_i at which ``value + t change`` meets a limit; inf where it never does."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gap = np.where(change < 0.0, lower - value, upper - value)
        t = gap / change
    t[np.isnan(t) | (change == 0.0)] = np.inf
    return np.maximum(t, 0.0)


def _met(ratios: Vector, change: Vector, limit: float) -> Sides:
    met = ratios <= limit
    return np.where(met, np.where(change < 0.0, -1, 1), 0).astype(np.int8)


def step_to_boundary(
    y: Vector, d: Vector, rows: tuple[Vector, Vector], held: WorkingSet, polyhedron: Polyhedron
) -> Blocking:
    """Find the constraints outside ``held`` that the segment from ``y`` along ``d`` meets.

    Parameters
    ----------
    y, d
        Point and direction, shape (n,).
    rows
        ``(A y, A d)``, shape (ml,) each.
    held
        Constraints that the direction keeps by construction; they cannot block.
    polyhedron
        The feasible set.

    Returns
    -------
    Blocking
        The largest step, the constraints met there, and those violated by the unit step.
    """
    scale = float(np.max(np.abs(d), initial=0.0))
    moved = np.where(held.free & (np.abs(d) > 1e-16 * scale), d, 0.0)
    t_bounds = _ratios(y, moved, polyhedron.lo, polyhedron.hi)
    ay, ad = rows
    if ay.size:
        quiet = held.active_rows | (np.abs(ad) <= 1e-13 * scale * polyhedron.row_norms)
        ad = np.where(quiet, 0.0, ad)
        t_rows = _ratios(ay, ad, polyhedron.bl, polyhedron.bu)
    else:
        t_rows = ay
    size = min(float(t_bounds.min(initial=np.inf)), float(t_rows.min(initial=np.inf)))
    # Constraints within rounding of the first one are met together: a degenerate vertex would
    # otherwise cost one factorization for each.
    together = size * (1.0 + 1e-10) + 1e-14
    first = WorkingSet(_met(t_bounds, moved, together), _met(t_rows, ad, together))
    if size > 1.0:
        nothing = WorkingSet(np.zeros_like(first.bounds), np.zeros_like(first.rows))
        return Blocking(size, nothing, nothing)
    beyond = WorkingSet(_met(t_bounds, moved, 1.0), _met(t_rows, ad, 1.0))
    return Blocking(size, first, beyond)
