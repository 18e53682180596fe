"""COBYQA with restarts: its first run is COBYQA's, and what follows leaves worse minima and knows rows."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scipy.optimize import NonlinearConstraint

import optlab
from optlab.core.status import PointStatus, StopReason
from optlab.errors import MissingDependencyError, OptionError
from optlab.typing import Vector

pytest.importorskip("cobyqa")

START = np.array([-1.2, 1.0, 0.5])


def rosenbrock(x: Vector) -> float:
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


def rippled(x: Vector) -> float:
    """A bowl with ripples as deep as it is steep; the least value, at 0, is 0."""
    return float(x @ x + 4.0 * np.sum(1.0 - np.cos(2.0 * np.pi * x)))


class Watched:
    """A function that remembers where it was evaluated."""

    def __init__(self, f: Any = rosenbrock) -> None:
        self.f = f
        self.points: list[Vector] = []

    def __call__(self, x: Vector) -> float:
        self.points.append(np.array(x))
        return float(self.f(x))


def solve(f: Any, x0: Any, **more: Any) -> optlab.Result:
    return optlab.minimize(f, x0, method="zo-local", **{"seed": 0, **more})


def test_the_first_run_is_that_of_cobyqa() -> None:
    alone, ours = Watched(), Watched()
    optlab.minimize(alone, START, method="cobyqa")
    result = solve(ours, START, max_eval=len(alone.points) + 40)
    np.testing.assert_array_equal(ours.points[: len(alone.points)], alone.points)
    assert result.fun == min(map(rosenbrock, ours.points))
    assert len(ours.points) == len(alone.points) + 40


def test_without_restarts_it_is_cobyqa() -> None:
    alone, ours = Watched(), Watched()
    optlab.minimize(alone, START, method="cobyqa")
    result = solve(ours, START, options={"restarts": 0})
    np.testing.assert_array_equal(ours.points, alone.points)
    assert result.success


def test_restarts_leave_worse_minima() -> None:
    def found(method: str) -> float:
        bounds = [(-5.0, 5.0)] * 2
        return float(
            np.mean([
                optlab.minimize(
                    rippled, x0, method=method, seed=k, bounds=bounds, max_eval=500
                ).fun
                for k, x0 in enumerate(([3.1, 3.1], [-2.2, 4.0], [1.1, -4.1]))
            ])
        )  # fmt: skip

    assert found("zo-local") < 0.35 * found("cobyqa")


def test_the_seed_decides() -> None:
    runs = [solve(rippled, [3.1, 3.1], seed=seed, max_eval=300) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0].x, runs[1].x)
    shown = [[p.f for p in run.history] for run in runs]
    assert shown[0] == shown[1] != shown[2]


def test_restarts_last_as_long_as_the_limit_and_end_without_one() -> None:
    limited = solve(rippled, [3.1, 3.1], max_eval=700)
    assert limited.evaluations["objective"] == 700
    assert limited.stop is StopReason.MAX_EVAL
    free = solve(rippled, [3.1, 3.1])
    assert free.stop is StopReason.CONVERGED
    assert free.evaluations["objective"] < 700


def test_restarts_end_and_the_answer_is_the_best_of_them() -> None:
    watched = Watched(rippled)
    result = solve(watched, [3.1, 3.1], options={"restarts": 3})
    assert result.stop is StopReason.CONVERGED
    assert result.point is PointStatus.FEASIBLE
    assert result.success
    assert result.fun == min(map(rippled, watched.points))


def test_a_restart_that_breaks_down_does_not_undo_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import cobyqa

    honest, calls = cobyqa.minimize, 0

    def third_breaks(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = honest(*given, **more)
        if calls >= 3:
            answer.status, answer.message = -2, "A linear algebra error occurred"
        return answer

    monkeypatch.setattr(cobyqa, "minimize", third_breaks)
    result = solve(rosenbrock, START, options={"restarts": 3})
    assert calls == 4
    assert result.stop is StopReason.CONVERGED
    alone = solve(rosenbrock, START, options={"restarts": 0})
    assert alone.stop is StopReason.NUMERICAL_ERROR


def test_bounds_of_very_different_size_are_scaled() -> None:
    """The minimum is 0.3 of the way along each side; COBYQA's radius of 1 fits neither."""
    low, width = np.array([0.0, 100.0]), np.array([1e-4, 1e5])

    def f(x: Vector) -> float:
        return rosenbrock((x - low) / width / 0.3)

    bounds = list(zip(low, low + width, strict=True))
    x0 = low + np.array([0.1, 0.9]) * width
    evaluations = {"max_eval": 250}
    scaled = solve(f, x0, bounds=bounds, **evaluations)
    bare = solve(f, x0, bounds=bounds, options={"scale": False}, **evaluations)
    np.testing.assert_allclose((scaled.x - low) / width, 0.3, atol=1e-3)
    assert scaled.fun < 1e-3 * bare.fun


def test_random_starts_keep_to_bounds_and_rows_decide_among_them() -> None:
    ring = NonlinearConstraint(lambda x: x @ x, 4.0, 9.0)
    watched = Watched(rippled)
    bounds = [(-3.0, 3.0), (0.5, np.inf)]
    result = solve(watched, [0.0, 1.0], bounds=bounds, constraints=ring, max_eval=400)
    points = np.array(watched.points)
    assert points.min(axis=0)[0] >= -3.0
    assert points.max(axis=0)[0] <= 3.0
    assert points.min(axis=0)[1] >= 0.5
    assert result.point is PointStatus.FEASIBLE
    assert 4.0 - 1e-6 <= result.x @ result.x <= 9.0 + 1e-6
    np.testing.assert_allclose(np.sort(np.abs(result.x)), [0.0, 2.0], atol=1e-2)


def test_fixed_variables_need_no_restarts() -> None:
    result = solve(rosenbrock, [1.0, 2.0], bounds=[(1.0, 1.0), (2.0, 2.0)])
    assert result.evaluations["objective"] == 1
    assert result.success


def test_a_run_may_go_on_from_an_earlier_one() -> None:
    part = solve(rosenbrock, START, max_eval=40)
    again = solve(rosenbrock, part.x, warm_start=part, max_eval=200)
    assert again.fun < part.fun
    assert 0.0 < part.extras["radius"] < 1.0


@pytest.mark.parametrize("options", [{"restarts": -1}, {"peer_options": {"wobble": 1}}])
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        solve(rosenbrock, START, options=options)


def test_what_a_missing_package_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cobyqa", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[cobyqa\]"):
        solve(rosenbrock, START)


def test_in_a_box_the_first_run_sees_a_fifth_of_the_sides_and_restarts_a_tenth() -> None:
    """A constant function: models learn nothing, so that the points tell the radius."""
    watched = Watched(lambda _: 1.0)
    bounds = [(0.0, 10.0), (0.0, 1.0)]
    solve(watched, [5.0, 0.5], bounds=bounds, options={"restarts": 1})
    distance = np.abs(np.array(watched.points) - [5.0, 0.5]) / [10.0, 1.0]
    np.testing.assert_allclose(distance[1:5].max(axis=1), 0.2, atol=1e-12)
    later = distance.max(axis=1)[5:]
    np.testing.assert_allclose(later.max(), 0.1, atol=0.02)
    given = Watched(lambda _: 1.0)
    solve(given, [5.0, 0.5], bounds=bounds, options={"restarts": 0, "radius": 0.1})
    np.testing.assert_allclose(np.abs(np.array(given.points[1]) - [5.0, 0.5]).max(), 0.5)
