"""SciPy's methods behind our call: slsqp, trust-constr and lbfgsb.

Their loops are Python's or return to Python often, so that what the oracle raises passes through them.
A failed evaluation of the objective at a trial point becomes a large finite value, from which their line
searches retreat; SciPy has no better word for it.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.method import MethodInfo
from optlab.core.progress import Progress
from optlab.core.registry import register
from optlab.core.sparse import scipy_module
from optlab.core.status import StopReason
from optlab.errors import EvaluationError, OptionError, OptlabError
from optlab.methods.external.base import AbstractPeer, PeerState, finished, violation

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle
    from optlab.typing import Indices, Vector

__all__ = ["LBFGSB", "SLSQP", "TrustConstr", "minimized"]

_RETREAT = 10.0
"""A point that cannot be evaluated counts as worse than the start by this times 1 + |f|."""


_NO_STEP = 1e-14
"""Trust radius below which trust-constr gives up."""


class _Functions:
    """The oracle's verbs in SciPy's form, and the iterates shown to the driver."""

    def __init__(self, oracle: Oracle, watch: Watch, start: Vector) -> None:
        self.oracle = oracle
        self._watch = watch
        self._x = start
        f = oracle.objective(start)
        self._f = f
        self._bad = f + _RETREAT * (1.0 + abs(f))
        self._show(start, f, 0.0)

    def objective(self, x: Vector) -> float:
        try:
            f = self.oracle.objective(x)
            # The rows are asked for next, and a point where they fail must not look good.
            self.oracle.constraints(x)
        except EvaluationError:
            return self._bad
        return f

    def gradient(self, x: Vector) -> Vector:
        try:
            return np.array(self.oracle.gradient(x))
        except EvaluationError:
            if np.array_equal(x, self._x):
                raise
            return np.zeros(self.oracle.n)

    def constraints(self, x: Vector) -> Vector:
        try:
            return self.oracle.constraints(x)
        except EvaluationError:
            # Bounds on the rows are finite numbers of any size; a violation of 1 is one of them.
            return np.where(
                np.isfinite(self.oracle.cl), self.oracle.cl - 1.0, self.oracle.cu + 1.0
            )

    def jacobian(self, x: Vector) -> Any:
        return self.oracle.jacobian(x)

    def after_iteration(self, x: Vector, f: float | None = None, **more: Any) -> None:
        """Show an iterate; what the driver raises passes through SciPy."""
        x = np.array(x, dtype=np.float64)
        step = float(np.linalg.norm(x - self._x))
        self._x = x
        if f is None:
            known = self.oracle.known(x)
            f = self.objective(x) if known is None else known.f
        self._show(x, f, step, **more)

    def last(self) -> dict[str, Any]:
        """Return the last iterate as fields of the state."""
        return {"x": self._x, "f": self._f}

    def _show(self, x: Vector, f: float, step: float, **more: Any) -> None:
        self._f = f
        known = self.oracle.known(x)
        primal = np.nan if known is None else known.violation
        self._watch.show(
            Progress(x=x, f=f, primal=primal, dual=more.get("dual"), step=step, y=more.get("y"))
        )


@dataclass(frozen=True, kw_only=True)
class AbstractScipyPeer(AbstractPeer):
    """A method of ``scipy.optimize.minimize``."""

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Run SciPy from the start point moved into the bounds."""
        start: Vector = np.clip(state.x, oracle.lb, oracle.ub)
        functions = _Functions(oracle, watch, start)
        if watch.max_iter == 0:
            raise BudgetSpent(StopReason.MAX_ITER)
        with warnings.catch_warnings():
            # SciPy comments on its own steps; what a user's function warns of has other modules.
            warnings.filterwarnings("ignore", module=r"scipy\.optimize")
            warnings.filterwarnings("ignore", message="delta_grad == 0.0")
            try:
                answer = self.call(functions, start, watch.max_iter)
            except ValueError as error:
                if isinstance(error, OptlabError):
                    raise
                # SciPy's linear algebra gives up, for example on more equality rows than variables.
                return finished(
                    state, StopReason.NUMERICAL_ERROR, str(error), **functions.last()
                )
        x = np.array(answer.x, dtype=np.float64)
        stop, y, z = self.ending(oracle, answer, watch.max_iter)
        return finished(
            state,
            stop,
            str(answer.message),
            x=x,
            f=float(answer.fun),
            primal=violation(oracle, x, oracle.constraints(x)),
            y=y,
            z=z,
            memory=_inverse(answer),
        )

    @abstractmethod
    def call(self, functions: _Functions, start: Vector, max_iter: int) -> Any:
        """Call SciPy."""

    @abstractmethod
    def ending(
        self, oracle: Oracle, answer: Any, max_iter: int
    ) -> tuple[StopReason, Vector | None, Vector | None]:
        """Translate status and multipliers."""

    def minimize(self, functions: _Functions, start: Vector, method: str, **more: Any) -> Any:
        """Call ``scipy.optimize.minimize`` with the bounds and the gradient."""
        oracle = functions.oracle
        more["options"] = {**more["options"], **self.peer_options}
        more["bounds"] = scipy_module("optimize").Bounds(oracle.lb, oracle.ub)
        more["jac"] = functions.gradient
        return minimized(self.info.name, functions.objective, start, method=method, **more)


@register(
    MethodInfo(
        name="lbfgsb",
        summary="peer: limited-memory BFGS with bounds (SciPy's L-BFGS-B)",
        handles_bounds=True,
        reference="BLNZ95",
        external=True,
    )
)
@dataclass(frozen=True, kw_only=True)
class LBFGSB(AbstractScipyPeer):
    """SciPy's L-BFGS-B; never looks at second derivatives."""

    info: ClassVar[MethodInfo]

    memory_size: int = 10
    """Corrections kept (SciPy's ``maxcor``)."""

    def call(self, functions: _Functions, start: Vector, max_iter: int) -> Any:
        """Call it with its test on the objective's decrease off: ``tol`` is about the gradient."""
        return self.minimize(
            functions,
            start,
            "L-BFGS-B",
            callback=functions.after_iteration,
            options={
                "maxcor": self.memory_size,
                "ftol": 0.0,
                "gtol": self.tol,
                "maxiter": max_iter,
                "maxfun": np.iinfo(np.int32).max,
            },
        )

    def ending(
        self, oracle: Oracle, answer: Any, max_iter: int
    ) -> tuple[StopReason, Vector | None, Vector | None]:
        """0 converged, 1 limit, 2 abnormal end of the line search."""
        del oracle
        status = _status(answer)
        if status == 1:
            return _limit(answer, max_iter), None, None
        return (StopReason.CONVERGED if status == 0 else StopReason.STALLED), None, None


@register(
    MethodInfo(
        name="slsqp",
        summary="peer: sequential least squares with dense matrices (SciPy's SLSQP)",
        handles_bounds=True,
        handles_constraints="nonlinear",
        reference="Kraft88",
        external=True,
    )
)
@dataclass(frozen=True, kw_only=True)
class SLSQP(AbstractScipyPeer):
    """SciPy's SLSQP; dense, and never looks at second derivatives."""

    info: ClassVar[MethodInfo]

    def call(self, functions: _Functions, start: Vector, max_iter: int) -> Any:
        """Call it with every finite side of a row as a constraint of its own."""
        return self.minimize(
            functions,
            start,
            "SLSQP",
            constraints=_sides(functions),
            callback=functions.after_iteration,
            options={"ftol": self.tol**2, "maxiter": max_iter},
        )

    def ending(
        self, oracle: Oracle, answer: Any, max_iter: int
    ) -> tuple[StopReason, Vector | None, Vector | None]:
        """Translate; its multipliers belong to f - y'c, sides in the order of :func:`_sides`."""
        # 8, "positive directional derivative": no descent is left that rounding does not hide. At
        # this ftol that is how SLSQP often ends at a solution; the checker tells whether it is one.
        stops = {0: StopReason.CONVERGED, 4: StopReason.STALLED, 8: StopReason.CONVERGED}
        stop = stops.get(_status(answer), StopReason.NUMERICAL_ERROR)
        if _status(answer) == 9:
            stop = _limit(answer, max_iter)
        found = getattr(answer, "multipliers", None)
        if found is None or not oracle.m:
            return stop, None, None
        y: Vector = np.zeros(oracle.m)
        equal, low, high = _split(oracle)
        at = np.split(np.asarray(found), [equal.size, equal.size + low.size])
        y[equal] = -at[0]
        y[low] -= at[1]
        y[high] += at[2]
        return stop, y, None


@register(
    MethodInfo(
        name="trust-constr",
        summary="peer: trust-region interior point (SciPy's trust-constr)",
        handles_bounds=True,
        handles_constraints="nonlinear",
        reference="BHN99",
        external=True,
    )
)
@dataclass(frozen=True, kw_only=True)
class TrustConstr(AbstractScipyPeer):
    """SciPy's trust-constr, with exact second derivatives where the problem has them."""

    info: ClassVar[MethodInfo]

    def call(self, functions: _Functions, start: Vector, max_iter: int) -> Any:
        """Call it with the rows as one nonlinear constraint."""
        optimize, oracle = scipy_module("optimize"), functions.oracle
        zero: Vector = np.zeros(oracle.m)
        tiny = self.tol**2
        exact = oracle.has_hessian
        rows: Any = ()
        if oracle.m:
            rows = optimize.NonlinearConstraint(
                functions.constraints,
                oracle.cl,
                oracle.cu,
                jac=functions.jacobian,
                hess=(lambda x, y: oracle.hessian(x, np.array(y), 0.0))
                if exact
                else optimize.BFGS(),
            )
        return self.minimize(
            functions,
            start,
            "trust-constr",
            hess=(lambda x: oracle.hessian(x, zero, 1.0)) if exact else optimize.BFGS(),
            constraints=rows,
            callback=self._watched(functions),
            # gtol is tested in the callback, see there.
            options={"gtol": 0.0, "xtol": _NO_STEP, "barrier_tol": tiny, "maxiter": max_iter},
        )

    def _watched(self, functions: _Functions) -> Callable[..., bool]:
        """Make the callback that trust-constr expects; it also holds the test on the gradient.

        SciPy's own test looks at the gradient of the Lagrangian and the violation even when the
        barrier parameter is still large, and so ends far from the solution of a problem with
        bounds.
        """
        wanted = self.tolerances()

        def after_iteration(x: Vector, state: Any) -> bool:
            functions.after_iteration(x, float(state.fun), dual=float(state.optimality))
            return bool(
                state.optimality <= wanted.tol
                and state.constr_violation <= wanted.ctol
                and getattr(state, "barrier_parameter", 0.0) <= wanted.tol**2
            )

        return after_iteration

    def ending(
        self, oracle: Oracle, answer: Any, max_iter: int
    ) -> tuple[StopReason, Vector | None, Vector | None]:
        """0 limit, 1 gradient small, 2 step small, 3 the test in the callback."""
        stops = {1: StopReason.CONVERGED, 2: StopReason.SMALL_STEP, 3: StopReason.CONVERGED}
        stop = stops.get(_status(answer), StopReason.NUMERICAL_ERROR)
        if _status(answer) == 3:
            answer.message = "optimality, violation and barrier are small"
        if _status(answer) == 0:
            stop = _limit(answer, max_iter)
        v = getattr(answer, "v", None)
        y = np.array(v[0], dtype=np.float64) if oracle.m and v else None
        return stop, y, None


def minimized(name: str, fun: Callable[..., Any], start: Vector, **more: Any) -> Any:
    """Call ``scipy.optimize.minimize`` for method ``name``.

    Raises
    ------
    OptionError
        For options that SciPy does not know.
    """
    optimize = scipy_module("optimize")
    warning = optimize.OptimizeWarning
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Unknown solver options", category=warning)
        try:
            return optimize.minimize(fun, start, **more)
        except (warning, TypeError) as error:
            # A TypeError of the user's own functions arrives as an EvaluationError.
            raise OptionError(f"{name} refuses an option: {error}") from error


def _split(oracle: Oracle) -> tuple[Indices, Indices, Indices]:
    """Return the equality rows, those with a lower and those with an upper side."""
    equal = oracle.cl == oracle.cu
    low, high = ~equal & np.isfinite(oracle.cl), ~equal & np.isfinite(oracle.cu)
    return np.flatnonzero(equal), np.flatnonzero(low), np.flatnonzero(high)


def _sides(functions: _Functions) -> list[dict[str, Any]]:
    """State the rows in SLSQP's form: c = 0 or c >= 0."""
    oracle = functions.oracle

    def dense(x: Vector) -> Vector:
        J: Any = functions.jacobian(x)
        full: Vector = J if isinstance(J, np.ndarray) else J.toarray()
        return full

    def side(kind: str, rows: Indices, level: Vector, sign: float) -> dict[str, Any]:
        return {
            "type": kind,
            "fun": lambda x: sign * (functions.constraints(x)[rows] - level[rows]),
            "jac": lambda x: sign * dense(x)[rows],
        }

    equal, low, high = _split(oracle)
    found = [
        ("eq", equal, oracle.cl, 1.0),
        ("ineq", low, oracle.cl, 1.0),
        ("ineq", high, oracle.cu, -1.0),
    ]
    return [side(*one) for one in found if one[1].size]


def _status(answer: Any) -> int:
    """Return SciPy's code; where all variables are fixed it does nothing and gives none."""
    return int(getattr(answer, "status", 0))


def _inverse(answer: Any) -> dict[str, Any]:
    """Keep the approximate inverse Hessian where SciPy gives one."""
    return {"hess_inv": answer.hess_inv} if hasattr(answer, "hess_inv") else {}


def _limit(answer: Any, max_iter: int) -> StopReason:
    """Tell a limit on iterations from other limits of SciPy's own."""
    return StopReason.MAX_ITER if answer.nit >= max_iter else StopReason.STALLED
