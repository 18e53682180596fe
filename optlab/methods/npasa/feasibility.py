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

from optlab.errors import EvaluationError
from optlab.methods.npasa.augmented import AugmentedLagrangian
from optlab.methods.npasa.estimates import estimate
from optlab.methods.npasa.phase_one import kernel_for
from optlab.methods.pasa.kernel import Phase

if TYPE_CHECKING:
    from optlab.linesearch import LineSearchOptions
    from optlab.methods.npasa.phase_one import InnerLimits
    from optlab.methods.npasa.state import Estimate, Workspace
    from optlab.methods.pasa.kernel import KernelState
    from optlab.typing import Vector

__all__ = ["least_infeasible", "minimize_infeasibility"]

SPREADS = (0.0, 0.01, 0.1, 0.3, 1.0)
"""Starts: the present point and random ones at these relative distances."""


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
    form, x = work.form, start.x
    rng = np.random.default_rng(seed)
    size = 1.0 + np.abs(x)
    best: Estimate | None = None
    for spread in SPREADS:
        begin = x + spread * size * rng.standard_normal(x.size) if spread else x
        try:
            found = minimize_infeasibility(work, begin, limits, line_search)
            point = estimate(form, found.x, np.zeros(form.mh), np.zeros(start.mu.size))
        except EvaluationError:
            continue  # a perturbed start outside the functions' domain
        if best is None or point.Ec < best.Ec:
            best = point
        if point.Ec <= good:
            break
    return start if best is None else best


def minimize_infeasibility(
    work: Workspace, x: Vector, limits: InnerLimits, line_search: LineSearchOptions
) -> KernelState:
    """Minimise |h|^2 over Omega from ``x``: Gauss-Newton with the exact second-order term."""
    zero = np.zeros(work.form.mh)
    objective = AugmentedLagrangian(
        work.form, work.curvature, work.slacks, zero, penalty=1.0, weight=0.0
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
