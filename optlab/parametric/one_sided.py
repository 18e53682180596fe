"""One-sided directional derivatives where constraints are weakly active.

Along a change of the data, a constraint with multiplier zero may stay active or be left; which of the two
is decided by the quadratic program ([RD95]; with independent gradients [Jittorntrum84])

    minimize  1/2 d'W d + dg'd    subject to   J_i d + dc_i - ds_i  = 0    strongly active rows
                                               J_i d + dc_i - ds_i <= 0    weakly active at the upper side
                                               J_i d + dc_i - ds_i >= 0    weakly active at the lower side

and likewise for the bounds. Its solution is dx, its multipliers are dy and dz. It is strictly convex on
the set that matters when W is positive definite along the strongly active constraints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.api import minimize
from optlab.core.problem import Problem
from optlab.errors import ProblemError
from optlab.parametric.step import CONSISTENT, Step

if TYPE_CHECKING:
    from optlab.parametric.face import Face
    from optlab.parametric.perturbation import Change
    from optlab.typing import Mask, Vector

__all__ = ["one_sided"]

_TOL = 1e-11
"""Of the QP, whose data are scaled to order one. Rounding may end it earlier: its residuals are judged by
CONSISTENT, like those of a linear system."""


def one_sided(face: Face, change: Change) -> Step:
    """Return the step of the solution along ``change``, choosing among weakly active constraints.

    Parameters
    ----------
    face
        With the weakly active constraints held.
    """
    held, point = face.forward(change), face.point
    size = change.size()
    if size == 0.0:
        return held
    try:
        found = minimize(_program(face, change, size, held), method="pasa", tol=_TOL)
    except ProblemError as error:
        # The rows of the QP have no common point.
        return _none(face, str(error))
    certificate = found.certificate
    errors = (
        certificate.dual / certificate.scale,
        certificate.complementarity / certificate.scale,
    )
    worst = max(certificate.primal, *errors)
    if not worst <= CONSISTENT:
        return _none(face, found.message)
    dy = np.zeros(point.y.size)
    dy[face.held] = size * found.multipliers.constraints
    dx, dz = size * found.x, size * found.multipliers.bounds
    return Step(dx, dy, dz, held.f, worst)


def _none(face: Face, reason: str) -> Step:
    """Say that there is no derivative along this change."""
    words = f"the quadratic program of the weakly active constraints has no solution: {reason}"
    return Step.missing((face.point.x.size, face.point.y.size), words)


def _program(face: Face, change: Change, size: float, held: Step) -> Problem:
    """State the QP for the change divided by its size."""
    point, active = face.point, face.active
    W: Any = point.W
    linear = change.gradient / size
    lb, ub = _limits(active.bounds, active.weak_bounds, (change.lb / size, change.ub / size))
    start = held.x / size if held.exists else np.zeros(linear.size)
    common: dict[str, Any] = {
        "objective": lambda d: float(0.5 * (d @ (W @ d)) + linear @ d),
        "gradient": lambda d: W @ d + linear,
        "hessian": lambda d, y, sigma: sigma * W,  # noqa: ARG005
        "x0": np.clip(start, lb, ub),
        "lb": lb,
        "ub": ub,
    }
    rows = np.flatnonzero(face.held)
    if not rows.size:
        return Problem(**common)
    J: Any = point.J
    A = J[rows]
    sides = ((change.cl - change.constraints) / size, (change.cu - change.constraints) / size)
    cl, cu = _limits(
        active.rows[rows], active.weak_rows[rows], (sides[0][rows], sides[1][rows])
    )
    return Problem(
        **common,
        constraints=lambda d: A @ d,
        jacobian=lambda d: A,  # noqa: ARG005
        cl=cl,
        cu=cu,
        linear=np.ones(rows.size, dtype=bool),
    )


def _limits(sides: Vector, weak: Mask, rates: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    """Return the interval of each rate: a point, a ray from the active side, or everything."""
    rate = np.where(sides < 0.0, rates[0], rates[1])
    low = np.where((sides == 0.0) | (weak & (sides > 0.0)), -np.inf, rate)
    up = np.where((sides == 0.0) | (weak & (sides < 0.0)), np.inf, rate)
    return low, up
