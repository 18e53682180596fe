"""The front door: :func:`minimize`, and the tables of what it knows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core import problem_sources, registry
from optlab.core.checkpoint import Checkpoint, plan_of, seed_of
from optlab.core.control import Limits
from optlab.core.derivatives import Differences, wanted_differences
from optlab.core.functions import Functions, Stated, problem_of_functions
from optlab.core.functions.options import method_name, read_options, summary, with_more
from optlab.core.functions.positional import accepting_scipy_order
from optlab.core.functions.schemes import with_step
from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.observers import History, user_callback
from optlab.core.options import DEFAULT_TOL, build_method, check_capabilities
from optlab.core.problem import Problem
from optlab.core.records import Records
from optlab.core.result import Result
from optlab.core.session import AskTell
from optlab.core.solving import Order, solved, solved_in_place
from optlab.core.tables import iteration_table
from optlab.core.workers import opened
from optlab.errors import CapabilityError, OptionError, ProblemError

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from optlab.core.progress import Observer
    from optlab.typing import Vector

__all__ = ["Records", "ask_tell", "methods", "minimize", "sources"]


@accepting_scipy_order
def minimize(
    problem_or_fun: Any,
    x0: Any = None,
    method: str | type[AbstractMethod[Any]] | AbstractMethod[Any] | None = "auto",
    *,
    tol: float | None = DEFAULT_TOL,
    options: Mapping[str, Any] | object | None = None,
    max_iter: int | None = None,
    max_eval: int | None = None,
    max_time: float | None = None,
    callback: Callable[..., Any] | None = None,
    observers: Sequence[Observer] = (),
    warm_start: Result | WarmStart | None = None,
    executor: Executor | int | None = None,
    seed: int | None = None,
    params: Mapping[str, Any] | None = None,
    args: Any = (),
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    derivatives: str | Differences = "auto",
    checkpoint: str | Path | Checkpoint | None = None,
    resume: str | Path | None = None,
    **more: Any,
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
        Name (see :func:`methods`; SciPy's in any case), class or instance. ``"auto"`` or None: npasa when
        there are nonlinear constraints, pasa otherwise, never another project's solver.
    tol
        None for the default. Tolerance on stationarity, complementarity (both relative to the multipliers' size) and
        feasibility (absolute).
    options
        Options of the method: a dict, or an instance of its class. SciPy's ``maxiter``, ``disp``, ``gtol`` ...
        are understood (docs/scipy.md).
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
        Where methods that evaluate batches have them evaluated: any ``concurrent.futures.Executor``, or a number of processes
        to be started for this solve. The answer does not depend on it.
    seed
        Of the random generator; None draws one, which the result reports.
    params
        Parameters of a problem file.
    args
        For a function: further arguments of ``fun``, ``jac``, ``hess`` and ``hessp``. A tuple in third place
        means the same, followed by SciPy's order (docs/scipy.md).
    jac
        For a function: ``jac(x) -> (n,)``; True when ``fun`` returns (f, gradient); a scheme as for
        ``derivatives``; or ``"torch"``, ``"jax"`` when ``fun`` and the constraints are written in its operations:
        then second derivatives are exact, too.
    hess
        For a function: ``hess(x) -> (n, n)``, dense or sparse; a scheme, for differences of exact gradients; or
        a quasi-Newton strategy of SciPy, which means ours, as None does.
    hessp
        For a function: ``hessp(x, p) -> (n,)``.
    bounds
        For a function: n pairs (low, high), None meaning none, or an object with ``lb`` and ``ub``.
    constraints
        For a function: one or a list of SciPy's NonlinearConstraint, LinearConstraint and dicts.
    derivatives
        What to do when the method needs a gradient or Jacobian that the problem lacks: ``"exact"``
        refuses; ``"2-point"``, ``"3-point"``, ``"complex-step"`` or a ``Differences`` estimate it
        (docs/derivatives.md); ``"auto"`` means ``"3-point"``. ``Result.message`` and
        ``Result.certificate.derivatives`` say so.
    checkpoint
        Folder, or a :class:`Checkpoint`, where the run is saved as it goes, so that a killed one can be resumed
        without paying for any evaluation twice (docs/checkpoints.md). For zeroth-order methods, ``sgd`` and ``adam``.
    resume
        Folder with the checkpoint of a run that ended early; goes on to the same numbers as an unbroken run. The other
        arguments must be the same.
    more
        Options of the method by name, as in ``options``: ``minimize(f, x0, method="zo-adam", learning_rate=0.01)``.

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
    method = method_name(method)
    tol = DEFAULT_TOL if tol is None else tol
    read = read_options(method, with_more(method, options, more), (max_iter, max_eval))
    wanted = wanted_differences(derivatives)
    if wanted is not None:
        wanted = with_step("the step of differences", wanted, read.step)
    watchers: tuple[Any, ...] = (History(), *observers)
    if read.show > 1:
        watchers = (*watchers, iteration_table())
    if callback is not None:
        watchers = (*watchers, user_callback(callback))
    options = read.options
    if method == "auto" and isinstance(options, AbstractMethod):
        method, options = options, None
    order = Order(
        build=lambda chosen: build_method(chosen, tol, options),
        method=method,
        limits=Limits(read.max_iter, read.max_eval, max_time),
        watchers=watchers,
        seed=seed_of(seed, resume),
        checkpoint=plan_of(checkpoint, resume),
    )
    task = problem_sources.task_in_place(problem_or_fun) if order.in_place else None
    if task is not None:
        return _shown(solved_in_place(order, task), read.show)
    functions = Functions(
        fun=problem_or_fun,
        x0=x0,
        args=args,
        jac=jac,
        hess=hess,
        hessp=hessp,
        bounds=bounds,
        constraints=constraints,
        step=read.step,
    )
    stated = _stated(functions, params, wanted)
    if warm_start is None and x0 is None:
        warm_start = problem_sources.recall(problem_or_fun, stated.problem)
    warm = _warm(warm_start, stated.problem)
    start = stated.problem.x0 if x0 is not None or warm is None else warm.x
    with opened(executor) as pool:
        order = replace(order, start=start, warm=warm, executor=pool)
        result = solved(order, stated.problem, wanted)
    result = _shown(replace(result, parts=stated.parts), read.show)
    return problem_sources.deliver(problem_or_fun, stated.problem, result)


def ask_tell(
    x0: Any,
    method: str | type[AbstractMethod[Any]] | AbstractMethod[Any] = "zo",
    *,
    lb: Any = None,
    ub: Any = None,
    noisy: bool = False,
    max_iter: int | None = None,
    max_eval: int | None = None,
    max_time: float | None = None,
    seed: int | None = None,
    **options: Any,
) -> AskTell:
    """Begin a run in which the caller evaluates the objective.

    Parameters
    ----------
    x0
        Start point, shape (n,); or a Problem, whose objective is not called.
    method
        One that only needs values.
    lb, ub
        Bounds, shape (n,) or a scalar; None: none.
    noisy
        Whether values at the same point may differ.
    max_iter, max_eval, max_time, seed
        As for :func:`minimize`.
    options
        Of the method.

    Raises
    ------
    ProblemError, OptionError, UnknownMethodError, CapabilityError
        As for :func:`minimize`.
    """
    problem = x0
    if not isinstance(x0, Problem):
        problem = Problem(objective=_told, x0=x0, lb=lb, ub=ub, noisy=noisy)
    chosen = build_method(method, options=options)
    check_capabilities(chosen.info, problem)
    return AskTell(chosen, problem, Limits(max_iter, max_eval, max_time), seed_of(seed, None))


def _told(x: Vector) -> float:  # noqa: ARG001
    raise CapabilityError("the values of this run are told; see optlab.ask_tell")


def _shown(result: Result, show: int) -> Result:
    """Print a summary where that was asked for."""
    if show:
        sys.stdout.write(summary(result))
    return result


def methods() -> Records[MethodInfo]:
    """Return the capability records of all methods, built-in and registered."""
    return Records([cls.info for cls in registry.known_methods()])


def sources() -> Records[problem_sources.ProblemSource]:
    """Return the records of all problem sources."""
    return Records(problem_sources.known_sources())


def _stated(
    functions: Functions, params: Mapping[str, Any] | None, wanted: Differences | None
) -> Stated:
    """Make the problem from whatever the user gave."""
    thing = functions.fun
    if callable(thing) and not isinstance(thing, Problem):
        return problem_of_functions(functions, wanted)
    if functions.extras():
        raise OptionError(
            f"{', '.join(functions.extras())} belong to a plain function; a Problem carries its own"
        )
    problem = problem_sources.load_problem(thing, params)
    if functions.x0 is None:
        return Stated(problem, ())
    start = np.asarray(functions.x0, dtype=np.float64)
    if start.shape != (problem.n,):
        raise ProblemError(f"x0 has shape {start.shape}; shape ({problem.n},) is needed")
    return Stated(problem.replace(x0=start), ())


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
