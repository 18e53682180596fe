"""SciPy's methods for values only: the same points as bare, exact limits, names, options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize

import optlab
from optlab.core.status import PointStatus, StopReason
from optlab.errors import CapabilityError, OptionError, UnknownMethodError
from optlab.typing import Vector

METHODS = ("Nelder-Mead", "Powell")
START = np.array([-1.2, 0.7, 0.5])
OPTIONS: dict[str, dict[str, Any]] = {
    "Nelder-Mead": {"xatol": 1e-6, "fatol": 1e-6, "adaptive": True},
    "Powell": {"xtol": 1e-6, "ftol": 1e-6},
}


def rosenbrock(x: Vector) -> float:
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


class Watched:
    """A function that remembers where it was evaluated."""

    def __init__(self) -> None:
        self.points: list[Vector] = []

    def __call__(self, x: Vector) -> float:
        self.points.append(np.array(x))
        return rosenbrock(x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bounds", [None, [(-2.0, 0.8)] * 3])
def test_the_answer_is_the_bare_one(method: str, bounds: Any) -> None:
    bare, ours = Watched(), Watched()
    answer = optimize.minimize(
        bare, START, method=method, bounds=bounds, options=OPTIONS[method]
    )
    result = optlab.minimize(ours, START, method=method, bounds=bounds)
    assert result.stop is StopReason.CONVERGED
    assert result.point is PointStatus.FEASIBLE
    assert result.success
    assert result.fun <= answer.fun
    # A point that is asked for again at once is remembered, so that there may be fewer.
    assert {p.tobytes() for p in ours.points} == {p.tobytes() for p in bare.points}
    assert len(ours.points) <= len(bare.points)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [1, 4, 23])
def test_the_budget_is_exact(method: str, budget: int) -> None:
    ours = Watched()
    result = optlab.minimize(ours, START, method=method, max_eval=budget)
    assert len(ours.points) == budget
    assert result.stop is StopReason.MAX_EVAL
    assert result.fun == min(map(rosenbrock, ours.points))


@pytest.mark.parametrize("method", METHODS)
def test_failures_at_trial_points_are_survived(method: str) -> None:
    def f(x: Vector) -> float:
        return float(x[0] - math.log(x[0])) if x[0] > 0.0 else math.nan

    result = optlab.minimize(f, [0.2], method=method)
    assert result.x[0] == pytest.approx(1.0, abs=1e-3)


def test_options_of_scipy_reach_it_and_others_are_refused() -> None:
    simplex = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1]])
    ours = Watched()
    options = {"initial_simplex": simplex, "maxfev": 3}
    optlab.minimize(ours, [0.0, 0.0], method="Nelder-Mead", options=options)
    np.testing.assert_array_equal(ours.points, simplex)
    with pytest.raises(OptionError, match="nelder-mead"):
        optlab.minimize(ours, [0.0, 0.0], method="Nelder-Mead", options={"wobble": 1})


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_refused(method: str) -> None:
    row = {"type": "ineq", "fun": lambda x: x[0]}
    with pytest.raises(CapabilityError):
        optlab.minimize(rosenbrock, START, method=method, constraints=row)


def test_users_of_cobyla_are_told_where_to_go() -> None:
    with pytest.raises(UnknownMethodError, match="COBYQA"):
        optlab.minimize(rosenbrock, START, method="COBYLA")
