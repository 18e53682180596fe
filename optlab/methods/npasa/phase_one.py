"""Phase one: the global step, one augmented Lagrangian minimised over Omega by PASA.

    x_k = argmin over Omega of L_q(x, lambda_bar),   L_q = f + lambda_bar'h + q |h|^2
    lambda_k = lambda_bar + 2 q h(x_k)

The minimisation stops when its multiplier error is small against the constraint error (theta E_c) and
below eps_k.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.methods.npasa.augmented import AugmentedLagrangian
from optlab.methods.npasa.estimates import estimate
from optlab.methods.pasa.iterate import Phase
from optlab.methods.pasa.kernel import Kernel

if TYPE_CHECKING:
    from optlab.linesearch import LineSearchOptions
    from optlab.methods.npasa.state import Estimate, Workspace
    from optlab.methods.pasa.iterate import KernelState
    from optlab.typing import Vector

__all__ = [
    "InnerLimits",
    "Subproblem",
    "Verdict",
    "advance",
    "first_order_estimate",
    "kernel_for",
    "open_subproblem",
]


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
class Subproblem:
    """One augmented Lagrangian on its way to its minimiser; it may take several major iterations."""

    kernel: Kernel
    at: KernelState
    multipliers: Vector
    """(mh,) lambda_bar."""

    penalty: float
    start: Estimate
    limits: InnerLimits
    first_value: float
    """L_q at the start."""

    inner: int = 0
    """Iterations of PASA so far."""


class Verdict(enum.Enum):
    """How a minimisation stands."""

    RUNNING = "running"
    SOLVED = "solved"
    """The multiplier error is small enough, or the iterations are spent."""

    BLOCKED = "blocked"
    """Nothing lower was found from the very start."""

    UNBOUNDED = "unbounded"
    ESCAPED = "escaped"
    """The penalty is too small to hold the iterates near h = 0: L_q falls without bound."""


TINY_STEP = 1e-15
"""Step relative to 1 + |x| at which rounding in L_q leaves nothing to minimise."""

ESCAPE_FACTOR = 1e3
"""Growth of E_c (from at least 1) in one minimisation that is taken as an escape."""

ESCAPE_FALL = 1e3
"""Fall of L_q, relative to 1 + |L_q|, that is taken as an escape when E_c has hardly fallen by then."""

HARDLY_FALLEN = 0.1
"""E_c relative to the start's; see ESCAPE_FALL."""


def open_subproblem(
    work: Workspace,
    start: Estimate,
    penalty: float,
    limits: InnerLimits,
    line_search: LineSearchOptions,
    cap: float,
) -> Subproblem:
    """Set up L_q(., clip(y, -cap, cap)) at ``start``."""
    y_bar = np.clip(start.y, -cap, cap)
    objective = AugmentedLagrangian(work.form, work.curvature, work.slacks, y_bar, penalty)
    kernel = kernel_for(work, objective, line_search)
    state = kernel.start(objective.polish(kernel.feasible(start.x)), start.mu)
    return Subproblem(kernel, state, y_bar, penalty, start, limits, state.value)


def advance(work: Workspace, sub: Subproblem, iterations: int) -> tuple[Subproblem, Verdict]:
    """Take up to ``iterations`` iterations of PASA."""
    at, inner = sub.at, sub.inner
    verdict = Verdict.RUNNING
    for _ in range(iterations + 1):
        verdict = _verdict(work, sub, at, inner)
        if verdict is not Verdict.RUNNING or inner - sub.inner >= iterations:
            break
        at = sub.kernel.step(at)
        inner += 1
    return replace(sub, at=at, inner=inner), verdict


def _verdict(work: Workspace, sub: Subproblem, at: KernelState, inner: int) -> Verdict:
    violation = float(np.linalg.norm(work.form.h(at.x)))
    wanted = min(sub.limits.tolerance, sub.limits.theta * violation)
    if at.error <= max(wanted, sub.limits.floor) or inner >= sub.limits.iterations:
        return Verdict.SOLVED
    fallen = sub.first_value - at.value
    runs_away = fallen > ESCAPE_FALL * (1.0 + abs(sub.first_value))
    if violation > ESCAPE_FACTOR * max(sub.start.Ec, 1.0) or (
        runs_away and violation > max(HARDLY_FALLEN * sub.start.Ec, sub.limits.floor)
    ):
        return Verdict.ESCAPED
    if at.unbounded:
        return Verdict.UNBOUNDED
    if at.phase is Phase.BLOCKED:
        return Verdict.BLOCKED if inner <= 1 else Verdict.SOLVED
    if at.step_norm <= TINY_STEP * (1.0 + float(np.max(np.abs(at.x), initial=0.0))):
        return Verdict.SOLVED
    return Verdict.RUNNING


def first_order_estimate(work: Workspace, sub: Subproblem) -> Estimate:
    """Return the iterate with lambda = lambda_bar + 2 q h(x)."""
    y = sub.multipliers + 2.0 * sub.penalty * work.form.h(sub.at.x)
    return estimate(work.form, sub.at.x, y, sub.at.row_multipliers)


def kernel_for(
    work: Workspace, objective: AugmentedLagrangian, line_search: LineSearchOptions
) -> Kernel:
    """Return PASA on ``objective`` with the machinery of the problem."""
    return Kernel(objective, work.form.polyhedron, work.projector, work.faces, line_search)
