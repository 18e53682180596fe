"""Run a series of problems with one method and count: the half of warm_series.py that knows solvers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import optlab
from optlab.core.control import Tolerances
from optlab.core.method import WarmStart
from optlab.core.result import Multipliers, Result
from optlab.core.status import PointStatus, StopReason
from optlab.core.verdict import certify

TIME_LIMIT = 6.0
"""Seconds of wall time for one re-solve."""

FIRST_LIMIT = 30.0
"""Seconds for the first solve of a series."""

Transform = Callable[[Any, Any], Any]


@dataclass
class Tally:
    """What one method did on one series."""

    series: str
    method: str
    n: int
    m: int
    iterations: list[int] = field(default_factory=list)
    gradients: list[int] = field(default_factory=list)
    hessians: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    callbacks: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)
    certified: list[bool] = field(default_factory=list)
    worst_f: float = np.nan

    def add(self, result: Result, cpu: float) -> None:
        """Count one re-solve."""
        self.iterations.append(result.iterations)
        self.gradients.append(result.evaluations["gradient"])
        self.hessians.append(result.evaluations["hessian"])
        self.cpu.append(cpu)
        self.callbacks.append(result.callback_time)
        self.f.append(result.fun)
        self.certified.append(result.point is PointStatus.STATIONARY)

    def compare(self, other: Tally) -> None:
        """Note the largest difference from another run's objectives, where that is certified."""
        sure = np.array(other.certified)
        f, known = np.array(self.f)[sure], np.array(other.f)[sure]
        if sure.any():
            self.worst_f = float(np.max(np.abs(f - known) / (1.0 + np.abs(known))))

    def own_ms(self) -> float:
        """Return CPU milliseconds per re-solve without the problem's functions."""
        return 1e3 * float(np.mean(np.array(self.cpu) - np.array(self.callbacks)))

    def line(self) -> str:
        """Return the line of the table."""
        return (
            f"{self.series:<10} {self.n:>5} {self.m:>5} {self.method:<22} "
            f"{sum(self.certified):>3}/{len(self.certified):<3} {np.mean(self.iterations):>6.2f} "
            f"{max(self.iterations):>4} {np.mean(self.hessians):>6.2f} "
            f"{np.mean(self.gradients):>6.2f} {self.own_ms():>8.2f} "
            f"{1e3 * np.mean(self.cpu):>8.2f} {self.worst_f:>8.1e}"
        )


HEADER = (
    f"{'series':<10} {'n':>5} {'m':>5} {'method':<22} {'cert.':>7} {'iter':>6} {'max':>4} "
    f"{'fact.':>6} {'grad':>6} {'CPU ms':>8} {'+callb.':>8} {'diff f':>8}"
)


def run(
    name: str, problems: list[optlab.Problem], first: Result, transform: Transform, label: str,
    **options: Any,
) -> Tally:  # fmt: skip
    """Re-solve all but the first problem, each from the last answer."""
    p = problems[0]
    tally = Tally(name, label, p.n, p.m)
    last = first
    for problem in problems[1:]:
        begin = time.process_time()
        warm = transform(last, problem)
        last = optlab.minimize(problem, warm_start=warm, max_time=TIME_LIMIT, seed=0, **options)
        tally.add(last, time.process_time() - begin)
    return tally


@dataclass(frozen=True)
class Setting:
    """How IPOPT is asked to start and to end."""

    label: str
    barrier: float | None
    """mu_init; None: IPOPT's own defaults of mu_init and of all pushes from the bounds."""

    product: float
    """compl_inf_tol."""


def run_adapter(
    name: str, problems: list[optlab.Problem], first: Result, transform: Transform, how: Setting
) -> Tally:
    """Run IPOPT's re-solves through optlab."""
    options = {"warm_barrier": how.barrier, "peer_options": {"compl_inf_tol": how.product}}
    return run(
        name, problems, first, transform, f"ipopt {how.label}", method="ipopt", options=options
    )


class Direct:
    """A problem as cyipopt wants it, with nothing in between but a clock around the functions."""

    def __init__(self, p: optlab.Problem) -> None:
        self.p = p
        self.spent = 0.0
        self.count = self.iterations = self.hessians = 0
        x = np.clip(p.x0, p.lb, p.ub)
        self.rows = None
        if p.m:
            self.rows = self._pattern(p.jacobian(x), lower=False)
        self.square = self._pattern(p.hessian(x, np.ones(p.m), 1.0), lower=True)

    def _pattern(self, matrix: Any, *, lower: bool) -> Any:
        if isinstance(matrix, np.ndarray):
            keep = np.tri(*matrix.shape, dtype=bool) if lower else np.ones(matrix.shape, bool)
            return np.nonzero(keep), keep
        entries = matrix.tocoo()
        keep = entries.row >= entries.col if lower else np.ones(entries.nnz, dtype=bool)
        return (entries.row[keep], entries.col[keep]), keep

    def _timed(self, function: Any, *arguments: Any) -> Any:
        begin = time.process_time()
        value = function(*arguments)
        self.spent += time.process_time() - begin
        return value

    def objective(self, x: Any) -> Any:
        """Evaluate f."""
        return self._timed(self.p.objective, x)

    def gradient(self, x: Any) -> Any:
        """Evaluate grad f."""
        self.count += 1
        return self._timed(self.p.gradient, x)

    def constraints(self, x: Any) -> Any:
        """Evaluate c."""
        return self._timed(self.p.constraints, x)

    def jacobianstructure(self) -> Any:
        """Return rows and columns of the Jacobian's entries."""
        return self.rows[0] if self.rows else ((), ())

    def jacobian(self, x: Any) -> Any:
        """Evaluate the Jacobian's entries."""
        if self.rows is None:
            return np.zeros(0)
        J = self._timed(self.p.jacobian, x)
        return J[self.rows[1]] if isinstance(J, np.ndarray) else J.tocsr().data

    def hessianstructure(self) -> Any:
        """Return rows and columns of the lower triangle's entries."""
        return self.square[0]

    def hessian(self, x: Any, y: Any, sigma: float) -> Any:
        """Evaluate the entries of the Lagrangian's Hessian."""
        self.hessians += 1
        H = self._timed(self.p.hessian, x, y, sigma)
        keep = self.square[1]
        return H[keep] if isinstance(H, np.ndarray) else H.tocsr().data[keep]

    def intermediate(self, _mode: int, k: int, *_: Any) -> bool:
        """Count the iteration; go on."""
        self.iterations = k
        return True


PUSHES = ("bound_push", "bound_frac", "slack_bound_push", "slack_bound_frac", "mult_bound_push")
"""What keeps IPOPT's warm start off the bounds."""


def run_direct(
    name: str,
    problems: list[optlab.Problem],
    first: Result,
    transform: Transform,
    how: Setting,
) -> Tally:
    """Run IPOPT's re-solves straight through cyipopt; judge each afterwards, outside of the clock."""
    import cyipopt  # noqa: PLC0415

    p = problems[0]
    tally = Tally(name, f"direct {how.label}", p.n, p.m)
    last = first
    for problem in problems[1:]:
        warm = transform(last, problem)
        y, z = (
            (warm.y, warm.z)
            if isinstance(warm, WarmStart)
            else (warm.multipliers.constraints, warm.multipliers.bounds)
        )
        begin = time.process_time()
        callbacks = Direct(problem)
        sides = [
            np.clip(s, -1e20, 1e20) for s in (problem.lb, problem.ub, problem.cl, problem.cu)
        ]
        solver = cyipopt.Problem(
            n=problem.n, m=problem.m, problem_obj=callbacks, lb=sides[0], ub=sides[1],
            cl=sides[2], cu=sides[3],
        )  # fmt: skip
        settings = {"print_level": 0, "sb": "yes", "tol": 1e-8}
        settings |= {
            "dual_inf_tol": 1e-6,
            "constr_viol_tol": 1e-6,
            "compl_inf_tol": how.product,
        }
        settings |= {"warm_start_init_point": "yes", "max_wall_time": TIME_LIMIT}
        if how.barrier is not None:
            settings |= {f"warm_start_{which}": 1e-9 for which in PUSHES}
            settings["mu_init"] = how.barrier
        for option, value in settings.items():
            solver.add_option(option, value)
        x, info = solver.solve(
            warm.x, lagrange=y, zl=np.maximum(-z, 0.0), zu=np.maximum(z, 0.0)
        )
        cpu = time.process_time() - begin
        y, z = info["mult_g"], info["mult_x_U"] - info["mult_x_L"]
        last = _judged(problem, WarmStart(x, y, z), callbacks)
        tally.add(last, cpu)
    return tally


def _judged(problem: optlab.Problem, at: WarmStart, callbacks: Direct) -> Result:
    """Let the checker look at a point."""
    f = float(problem.objective(at.x))
    checked = certify(problem, at.x, f, (at.y, at.z), Tolerances(1e-6, 1e-6))
    return Result(
        x=at.x,
        fun=f,
        success=checked.status is PointStatus.STATIONARY,
        message="",
        stop=StopReason.CONVERGED,
        point=checked.status,
        multipliers=Multipliers(checked.y, checked.z),
        certificate=checked.certificate,
        iterations=callbacks.iterations,
        evaluations={"gradient": callbacks.count, "hessian": callbacks.hessians},
        time=np.nan,
        method="ipopt",
        problem=problem.name,
        callback_time=callbacks.spent,
    )
