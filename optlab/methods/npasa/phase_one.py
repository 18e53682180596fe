"""Phase one: the global step, one augmented Lagrangian minimised over Omega by PASA.

    x_k = argmin over Omega of L_q(x, lambda_bar),   L_q = f + lambda_bar'h + q |h|^2
    lambda_k = lambda_bar + 2 q h(x_k)

The minimisation stops when its multiplier error is small against the constraint error (theta E_c) and
below eps_k. Also here: the feasibility phase, |h|^2 minimised over Omega from the present point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.methods.npasa.augmented import AugmentedLagrangian
from optlab.methods.npasa.estimates import estimate
from optlab.methods.pasa.kernel import Kernel, Phase

if TYPE_CHECKING:
    from optlab.linesearch import LineSearchOptions
    from optlab.methods.npasa.state import Estimate, Workspace
    from optlab.methods.pasa.kernel import KernelState
    from optlab.typing import Vector

__all__ = ["GlobalStep", "InnerLimits", "global_step", "minimize_infeasibility"]


@dataclass(frozen=True, slots=True)
class InnerLimits:
    """When the inner minimisation stops."""

    theta: float
    """Multiplier error wanted relative to the constraint error."""

    tolerance: float
    """eps_k: multiplier error wanted in any case."""

    floor: float
    """Multiplier error that is small enough whatever E_c is."""

    iterations: int


@dataclass(frozen=True, slots=True)
class GlobalStep:
    """Result of one augmented Lagrangian minimisation."""

    estimate: Estimate
    inner: int
    sigma: float
    unbounded: bool
    blocked: bool
    """The first inner iteration already found nothing lower."""

    escaped: bool = False
    """The penalty is too small to hold the iterates near h = 0: L_q falls without bound."""


ESCAPE_FACTOR = 1e3
"""Growth of E_c (from at least 1) in one minimisation that is taken as an escape."""


def global_step(
    work: Workspace,
    start: Estimate,
    penalty: float,
    limits: InnerLimits,
    line_search: LineSearchOptions,
    cap: float,
) -> GlobalStep:
    """Minimise L_q(., clip(y)) from ``start`` and update the multipliers to first order."""
    y_bar = np.clip(start.y, -cap, cap)
    objective = AugmentedLagrangian(work.form, work.curvature, work.slacks, y_bar, penalty)
    kernel = _kernel(work, objective, line_search)
    state = kernel.start(objective.polish(kernel.feasible(start.x)), start.mu)
    inner, escaped = 0, False
    for inner in range(limits.iterations + 1):
        violation = float(np.linalg.norm(work.form.h(state.x)))
        wanted = min(limits.tolerance, limits.theta * violation)
        if state.error <= max(wanted, limits.floor):
            break
        escaped = violation > ESCAPE_FACTOR * max(start.Ec, 1.0)
        if state.phase is Phase.BLOCKED or state.unbounded or escaped:
            break
        if inner < limits.iterations:
            state = kernel.step(state)
    y = y_bar + 2.0 * penalty * work.form.h(state.x)
    found = estimate(work.form, state.x, y, state.row_multipliers)
    blocked = state.phase is Phase.BLOCKED and inner <= 1
    return GlobalStep(found, inner, state.sigma, state.unbounded, blocked, escaped)


def minimize_infeasibility(
    work: Workspace, x: Vector, limits: InnerLimits, line_search: LineSearchOptions
) -> KernelState:
    """Minimise |h|^2 over Omega from ``x``: Gauss-Newton with the exact second-order term."""
    zero = np.zeros(work.form.mh)
    objective = AugmentedLagrangian(
        work.form, work.curvature, work.slacks, zero, penalty=1.0, weight=0.0
    )
    kernel = _kernel(work, objective, line_search)
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


def _kernel(
    work: Workspace, objective: AugmentedLagrangian, line_search: LineSearchOptions
) -> Kernel:
    return Kernel(objective, work.form.polyhedron, work.projector, work.faces, line_search)
