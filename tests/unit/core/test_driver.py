from __future__ import annotations

import math
import os
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from toy import Toy

from optlab import PointStatus, Problem, Result, StopReason
from optlab.core.control import Limits
from optlab.core.driver import iterate, run
from optlab.core.method import WarmStart
from optlab.core.observers import AbstractObserver, History, RunInfo
from optlab.core.oracle import Oracle
from optlab.core.progress import Progress
from optlab.core.reduction import Scaling
from optlab.errors import OptionError, ProblemError, SolveError


def sphere(**more: Any) -> Problem:
    given: dict[str, Any] = {
        "objective": lambda x: float(x @ x),
        "gradient": lambda x: 2.0 * x,
        "x0": np.array([3.0, -2.0]),
        "name": "sphere",
    }
    return Problem(**(given | more))


def test_convergence_is_confirmed_by_the_checker() -> None:
    result = run(Toy(), sphere(lb=1.0), seed=3)
    assert result.success
    assert bool(result)
    assert (result.stop, result.point) == (StopReason.CONVERGED, PointStatus.STATIONARY)
    assert np.array_equal(result.x, [1.0, 1.0])
    assert np.array_equal(result.multipliers.bounds, [-2.0, -2.0])
    assert (result.method, result.problem, result.seed) == ("toy", "sphere", 3)
    assert result.extras == {"error": 0.0}
    assert result.time > 0.0


def test_the_iteration_limit_counts_steps() -> None:
    for limit in (0, 1, 4):
        result = run(Toy(), sphere(), limits=Limits(max_iter=limit))
        assert result.iterations == limit
        assert result.stop is StopReason.MAX_ITER
        assert result.evaluations["objective"] == limit + 1


def test_the_evaluation_limit_keeps_the_best_point() -> None:
    calls = []

    def objective(x: Any) -> float:
        calls.append(x)
        return float(x @ x)

    result = run(Toy(), sphere(objective=objective), limits=Limits(max_eval=4))
    assert len(calls) == 4
    assert result.stop is StopReason.MAX_EVAL
    assert result.point is PointStatus.FEASIBLE
    assert result.fun == pytest.approx(13.0 * 0.8**6)
    assert not result.success
    with pytest.raises(SolveError, match="evaluations"):
        result.raise_if_failed()


def test_no_evaluation_at_all() -> None:
    result = run(Toy(), sphere(), limits=Limits(max_eval=0))
    assert result.stop is StopReason.MAX_EVAL
    assert np.array_equal(result.x, [3.0, -2.0])
    assert math.isnan(result.fun)


def test_the_time_limit() -> None:
    def slow(x: Any) -> float:
        time.sleep(0.02)
        return float(x @ x)

    began = time.monotonic()
    result = run(Toy(rate=1e-6), sphere(objective=slow), limits=Limits(max_time=0.1))
    assert result.stop is StopReason.MAX_TIME
    assert time.monotonic() - began < 2.0
    assert result.certificate.primal == 0.0


@pytest.mark.parametrize("limits", [{"max_iter": -1}, {"max_eval": -1}, {"max_time": math.nan}])
def test_limits_that_make_no_sense(limits: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(limits))):
        Limits(**limits)


@pytest.mark.parametrize("function", ["objective", "gradient"])
def test_a_failure_at_the_start_names_function_and_point(function: str) -> None:
    def broken(_x: Any) -> float:
        message = "no licence"
        raise OSError(message)

    result = run(Toy(), sphere(**{function: broken}))
    assert result.stop is StopReason.EVAL_ERROR
    assert result.point is PointStatus.UNKNOWN
    for words in (function, "no licence", "start", "[3, -2]"):
        assert words in result.message
    assert np.array_equal(result.x, [3.0, -2.0])
    assert math.isnan(result.certificate.dual)


def test_a_failure_later_keeps_the_best_point_and_its_certificate() -> None:
    def objective(x: Any) -> float:
        return float(x @ x) if abs(x[0]) > 1.0 else math.nan

    result = run(Toy(), sphere(objective=objective))
    assert result.stop is StopReason.EVAL_ERROR
    assert result.fun == pytest.approx(13.0 * 0.8**8)
    assert result.certificate.dual == pytest.approx(6.0 * 0.8**4)
    assert "start" not in result.message


def test_a_numerical_failure_is_a_value() -> None:
    result = run(Toy(fail_at=3), sphere())
    assert result.stop is StopReason.NUMERICAL_ERROR
    assert "singular" in result.message
    assert result.evaluations["objective"] == 4


def test_a_bug_is_not_hidden() -> None:
    class Broken(Toy):
        def step(self, oracle: Oracle, state: Any) -> Any:
            raise KeyError(state, oracle)

    with pytest.raises(KeyError):
        run(Broken(), sphere())
    with pytest.raises(ProblemError, match=r"\(2,\)"):
        run(Toy(), sphere(gradient=lambda _x: np.ones(3)))


def test_a_false_claim_is_not_reported_as_a_solution() -> None:
    result = run(Toy(claims=True), sphere())
    assert result.stop is StopReason.CONVERGED
    assert result.point is PointStatus.FEASIBLE
    assert not result.success
    assert "dual" in result.message


def test_a_refused_method_may_go_on() -> None:
    result = run(Toy(claims=True, can_tighten=True), sphere())
    assert result.success
    assert result.iterations > 10


def test_the_incumbent_wins_when_the_last_iterate_is_worse() -> None:
    # x <- -1.1 x: every iterate is worse than the one before.
    result = run(Toy(rate=1.05), sphere(), limits=Limits(max_iter=3))
    assert np.array_equal(result.x, [3.0, -2.0])
    assert result.fun == 13.0
    assert result.certificate.dual == 6.0


def test_observers_see_the_users_variables_through_reductions() -> None:
    class Scaled(Toy):
        def prepare(self, problem: Problem) -> Any:
            return Scaling(0.5, np.ones(0), np.array([2.0, 4.0])).apply(problem)

    seen: list[tuple[int, Progress]] = []

    def watch(k: int, progress: Progress) -> None:
        seen.append((k, progress))

    result = run(Scaled(), sphere(), observers=[watch])
    assert [k for k, _ in seen] == list(range(result.iterations + 1))
    assert np.array_equal(seen[0][1].x, [3.0, -2.0])
    assert seen[0][1].f == 13.0
    assert result.evaluations["objective"] == result.iterations + 1
    assert result.success


def test_an_observer_stops_and_all_see_the_last_iterate() -> None:
    history = History()
    result = run(Toy(), sphere(), observers=[lambda k, _p: k == 2, history])
    assert result.stop is StopReason.USER
    assert result.iterations == 2
    assert [row.k for row in history.rows] == [0, 1, 2]
    assert len(result.history) == 3


class Lifecycle(AbstractObserver):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def open(self, info: RunInfo) -> None:
        self.events.append((info.method, info.problem, info.n, info.m))

    def __call__(self, k: int, progress: Progress) -> None:
        if k == 1:
            self.events.append(progress.f)

    def close(self, result: Result | None) -> None:
        self.events.append(None if result is None else result.stop)


def test_observers_are_closed_whatever_happens() -> None:
    calm, stormy = Lifecycle(), Lifecycle()
    run(Toy(), sphere(), observers=[calm])
    assert calm.events[0] == ("toy", "sphere", 2, 0)
    assert calm.events[-1] is StopReason.CONVERGED
    with pytest.raises(ProblemError):
        run(Toy(), sphere(gradient=lambda _x: np.ones(3)), observers=[stormy])
    assert stormy.events[-1] is None


def test_one_ctrl_c_ends_at_the_next_evaluation() -> None:
    calls = []

    def objective(x: Any) -> float:
        calls.append(x)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return float(x @ x)

    before = signal.getsignal(signal.SIGINT)
    result = run(Toy(), sphere(objective=objective))
    assert result.stop is StopReason.USER
    assert len(calls) == 3
    assert result.fun == pytest.approx(13.0 * 0.8**4)
    assert math.isfinite(result.certificate.dual)
    assert signal.getsignal(signal.SIGINT) is before


def test_two_ctrl_c_do_not_wait_for_the_function() -> None:
    def objective(x: Any) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20.0)
        return float(x @ x)

    began = time.monotonic()
    result = run(Toy(), sphere(objective=objective))
    assert time.monotonic() - began < 10.0
    assert result.stop is StopReason.USER
    assert np.array_equal(result.x, [3.0, -2.0])


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    results: list[Result] = []
    worker = threading.Thread(target=lambda: results.append(run(Toy(), sphere())))
    worker.start()
    worker.join()
    assert results[0].success
    mine = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        handler = signal.getsignal(signal.SIGINT)
        run(
            Toy(),
            sphere(),
            observers=[lambda *_: signal.getsignal(signal.SIGINT) is not handler],
        )
    finally:
        signal.signal(signal.SIGINT, mine)


def test_warm_start_reaches_the_method_in_its_own_variables() -> None:
    class Scaled(Toy):
        def prepare(self, problem: Problem) -> Any:
            return Scaling(0.5, np.ones(0), np.array([2.0, 4.0])).apply(problem)

    method = Scaled()
    warm = WarmStart(np.array([2.0, 8.0]), np.zeros(0), np.array([1.0, 1.0]), {"k": 1})
    run(method, sphere(), warm=warm)
    x0, given, _ = method.seen[0]
    assert np.array_equal(x0, [1.0, 2.0])
    assert np.array_equal(given.z, [1.0, 2.0])
    assert given.extras == {"k": 1}


def test_the_seed_decides_the_random_numbers() -> None:
    method = Toy()
    for seed in (1, 1, 2):
        run(method, sphere(), seed=seed)
    draws = [draw for _, _, draw in method.seen]
    assert draws[0] == draws[1] != draws[2]


def test_inner_loops_share_limits_and_leave_them_as_they_were() -> None:
    oracle = Oracle(sphere())
    ending = iterate(Toy(), oracle, np.array([3.0, -2.0]), Limits(max_eval=3))
    assert ending.stop is StopReason.MAX_EVAL
    assert ending.state is not None
    again = iterate(Toy(), oracle, ending.state.x, Limits(max_iter=2))
    assert again.stop is StopReason.MAX_ITER
    oracle.request_stop(StopReason.USER)
    assert iterate(Toy(), oracle, np.array([5.0, 5.0])).stop is StopReason.USER


def test_a_view_shares_the_stop_request_but_not_the_counts() -> None:
    root = Oracle(sphere())
    view = root.view(sphere(objective=lambda x: 2.0 * root.objective(x)))
    x = np.array([1.0, 1.0])
    assert view.objective(x) == 4.0
    assert view.objective(x) == 4.0
    assert root.counts["objective"] == view.counts["objective"] == 1
    root.request_stop(StopReason.MAX_TIME)
    assert iterate(Toy(), view, np.array([3.0, 3.0])).stop is StopReason.MAX_TIME
