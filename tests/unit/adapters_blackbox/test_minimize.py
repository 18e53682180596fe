"""A simulator as the objective of minimize: an engineer's way in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulators

import optlab
from optlab import StopReason
from optlab.errors import ProblemError
from optlab_adapters.blackbox import Simulator

N = 10
TARGET = np.linspace(-0.5, 0.5, N)


def curve(x: Any) -> Any:
    """(10,) -> (12,)."""
    return np.concatenate([x, [x.sum(), x[0] * x[1]]])


def misfit(y: Any) -> float:
    return float(((y - curve(TARGET)) ** 2).sum())


def solve(simulator: Simulator, **options: Any) -> Any:
    problem = simulator.problem(np.zeros(N), lower=-1.0, upper=1.0, loss=misfit)
    return optlab.minimize(problem, method="zo", max_eval=1500, seed=0, **options)


def test_ten_variables_with_cache_and_executor(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        simulator = Simulator(curve, cache=tmp_path / "runs.sqlite", executor=pool)
        result = solve(simulator)
    assert result.fun < 1e-3
    assert result.evaluations["objective"] <= 1500
    counts = simulator.counts
    assert counts.queries + counts.cache_hits >= result.evaluations["objective"]
    # Another day: the same call pays for nothing, and goes the same way.
    again = Simulator(curve, cache=tmp_path / "runs.sqlite")
    repeated = solve(again)
    assert again.counts.queries == 0
    np.testing.assert_array_equal(repeated.x, result.x)


def test_a_simulator_is_a_function_for_minimize() -> None:
    simulator = Simulator(simulators.number, cache=":memory:")
    result = optlab.minimize(simulator, np.zeros(3), method="zo", max_eval=600, seed=0)
    np.testing.assert_allclose(result.x, 0.3, atol=1e-2)


def test_a_spent_budget_is_a_limit_of_the_solve() -> None:
    simulator = Simulator(curve, max_queries=100)
    result = solve(simulator)
    assert result.stop is StopReason.MAX_EVAL
    assert simulator.counts.queries <= 100
    assert np.isfinite(result.fun)


def test_failed_points_are_left_out() -> None:
    def failing(x: Any) -> Any:
        # One point in seven, all over the place.
        if int(1e7 * abs(x.sum())) % 7 == 3:
            raise ArithmeticError("diverged")
        return curve(x)

    simulator = Simulator(failing, on_failure="drop")
    result = solve(simulator)
    assert simulator.counts.failures > 0
    assert result.fun < 0.5 * misfit(curve(np.zeros(N)))


def test_stop_ends_the_solve_with_the_reason() -> None:
    def failing(x: Any) -> Any:
        if (x != 0.0).any():
            raise ArithmeticError("diverged")
        return curve(x)

    result = solve(Simulator(failing))
    assert result.stop is StopReason.EVAL_ERROR
    assert "diverged" in result.message


def test_several_outputs_need_a_loss() -> None:
    problem = Simulator(curve).problem(np.zeros(N))
    with pytest.raises(ProblemError, match="12 numbers; a loss"):
        problem.objective(np.zeros(N))


def test_values_one_by_one_and_together_agree() -> None:
    problem = Simulator(curve, on_failure="drop").problem(np.zeros(N), loss=misfit)
    points = np.random.default_rng(0).uniform(-1, 1, (5, N))
    assert problem.objective_batch is not None
    together = problem.objective_batch(points)
    assert together.tolist() == [problem.objective(x) for x in points]
