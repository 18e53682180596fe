"""A solution with everything that is differentiated there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optlab.core.derivatives.options import Differences
from optlab.core.kkt import (
    Certificate,
    derived_bound_multipliers,
    error_estimators,
    least_squares_multipliers,
)
from optlab.core.method import WarmStart
from optlab.core.oracle import Oracle
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.errors import CapabilityError, OptionError, ProblemError, SolveError
from optlab.typing import Matrix, Vector

__all__ = ["Point", "evaluated", "moved_by", "with_multipliers"]

NEARLY_STATIONARY = 1e-3
"""Residuals up to which derivatives are computed at all; their error is of the size of the residuals."""


@dataclass(frozen=True, slots=True)
class Point:
    """A KKT point of a problem with first and second derivatives."""

    problem: Problem
    x: Vector
    """(n,)"""

    y: Vector
    """(m,)"""

    z: Vector
    """(n,)"""

    c: Vector
    """(m,) values of the rows."""

    g: Vector
    """(n,) gradient of the objective."""

    J: Matrix
    """(m, n)"""

    W: Matrix
    """(n, n) Hessian of the Lagrangian."""

    certificate: Certificate


def evaluated(problem: Problem, solution: Result | WarmStart) -> Point:
    """Evaluate all derivatives at a solution.

    Parameters
    ----------
    solution
        Its point, and multipliers; the ones that are missing or nan are fitted.

    Raises
    ------
    OptionError
        When ``solution`` is no result.
    ProblemError
        When it is one of another problem.
    CapabilityError
        When the problem lacks exact first derivatives.
    SolveError
        When the point is not stationary.
    EvaluationError
        When a derivative is not finite.
    """
    _check_first_derivatives(problem)
    x, y, z = _solution(problem, solution)
    door = Oracle(problem)
    if y is None or not np.isfinite(y).all():
        y, z = least_squares_multipliers(door, x)
    elif z is None or not np.isfinite(z).all():
        z = derived_bound_multipliers(door, x, y)
    found = error_estimators(door, x, y, z)
    _check_stationary(found, solution)
    return Point(
        problem,
        x,
        y,
        z,
        c=door.constraints(x),
        g=door.gradient(x),
        J=door.jacobian(x),
        W=_hessian(door, x, y),
        certificate=found,
    )


def with_multipliers(point: Point, y: Vector, z: Vector) -> Point:
    """Return the point with other multipliers and the Hessian that belongs to them."""
    return replace(point, y=y, z=z, W=_hessian(Oracle(point.problem), point.x, y))


def moved_by(point: Point, dx: Vector, dy: Vector) -> Point:
    """Return the point with x and y moved and second derivatives and Jacobian there, within the bounds.

    Raises
    ------
    EvaluationError
        When a derivative is not finite there.
    """
    door = Oracle(point.problem)
    x = np.clip(point.x + dx, door.lb, door.ub)
    y = point.y + dy
    return replace(point, x=x, y=y, J=door.jacobian(x), W=_hessian(door, x, y))


def _solution(
    problem: Problem, solution: Result | WarmStart
) -> tuple[Vector, Vector | None, Vector | None]:
    """Return x, y, z with their shapes checked."""
    if isinstance(solution, Result):
        y, z = solution.multipliers.constraints, solution.multipliers.bounds
        given: tuple[Any, Any, Any] = (solution.x, y, z)
    elif isinstance(solution, WarmStart):
        given = (solution.x, solution.y, solution.z)
    else:
        raise OptionError(
            f"result is a {type(solution).__name__}; the Result of a solve of this problem is needed, "
            "or a WarmStart(x, y, z) for a solution found elsewhere"
        )
    sizes = (problem.n, problem.m, problem.n)
    parts = [None if v is None else np.asarray(v, dtype=np.float64) for v in given]
    for label, part, size in zip("xyz", parts, sizes, strict=True):
        if part is not None and part.shape != (size,):
            raise ProblemError(
                f"the result has {label} of shape {part.shape}; the problem needs ({size},): it "
                "must be the result of a solve of this very problem"
            )
    x = parts[0]
    if x is None or not np.isfinite(x).all():
        raise ProblemError(
            "the result has a point x that is not finite; solve the problem again"
        )
    return x, parts[1], parts[2]


def _check_first_derivatives(problem: Problem) -> None:
    missing = [
        name
        for name, there in (
            ("gradient", problem.has_gradient),
            ("jacobian", problem.has_jacobian or not problem.m),
        )
        if not there
    ]
    if missing:
        raise CapabilityError(
            f"the problem has no {' and no '.join(missing)}, and the derivative of a solution needs "
            "exact first derivatives; pass them to optlab.Problem"
        )
    if problem.derivatives == "estimated" and not problem.has_hessian:
        raise CapabilityError(
            "the problem has estimated first derivatives and no hessian: second derivatives from "
            "differences of differences would be noise; pass exact first derivatives, or hessian=..."
        )


def _check_stationary(found: Certificate, solution: Result | WarmStart) -> None:
    worst = max(found.dual / found.scale, found.complementarity / found.scale, found.primal)
    if worst <= NEARLY_STATIONARY:
        return
    words = f" The solve ended so: {solution.message}." if isinstance(solution, Result) else ""
    raise SolveError(
        f"the point is not stationary (primal {found.primal:.1e}, dual {found.dual:.1e}, "
        f"complementarity {found.complementarity:.1e}; {NEARLY_STATIONARY:g} is the most that is "
        f"accepted), so it has no derivative with respect to parameters.{words} Solve to success first, "
        "and check that the problem and the parameters are those of the result"
    )


def _hessian(door: Oracle, x: Vector, y: Vector) -> Matrix:
    """Return the Hessian of the Lagrangian by whatever the problem has."""
    problem = door.problem
    if problem.has_hessian:
        return door.hessian(x, y, 1.0)
    n = problem.n
    if problem.has_hprod:
        return np.column_stack([door.hprod(x, y, 1.0, e) for e in np.eye(n)])
    # Fixed variables may be parameters: their columns are needed, too.
    fixed = problem.lb == problem.ub
    movable = problem.replace(
        lb=np.where(fixed, -np.inf, problem.lb), ub=np.where(fixed, np.inf, problem.ub)
    )
    full = Differences(hessian_pattern=np.ones((n, n), dtype=bool))
    return Oracle(movable.replace(hessian=full)).hessian(x, y, 1.0)
