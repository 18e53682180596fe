"""Directional derivatives where multipliers are not unique.

With dependent active gradients the multipliers form a polyhedron, and along a change of the data the ones
that count are those of steepest ascent of the Lagrangian [RD95]

    maximize  y'(dc - ds) - z'db   over   J_A'y + z = -grad f,  z_F = 0,  and the signs of active sides,

whose maximum is also what the optimal value gains beside df. With them, the quadratic program of
:mod:`optlab.parametric.one_sided` gives dx. (It gives a dy, too, but that need not be the derivative of a
multiplier that some solver would return.) An unbounded maximum means that the rows contradict each other
along this direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import scipy_module
from optlab.parametric.activity import ActiveSet, classified
from optlab.parametric.face import Face
from optlab.parametric.one_sided import one_sided
from optlab.parametric.point import with_multipliers
from optlab.parametric.step import Step
from optlab.typing import Vector

if TYPE_CHECKING:
    from optlab.parametric.perturbation import Change
    from optlab.parametric.point import Point

__all__ = ["steepest"]

_INFEASIBLE = (
    "no multipliers are largest along this direction: its change makes the active constraints "
    "contradict each other"
)


def steepest(
    point: Point, active: ActiveSet, change: Change, at: Callable[[Vector], Change], tol: float
) -> Step:
    """Return the step of the solution along a change, with the multipliers that it selects.

    Parameters
    ----------
    active
        All active constraints, weak ones included.
    change
        At the present multipliers; only what does not depend on them is used.
    at
        ``at(y)`` is the change with grad_x L taken at other multipliers.
    tol
        For the classification with the new multipliers.
    """
    found = _steepest_multipliers(point, active, change)
    if found is None:
        return Step.missing((point.x.size, point.y.size), _INFEASIBLE, f=np.inf)
    moved = with_multipliers(point, *found)
    judged = classified(moved, tol)
    # The same sides are active; which of them weakly is up to the new multipliers.
    strong_rows, strong_bounds = (
        (judged.rows == active.rows) & ~judged.weak_rows,
        (judged.bounds == active.bounds) & ~judged.weak_bounds,
    )
    equal_rows = point.problem.cl == point.problem.cu
    selected = replace(
        active,
        weak_rows=(active.rows != 0.0) & ~strong_rows & ~equal_rows,
        weak_bounds=(active.bounds != 0.0)
        & ~strong_bounds
        & (point.problem.lb != point.problem.ub),
    )
    return one_sided(Face(moved, selected), at(moved.y))


def _steepest_multipliers(
    point: Point, active: ActiveSet, change: Change
) -> tuple[Vector, Vector] | None:
    """Solve the linear program for the change of (y, z); None where it is unbounded."""
    problem = point.problem
    db, ds = Face.side_rates(active, change)
    rows, bounds = np.flatnonzero(active.rows), np.flatnonzero(active.bounds)
    sparse, optimize = scipy_module("sparse"), scipy_module("optimize")
    J: Any = sparse.csr_array(point.J)
    unit = sparse.csr_array(
        (np.ones(bounds.size), (bounds, np.arange(bounds.size))),
        shape=(point.x.size, bounds.size),
    )
    gain = np.concatenate(((change.constraints - ds)[rows], -db[bounds]))
    now = np.concatenate((point.y[rows], point.z[bounds]))
    side = np.concatenate((active.rows[rows], active.bounds[bounds]))
    equal = np.concatenate(
        ((problem.cl == problem.cu)[rows], (problem.lb == problem.ub)[bounds])
    )
    low = np.where(equal | (side < 0.0), -np.inf, -np.maximum(now, 0.0))
    up = np.where(equal | (side > 0.0), np.inf, np.maximum(-now, 0.0))
    size = float(np.abs(gain).max(initial=0.0)) or 1.0
    found = optimize.linprog(
        -gain / size,
        A_eq=sparse.hstack((J[rows].T, unit), format="csr"),
        b_eq=np.zeros(point.x.size),
        bounds=np.column_stack((low, up)),
        method="highs",
    )
    if found.status != 0:
        return None
    y, z = np.zeros_like(point.y), np.zeros_like(point.z)
    y[rows] = now[: rows.size] + found.x[: rows.size]
    z[bounds] = now[rows.size :] + found.x[rows.size :]
    return y, z
