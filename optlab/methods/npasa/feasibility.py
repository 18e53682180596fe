"""The feasibility phase: |h|^2 minimised over Omega.

    minimize |h(x)|^2   subject to   x in Omega

It decides whether phase one stalls because the problem is (locally) infeasible. A point is left as such only
when every try, from the present point and from perturbed ones, ends with |h| > 0; whether it may then be
called a stationary point of the infeasibility is the shared checker's decision.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from optlab.methods.npasa.augmented import AugmentedLagrangian
from optlab.methods.npasa.estimates import estimate
from optlab.methods.npasa.phase_one import kernel_for
from optlab.methods.pasa.iterate import Phase
from optlab.methods.pasa.kernel import FAILED, feasible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optlab.linesearch import LineSearchOptions
    from optlab.methods.npasa.phase_one import InnerLimits
    from optlab.methods.npasa.state import Estimate, Workspace
    from optlab.methods.pasa.iterate import KernelState
    from optlab.typing import Vector

__all__ = ["least_infeasible", "minimize_infeasibility"]

INTERIOR = 0.1
"""Distance from its bounds, relative to max(1, |bound|), to which an interior start is pushed (at most
INTERIOR_SHARE of the way to the other bound); ten times that for the present point."""

INTERIOR_SHARE = 0.4

SPREADS = (0.01, 0.1, 0.3, 1.0)
"""Relative distances of the random starts."""

SAME = 1e-6
"""Relative difference of two values of |h| that count as one."""

BELIEVED = 4
"""How many starts must end at the least |h| before the others are left out."""


def least_infeasible(
    work: Workspace,
    start: Estimate,
    limits: InnerLimits,
    line_search: LineSearchOptions,
    *,
    good: float,
    seed: int,
) -> Estimate:
    """Return the least infeasible point found, without multipliers.

    Parameters
    ----------
    good
        E_c at which the search ends at once.
    seed
        Of the perturbations. They do not depend on the run: NPASA is deterministic.
    """
    form = work.form
    best: Estimate | None = None
    seen = 0
    for begin in _starts(work, start.x, seed):
        try:
            found = minimize_infeasibility(work, begin, limits, line_search)
            point = estimate(form, found.x, np.zeros(form.mh), np.zeros(start.mu.size))
        except FAILED:
            continue  # a start outside the functions' domain, or too far away to project
        if best is None or point.Ec < (1.0 - SAME) * best.Ec:
            best, seen = point, 0
        seen += point.Ec <= (1.0 + SAME) * best.Ec
        if best.Ec <= good or seen >= BELIEVED:
            break
    if best is None:
        return start
    return best if best.Ec <= good else _in_user_units(work, best, limits, line_search)


def _in_user_units(
    work: Workspace, found: Estimate, limits: InnerLimits, line_search: LineSearchOptions
) -> Estimate:
    """Go on from a point with h > 0 in the units of the user's rows, in which it will be judged.

    A stationary point of the scaled violation is none of the violation itself.
    """
    form = work.form
    if form.oracle.problem.row_scale is None:
        return found
    scale = form.oracle.problem.row_scale[form.nonlinear.rows]
    try:
        at = minimize_infeasibility(work, found.x, limits, line_search, weights=scale**-2)
        return estimate(form, at.x, found.y, found.mu)
    except FAILED:
        return found


def _starts(work: Workspace, x: Vector, seed: int) -> Iterator[Vector]:
    """Yield the present point, the user's start, both pushed off their bounds, random ones.

    Phase one may have run into a corner that the user's start is far from; and a variable that starts at
    its bound may be held there by a violation that vanishes inside.
    """
    x0 = work.form.oracle.x0
    polyhedron, projector = work.form.polyhedron, work.projector
    tried: list[Vector] = []
    inside = _pushed_inside(work, x0, INTERIOR), _pushed_inside(work, x, 10.0 * INTERIOR)
    for raw in (x, x0, *inside):
        begin = feasible(raw, polyhedron, projector)
        if not any(np.allclose(begin, other, rtol=SAME, atol=SAME) for other in tried):
            tried.append(begin)
            yield begin
    rng = np.random.default_rng(seed)
    for spread in SPREADS:
        for centre in (x0, x):
            size = 1.0 + np.abs(centre)
            yield centre + spread * size * rng.standard_normal(centre.size)


def _pushed_inside(work: Workspace, x: Vector, distance: float) -> Vector:
    """Move x off its bounds, as interior-point methods do (section 3.6 of [WB06])."""
    lo, hi = work.form.polyhedron.lo, work.form.polyhedron.hi
    share = INTERIOR_SHARE * (hi - lo)
    with np.errstate(invalid="ignore"):  # inf * 0 where there is no bound to keep away from
        low = lo + np.minimum(distance * np.maximum(1.0, np.abs(lo)), share)
        high = hi - np.minimum(distance * np.maximum(1.0, np.abs(hi)), share)
    low, high = np.where(np.isfinite(lo), low, lo), np.where(np.isfinite(hi), high, hi)
    return np.minimum(np.maximum(x, low), high)


def minimize_infeasibility(
    work: Workspace,
    x: Vector,
    limits: InnerLimits,
    line_search: LineSearchOptions,
    weights: Vector | float = 1.0,
) -> KernelState:
    """Minimise sum w_i h_i^2 over Omega from ``x``: Gauss-Newton with the exact second-order term."""
    zero = np.zeros(work.form.mh)
    objective = AugmentedLagrangian(
        work.form, work.curvature, work.slacks, zero, penalty=weights, weight=0.0
    )
    kernel = kernel_for(work, objective, line_search)
    state = kernel.start(objective.polish(kernel.feasible(x)))
    for _ in range(limits.iterations):
        violation = math.sqrt(max(state.value, 0.0))
        # |h| falls below the floor, or its gradient 2J'h vanishes while |h| does not.
        if violation <= limits.floor or state.error <= limits.theta * violation:
            break
        if state.phase is Phase.BLOCKED:
            break
        state = kernel.step(state)
    return state
