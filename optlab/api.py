"""The front door: :func:`minimize`, and the tables of what it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from optlab.core import registry
from optlab.core.control import Limits
from optlab.core.derivatives import Differences, estimate_derivatives, wanted_differences
from optlab.core.driver import run
from optlab.core.guesses import LastPoint, believing, refuted
from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.observers import History, user_callback
from optlab.core.options import (
    DEFAULT_TOL,
    build_method,
    check_capabilities,
    choose_method,
)
from optlab.core.oracle import Oracle
from optlab.core.probe import find_linear_rows
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.core.status import PointStatus
from optlab.errors import OptionError, ProblemError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab.core.progress import Observer
    from optlab.typing import Vector

__all__ = ["Records", "methods", "minimize", "sources"]

T = TypeVar("T")


def minimize(
    problem_or_fun: Any,
    x0: Any = None,
    method: str | type[AbstractMethod[Any]] | AbstractMethod[Any] = "auto",
    *,
    tol: float = DEFAULT_TOL,
    options: Mapping[str, Any] | object | None = None,
    max_iter: int | None = None,
    max_eval: int | None = None,
    max_time: float | None = None,
    callback: Callable[..., Any] | None = None,
    observers: Sequence[Observer] = (),
    warm_start: Result | WarmStart | None = None,
    executor: Executor | None = None,
    seed: int | None = None,
    params: Mapping[str, Any] | None = None,
    jac: Any = None,
    hess: Any = None,
    bounds: Any = None,
    derivatives: str | Differences = "auto",
) -> Result:
    """Minimise a problem.

    Parameters
    ----------
    problem_or_fun
        A Problem, a file that a problem source reads (``"HS71.SIF"``), any object that a source
        takes, or a function ``fun(x) -> float`` together with ``x0``.
    x0
        Start point, shape (n,); None: that of the problem, or of ``warm_start``.
    method
        Name (see :func:`methods`), class or instance. ``"auto"``: npasa when there are nonlinear
        constraints, pasa otherwise, never another project's solver.
    tol
        Tolerance on stationarity, complementarity (both relative to the multipliers' size) and
        feasibility (absolute).
    options
        Options of the method: a dict, or an instance of its class.
    max_iter
        Limit on (major) iterations; None: the method's default.
    max_eval
        Limit on evaluations of the objective, exact; None: no limit.
    max_time
        Limit on wall time, in seconds; None: no limit.
    callback
        Called after every iteration as f(x), f(progress), f(k, progress) or
        f(intermediate_result), chosen by its parameters; returning True or raising StopIteration
        stops.
    observers
        Called as ``observer(k, progress)``.
    warm_start
        Result of an earlier solve of a similar problem: its point, multipliers and what its method
        kept are the start. None: what the source of the problem remembers, unless x0 is given.
    executor
        For methods that evaluate batches.
    seed
        Of the random generator; None draws one, which the result reports.
    params
        Parameters of a problem file.
    jac
        For a function: ``jac(x) -> (n,)``, True when ``fun`` returns both, or one of ``derivatives``.
    hess
        For a function: ``hess(x) -> (n, n)``.
    bounds
        For a function: n pairs (low, high), None meaning none, or an object with ``lb`` and ``ub``.
    derivatives
        What to do when the method needs a gradient or Jacobian that the problem lacks: ``"exact"``
        refuses; ``"2-point"``, ``"3-point"``, ``"complex-step"`` or a ``Differences`` estimate it
        (docs/derivatives.md); ``"auto"`` means ``"3-point"``. ``Result.message`` and
        ``Result.certificate.derivatives`` say so.

    Returns
    -------
    Result
        For every ending of the solve; see ``Result.stop`` and ``Result.point``.

    Raises
    ------
    ProblemError, OptionError, UnknownMethodError, CapabilityError
        Before the first evaluation: what was given, what is needed and how to fix it.

    Notes
    -----
    When a problem does not say which rows are linear (``Problem.linear`` is None) they are found
    by comparing the Jacobian at three points, which is counted, and verified at the solution. If a
    row turns out to be nonlinear after all, or rows that were found contradict each other, the solve
    goes on with them as nonlinear. The same holds for the pattern of an estimated Jacobian.
    """
    stated = problem = _problem(problem_or_fun, x0, params, (jac, hess, bounds))
    if warm_start is None and x0 is None:
        warm_start = registry.recall(problem_or_fun, problem)
    wanted = wanted_differences(derivatives)
    limits = Limits(max_iter, max_eval, max_time)
    warm = _warm(warm_start, problem)
    start = problem.x0 if x0 is not None or warm is None else warm.x
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    watchers: tuple[Any, ...] = (History(), *observers)
    if callback is not None:
        watchers = (*watchers, user_callback(callback))
    if method == "auto" and isinstance(options, AbstractMethod):
        method, options = options, None
    auto = method == "auto"
    early = None if auto else build_method(method, tol, options)
    if wanted is not None and (early is None or early.info.needs_gradient):
        problem = estimate_derivatives(problem, wanted)
    # Peers make nothing of the knowledge which rows are linear.
    probed = problem.m > 0 and problem.linear is None and problem.has_jacobian
    if early is not None:
        # What can be said without evaluating anything is said first.
        check_capabilities(early.info, problem, rows=problem.linear is not None)
        probed = probed and not early.info.external
    oracle = Oracle(problem, executor=executor)
    if probed:
        problem = problem.replace(linear=find_linear_rows(oracle, start))
        oracle = _again(oracle, problem)
    chosen = build_method(choose_method(problem) if auto else method, tol, options)
    check_capabilities(chosen.info, problem)
    if not (probed or problem.derivatives == "estimated"):
        result = run(chosen, oracle, start, limits, watchers, warm=warm, seed=seed)
        return registry.deliver(problem_or_fun, stated, result)
    last = LastPoint()

    def solve(door: Oracle, rest: Limits) -> Result:
        suited = build_method(choose_method(door.problem), tol, options) if auto else chosen
        check_capabilities(suited.info, door.problem)
        return run(suited, door, start, rest, (*watchers, last), warm=warm, seed=seed)

    oracle, result = (
        believing(solve, oracle, limits) if probed else (oracle, solve(oracle, limits))
    )
    left = _left(limits, result, oracle)
    revised = refuted(result, oracle, left, last, probed=probed)
    if revised is None:
        return registry.deliver(problem_or_fun, stated, _counted(result, oracle))
    problem = revised
    if auto:
        chosen = build_method(choose_method(problem), tol, options)
    check_capabilities(chosen.info, problem)
    result = _resumed(result, chosen, _again(oracle, problem), limits, watchers)
    return registry.deliver(problem_or_fun, stated, result)


def methods() -> Records[MethodInfo]:
    """Return the capability records of all methods, built-in and registered."""
    return Records([cls.info for cls in registry.known_methods()])


def sources() -> Records[registry.ProblemSource]:
    """Return the records of all problem sources."""
    return Records(registry.known_sources())


@dataclass(frozen=True, slots=True)
class _Functions:
    """A plain function and its derivatives as a problem's verbs."""

    fun: Callable[..., Any]
    jac: Any
    hess: Any

    def objective(self, x: Vector) -> float:
        value = self.fun(x)
        return value[0] if self.jac is True else value  # type: ignore[no-any-return]

    def gradient(self, x: Vector) -> Any:
        return self.fun(x)[1] if self.jac is True else self.jac(x)

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Any:  # noqa: ARG002
        return sigma * self.hess(x)


def _problem(
    thing: Any, x0: Any, params: Mapping[str, Any] | None, functions: tuple[Any, Any, Any]
) -> Problem:
    """Make the problem from whatever the user gave."""
    jac, hess, bounds = functions
    if callable(thing) and not isinstance(thing, Problem):
        if x0 is None:
            raise ProblemError(
                "a function is given without x0; pass the start point: minimize(fun, x0, ...)"
            )
        verbs = _Functions(thing, jac, hess)
        lb, ub = _bounds(bounds)
        gradient = jac if isinstance(jac, str | Differences) else verbs.gradient
        return Problem(
            objective=verbs.objective,
            gradient=None if jac is None or jac is False else gradient,
            hessian=None if hess is None else verbs.hessian,
            x0=np.atleast_1d(np.asarray(x0, dtype=np.float64)),
            lb=lb,
            ub=ub,
        )
    if jac is not None or hess is not None or bounds is not None:
        raise OptionError(
            "jac, hess and bounds belong to a plain function; a Problem carries its own"
        )
    problem = registry.load_problem(thing, params)
    if x0 is None:
        return problem
    start = np.asarray(x0, dtype=np.float64)
    if start.shape != (problem.n,):
        raise ProblemError(f"x0 has shape {start.shape}; shape ({problem.n},) is needed")
    return problem.replace(x0=start)


def _bounds(bounds: Any) -> tuple[Any, Any]:
    """Split SciPy's two forms of bounds."""
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    try:
        pairs = [(low, high) for low, high in bounds]
    except (TypeError, ValueError) as error:
        raise ProblemError(
            "bounds must be pairs (low, high), one per variable, or an object with lb and ub"
        ) from error
    lb = [-np.inf if low is None else low for low, _ in pairs]
    ub = [np.inf if high is None else high for _, high in pairs]
    return lb, ub


def _warm(given: Result | WarmStart | None, problem: Problem) -> WarmStart | None:
    """Take from an earlier result what is finite and fits."""
    if given is None:
        return None
    if isinstance(given, Result):
        multipliers = given.multipliers
        given = WarmStart(
            given.x, multipliers.constraints, multipliers.bounds, dict(given.extras)
        )
    if not isinstance(given, WarmStart):
        raise OptionError(
            f"warm_start is a {type(given).__name__}; the Result of an earlier solve or a "
            "WarmStart is needed"
        )
    x = _fitting("x", given.x, problem.n)
    if not np.isfinite(x).all():
        raise ProblemError(
            "warm_start has a point x that is not finite; leave warm_start away to start from the "
            "problem's own point"
        )
    y = None if given.y is None else _fitting("y", given.y, problem.m)
    z = None if given.z is None else _fitting("z", given.z, problem.n)
    if z is not None:
        # Not known where a derivative was estimated and the variable cannot move, and not needed there.
        z = np.where((problem.lb == problem.ub) & np.isnan(z), 0.0, z)
    known = all(v is None or np.isfinite(v).all() for v in (y, z))
    return WarmStart(x, y if known else None, z if known else None, given.extras)


def _fitting(label: str, value: Any, size: int) -> Vector:
    """Return a part of a warm start as a vector of the right size."""
    vector: Vector = np.asarray(value, dtype=np.float64)
    if vector.shape != (size,):
        raise ProblemError(
            f"warm_start has {label} of shape {vector.shape}; shape ({size},) is needed: it "
            "must come from a problem of the same size"
        )
    return vector


def _again(oracle: Oracle, problem: Problem) -> Oracle:
    """Open a door to the same functions that goes on counting."""
    renewed = Oracle(problem, executor=oracle.executor)
    renewed.counts = oracle.counts
    renewed.callback_time = oracle.callback_time
    return renewed


def _counted(result: Result, oracle: Oracle) -> Result:
    """Bring the work done after the result was made into it."""
    return replace(result, evaluations=dict(oracle.counts), callback_time=oracle.callback_time)


def _left(limits: Limits, result: Result, oracle: Oracle) -> Limits:
    """Return what a first solve left of the limits."""
    spent = oracle.counts["objective"]
    return Limits(
        None if limits.max_iter is None else max(0, limits.max_iter - result.iterations),
        None if limits.max_eval is None else max(0, limits.max_eval - spent),
        None if limits.max_time is None else max(0.0, limits.max_time - result.time),
    )


def _resumed(
    result: Result,
    method: AbstractMethod[Any],
    oracle: Oracle,
    limits: Limits,
    watchers: Sequence[Observer],
) -> Result:
    """Go on from the best point of a first solve with what is left of the limits."""
    warm: WarmStart | None = None
    y = result.multipliers.constraints
    if oracle.derivatives == "estimated" and np.isfinite(y).all():
        warm = WarmStart(result.x, y)
    left = _left(limits, result, oracle)
    second = run(method, oracle, result.x, left, watchers, warm=warm, seed=result.seed)
    lost = second.point is PointStatus.UNKNOWN and result.point is PointStatus.FEASIBLE
    if lost or not np.isfinite(second.fun):
        # Nothing was left for even one evaluation, or little: the first answer stands.
        return _counted(result, oracle)
    return replace(
        second,
        iterations=result.iterations + second.iterations,
        time=result.time + second.time,
        history=result.history + second.history,
    )


class Records(list[T], Generic[T]):
    """A list of records that shows itself as a table."""

    def __repr__(self) -> str:
        if not self:
            return "(none)"
        rows = [_cells(record) for record in self]
        header = list(rows[0])
        table = [header, *([row[name] for name in header] for row in rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(header))]
        lines = [
            "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in table
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)


def _package(info: MethodInfo) -> str:
    """Say what a method needs beside optlab, and whether it is there."""
    if not info.requires:
        return "scipy" if info.external else "-"
    return f"{info.requires} ({'installed' if info.installed else 'missing'})"


def _cells(record: Any) -> dict[str, str]:
    """Bring a record into named cells."""
    if isinstance(record, MethodInfo):
        return {
            "name": record.name,
            "gradient": "needed" if record.needs_gradient else "no",
            "hessian": "needed" if record.needs_hessian else "optional",
            "bounds": "yes" if record.handles_bounds else "no",
            "constraints": record.handles_constraints,
            "stochastic": "yes" if record.stochastic else "no",
            "package": _package(record),
            "reference": record.reference,
            "summary": record.summary,
        }
    if isinstance(record, registry.ProblemSource):
        return {
            "name": record.name,
            "files": " ".join(record.suffixes) or "-",
            "summary": record.summary,
        }
    return {"record": str(record)}
