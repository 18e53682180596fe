"""One-sided directional derivatives where constraints are weakly active.

Along a change of the data, a constraint with multiplier zero may stay active or be left; which of the two
is decided by the quadratic program ([RD95]; with independent gradients [Fiacco83], section 3.3)

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
from optlab.parametric.step import Step

if TYPE_CHECKING:
    from optlab.parametric.face import Face
    from optlab.parametric.perturbation import Change
    from optlab.typing import Mask, Vector

__all__ = ["one_sided"]

_TOL = 1e-11
"""Of the QP, whose data are scaled to order one."""


def one_sided(face: Face, change: Change) -> Step:
    """Return the step of the solution along ``change``, choosing among weakly active constraints.

    Parameters
    ----------
    face
        With the weakly active constraints held.
    """
    held = face.forward(change)
    size = change.size()
    if size == 0.0:
        return held
    qp = _program(face, change, size, held)
    found = minimize(qp, method="pasa", tol=_TOL)
    n, m = face.point.problem.n, face.point.problem.m
    worst = max(found.certificate.primal, found.certificate.dual / found.certificate.scale)
    if not found.success:
        nan = np.full(n, np.nan)
        words = f"the QP of the weakly active constraints was not solved: {found.message}"
        return Step(nan, np.full(m, np.nan), nan, held.f, np.inf, words)
    dy = np.zeros(m)
    dy[face.held] = size * found.multipliers.constraints
    dz = size * found.multipliers.bounds
    return Step(size * found.x, dy, dz, held.f, worst)


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
