"""Phase two: the local step, a constraint step and a multiplier step from one factorization.

From (x, y, mu) a sweep solves, on the face that its active-set method identifies,

    [ W  J'  A_F' ] [ s   ]     [ grad f + J'y + A'mu ]
    [ J  -D       ] [ dy  ] = - [ h(x)                ]        W = Hess_xx L(x, y),  D -> 0
    [ A_F         ] [ dmu ]     [ 0                   ]

which is the linearly constrained Lagrangian step of the papers merged with their constraint step (the
right-hand sides add up): close to a solution it costs one factorization and one evaluation. When the
constraints are what is left of the error, a second constraint step re-uses the factor.

E_1 need not fall in the first step: far from a solution the multipliers or the curvature have to settle
first. The steps of a sweep are therefore watched [Chamberlain82]: one of the first ``PATIENCE`` has to bring E_1 below
theta times its value at the start, or the sweep does not count and the caller returns to phase one.

References
----------
.. [Chamberlain82] R. M. Chamberlain, M. J. D. Powell, C. Lemarechal, H. C. Pedersen, "The watchdog
   technique for forcing convergence in algorithms for constrained optimization", Math. Program.
   Study 16 (1982).
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

PATIENCE = 5
"""Steps within which a sweep has to reduce E_1 (2026-11, 105 CUTEst problems, against one step: 16 % fewer
evaluations, 7 % less CPU time; with 3 steps 12 % fewer, with 8 no fewer and more time)."""

GROWTH = 1e3
"""Growth of E_1 over its start (at least 1) at which a sweep is given up at once."""

NEARLY_STATIONARY = 1e-4
"""E_1, relative to the multipliers, below which a face matrix of any inertia is accepted."""

LEARNING_SWEEPS = 6
"""Sweeps from the best point before a blocked run without Hessians is given up."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A successful sweep."""

    estimate: Estimate
    changes: int
    """Factorizations beyond the first."""

    sigma: float


def sweep(
    work: Workspace, start: Estimate, theta: float, regularization: float
) -> Sweep | None:
    """Take local steps from ``start``; None when none of them gives E_1(new) <= theta E_1(start).

    Parameters
    ----------
    theta
        Required factor, 0 < theta < 1.
    regularization
        D, a small positive number: makes the face system solvable when J is rank deficient.
    """
    wanted, lost = theta * start.E1, GROWTH * max(start.E1, 1.0)
    at, factorizations = start, 0
    try:
        for _ in range(PATIENCE):
            found = identify(work, at, regularization)
            if found is None:
                return None
            factorizations += 1 + found.changes
            at = _step(work, at, found, wanted)
            if at.finite and wanted >= at.E1:
                return Sweep(at, factorizations - 1, found.sigma)
            if not at.finite or lost < at.E1:
                return None
    except FAILED:
        pass
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

    The model is made convex there, so that a step from a saddle point goes downhill; where that leads to
    no face, next to a point that phase one has made stationary, it is taken as it is.

    Parameters
    ----------
    held
        Face to begin with; None: the active constraints whose multipliers have the right sign.
    """
    x = start.x
    model = _model(work, start, regularization)
    if held is None:
        held = _binding(work, start)
    effort = Effort(IDENTIFICATION_CHANGES)
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


def _step(work: Workspace, at: Estimate, found: FaceStep, wanted: float) -> Estimate:
    """Take the step of the model, and the constraint step once more where that may be enough."""
    trial = stepped(work, at, found)
    if trial.finite and wanted >= trial.E1:
        return trial
    # Is it the constraints alone that are left of the error?
    if found.factor is None or not work.form.mh or not trial.finite or trial.Em1 > wanted:
        return trial
    # Constraint step: repeat the Newton step for h with the same factor.
    zero = np.zeros(found.row_multipliers.size)
    correction, _, _ = found.factor.solve(np.zeros(at.x.size), -work.form.h(trial.x), zero)
    x_new = inside(work, trial.x + correction)
    corrected = estimate(work.form, x_new, trial.y, found.row_multipliers)
    return corrected if corrected.finite and corrected.E1 < trial.E1 else trial


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
