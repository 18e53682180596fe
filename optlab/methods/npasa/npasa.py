"""NPASA: nonlinear programming by a polyhedral active set algorithm in two phases.

    minimize f(x)   subject to   h(x) = 0,   x in Omega = { lo <= x <= hi,  bl <= A x <= bu }

Phase one, an augmented Lagrangian over Omega, reaches a neighbourhood of a solution from anywhere;
phase two, a constraint step and a multiplier step on the linearised constraints, converges
quadratically. The error estimators decide: phase two runs as long as each sweep gives
E_1(new) <= theta E_1(old), otherwise phase one takes over with a penalty tied to 1/E_0.

=============  ===========================================================
paper          code
=============  ===========================================================
q              ``penalty``
lambda, mu     ``y`` (rows of h), ``mu`` (rows of A; bounds by sign of ``reduced``)
theta          ``theta``
phi            ``penalty_growth``
E_m0 .. E_c    :mod:`optlab.methods.npasa.estimates`
=============  ===========================================================

Where this differs from the papers, and why, is in ``docs/npasa.md``.

References
----------
.. [DH21a] J. Diffenderfer and W. W. Hager, "NPASA: An algorithm for nonlinear programming:
   motivation and global convergence", arXiv:2107.07479.
.. [DH21b] J. Diffenderfer and W. W. Hager, "NPASA: An algorithm for nonlinear programming: local
   convergence", arXiv:2107.07478.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.progress import Column
from optlab.core.reduction import Chain, FixedVariables, GradientScaling, Presolve, Slacks
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.linesearch import LineSearchOptions
from optlab.methods.npasa import phase_one, phase_two
from optlab.methods.npasa import warm as warm_start
from optlab.methods.npasa.estimates import acceptable, first_estimate
from optlab.methods.npasa.feasibility import least_infeasible
from optlab.methods.npasa.setup import balanced_penalty, known_penalty, workspace
from optlab.methods.npasa.state import Phase, State
from optlab.methods.pasa.kernel import feasible
from optlab.methods.standard_form import StandardForm

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.core.problem import Problem
    from optlab.core.progress import Progress
    from optlab.core.reduction import Inverse
    from optlab.typing import Vector

__all__ = ["NPASA"]

NO_LIMIT = 10**9

STALLS = 4
"""Stalls in a row that start the feasibility phase."""

ESCAPE_GROWTH = 100.0
"""Growth of the penalty after an augmented Lagrangian that was not bounded below."""

IDLE_ITERATIONS = 12
"""Major iterations without a better E_1 after which a nearly solved problem is left as it is."""

IDLE_LEVEL = 1e-4
"""E_1 below which a problem is nearly solved in this sense."""

NEARLY_FEASIBLE = 1e-4
"""E_c relative to the start's at which a system of equations is not given up before phase one has tried."""

SMALLEST_TOL = 1e-18
"""E_1 below which nothing more is asked for, whatever the scaling of the problem makes of it."""

LONE_CHUNK = 5
"""Iterations of PASA in one major iteration where there are no nonlinear rows: a report costs as much as a
tenth of a small one."""

STALL_FACTOR = 0.9
"""E_c that falls by less counts as a stall; see STALLS."""


@register(
    MethodInfo(
        name="npasa",
        summary="two phases, augmented Lagrangian and active set, steered by error estimators",
        handles_constraints="nonlinear",
        reference="DH21a",
    )
)
@dataclass(frozen=True, kw_only=True)
class NPASA(AbstractMethod[State]):
    """NPASA; the fields are its options."""

    theta: float = 0.5
    """Factor by which a phase-two sweep must reduce E_1."""

    inner_theta: float = 0.1
    """Phase one: multiplier error wanted relative to the constraint error."""

    penalty: float | None = None
    """First penalty q; None chooses it from f and h at the start."""

    penalty_growth: float = 10.0
    """phi: growth of q when E_c did not fall enough."""

    penalty_max: float = 1e12
    """No larger penalty is used."""

    required_decrease: float = 0.25
    """E_c has to fall by this factor in phase one, or q grows."""

    multiplier_cap: float = 1e8
    """Safeguard: phase one clips its multiplier estimate to +-multiplier_cap."""

    inner_iterations: int = 250
    """Iterations of PASA on one augmented Lagrangian."""

    inner_chunk: int = 25
    """Iterations of PASA in one major iteration: how often a long phase one reports."""

    face_changes: int = 60
    """Factorizations in one model minimisation of PASA."""

    regularization: float = 1e-9
    """D of the phase-two system, so that dependent constraints do no harm."""

    scaling: float = 100.0
    """Largest gradient (max-norm, at the start) of the objective and of each row after scaling."""

    pairs: int = 11
    """Pairs of the quasi-Newton model used when the problem has no Hessian."""

    restarts: int = 2
    """Feasibility phases before a point is left as locally infeasible."""

    presolve: bool = True
    """Whether to remove linear rows that are not needed before anything else."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("phase", "phase", "{:>5}"),
        Column("penalty", "q", "{:>8.1e}"),
        Column("Em0", "E_m0", "{:>8.1e}"),
        Column("Em1", "E_m1", "{:>8.1e}"),
        Column("Ec", "E_c", "{:>8.1e}"),
        Column("inner", "inner", "{:>5d}"),
        Column("sigma", "sigma", "{:>8.1e}"),
    )

    _search: ClassVar[LineSearchOptions] = LineSearchOptions()

    def prepare(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Presolve, remove fixed variables, scale by gradients at the start, add slacks."""
        first = (Presolve(),) if self.presolve else ()
        scaled = GradientScaling(largest=self.scaling)
        chain = Chain((*first, FixedVariables(), scaled, Slacks()))
        return chain.apply(problem)

    # -- the four verbs ------------------------------------------------------------------------

    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,  # noqa: ARG002 - deterministic
        *,
        warm: WarmStart | None = None,
    ) -> State:
        """Project the start on Omega; multipliers from the warm start or by least squares."""
        form = StandardForm.of(oracle)
        work = workspace(form, self.pairs, self.face_changes, warm)
        x = feasible(x0, form.polyhedron, work.projector)
        f = form.objective(x)
        run = None if warm is None else warm_start.begin(work, x, warm)
        first = first_estimate(work, x) if run is None else run.start
        return self._judge(
            State(
                work=work,
                best=first,
                tol=self.tol,
                f=f,
                phase=Phase.START,
                penalty=self._first_penalty(f, form.h(x), warm),
                error_floor=first.E0,
                warm=run,
                # Without nonlinear rows PASA alone does as well, and never goes uphill.
                try_local=form.mh > 0,
                # A system of equations: the feasibility phase is the method for it.
                feasibility_first=bool(form.mh) and form.has_no_objective(x),
            )
        )

    def step(self, oracle: Oracle, state: State) -> State:  # noqa: ARG002 - the form holds it
        """Take one major iteration: a phase-two sweep if it pays, else a phase-one step."""
        if state.feasibility_first:
            found = self._feasibility(replace(state, feasibility_first=False))
            nearly = found.best.Ec <= NEARLY_FEASIBLE * state.best.Ec
            return self._judge(replace(found, infeasible=found.infeasible and not nearly))
        if state.warm is not None:
            resumed = self._resume(state, state.warm)
            if resumed is not None:
                return self._judge(resumed)
            state = warm_start.given_up(state, state.warm)
        if state.try_local:
            swept = phase_two.sweep(state.work, state.best, self.theta, self.regularization)
            if swept is not None:
                return self._judge(self._after_sweep(state, swept))
            if acceptable(state.best, state.tol):
                return replace(state, converged=True)
        after = self._judge(self._global(state))
        if after.blocked and after.record is not None and not after.work.curvature.exact:
            # Rounding hides what is left from the line search, not from the gradients.
            swept = phase_two.last_sweep(
                after.work, after.record, self.theta, self.regularization
            )
            if swept is not None:
                return self._judge(self._after_sweep(replace(after, blocked=False), swept))
        return after

    def progress(self, state: State) -> Progress:
        """Report the iterate with the estimators as columns."""
        return state.report()

    def stop(self, state: State) -> StopReason | None:
        """End when the certificate is reached, or when no phase improves the iterate."""
        if state.converged:
            return StopReason.CONVERGED
        if state.infeasible or state.unbounded or state.blocked:
            return StopReason.STALLED
        return None

    def tighten(self, state: State, factor: float) -> State | None:
        """Go on with a smaller tolerance: the user's residuals are ``factor`` times too large."""
        if state.tol < SMALLEST_TOL:
            return None
        return replace(state, tol=0.5 * state.tol / factor, converged=False)

    def memory(self, state: State) -> dict[str, Any]:
        """Keep the penalty and the analysed patterns; the active set is in the multipliers."""
        structure = state.work.faces.convexifier.kkt.structure()
        return {"penalty": state.penalty, "structure": structure}

    # -- set-up --------------------------------------------------------------------------------

    def _first_penalty(self, f: float, h: Vector, warm: WarmStart | None = None) -> float:
        if self.penalty is not None:
            return self.penalty
        return known_penalty(warm, self.penalty_max) or balanced_penalty(f, h)

    # -- transitions ---------------------------------------------------------------------------

    def _resume(self, state: State, run: warm_start.WarmRun) -> State | None:
        """Sweep on the active set of the earlier solve; None when that leads nowhere."""
        options = (self.theta, self.regularization, state.tol)
        swept = warm_start.sweep(state.work, run, state.best, options)
        if swept is None:
            return None
        after = self._after_sweep(state, swept)
        return replace(after, phase=Phase.WARM, warm=swept.run)

    def _after_sweep(
        self, state: State, swept: phase_two.Sweep | warm_start.WarmSweep
    ) -> State:
        new = swept.estimate
        return replace(
            state,
            best=new,
            f=state.work.form.objective(new.x),
            phase=Phase.LOCAL,
            inner=swept.changes + 1,
            sigma=swept.sigma,
            step=new.distance(state.best),
            error_floor=min(state.error_floor, new.E0),
            # A sweep that only trades multiplier error for penalty is no progress towards h = 0.
            stalled=0
            if new.Ec <= self.required_decrease * state.reference_Ec
            else state.stalled,
        )

    def _global(self, state: State) -> State:
        """Work on the current augmented Lagrangian; when it is minimised, update (section 3)."""
        if state.subproblem is None and state.reference_Ec == np.inf:
            # The first one: phase two may have come far from where q was balanced.
            here = self._first_penalty(state.f, state.work.form.h(state.best.x))
            state = replace(state, penalty=max(state.penalty, here))
        sub = state.subproblem or self._open(state)
        before = sub.inner
        # Without nonlinear rows there is one augmented Lagrangian: report more often.
        chunk = self.inner_chunk if state.work.form.mh else LONE_CHUNK
        sub, verdict = phase_one.advance(state.work, sub, chunk)
        new = phase_one.first_order_estimate(state.work, sub)
        after = replace(
            state,
            best=new,
            f=state.work.form.objective(new.x),
            phase=Phase.GLOBAL,
            inner=sub.inner - before,
            sigma=sub.at.sigma,
            step=new.distance(state.best),
            subproblem=None,
        )
        match verdict:
            case phase_one.Verdict.RUNNING:
                return replace(after, subproblem=sub, try_local=False)
            case phase_one.Verdict.ESCAPED if state.penalty < self.penalty_max:
                # Go back, and hold the next minimisation nearer to h = 0.
                return replace(
                    after,
                    best=sub.start,
                    f=state.work.form.objective(sub.start.x),
                    penalty=min(ESCAPE_GROWTH * state.penalty, self.penalty_max),
                    try_local=False,
                )
            case phase_one.Verdict.UNBOUNDED if new.Ec <= state.tol:
                return replace(after, unbounded=True)
        return self._update(after, blocked=verdict is phase_one.Verdict.BLOCKED)

    def _open(self, state: State) -> phase_one.Subproblem:
        """Pose the augmented Lagrangian at the present multipliers and penalty."""
        work, start = state.work, state.best
        limits = phase_one.InnerLimits(
            theta=self.inner_theta,
            tolerance=max(0.1 * min(1.0, start.E1), 0.1 * state.tol),
            floor=0.1 * state.tol,
            # Without nonlinear rows the subproblem is the problem.
            iterations=self.inner_iterations if work.form.mh else NO_LIMIT,
        )
        return phase_one.open_subproblem(
            work, start, state.penalty, limits, self._search, self.multiplier_cap
        )

    def _update(self, state: State, *, blocked: bool) -> State:
        """Update e_k and the penalty after a minimisation (section 3, step 3)."""
        new = state.best
        small = 0.1 * state.tol
        floor = min(state.error_floor, new.E0)
        enough = new.Ec <= max(self.required_decrease * state.reference_Ec, small)
        penalty = state.penalty
        if not enough:
            # 1/e_k may be far above phi q; a hundredfold growth at once is the most that the next
            # minimisation, warm-started from this one, digests.
            wanted = max(self.penalty_growth * penalty, 1.0 / max(floor, 1e-8))
            penalty = min(wanted, max(100.0, self.penalty_growth) * penalty, self.penalty_max)
        falls = new.Ec <= max(STALL_FACTOR * state.reference_Ec, small)
        after = replace(
            state,
            penalty=penalty,
            reference_Ec=new.Ec,
            error_floor=floor,
            stalled=0 if falls else state.stalled + 1,
            try_local=True,
        )
        if after.stalled >= STALLS and new.Ec > state.tol:
            return self._feasibility(after)
        return replace(after, blocked=blocked and enough)

    def _feasibility(self, state: State) -> State:
        """Minimise |h|^2 over Omega before giving up; a feasible point restarts phase one."""
        if state.restarts >= self.restarts:
            return replace(state, blocked=True)
        work = state.work
        limits = phase_one.InnerLimits(1e-8, 0.0, 0.01 * state.tol, self.inner_iterations)
        new = least_infeasible(
            work, state.best, limits, self._search, good=0.1 * state.tol, seed=state.restarts
        )
        return replace(
            state,
            best=new,
            f=work.form.objective(new.x),
            phase=Phase.FEASIBILITY,
            penalty=max(self._first_penalty(state.f, work.form.h(new.x)), 10.0),
            reference_Ec=np.inf,
            stalled=0,
            restarts=state.restarts + 1,
            infeasible=new.Ec > state.tol,
        )

    def _judge(self, state: State) -> State:
        """Claim convergence at E_1 <= tol; the driver's checker looks at the user's problem.

        Near a solution, an E_1 that nothing reduces any more is at the level of rounding; and where no
        phase moves x any more nothing will: end with the record.
        """
        record = state.record
        if record is None or state.best.E1 < 0.9 * record.E1:
            state = replace(state, record=state.best, idle=0)
        elif state.subproblem is None:  # a running minimisation lowers L_q, not E_1
            state = replace(state, idle=state.idle + 1)
            hopeless = record.E1 <= IDLE_LEVEL or state.step == 0.0
            if state.idle >= IDLE_ITERATIONS and hopeless:
                f = state.work.form.objective(record.x)
                return replace(state, best=record, f=f, blocked=True)
        return replace(state, converged=state.tol >= state.best.E1)
