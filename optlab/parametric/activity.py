"""Which rows and bounds hold a solution, and how firmly.

Every row and bound has a gap to its nearer side and a multiplier. Both are made relative, so that the
answer depends neither on the units of a row nor on those of the objective:

    gap    over  min(max(|side|, |J_i| max(1, |x|)), distance of the two sides)
    force  max over j of |y_i J_ij| / F_j,   F_j = max(|grad_j f|, |y_k J_kj|, |z_j|, |W_jk| max(1, |x_k|))

F_j is the size of the terms whose sum is the gradient of the Lagrangian: a multiplier below ``tol`` F is
what rounding and the solver's tolerance leave of zero.

* both below ``tol``, or both below 1e-3 and within a factor of 100: weakly active;
* otherwise the larger one decides: force, and the constraint is strongly active, or gap, and it is not.

Equalities and fixed variables are always strongly active. The second rule for weak ones is for
interior-point methods, which end with gap and multiplier of one size, about the root of their last barrier
parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import row_max
from optlab.typing import Mask, Vector, is_a

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.parametric.point import Point

__all__ = ["DEFAULT_ACTIVITY_TOL", "ActiveSet", "classified"]

DEFAULT_ACTIVITY_TOL = 1e-6

_SMALL = 1e-3
_APART = 0.01
"""Below _SMALL, gap and force must differ by this factor to tell strong from inactive."""


@dataclass(frozen=True, slots=True)
class ActiveSet:
    """Sides that hold the solution: -1 the lower one, +1 the upper one, 0 none."""

    rows: Vector
    """(m,)"""

    bounds: Vector
    """(n,)"""

    weak_rows: Mask
    """(m,) active with a multiplier that is not told from zero."""

    weak_bounds: Mask
    """(n,)"""

    @property
    def any_weak(self) -> bool:
        """Whether anything is weakly active."""
        return bool(self.weak_rows.any() or self.weak_bounds.any())

    def released(self) -> ActiveSet:
        """Return the same set without the weakly active constraints."""
        return ActiveSet(
            np.where(self.weak_rows, 0.0, self.rows),
            np.where(self.weak_bounds, 0.0, self.bounds),
            np.zeros_like(self.weak_rows),
            np.zeros_like(self.weak_bounds),
        )

    def weak_labels(self, problem: Problem) -> tuple[str, ...]:
        """Name the weakly active constraints, with the names that the problem has."""
        rows = _labels("row", self.rows, self.weak_rows, problem.constraint_names)
        return rows + _labels(
            "bound of x", self.bounds, self.weak_bounds, problem.variable_names
        )


def classified(point: Point, tol: float) -> ActiveSet:
    """Sort the rows and bounds of a solution; see the module's docstring."""
    problem, x, J = point.problem, point.x, point.J
    absolute: Any = abs(J)  # type: ignore[arg-type]
    size = np.maximum(1.0, np.abs(x))
    reference = _reference_force(point, absolute, size)
    inverse = np.where(reference > 0.0, 1.0 / np.where(reference > 0.0, reference, 1.0), 0.0)
    rows, weak_rows = _sorted_sides(
        (point.c, problem.cl, problem.cu),
        point.y,
        np.abs(point.y) * row_max(_scaled(absolute, inverse)),
        row_max(_scaled(absolute, size)),
        tol,
    )
    bounds, weak_bounds = _sorted_sides(
        (x, problem.lb, problem.ub), point.z, np.abs(point.z) * inverse, np.ones(x.size), tol
    )
    return ActiveSet(rows, bounds, weak_rows, weak_bounds)


def _reference_force(point: Point, absolute: Any, size: Vector) -> Vector:
    """Return F, (n,)."""
    force = np.maximum(np.abs(point.g), np.abs(point.z))
    if point.y.size:
        force = np.maximum(force, row_max(_scaled(absolute.T, np.abs(point.y))))
    curvature: Any = abs(point.W)  # type: ignore[arg-type]
    return np.maximum(force, row_max(_scaled(curvature, size)))


def _scaled(matrix: Any, factors: Vector) -> Any:
    """Multiply the columns of a dense or sparse matrix."""
    return matrix * factors if is_a(matrix, np.ndarray) else matrix.multiply(factors[None, :])


def _sorted_sides(
    at: tuple[Vector, Vector, Vector],
    multiplier: Vector,
    force: Vector,
    unit: Vector,
    tol: float,
) -> tuple[Vector, Mask]:
    """Return sides and weakness of rows or bounds.

    Parameters
    ----------
    at
        Values, lower and upper sides.
    force
        Relative multipliers.
    unit
        Size below which the magnitude of a side does not count.
    """
    value, low, up = at
    equal = low == up
    below, above = np.maximum(value - low, 0.0), np.maximum(up - value, 0.0)
    # A multiplier that says something decides the side, else the gap does.
    upper = np.where(force > tol, multiplier > 0.0, above < below)
    gap = np.where(upper, above, below)
    side = np.where(upper, up, low)
    unit = np.where(unit > 0.0, unit, 1.0)
    room = np.where(equal, np.inf, up - low)
    gap = gap / np.minimum(
        np.maximum(np.abs(np.where(np.isfinite(side), side, 0.0)), unit), room
    )
    largest, smallest = np.maximum(gap, force), np.minimum(gap, force)
    weak = (largest <= tol) | ((largest <= _SMALL) & (smallest >= _APART * largest))
    active = equal | weak | (force > gap)
    return np.where(active, np.where(upper, 1.0, -1.0), 0.0), weak & ~equal


def _labels(
    what: str, sides: Vector, weak: Mask, names: tuple[str, ...] | None
) -> tuple[str, ...]:
    return tuple(
        f"{what}[{i}]{'' if names is None else f' ({names[i]})'} at its "
        f"{'upper' if sides[i] > 0 else 'lower'} side"
        for i in np.flatnonzero(weak)
    )
