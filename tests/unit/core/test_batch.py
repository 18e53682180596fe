from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from descent import Descent, Targets

from optlab import PointStatus, Problem, StopReason
from optlab.core.asktell import Query
from optlab.core.control import BudgetSpent, Limits
from optlab.core.driver import run
from optlab.core.options import choose_method
from optlab.core.oracle import Oracle
from optlab.core.shifts import DenseShifts
from optlab.errors import EvaluationError, OptlabWarning, ProblemError

X = np.array([3.0, -2.0, 1.0])


def sphere(x: Any) -> float:
    return float(x @ x)


def problem(**more: Any) -> Problem:
    return Problem(**({"objective": sphere, "x0": X} | more))


def query(k: int = 5, key: int | None = None) -> Query:
    return Query(X, DenseShifts(np.random.default_rng(1).standard_normal((k, 3))), key)


EXPECTED = np.array([sphere(p) for p in query().points])


def test_a_loop_and_a_vectorised_objective_agree() -> None:
    calls: list[tuple[int, ...]] = []

    def batch(points: Any) -> Any:
        calls.append(points.shape)
        return (points**2).sum(axis=1)

    one, many = Oracle(problem()), Oracle(problem(objective_batch=batch))
    np.testing.assert_allclose(one.values(query()), EXPECTED)
    np.testing.assert_allclose(many.values(query()), EXPECTED)
    assert one.counts["objective"] == many.counts["objective"] == 5
    assert calls == [(5, 3)]


def test_threads_and_processes_agree_with_the_loop() -> None:
    with ThreadPoolExecutor(2) as pool:
        threads = Oracle(problem(), executor=pool).values(query(400))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        processes = Oracle(problem(), executor=pool).values(query(400))
    serial = Oracle(problem()).values(query(400))
    np.testing.assert_array_equal(threads, serial)
    np.testing.assert_array_equal(processes, serial)


def die_or_sphere(x: Any) -> float:
    if x[0] > 100.0 and os.getpid() != PARENT:
        os.kill(os.getpid(), signal.SIGKILL)
    return sphere(x)


PARENT = os.getpid()


def test_a_killed_worker_costs_no_value() -> None:
    """kill -9 of a worker in the middle: what it leaves undone is evaluated here, and said so."""
    rows = np.zeros((30, 3))
    rows[7, 0] = 200.0
    asked = Query(X, DenseShifts(rows))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        oracle = Oracle(problem(objective=die_or_sphere), executor=pool)
        with pytest.warns(OptlabWarning, match="broken"):
            values = oracle.values(asked)
    np.testing.assert_array_equal(values, [sphere(p) for p in asked.points])
    assert oracle.counts["objective"] == 30


def test_failures_are_nan_and_all_of_them_an_error() -> None:
    def fragile(x: Any) -> float:
        if x[0] > 3.0:
            message = "no mesh"
            raise RuntimeError(message)
        return sphere(x)

    points = query().points
    values = Oracle(problem(objective=fragile)).values(query())
    np.testing.assert_array_equal(np.isnan(values), points[:, 0] > 3.0)
    assert np.isnan(values).any()
    assert not np.isnan(values).all()
    with pytest.raises(EvaluationError, match="no mesh"):
        Oracle(problem(objective=fragile)).values(Query(X + 1.0, DenseShifts(np.zeros((2, 3)))))
    with pytest.raises(EvaluationError, match="no finite value"):
        Oracle(problem(objective_batch=lambda p: np.full(len(p), np.inf))).values(query())
    with pytest.raises(EvaluationError, match="no mesh"):
        Oracle(problem(objective_batch=lambda p: fragile(p[0] + 9.0))).values(query())


def test_a_vectorised_objective_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"shape \(5,\)"):
        Oracle(problem(objective_batch=lambda p: p)).values(query())
    with pytest.raises(ProblemError, match="objective_batch"):
        problem(objective_batch=3.0)


def test_the_budget_is_exact_and_what_it_allows_is_used() -> None:
    oracle = Oracle(problem())
    oracle.set_limits(Limits(max_eval=3))
    with pytest.raises(BudgetSpent):
        oracle.values(query())
    assert oracle.counts["objective"] == 3
    assert oracle.incumbent is not None
    assert oracle.incumbent.f == EXPECTED[:3].min()
    np.testing.assert_array_equal(oracle.incumbent.x, query().points[EXPECTED[:3].argmin()])


def test_samples_are_not_begun_when_the_budget_is_short() -> None:
    oracle = Oracle(problem(sampled=Targets(np.zeros((4, 3)))))
    oracle.set_limits(Limits(max_eval=3))
    with pytest.raises(BudgetSpent):
        oracle.values(query())
    assert oracle.counts["objective"] == 0
    assert oracle.incumbent is None


def test_the_sample_and_the_executor_reach_a_sampled_objective() -> None:
    targets = np.arange(12.0).reshape(4, 3)
    sampled = Targets(targets)
    with ThreadPoolExecutor(1) as pool:
        oracle = Oracle(problem(sampled=sampled), executor=pool)
        values = oracle.values(query(key=6))
    np.testing.assert_allclose(values, ((query().points - targets[2]) ** 2).sum(axis=1))
    assert sampled.executors == [pool]


def test_a_time_limit_holds_within_a_batch() -> None:
    oracle = Oracle(problem())
    seen = 0

    def objective(x: Any) -> float:
        nonlocal seen
        seen += 1
        if seen == 2:
            oracle.request_stop(StopReason.MAX_TIME)
        return sphere(x)

    oracle.problem = problem(objective=objective)
    with pytest.raises(BudgetSpent):
        oracle.values(query())
    assert (seen, oracle.counts["objective"]) == (2, 2)
    assert oracle.incumbent is not None


def test_a_sampled_run_reports_the_average() -> None:
    targets = np.random.default_rng(0).standard_normal((4, 3))
    average = Targets(targets)
    stated = problem(objective=lambda x: average.at(x, None), sampled=average)
    result = run(Descent(rate=0.1), stated, limits=Limits(max_iter=30), seed=1)
    assert result.fun == pytest.approx(average.at(result.x, None))
    assert result.evaluations["average"] == 1
    assert result.evaluations["objective"] == 30 * 2
    assert np.linalg.norm(result.x - targets.mean(axis=0)) < np.linalg.norm(
        X - targets.mean(axis=0)
    )


def test_values_only_are_judged_by_values_only() -> None:
    """A gradient that the problem has does not make a black-box method's point stationary."""
    stated = problem(gradient=lambda x: 2.0 * x)
    result = run(Descent(), stated, limits=Limits(max_iter=400), seed=1)
    assert np.abs(result.x).max() < 1e-3
    assert result.point is PointStatus.FEASIBLE
    assert result.evaluations["gradient"] == 0
    assert np.isnan(result.certificate.dual)


def test_noisy_values_give_no_incumbent() -> None:
    rng = np.random.default_rng(0)
    stated = problem(objective=lambda x: sphere(x) + rng.standard_normal(), noisy=True)
    assert choose_method(stated) == "zo"
    oracle = Oracle(stated)
    oracle.values(query())
    oracle.objective(X)
    assert oracle.incumbent is None


def test_a_reduced_problem_counts_through_its_root() -> None:
    root = Oracle(problem(objective_batch=lambda p: (p**2).sum(axis=1)))
    view = root.view(root.as_problem())
    np.testing.assert_allclose(view.values(query()), EXPECTED)
    assert root.counts["objective"] == view.counts["objective"] == 5
