"""COBYQA behind our call: the same points as bare, exact limits, failures, rows, restarts."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, NonlinearConstraint

import optlab
from optlab.core.oracle import Oracle
from optlab.core.status import PointStatus, StopReason
from optlab.errors import MissingDependencyError, OptionError
from optlab.methods.external.values import Span, Values, rows_of
from optlab.typing import Vector

cobyqa = pytest.importorskip("cobyqa")


def rosenbrock(x: Vector) -> float:
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


class Watched:
    """A function that remembers where it was evaluated."""

    def __init__(self, f: Any = rosenbrock) -> None:
        self.f = f
        self.points: list[Vector] = []

    def __call__(self, x: Vector) -> float:
        self.points.append(np.array(x))
        return float(self.f(x))


START = np.array([-1.2, 1.0, 0.5])


# What it evaluates --------------------------------------------------------------------------------


def test_it_evaluates_the_points_that_the_bare_package_evaluates() -> None:
    bare, ours = Watched(), Watched()
    answer = cobyqa.minimize(bare, START, options={"radius_final": 1e-6})
    result = optlab.minimize(ours, START, method="cobyqa")
    np.testing.assert_array_equal(ours.points, bare.points)
    assert result.fun == answer.fun
    assert result.evaluations["objective"] == answer.nfev
    assert result.stop is StopReason.CONVERGED
    assert result.success


def test_without_derivatives_nothing_is_called_stationary() -> None:
    result = optlab.minimize(rosenbrock, START, method="cobyqa")
    np.testing.assert_allclose(result.x, 1.0, atol=1e-4)
    assert result.point is PointStatus.FEASIBLE
    assert math.isnan(result.certificate.dual)
    assert result.evaluations["gradient"] == 0


@settings(max_examples=25, deadline=None)
@given(
    low=st.lists(st.floats(-3.0, 0.5), min_size=3, max_size=3),
    width=st.lists(st.sampled_from([0.0, 1e-3, 0.3, 2.0, math.inf]), min_size=3, max_size=3),
)
def test_no_point_outside_the_bounds_is_evaluated(low: list[float], width: list[float]) -> None:
    watched = Watched()
    high = np.add(low, width)
    result = optlab.minimize(
        watched, [5.0, -5.0, 0.0], method="cobyqa", bounds=list(zip(low, high, strict=True)),
        max_eval=60,
    )  # fmt: skip
    points = np.array(watched.points)
    assert np.all(points >= low)
    assert np.all(points <= high)
    assert result.fun == min(map(rosenbrock, points))


@pytest.mark.parametrize("budget", [1, 2, 6, 7, 8, 25])
def test_the_budget_is_exact_and_the_best_point_is_kept(budget: int) -> None:
    watched = Watched()
    result = optlab.minimize(watched, START, method="cobyqa", max_eval=budget)
    assert len(watched.points) == budget == result.evaluations["objective"]
    assert result.stop is StopReason.MAX_EVAL
    assert result.fun == min(map(rosenbrock, watched.points))
    assert not result.success


@pytest.mark.parametrize("limit", [0, 1, 9])
def test_every_evaluation_after_the_first_is_an_iteration(limit: int) -> None:
    watched = Watched()
    result = optlab.minimize(watched, START, method="cobyqa", max_iter=limit)
    assert len(watched.points) == limit + 1
    assert result.iterations == limit
    assert result.stop is StopReason.MAX_ITER
    shown = [progress.f for progress in result.history]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == limit + 1


def test_a_solve_within_the_objective_of_another_comes_back() -> None:
    def outer(x: Vector) -> float:
        inner = optlab.minimize(lambda y: float((y[0] - x[0]) ** 2), [0.0], method="cobyqa")
        return float((inner.x[0] - 2.0) ** 2)

    result = optlab.minimize(outer, [0.0], method="cobyqa", tol=1e-3)
    assert result.x[0] == pytest.approx(2.0, abs=1e-2)


# Rows ---------------------------------------------------------------------------------------------


def test_hock_schittkowski_71_without_derivatives() -> None:
    result = optlab.minimize(
        lambda x: float(x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]),
        [1.0, 5.0, 5.0, 1.0],
        method="cobyqa",
        bounds=[(1.0, 5.0)] * 4,
        constraints=[
            NonlinearConstraint(np.prod, 25.0, np.inf),
            NonlinearConstraint(lambda x: x @ x, 40.0, 40.0),
        ],
    )
    assert result.fun == pytest.approx(17.0140173, abs=1e-4)
    assert result.point is PointStatus.FEASIBLE
    assert result.success


def affine(x: Vector) -> Vector:
    return np.array([x[0] + 2.0 * x[1] - 3.0, x[0] * x[1], 4.0 - x[1]])


def rows_problem(**more: Any) -> optlab.Problem:
    return optlab.Problem(
        objective=lambda x: float(x @ x),
        x0=[2.0, 3.0],
        constraints=affine,
        cl=[0.0, 1.0, -1.0],
        cu=[0.0, np.inf, 5.0],
        **more,
    )


def values_of(problem: optlab.Problem) -> tuple[Values, Oracle]:
    from optlab.core.method import Watch

    oracle = Oracle(problem)
    return Values(oracle, Watch(lambda _: None, 100)), oracle


def test_linear_rows_become_a_matrix_and_the_others_functions() -> None:
    problem = rows_problem(
        jacobian=lambda x: np.array([[1.0, 2.0], [x[1], x[0]], [0.0, -1.0]]),
        linear=[True, False, True],
    )
    linear, curved = rows_of(*values_of(problem))
    assert isinstance(linear, LinearConstraint)
    assert isinstance(curved, NonlinearConstraint)
    rng = np.random.default_rng(1)
    for x in rng.standard_normal((5, 2)):
        c = affine(x)
        np.testing.assert_allclose(
            linear.A @ x - linear.lb, c[[0, 2]] - [0.0, -1.0], atol=1e-12
        )
        np.testing.assert_allclose(linear.A @ x - linear.ub, c[[0, 2]] - [0.0, 5.0], atol=1e-12)
        np.testing.assert_array_equal(curved.fun(x), c[[1]])
    assert (curved.lb, curved.ub) == (1.0, np.inf)


@pytest.mark.parametrize("linear", [None, [True, False, True]])
def test_without_a_jacobian_all_rows_are_functions(linear: Any) -> None:
    problem = rows_problem(linear=linear)
    (only,) = rows_of(*values_of(problem))
    np.testing.assert_array_equal(only.fun(np.array([2.0, 3.0])), affine(np.array([2.0, 3.0])))
    result = optlab.minimize(problem, method="cobyqa")
    np.testing.assert_allclose(result.x, [1.0, 1.0], atol=1e-4)


def test_rows_that_contradict_each_other_are_no_success() -> None:
    problem = optlab.Problem(
        objective=lambda x: float(x @ x),
        x0=[1.0, 1.0],
        constraints=lambda x: np.array([x[0] ** 2, x[0] ** 2]),
        cl=[4.0, -np.inf],
        cu=[np.inf, 1.0],
    )
    result = optlab.minimize(problem, method="cobyqa")
    assert result.stop is StopReason.STALLED
    assert result.point is PointStatus.UNKNOWN
    assert not result.success


# Failures -----------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=6))
def test_a_point_without_a_value_is_worse_than_every_other_but_not_by_much(
    f: list[float],
) -> None:
    span = Span()
    for value in f:
        span = span.with_value(value)
    worst = span.moderated()
    assert worst > max(f) or math.ulp(max(map(abs, f))) > max(f) - min(f)
    assert worst <= max(f) + max(max(f) - min(f), 1.0 + abs(max(f)))


@pytest.mark.parametrize(
    "broken", [math.nan, math.inf, RuntimeError("the simulator fell over")]
)
def test_a_hidden_constraint_is_learnt_from_failures(broken: Any) -> None:
    """The minimum (1, 1, 1) lies on the edge of where the function can be evaluated."""

    def hidden(x: Vector) -> float:
        if x.sum() > 3.0 + 1e-9:
            if isinstance(broken, Exception):
                raise broken
            return float(broken)
        return rosenbrock(x)

    watched = Watched(hidden)
    result = optlab.minimize(watched, START, method="cobyqa", max_eval=600)
    assert sum(p.sum() > 3.0 + 1e-9 for p in watched.points) > 0
    assert result.fun < 1e-2
    assert result.evaluations["objective"] == len(watched.points)


def test_rows_that_fail_at_trial_points_are_violated_there() -> None:
    def rows(x: Vector) -> Vector:
        return np.array([np.nan if x[0] < 0.3 else 1.0 / x[0]])

    result = optlab.minimize(
        optlab.Problem(
            objective=lambda x: float(x @ x),
            x0=[2.0, 1.0],
            constraints=rows,
            cl=[-np.inf],
            cu=[2.0],
        ),
        method="cobyqa",
    )
    np.testing.assert_allclose(result.x, [0.5, 0.0], atol=1e-3)


def test_a_start_that_fails_is_said() -> None:
    result = optlab.minimize(lambda _: math.nan, [1.0, 2.0], method="cobyqa")
    assert result.stop is StopReason.EVAL_ERROR
    assert "objective" in result.message
    assert not result.success


# Restarts and options -------------------------------------------------------------------------------


def test_a_restart_from_its_own_answer_is_short_and_no_worse() -> None:
    first = optlab.minimize(rosenbrock, START, method="cobyqa")
    again = optlab.minimize(rosenbrock, method="cobyqa", x0=first.x, warm_start=first)
    assert again.fun <= first.fun
    assert again.evaluations["objective"] < first.evaluations["objective"] / 2
    assert 0.0 < first.extras["radius"] < 1e-3


def test_a_run_in_two_parts_goes_on_at_the_size_at_which_it_was_cut() -> None:
    part = optlab.minimize(
        rosenbrock, START, method="cobyqa", options={"radius": 0.1}, max_eval=60
    )
    watched = Watched()
    optlab.minimize(watched, part.x, method="cobyqa", warm_start=part, max_eval=8)
    reach = np.max(np.abs(np.array(watched.points) - part.x))
    assert 1e-3 * 0.1 < part.extras["radius"] < 0.1
    assert reach <= 2.0 * part.extras["radius"]


def test_options_reach_the_package_by_either_name() -> None:
    watched = Watched()
    optlab.minimize(
        watched, START, method="COBYQA", options={"initial_tr_radius": 0.01, "maxiter": 2}
    )
    assert len(watched.points) == 3
    assert np.max(np.abs(np.array(watched.points) - START)) == pytest.approx(0.01)
    result = optlab.minimize(
        rosenbrock, START, method="cobyqa", options={"peer_options": {"target": 1.0}}
    )
    assert result.stop is StopReason.TARGET_REACHED
    assert result.fun <= 1.0


@pytest.mark.parametrize(
    "options",
    [{"peer_options": {"wobble": 3}}, {"peer_options": {"low_ratio": 7.0}}, {"points": 1000},
     {"radius": 1e-9}, {"radius": math.nan}],
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    watched = Watched()
    with pytest.raises(OptionError):
        optlab.minimize(watched, START, method="cobyqa", options=options)
    assert not watched.points


def test_what_a_missing_package_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cobyqa", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[cobyqa\]"):
        optlab.minimize(rosenbrock, START, method="cobyqa")
