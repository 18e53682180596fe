"""Checks that every method must pass, chosen by its capability record."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.api import minimize
from optlab.core.registry import method_class
from optlab.core.status import PointStatus, StopReason
from optlab.testing.battery import BATTERY, Case

if TYPE_CHECKING:
    from optlab.core.method import MethodInfo
    from optlab.core.problem import Problem
    from optlab.core.result import Result
    from optlab.typing import Vector

__all__ = ["CHECKS", "check_method"]

_RANK = {"none": 0, "linear": 1, "nonlinear": 2}

BUDGET = 200
"""Evaluations that a derivative-free method may use on a case of the battery, per variable squared."""

LONG = 4000
"""Evaluations, or steps on gradients, of stochastic methods: they are slow, and promise convex problems only."""


def _cases(info: MethodInfo) -> list[Case]:
    return [
        case
        for case in BATTERY
        if _RANK[case.rows] <= _RANK[info.handles_constraints]
        and (info.handles_bounds or not case.bounds)
        and (case.convex or not info.stochastic)
    ]


def _limits(info: MethodInfo, n: int) -> dict[str, int]:
    """Return what a method may spend on a case of n variables."""
    if info.stochastic:
        return {"max_iter": LONG} if info.needs_gradient else {"max_eval": LONG}
    return {} if info.needs_gradient else {"max_eval": BUDGET * n**2}


def _descends(name: str) -> None:
    """Come lower than the start: all that can be asked of a method in place, whose rate suits networks."""
    problem = BATTERY[0].make()
    result = _solve(name, problem, max_eval=LONG)
    assert result.fun < problem.objective(problem.x0), result


def _solve(name: str, problem: Problem, **more: Any) -> Result:
    return minimize(problem, method=name, seed=0, **more)


def _residual(problem: Problem, result: Result) -> float:
    """Largest KKT residual, written here again so that it shares nothing with the checker."""
    x, y = result.x, result.multipliers.constraints
    z = result.multipliers.bounds
    gradient = np.asarray(problem.gradient(x), dtype=np.float64) + z
    worst = float(np.max(np.maximum(problem.lb - x, x - problem.ub), initial=0.0))
    sides = [(x, problem.lb, problem.ub, z)]
    if problem.m:
        c = np.asarray(problem.constraints(x))
        jacobian: Any = problem.jacobian(x)
        gradient = gradient + jacobian.T @ y
        worst = max(worst, float(np.max(np.maximum(problem.cl - c, c - problem.cu))))
        sides.append((c, problem.cl, problem.cu, y))
    worst = max(worst, float(np.max(np.abs(gradient))))
    for value, low, high, multiplier in sides:
        gap = np.where(multiplier > 0.0, high - value, value - low)
        worst = max(worst, float(np.max(np.minimum(np.abs(multiplier), np.abs(gap)))))
    return worst


def solves_its_cases(name: str) -> None:
    """Reach the known solution of every case that the record covers, with true multipliers."""
    info = method_class(name).info
    if info.in_place:
        _descends(name)
        return
    for case in _cases(info):
        problem = case.make()
        result = _solve(name, problem, **_limits(info, problem.n))
        exact = info.needs_gradient and not info.stochastic
        accuracy = 1e-5 if exact else 1e-2
        assert np.allclose(result.x, case.x, atol=accuracy), (case.name, result)
        assert math.isclose(result.fun, case.f, abs_tol=accuracy), (case.name, result)
        if not info.needs_gradient:
            assert result.point is not PointStatus.STATIONARY, (case.name, result)
        if exact:
            assert result.success, (case.name, result)
            assert result.point is PointStatus.STATIONARY, (case.name, result)
            assert _residual(problem, result) <= 1e-5, (case.name, result)


def works_without_second_derivatives(name: str) -> None:
    """Solve the cases with gradients only, unless the method needs Hessians."""
    info = method_class(name).info
    if info.needs_hessian or not info.needs_gradient or info.stochastic:
        return
    for case in _cases(info):
        result = _solve(name, case.make().replace(hessian=None))
        assert result.success, (case.name, result)
        assert np.allclose(result.x, case.x, atol=1e-4), (case.name, result)
        assert result.evaluations["hessian"] == 0


def respects_the_budget(name: str) -> None:
    """Never evaluate the objective more often than allowed, and say so."""
    for budget in (1, 2, 5):
        calls = 0
        base = BATTERY[1].make()

        def counted(x: Vector, base: Problem = base) -> float:
            nonlocal calls
            calls += 1
            return base.objective(x)

        result = _solve(name, base.replace(objective=counted), max_eval=budget)
        assert calls <= budget, (budget, calls)
        assert result.stop is StopReason.MAX_EVAL, result
        assert np.all(np.isfinite(result.x))


def stops_on_request(name: str) -> None:
    """End with USER when the callback says so, with the point that it saw."""
    seen = []

    def callback(x: Vector) -> bool:
        seen.append(np.array(x))
        return len(seen) >= 2

    result = _solve(name, BATTERY[1].make(), callback=callback)
    assert result.stop is StopReason.USER, result
    assert len(seen) == 2
    assert np.all(np.isfinite(result.x))


def says_what_failed_at_the_start(name: str) -> None:
    """End with EVAL_ERROR, the start point and the function, for NaN and for exceptions."""
    base = BATTERY[0].make()

    def raises(_x: Vector) -> float:
        message = "the simulator is down"
        raise RuntimeError(message)

    for broken in (raises, lambda _x: math.nan):
        result = _solve(name, base.replace(objective=broken))
        assert result.stop is StopReason.EVAL_ERROR, result
        assert "objective" in result.message, result.message
        assert np.array_equal(result.x, base.x0)


def survives_failures_at_trial_points(name: str) -> None:
    """Shrink the step where the objective is not defined: -log(x) + x, minimum 1 at x = 1."""

    def objective(x: Vector) -> float:
        if x[0] <= 0.0:
            message = "log of a negative number"
            raise ValueError(message)
        return float(x[0] - math.log(x[0])) if x[0] < 40.0 else math.nan

    from optlab.core.problem import Problem  # noqa: PLC0415 - only its constructor is needed here

    problem = Problem(
        objective=objective,
        gradient=lambda x: np.array([1.0 - 1.0 / x[0]]),
        hessian=lambda x, _y, sigma: np.array([[sigma / x[0] ** 2]]),
        x0=[30.0],
    )
    info = method_class(name).info
    result = _solve(name, problem, **_limits(info, 1))
    if info.in_place:
        assert result.fun < problem.objective(problem.x0), result
        return
    assert abs(result.x[0] - 1.0) <= 1e-2, result


def repeats_itself(name: str) -> None:
    """Give the same answer twice for the same seed."""
    case = _cases(method_class(name).info)[-1]
    more = {"max_eval": BUDGET}
    first = _solve(name, case.make(), **more)
    second = _solve(name, case.make(), **more)
    assert np.array_equal(first.x, second.x)
    assert first.evaluations == second.evaluations


def restarts_from_its_own_answer(name: str) -> None:
    """Need no more iterations from its own answer than from the start."""
    info = method_class(name).info
    if not info.needs_gradient or info.stochastic:
        return
    for case in _cases(info):
        problem = case.make()
        first = _solve(name, problem)
        again = _solve(name, problem, warm_start=first)
        assert again.success, (case.name, again)
        assert again.iterations <= max(1, first.iterations), (case.name, first, again)


CHECKS: dict[str, Callable[[str], None]] = {
    check.__name__: check
    for check in (
        solves_its_cases,
        works_without_second_derivatives,
        respects_the_budget,
        stops_on_request,
        says_what_failed_at_the_start,
        survives_failures_at_trial_points,
        repeats_itself,
        restarts_from_its_own_answer,
    )
}
"""Name of a check -> function of the method's name."""


def check_method(name: str) -> None:
    """Run every check on a registered method.

    Parameters
    ----------
    name
        As for ``minimize(..., method=name)``.

    Raises
    ------
    AssertionError
        With the check that failed and what was seen.
    """
    for title, check in CHECKS.items():
        try:
            check(name)
        except AssertionError as error:
            raise AssertionError(f"{name}: {title}: {error}") from error
