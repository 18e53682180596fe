"""Multipliers at a point that has none: closed form for bounds, bounded least squares for rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import scipy_module
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.typing import Mask, Matrix, Vector

__all__ = ["bound_multipliers", "fit_multipliers"]

_DENSE_LIMIT = 150
"""Unknowns up to which the dense bounded least-squares solver is used: it refactors at every change,
so its cost grows with the fourth power."""


def bound_multipliers(x: Vector, d: Vector, lb: Vector, ub: Vector) -> Vector:
    """Derive the multipliers of the bounds from d = grad f + J'y.

    z_j = -d_j where that sign is allowed and the gap to the bound is at most |d_j|, else 0. Of the
    two choices this is the one with the smaller E_m0 and E_m1: it puts min(|d_j|, gap_j) into the
    estimators, so z is not zero only near a bound.

    Parameters
    ----------
    x
        Point within the bounds, (n,).
    d
        (n,)
    lb, ub
        (n,)
    """
    gap = np.where(d > 0.0, x - lb, ub - x)
    # Adding 0.0 turns -0.0 into 0.0.
    return np.where(np.abs(d) >= gap, -d, 0.0) + 0.0


def fit_multipliers(
    g: Vector,
    J: Matrix,
    row_gaps: tuple[Vector, Vector],
    bound_gaps: tuple[Vector, Vector],
    rows: Mask,
) -> tuple[Vector, Vector]:
    """Solve min |g + J'y + z|^2 + |gap * (y, z)|^2 with the signs that the nearer sides allow.

    Parameters
    ----------
    g
        (n,)
    J
        (m, n)
    row_gaps, bound_gaps
        Distance to the lower and the upper side, >= 0, possibly infinite.
    rows
        (m,) rows that may have a multiplier.

    Returns
    -------
    tuple
        y (m,), zero where not in ``rows``, and z (n,).
    """
    y_gap, y_low, y_up = _sides(*row_gaps)
    z_gap, z_low, z_up = _sides(*bound_gaps)
    row_at = np.flatnonzero(rows & np.isfinite(y_gap))
    # Beyond a gap of 1 the second term alone already makes the multiplier smaller than |g| / 2.
    bound_at = np.flatnonzero(z_gap <= 1.0)
    y, z = np.zeros(rows.size), np.zeros(g.size)
    k = row_at.size
    if k + bound_at.size == 0:
        return y, z
    if k + bound_at.size > _DENSE_LIMIT:
        return _by_projection(g, J, row_gaps, bound_gaps, row_at)
    gaps = np.concatenate((y_gap[row_at], z_gap[bound_at]))
    low = np.concatenate((y_low[row_at], z_low[bound_at]))
    up = np.concatenate((y_up[row_at], z_up[bound_at]))
    solution = _bounded_least_squares(_columns(J, row_at, bound_at), g, gaps, (low, up))
    y[row_at] = solution[:k]
    z[bound_at] = solution[k:]
    return y, z


def _sides(low: Vector, up: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the gap to the nearer side and the interval of multipliers that it allows."""
    gap = np.minimum(low, up)
    lowest = np.where(low <= up, -np.inf, 0.0)
    highest = np.where(up <= low, np.inf, 0.0)
    return gap, lowest, highest


def _columns(J: Matrix, row_at: Any, bound_at: Any) -> Any:
    """Matrix [J' I] restricted to the candidate rows and bounds."""
    n = J.shape[1]
    if isinstance(J, np.ndarray):
        identity = np.zeros((n, bound_at.size))
        identity[bound_at, np.arange(bound_at.size)] = 1.0
        return np.hstack((J[row_at].T, identity))
    sparse = scipy_module("sparse")
    data = np.ones(bound_at.size)
    identity = sparse.csc_array(
        (data, (bound_at, np.arange(bound_at.size))), shape=(n, bound_at.size)
    )
    rows: Any = J
    return sparse.hstack((rows[row_at].T, identity), format="csr")


def _bounded_least_squares(
    columns: Any, g: Vector, gaps: Vector, interval: tuple[Vector, Vector]
) -> Vector:
    target = np.concatenate((-g, np.zeros(gaps.size)))
    dense = columns if is_a(columns, np.ndarray) else columns.toarray()
    stacked: Any = np.vstack((dense, np.diag(gaps)))
    optimize = scipy_module("optimize")
    fit = optimize.lsq_linear(stacked, target, bounds=interval, method="bvls", tol=1e-14)
    solution: Vector = np.asarray(fit.x, dtype=np.float64)
    return solution


def _by_projection(
    g: Vector,
    J: Matrix,
    row_gaps: tuple[Vector, Vector],
    bound_gaps: tuple[Vector, Vector],
    row_at: Any,
) -> tuple[Vector, Vector]:
    """Take the multipliers of the projection of -g on the linearised feasible set.

    They are mu(x, alpha) with alpha = 1 in section 2 of [DH21]; d = 0 is feasible, so the set is never
    empty. The residual that they leave is reported as it is, whatever it is.
    """
    from optlab.linalg.polyhedron import Polyhedron  # noqa: PLC0415 - rarely needed
    from optlab.linalg.projection import Projector  # noqa: PLC0415

    low, up = (gap[row_at] for gap in row_gaps)
    matrix: Any = J
    polyhedron = Polyhedron(matrix[row_at], -low, up, -bound_gaps[0], bound_gaps[1])
    found = Projector(polyhedron).project(-g)
    y = np.zeros(row_gaps[0].size)
    y[row_at] = found.row_multipliers
    return y, np.asarray(found.bound_multipliers, dtype=np.float64)
