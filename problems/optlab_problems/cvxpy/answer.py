"""From a Result to what CVXPY calls a solution: status, value, variables and dual values.

Dual values follow CVXPY: that of ``lhs <= rhs``, ``lhs >= rhs`` and NonNeg is >= 0, that of ``lhs == rhs``
belongs to lhs - rhs, and for Maximize they are those of minimising the negated objective.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.core.result import Result
from optlab.core.status import PointStatus, StopReason
from optlab_problems.cvxpy.canonical import Rows
from optlab_problems.cvxpy.upstream import cvxpy, private

__all__ = ["no_solution", "to_solution", "to_status"]

_ACCEPTABLE = 1e-4
"""Residuals (docs/notation.md) up to which a point that is no solution counts as "optimal_inaccurate"."""

_LIMITS = (StopReason.MAX_ITER, StopReason.MAX_EVAL, StopReason.MAX_TIME, StopReason.USER)


def to_status(result: Result) -> str:
    """Translate the ending of a solve into one of CVXPY's statuses.

    The checker's word decides, not the method's: a point that satisfies the conditions is ``"optimal"`` even
    when a limit ended the solve. ``"infeasible"`` is meant locally when rows are not convex.
    """
    settings: Any = cvxpy().settings
    by_point = {
        PointStatus.STATIONARY: settings.OPTIMAL,
        PointStatus.INFEASIBLE_STATIONARY: settings.INFEASIBLE,
        PointStatus.UNBOUNDED_DIRECTION: settings.UNBOUNDED,
    }
    if result.point in by_point:
        return str(by_point[result.point])
    if not (np.isfinite(result.fun) and np.isfinite(result.x).all()):
        return str(settings.SOLVER_ERROR)
    if result.stop in _LIMITS:
        return str(settings.USER_LIMIT)
    at = result.certificate
    residuals = (at.primal, at.dual / at.scale, at.complementarity / at.scale)
    # A residual that is not known is nan, which is not acceptable.
    near = all(residual <= _ACCEPTABLE for residual in residuals)
    return str(settings.OPTIMAL_INACCURATE if near else settings.SOLVER_ERROR)


def to_solution(result: Result, rows: Rows, extra: Any = None) -> Any:
    """Make a ``Solution`` of the smooth problem, for CVXPY's reductions to map back.

    Parameters
    ----------
    result
        Of the problem made from ``rows``.
    rows
        Where variables and constraints lie.
    extra
        For CVXPY's ``solver_stats.extra_stats``; None stands for the result itself.
    """
    settings: Any = cvxpy().settings
    status = to_status(result)
    attributes = {
        settings.SOLVE_TIME: result.time,
        settings.NUM_ITERS: result.iterations,
        settings.EXTRA_STATS: result if extra is None else extra,
    }
    if status not in settings.SOLUTION_PRESENT:
        return private("failure_solution")(status, attributes)
    primal = {block.item.id: block.shaped(result.x) for block in rows.variables}
    return private("Solution")(status, result.fun, primal, _duals(result, rows), attributes)


def no_solution() -> Any:
    """Make the ``Solution`` of a problem whose linear constraints contradict each other."""
    return private("failure_solution")(cvxpy().settings.INFEASIBLE)


def _duals(result: Result, rows: Rows) -> dict[int, Any]:
    """Return the dual values by constraint; None where the multipliers are not known."""
    y = result.multipliers.constraints
    duals: dict[int, Any] = {}
    for block in rows.constraints:
        value = block.shaped(y)
        if type(block.item).__name__ == "NonNeg":
            value = -value
        value = value if block.shape else float(value)
        duals[block.item.id] = None if np.isnan(value).any() else value
    return duals
