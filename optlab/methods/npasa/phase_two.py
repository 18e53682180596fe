"""Phase two: the local step, a constraint step and a multiplier step from one factorization.

From (x, y, mu) a sweep solves, on the face that its active-set method identifies,

    [ W  J'  A_F' ] [ s   ]     [ grad f + J'y + A'mu ]
    [ J  -D       ] [ dy  ] = - [ h(x)                ]        W = Hess_xx L(x, y),  D -> 0
    [ A_F         ] [ dmu ]     [ 0                   ]

which is the linearly constrained Lagrangian step of the papers merged with their constraint step (the
right-hand sides add up): close to a solution it costs one factorization and one evaluation. When the
constraints are what is left of the error, a second constraint step re-uses the factor. A sweep
counts only if it reduces E_1 by the factor theta; the caller returns to phase one otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.methods.npasa.estimates import estimate
from optlab.methods.pasa.face import Curved, Effort
from optlab.methods.pasa.kernel import FAILED, feasible
from optlab.methods.pasa.model import QuadraticModel
from optlab.methods.pasa.working_set import active_at

if TYPE_CHECKING:
    from optlab.methods.npasa.state import Estimate, Workspace
    from optlab.methods.pasa.face import FaceStep
    from optlab.methods.pasa.working_set import WorkingSet
    from optlab.typing import Vector

__all__ = ["Sweep", "identify", "inside", "last_sweep", "stepped", "sweep"]

IDENTIFICATION_CHANGES = 12
"""Factorizations that a sweep may spend on finding its face; where the active set is near the right
one it takes one to three, and where it is not, phase one is the better place."""

NEARLY_STATIONARY = 1e-4
"""E_1, relative to the multipliers, below which a face matrix of any inertia is accepted."""

LEARNING_SWEEPS = 6
"""Sweeps from the best point before a blocked run without Hessians is given up."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A successful sweep."""

    estimate: Estimate
    changes: int
    sigma: float


def sweep(
    work: Workspace, start: Estimate, theta: float, regularization: float
) -> Sweep | None:
    """Take one local step from ``start``; None when it does not give E_1(new) <= theta E_1.

    Parameters
    ----------
    theta
        Required factor, 0 < theta < 1.
    regularization
        D, a small positive number: makes the face system solvable when J is rank deficient.
    """
    try:
        found = identify(work, start, regularization)
        return None if found is None else _accept(work, start, found, theta)
    except FAILED:
        return None


def last_sweep(
    work: Workspace, start: Estimate, theta: float, regularization: float
) -> Sweep | None:
    """Try several sweeps from one point: a step that failed has taught a quasi-Newton model something.

    The parameters are those of :func:`sweep`.
    """
    for _ in range(LEARNING_SWEEPS):
        swept = sweep(work, start, theta, regularization)
        if swept is not None:
            return swept
    return None


def identify(
    work: Workspace, start: Estimate, regularization: float, held: WorkingSet | None = None
) -> FaceStep | None:
    """Solve the sweep's model on the face that the primal-dual method finds.

    The model must be convex there, so that phase two is not drawn to a saddle point; next to a point
    that phase one has made stationary, where a degenerate Hessian has any inertia, it need not be.

    Parameters
    ----------
    held
        Face to begin with; None: the active constraints whose multipliers have the right sign.
    """
    x = start.x
    model = _model(work, start, regularization)
    if held is None:
        held = _binding(work, start)
    effort = Effort(IDENTIFICATION_CHANGES, curvature=Curved.REFUSED)
    found = work.faces.primal_dual(model, x, held, start.mu, effort)
    if found is not None:
        return found
    if NEARLY_STATIONARY * (1.0 + float(np.max(np.abs(start.y), initial=0.0))) < start.E1:
        return None
    return work.faces.primal_dual(
        model, x, held, start.mu, replace(effort, curvature=Curved.TAKEN)
    )


def _binding(work: Workspace, start: Estimate) -> WorkingSet:
    poly, x = work.form.polyhedron, start.x
    held = active_at(x, poly.rows_times(x), poly)
    side, t = held.bounds, start.reduced
    leave = ((side == -1) & (t < 0.0)) | ((side == 1) & (t > 0.0))
    rows = ((held.rows == -1) & (start.mu > 0.0)) | ((held.rows == 1) & (start.mu < 0.0))
    return held.without(leave, rows)


def _model(work: Workspace, start: Estimate, regularization: float) -> QuadraticModel:
    form, x, y = work.form, start.x, start.y
    jacobian = form.jacobian(x)
    if work.curvature.exact:
        hessian = form.hessian(x, y)
    else:
        hessian = work.curvature.quasi_newton()
    gradient = form.gradient(x) + jacobian.T @ y
    return QuadraticModel(np.asarray(gradient), hessian, jacobian, form.h(x), regularization)


def _accept(work: Workspace, start: Estimate, found: FaceStep, theta: float) -> Sweep | None:
    form, x = work.form, start.x
    limit = theta * start.E1
    trial = stepped(work, start, found)
    y, x_new = trial.y, trial.x
    if trial.finite and limit >= trial.E1:
        return Sweep(trial, found.changes, found.sigma)
    # Is it the constraints alone that are left of the error?
    if found.factor is None or not form.mh or not trial.finite or trial.Em1 > limit:
        return None
    # Constraint step: repeat the Newton step for h with the same factor.
    zero = np.zeros(found.row_multipliers.size)
    correction, _, _ = found.factor.solve(np.zeros(x.size), -form.h(x_new), zero)
    x_new = inside(work, x_new + correction)
    trial = estimate(form, x_new, y, found.row_multipliers)
    if trial.finite and limit >= trial.E1:
        return Sweep(trial, found.changes, found.sigma)
    return None


def stepped(work: Workspace, start: Estimate, found: FaceStep) -> Estimate:
    """Estimate the errors at the end of the model's step."""
    y = start.y + found.block_multipliers
    x_new = inside(work, start.x + found.step)
    _learn(work, start.x, x_new, y)
    return estimate(work.form, x_new, y, found.row_multipliers)


def _learn(work: Workspace, x: Vector, x_new: Vector, y: Vector) -> None:
    if work.curvature.exact:
        return
    form = work.form
    change = form.gradient(x_new) - form.gradient(x)
    change = change + (form.jacobian(x_new).T @ y - form.jacobian(x).T @ y)
    work.curvature.update(x_new - x, np.asarray(change))


def inside(work: Workspace, x: Vector) -> Vector:
    """Return ``x``, moved into the polyhedron by what rounding or a bent row has left outside."""
    return feasible(x, work.form.polyhedron, work.projector)
