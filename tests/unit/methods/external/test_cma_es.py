"""CMA-ES behind our call: generations as batches, own randomness, exact limits, failures, noise, restarts."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optlab
from optlab.core.status import PointStatus, StopReason
from optlab.errors import CapabilityError, MissingDependencyError, OptionError
from optlab.typing import Vector

pytest.importorskip("cma")

START = np.array([-1.2, 1.0, 0.5])


def rosenbrock(x: Vector) -> float:
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


def rastrigin(x: Vector) -> float:
    return float(10.0 * x.size + np.sum(x**2 - 10.0 * np.cos(2.0 * np.pi * x)))


def solve(f: Callable[[Vector], float], x0: Any = START, **more: Any) -> optlab.Result:
    return optlab.minimize(f, x0, method="cma-es", **{"seed": 3, **more})


def test_a_curved_valley_is_solved_and_nothing_is_called_stationary() -> None:
    result = solve(rosenbrock)
    np.testing.assert_allclose(result.x, 1.0, atol=1e-4)
    assert result.success
    assert result.point is PointStatus.FEASIBLE
    assert result.fun == rosenbrock(result.x)


def test_the_seed_decides_and_numpy_s_own_generator_is_not_touched() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    one, same, other = (solve(rosenbrock, seed=s, max_eval=200) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.x, same.x)
    assert not np.array_equal(one.x, other.x)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index] # noqa: NPY002


def test_a_generation_is_one_batch_and_every_way_to_evaluate_it_gives_the_same() -> None:
    sizes: list[int] = []

    def batch(X: Vector) -> Vector:
        sizes.append(len(X))
        return np.array([rosenbrock(x) for x in X])

    plain = solve(rosenbrock, max_eval=300)
    vectorised = optlab.minimize(
        optlab.Problem(objective=rosenbrock, objective_batch=batch, x0=START),
        method="cma-es", seed=3, max_eval=300,
    )  # fmt: skip
    with ThreadPoolExecutor(2) as executor:
        threads = solve(rosenbrock, max_eval=300, executor=executor)
    assert set(sizes[:-1]) == {4 + int(3 * math.log(3))}
    assert sum(sizes) + 1 == 300
    for other in (vectorised, threads):
        np.testing.assert_array_equal(other.x, plain.x)
        assert other.evaluations["objective"] == 300


@pytest.mark.parametrize("budget", [1, 2, 8, 9, 50])
def test_the_budget_is_exact_and_the_best_point_is_kept(budget: int) -> None:
    values: list[float] = []

    def f(x: Vector) -> float:
        values.append(rosenbrock(x))
        return values[-1]

    result = solve(f, max_eval=budget)
    assert len(values) == budget
    assert result.stop is StopReason.MAX_EVAL
    assert result.fun == min(values)


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_a_generation_is_an_iteration(limit: int) -> None:
    result = solve(rosenbrock, max_iter=limit)
    assert result.stop is StopReason.MAX_ITER
    assert result.iterations == limit
    assert result.evaluations["objective"] == 1 + 7 * limit
    assert len(result.history) == limit + 1


@settings(max_examples=20, deadline=None)
@given(
    low=st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3),
    width=st.lists(st.sampled_from([0.0, 1e-3, 1.0, math.inf]), min_size=3, max_size=3),
)
def test_no_point_outside_the_bounds_is_evaluated(low: list[float], width: list[float]) -> None:
    points: list[Vector] = []
    high = np.add(low, width)

    def f(x: Vector) -> float:
        points.append(x.copy())
        return rosenbrock(x)

    bounds = list(zip(low, high, strict=True))
    result = solve(f, [9.0, -9.0, 0.0], bounds=bounds, max_eval=100)
    assert np.all(np.array(points) >= low)
    assert np.all(np.array(points) <= high)
    assert result.fun == min(map(rosenbrock, points))


def test_where_all_variables_are_fixed_one_evaluation_is_the_answer() -> None:
    result = solve(rosenbrock, bounds=[(2.0, 2.0)] * 3)
    assert result.success
    assert result.evaluations["objective"] == 1
    assert result.fun == rosenbrock(np.full(3, 2.0))


def test_one_variable_is_enough() -> None:
    assert solve(lambda x: float((x[0] - 3.0) ** 2), [0.0]).x[0] == pytest.approx(3.0, abs=1e-4)


def test_restarts_find_a_way_out_of_worse_minima() -> None:
    def found(restarts: int) -> list[float]:
        return [
            solve(
                rastrigin, [3.2, 3.2], seed=seed, bounds=[(-5.0, 5.0)] * 2,
                options={"restarts": restarts}, max_eval=10_000,
            ).fun
            for seed in range(4)
        ]  # fmt: skip

    assert min(found(0)) > 0.5
    assert max(found(6)) < 1e-6


def test_a_restart_from_its_own_answer_is_short_and_no_worse() -> None:
    first = solve(rosenbrock)
    again = solve(rosenbrock, first.x, warm_start=first)
    assert again.fun <= first.fun
    assert again.evaluations["objective"] < first.evaluations["objective"]
    cut = solve(rosenbrock, max_eval=500)
    assert first.extras["radius"] < cut.extras["radius"] < 1.0


# Failures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken", [math.nan, -math.inf, RuntimeError("the simulator fell over")]
)
def test_points_without_a_value_are_the_worst_of_their_generation(broken: Any) -> None:
    def hidden(x: Vector) -> float:
        if x.sum() > 3.0 + 1e-9:
            if isinstance(broken, Exception):
                raise broken
            return float(broken)
        return rosenbrock(x)

    result = solve(hidden, max_eval=4000)
    assert result.fun < 1e-2
    assert result.x.sum() <= 3.0 + 1e-9


def test_a_simulator_that_goes_down_ends_the_run_with_the_best_point() -> None:
    values: list[float] = []

    def f(x: Vector) -> float:
        if len(values) >= 40:
            raise ConnectionError("down")
        values.append(rosenbrock(x))
        return values[-1]

    result = solve(f, max_eval=5000)
    assert result.fun == min(values)
    assert result.evaluations["objective"] < 1000
    assert not result.success


def test_a_start_that_fails_is_said() -> None:
    result = solve(lambda _: math.nan)
    assert result.stop is StopReason.EVAL_ERROR
    assert "objective" in result.message


def test_the_answer_for_a_noisy_function_is_no_lucky_point() -> None:
    """With noise of 0.5 the least value seen is far below the truth; the value reported is not."""
    noise = np.random.default_rng(5)
    seen: list[float] = []

    def f(x: Vector) -> float:
        seen.append(float(x @ x + 0.5 * noise.standard_normal()))
        return seen[-1]

    problem = optlab.Problem(objective=f, x0=[2.0, -1.0, 3.0], noisy=True)
    result = optlab.minimize(problem, method="cma-es", seed=1, max_eval=1500)
    assert min(seen) < -0.8
    assert result.fun > -0.5
    assert np.linalg.norm(result.x) < 1.0


# The package ----------------------------------------------------------------------------------------


def test_no_file_is_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text('{"timeout": 0}', encoding="utf-8")
    assert solve(rosenbrock, max_eval=100).evaluations["objective"] == 100
    assert [path.name for path in tmp_path.iterdir()] == ["cma_signals.in"]


def test_options_reach_the_package() -> None:
    result = solve(rosenbrock, options={"population": 11, "peer_options": {"ftarget": 1.0}})
    assert result.fun <= 1.0
    assert result.evaluations["objective"] % 11 == 1
    assert result.extras["peer_status"] == "ftarget"


@pytest.mark.parametrize(
    "options",
    [{"radius": 0.0}, {"radius": math.nan}, {"population": 2}, {"restarts": -1},
     {"peer_options": {"wobble": 3}}],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        solve(rosenbrock, options=options)


def test_rows_are_refused_before_the_first_evaluation() -> None:
    def never(_: Vector) -> float:
        raise AssertionError("evaluated")

    row = {"type": "ineq", "fun": lambda x: x[0]}
    with pytest.raises(CapabilityError):
        solve(never, constraints=row)


def test_what_a_missing_package_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[cma\]"):
        solve(rosenbrock)
