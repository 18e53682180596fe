"""Warm starts of NPASA: phase two at once, on the active set of an earlier solve.

    (x0, y0, z0)  ->  sides held by y0 and z0  ->  one factorization, Newton step, chord steps

The multipliers of the earlier solve say which bounds and rows hold, also where the data have moved them
away from x0. A sweep on that face is a step of phase two followed by chord steps: Newton steps
with the old factor and new residuals, as long as each reduces E_1 clearly. They make a sweep converge
with order 1 + (number of chord steps) for the price of evaluations [Shamanskii67].

E_1 need not fall in the first sweep: a start that is close in the old problem's terms may meet curvature
first. The sweeps are therefore watched ([Chamberlain82]): within ``PATIENCE`` of them E_1 has to come
below theta times its value at the start, or the solve goes on from the start as a cold one does, with
the better of the old and the least-squares multipliers.

References
----------
.. [Shamanskii67] V. E. Shamanskii, "A modification of Newton's method", Ukrain. Mat. Zh. 19 (1967).
.. [Chamberlain82] R. M. Chamberlain, M. J. D. Powell, C. Lemarechal, H. C. Pedersen, "The watchdog
   technique for forcing convergence in algorithms for constrained optimization", Math. Program.
   Study 16 (1982).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.errors import EvaluationError
from optlab.methods.npasa import phase_two
from optlab.methods.npasa.estimates import estimate, first_estimate
from optlab.methods.pasa.working_set import WorkingSet, active_at

if TYPE_CHECKING:
    from optlab.core.method import WarmStart
    from optlab.methods.npasa.state import Estimate, State, Workspace
    from optlab.methods.pasa.face import FaceStep
    from optlab.methods.standard_form import StandardForm
    from optlab.typing import Vector

__all__ = ["WarmRun", "WarmSweep", "begin", "given_up", "predicted_set", "sweep"]

PATIENCE = 3
"""Sweeps within which E_1 must come below theta times its reference."""

GROWTH = 1e3
"""Growth of E_1 over its reference (at least 1) at which the watched sweeps are given up at once."""

CHORD_STEPS = 6
"""Steps with an old factor; each costs one evaluation of gradient and Jacobian."""

CHORD_RATE = 0.3
"""Factor by which a chord step must reduce E_1 for another one to be worth more than a new factor."""

CHORD_MARGIN = 0.1
"""Share of the wanted E_1 at which chord steps end: E_1 is measured in scaled terms, and a point that the
user's own residuals refuse costs another factorization."""

FIRM = 1e-6
"""Multiplier, relative to 1 + the largest, that says by itself that its side holds: smaller ones are
what an interior-point method leaves at inactive sides."""


@dataclass(frozen=True, slots=True)
class WarmRun:
    """Watched sweeps from a warm start on their way."""

    start: Estimate
    """Where they began: the solve comes back to it when they fail."""

    reference: float
    """E_1 of which theta times must be reached."""

    left: int = PATIENCE
    """Sweeps left for that."""

    held: WorkingSet | None = None
    """Face of the next sweep, None: what is active at its start."""


@dataclass(frozen=True, slots=True)
class WarmSweep:
    """One sweep: where it ended and what follows."""

    estimate: Estimate
    changes: int
    sigma: float
    run: WarmRun | None
    """None when the ordinary iteration takes over from here."""


def begin(work: Workspace, x: Vector, warm: WarmStart) -> WarmRun | None:
    """Estimate the errors at the warm start and predict its face; None without usable multipliers.

    Parameters
    ----------
    x
        Point of the polyhedron, (n,).
    warm
        Multipliers in the method's space.
    """
    form = work.form
    y, z = warm.y, warm.z
    if y is None or not np.all(np.isfinite(y)):
        return None
    nonlinear, linear = form.split(y)
    start = estimate(form, x, nonlinear, linear)
    if not start.finite:
        return None
    if z is None or not np.all(np.isfinite(z)):
        z = -start.reduced
    return WarmRun(start, start.E1, held=predicted_set(form, x, linear, z))


def predicted_set(form: StandardForm, x: Vector, mu: Vector, z: Vector) -> WorkingSet:
    """Return the sides that multipliers of an earlier solve say are held.

    A side is held when its multiplier is firm, or larger than the distance to it.

    Parameters
    ----------
    mu, z
        Multipliers of the rows of A (ml,) and of the bounds (n,).
    """
    poly = form.polyhedron
    rows = poly.rows_times(x)
    now = active_at(x, rows, poly)
    largest = max(float(np.max(np.abs(v), initial=0.0)) for v in (mu, z))
    firm = FIRM * (1.0 + largest)
    return WorkingSet(
        _sides(now.bounds, z, (x - poly.lo, poly.hi - x), firm),
        _sides(now.rows, mu, (rows - poly.bl, poly.bu - rows), firm),
    )


def _sides(
    now: np.ndarray, multiplier: Vector, gaps: tuple[Vector, Vector], firm: float
) -> np.ndarray:
    size = np.abs(multiplier)
    gap = np.where(multiplier < 0.0, *gaps)
    held = np.isfinite(gap) & ((size > firm) | (size > gap)) & (size > 0.0)
    sides = np.where(held, np.sign(multiplier), 0.0).astype(np.int8)
    sides[now == 2] = 2
    return sides


def sweep(
    work: Workspace,
    run: WarmRun,
    at: Estimate,
    options: tuple[float, float, float],
) -> WarmSweep | None:
    """Take one watched sweep; None when the run is given up.

    Parameters
    ----------
    at
        Present point: ``run.start`` in the first sweep.
    options
        theta, the regularization D of the face system, and the E_1 that is wanted.
    """
    theta, regularization, wanted = options
    try:
        found = phase_two.identify(work, at, regularization, run.held)
        if found is None:
            return None
        new = _step(work, at, found, wanted)
    except EvaluationError:
        return None
    if new is None:
        return None
    if theta * run.reference >= new.E1:
        after: WarmRun | None = WarmRun(run.start, new.E1)
    else:
        after = replace(run, left=run.left - 1, held=None)
        if after.left <= 0 or GROWTH * max(run.reference, 1.0) < new.E1:
            return None
    return WarmSweep(new, found.changes, found.sigma, None if wanted >= new.E1 else after)


def given_up(state: State, run: WarmRun) -> State:
    """Go back to the start, with the better of the old and the least-squares multipliers."""
    best = first_estimate(state.work, run.start.x)
    if run.start.E1 <= best.E1:
        best = run.start
    f = state.work.form.objective(best.x)
    return replace(state, best=best, f=f, error_floor=best.E0, warm=None)


def _step(work: Workspace, at: Estimate, found: FaceStep, wanted: float) -> Estimate | None:
    """Take the step of the model and chord steps as long as they pay."""
    new = phase_two.stepped(work, at, found)
    if not new.finite:
        return None
    for _ in range(CHORD_STEPS):
        if CHORD_MARGIN * wanted >= new.E1 or found.factor is None:
            break
        try:
            trial = _chord(work, new, found)
        except EvaluationError:
            break
        if not (trial.finite and trial.E1 < new.E1):
            break
        paid = trial.E1 <= CHORD_RATE * new.E1
        new = trial
        if not paid:
            break
    return new


def _chord(work: Workspace, at: Estimate, found: FaceStep) -> Estimate:
    """Solve with the old factor for the residuals at ``at``."""
    form, held = work.form, found.working_set
    poly = form.polyhedron
    assert found.factor is not None
    gap = at.mu
    if gap.size:
        target = np.where(held.rows > 0, poly.bu, poly.bl)
        gap = np.where(held.active_rows, target - poly.rows_times(at.x), 0.0)
    d, dy, dmu = found.factor.solve(-at.reduced, -form.h(at.x), gap)
    x = phase_two.inside(work, at.x + d)
    return estimate(form, x, at.y + dy, at.mu + dmu)
