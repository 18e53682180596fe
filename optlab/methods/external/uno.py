"""Uno, a framework of Lagrange-Newton methods, through unopy.

    min f(x)  subject to  lb <= x <= ub,  cl <= c(x) <= cu

With its sign convention "positive" the Lagrangian is f + y'c + (zl + zu)'x with zl <= 0 <= zu, hence
z = zl + zu in our notation. Its wrapper takes any exception of a callback for a failed evaluation.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.method import MethodInfo
from optlab.core.progress import Progress
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.errors import OptionError
from optlab.methods.external.base import (
    AbstractPeer,
    Guard,
    PeerState,
    Silence,
    finished,
    violation,
)
from optlab.methods.external.structure import (
    Structure,
    hessian_structure,
    jacobian_structure,
)

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["Uno"]

_STOPS = {
    "FEASIBLE_KKT_POINT": StopReason.CONVERGED,
    "FEASIBLE_FJ_POINT": StopReason.STALLED,
    "INFEASIBLE_STATIONARY_POINT": StopReason.STALLED,
    "FEASIBLE_SMALL_STEP": StopReason.SMALL_STEP,
    "INFEASIBLE_SMALL_STEP": StopReason.SMALL_STEP,
    "DIVERGING_ITERATE": StopReason.STALLED,
    "UNBOUNDED_OBJECTIVE": StopReason.STALLED,
}
"""What Uno says of its point -> reason."""

_LIMITS = {
    "ITERATION_LIMIT": StopReason.MAX_ITER,
    "TIME_LIMIT": StopReason.MAX_TIME,
    "USER_TERMINATION": StopReason.USER,
    "USER_INTERRUPTION": StopReason.USER,
}
"""How Uno says that something else ended it -> reason; it looks for Ctrl-C itself."""


@register(
    MethodInfo(
        name="uno",
        summary="peer: filter SQP or interior point (Uno through unopy)",
        needs_gradient=True,
        handles_bounds=True,
        handles_constraints="nonlinear",
        reference="VL24",
        external=True,
        requires="unopy",
    )
)
@dataclass(frozen=True, kw_only=True)
class Uno(AbstractPeer):
    """Uno with one of its presets, its own subproblem solvers and its own defaults."""

    info: ClassVar[MethodInfo]

    preset: str = "filtersqp"
    """``"filtersqp"`` (trust-region SQP) or ``"ipopt"`` (interior point), or another one of Uno's."""

    tol_factor: float | None = None
    """Uno's ``dual_tolerance`` is this times ``tol``. None: 1e-2, and 1e-4 for the preset "ipopt", whose
    complementarity is a product (multiplier times gap) and the checker's the smaller of the two."""

    hessian: str = "auto"
    """``"exact"``, ``"LBFGS"``, or ``"auto"``: exact where the problem has it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hessian not in {"auto", "exact", "LBFGS"}:
            raise OptionError(
                f"hessian is {self.hessian!r}; 'auto', 'exact' or 'LBFGS' is needed"
            )

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Hand the problem over, run, and bring the end back."""
        # Its QP solver writes through Fortran, which must not keep the text until the process ends.
        unopy = self.load("uno", {"GFORTRAN_UNBUFFERED_PRECONNECTED": "1"})
        exact = self.hessian != "LBFGS" and oracle.has_hessian
        if self.hessian == "exact" and not exact:
            raise OptionError(
                "hessian='exact' is asked for and the problem has none; pass hessian=... to "
                "optlab.Problem or choose 'LBFGS'"
            )
        silence = Silence()
        guard = Guard(silence=silence)
        start: Vector = np.clip(state.x, oracle.lb, oracle.ub)
        functions = _Functions(oracle, guard, watch, start)
        model = functions.model(unopy, exact=exact)
        model.set_initial_primal_iterate(start)
        if state.warm is not None and state.warm.y is not None and oracle.m:
            model.set_initial_dual_iterate(state.warm.y)
        solver = unopy.UnoSolver()
        self._configure(solver, watch, exact=exact)
        solver.set_termination_callback(functions.after_iteration)
        with silence:
            answer = solver.optimize(model)
        guard.release()
        end = self._ending(oracle, guard, state, answer)
        if functions.shown < answer.number_iterations:
            # Uno does not show the iterate at which it ends by itself; nothing can stop it there.
            with suppress(BudgetSpent):
                functions.show_start()
                watch.show(self.progress(end))
            guard.release()
        return end

    def _configure(self, solver: Any, watch: Watch, *, exact: bool) -> None:
        wanted = self.tolerances()
        factor = self.tol_factor
        if factor is None:
            factor = 1e-4 if self.preset == "ipopt" else 1e-2
        settings: dict[str, Any] = {
            "logger": "SILENT",
            "print_solution": False,
            "primal_tolerance": wanted.ctol,
            "dual_tolerance": factor * wanted.tol,
            "max_iterations": watch.max_iter,
        }
        if watch.max_time < math.inf:
            settings["time_limit"] = watch.max_time
        if not exact:
            settings["hessian_model"] = "LBFGS"
        try:
            solver.set_preset(self.preset)
            for name, value in {**settings, **self.peer_options}.items():
                solver.set_option(name, value)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise OptionError(f"uno refuses its preset or an option: {error}") from error

    def _ending(self, oracle: Oracle, guard: Guard, state: PeerState, answer: Any) -> PeerState:
        """Translate what Uno returned."""
        status, kind = answer.optimization_status.name, answer.solution_status.name
        if status == "EVALUATION_ERROR" and guard.last is not None:
            raise guard.last
        stop = _LIMITS.get(status)
        if stop is None:
            stop = _STOPS.get(kind, StopReason.NUMERICAL_ERROR)
        x = np.array(answer.primal_solution, dtype=np.float64)[: oracle.n]
        c = np.array(answer.solution_constraints, dtype=np.float64)[: oracle.m]
        low = np.array(answer.lower_bound_dual_solution, dtype=np.float64)[: oracle.n]
        high = np.array(answer.upper_bound_dual_solution, dtype=np.float64)[: oracle.n]
        return finished(
            state,
            stop,
            f"{status}, {kind}",
            x=x,
            f=float(answer.solution_objective),
            primal=violation(oracle, x, c),
            dual=float(answer.solution_stationarity),
            y=np.array(answer.constraint_dual_solution, dtype=np.float64)[: oracle.m],
            z=low + high,
            unbounded=kind == "UNBOUNDED_OBJECTIVE",
        )


class _Functions:
    """The oracle's verbs in Uno's form: results are written into its arrays."""

    def __init__(self, oracle: Oracle, guard: Guard, watch: Watch, start: Vector) -> None:
        self._oracle = oracle
        self._guard = guard
        self._watch = watch
        self._jacobian = jacobian_structure(oracle, [start])
        self._hessian: Structure | None = None
        self._start = start
        self.shown = 0
        """Iterates shown after the start."""
        self._first: tuple[Vector, float] | None = None
        self._started = False
        self._x = start
        self._f = np.nan

    def model(self, unopy: Any, *, exact: bool) -> Any:
        """State the problem to Uno."""
        oracle = self._oracle
        model = unopy.Model(
            unopy.PROBLEM_NONLINEAR, oracle.n, oracle.lb, oracle.ub, unopy.ZERO_BASED_INDEXING
        )
        model.set_objective(unopy.MINIMIZE, self.objective, self.gradient)
        if oracle.m:
            rows, columns = self._jacobian.rows, self._jacobian.columns
            model.set_constraints(
                oracle.m,
                self.constraints,
                oracle.cl,
                oracle.cu,
                rows.size,
                rows,
                columns,
                self.jacobian,
            )
        if exact:
            self._hessian = hessian_structure(oracle, [self._start])
            rows, columns = self._hessian.rows, self._hessian.columns
            model.set_lagrangian_hessian(
                rows.size, unopy.LOWER_TRIANGLE, rows, columns, self.hessian
            )
        model.set_lagrangian_sign_convention(unopy.MULTIPLIER_POSITIVE)
        return model

    def objective(self, x: Vector) -> float:
        value: float = self._guard.call(self._oracle.objective, x)
        if self._first is None:
            self._first = (np.array(x), value)
        return value

    def gradient(self, x: Vector, out: Vector) -> None:
        out[:] = self._guard.call(self._oracle.gradient, x)

    def constraints(self, x: Vector, out: Vector) -> None:
        out[:] = self._guard.call(self._oracle.constraints, x)

    def jacobian(self, x: Vector, out: Vector) -> None:
        out[:] = self._guard.call(lambda: self._jacobian.values(self._oracle.jacobian(x)))

    def hessian(self, x: Vector, sigma: float, y: Vector, out: Vector) -> None:
        structure = self._hessian
        if structure is not None:
            out[:] = self._guard.call(
                lambda: structure.values(self._oracle.hessian(x, y, sigma))
            )

    def after_iteration(self, x: Vector, *rest: Any) -> bool:
        """Show the iterate; true asks Uno to stop.

        The rest is zl, zu, y, the objective's multiplier, violation, stationarity and complementarity.
        """
        primal, stationarity, complementarity = (float(value) for value in rest[-3:])
        if not self.show_start():
            return True
        self.shown += 1
        now = np.array(x)[: self._oracle.n]
        known = self._oracle.known(now)
        self._f = np.nan if known is None else known.f
        step = float(np.linalg.norm(now - self._x))
        self._x = now
        return not self._guard.show(
            self._watch,
            lambda: Progress(now, self._f, primal, stationarity, complementarity, step),
        )

    def show_start(self) -> bool:
        """Show where Uno began, which it does not do itself; false when it must stop."""
        if self._first is None or self._started:
            return True
        self._started = True
        x, f = self._first
        known = self._oracle.known(x)
        primal = np.nan if known is None else known.violation
        self._x = x
        return self._guard.show(self._watch, lambda: Progress(x, f, primal, None))
