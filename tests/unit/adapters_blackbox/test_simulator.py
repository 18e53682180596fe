"""What a simulator does with points: shapes, failures, retries, budget, counts, side by side as one after another."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import simulators
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import BudgetError, EvaluationError, OptionError, ProblemError
from optlab_adapters.blackbox import (
    EvaluationCache,
    PythonFunction,
    RejectedPointError,
    Retries,
    Simulator,
)

POINTS = np.array([[1.0, 2.0], [0.5, 0.25], [3.0, 1.0]])


class Flaky:
    """Fail as often as told, point by point; take notes."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.error = failures, error or OSError("busy")
        self.calls: list[float] = []

    def __call__(self, x: Any) -> float:
        key = float(x[0])
        self.calls.append(key)
        if self.calls.count(key) <= self.failures:
            raise self.error
        return key


def patient(count: int, naps: list[float] | None = None, **more: float) -> Retries:
    return Retries(count, sleep=(naps if naps is not None else []).append, **more)


# Shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("axes", [(), (1,), (4,), (2, 3), (0,)])
def test_outputs_have_the_axes_of_the_points(batch: bool, axes: tuple[int, ...]) -> None:
    function = simulators.smooth_batch if batch else simulators.smooth
    simulator = Simulator(function, batch=batch, outputs=3)
    points = np.random.default_rng(0).random((*axes, 2))
    found = simulator(points)
    assert found.shape == (*axes, 3)
    expected = simulators.smooth_batch(points.reshape(-1, 2)).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_simulator_that_returns_a_number_gives_numbers() -> None:
    simulator = Simulator(simulators.number)
    assert isinstance(simulator([0.3, 1.3]), float)
    assert simulator([0.3, 1.3]) == 1.0
    assert simulator(np.full((4, 2), 0.3)).shape == (4,)
    many = Simulator(lambda x: x.sum(axis=1), batch=True)
    assert many(POINTS).tolist() == [3.0, 0.75, 4.0]


def test_the_function_cannot_change_what_it_was_given() -> None:
    def greedy(x: Any) -> float:
        x += 1.0
        return float(x.sum())

    points = POINTS.copy()
    Simulator(greedy)(points)
    np.testing.assert_array_equal(points, POINTS)


@pytest.mark.parametrize(
    ("function", "batch", "said"),
    [
        (lambda x: np.zeros((2, 2)), False, "a number or"),  # noqa: ARG005
        (lambda x: np.zeros(7), True, "batch=True"),  # noqa: ARG005
        (lambda x: "warm", False, "not numbers"),  # noqa: ARG005
        (lambda x: [[1.0], [1.0, 2.0], [3.0]], True, "not numbers"),  # noqa: ARG005
    ],
)
def test_a_mistake_in_the_program_is_no_failed_run(
    function: Any, batch: bool, said: str
) -> None:
    simulator = Simulator(
        function, batch=batch, on_failure="drop", outputs=2, retries=patient(3)
    )
    with pytest.raises(ProblemError, match=said):
        simulator(POINTS)
    assert simulator.counts.retries == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_refused_before_anything_is_run(bad: float) -> None:
    simulator = Simulator(simulators.number)
    with pytest.raises(ProblemError, match="point 1 of 2"):
        simulator([[0.0, 0.0], [0.0, bad]])
    with pytest.raises(ProblemError, match="a point of shape"):
        simulator(1.0)
    assert simulator.counts.queries == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_failure": "ignore"}, "'stop', 'drop', 'penalise'"),
        ({"on_failure": "penalise"}, "penalty="),
        ({"penalty": 1.0}, "penalty="),
        ({"max_queries": -1}, "max_queries is -1"),
        ({"batch_size": 0}, "batch_size"),
        ({"retries": -1}, "negative"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Simulator(simulators.number, **options)


def test_a_run_says_itself_how_many_points_it_takes() -> None:
    with pytest.raises(OptionError, match="says itself"):
        Simulator(PythonFunction(simulators.smooth_batch, batch=True), batch=True)
    with pytest.raises(OptionError, match="a function of a point"):
        Simulator(3.0)  # type: ignore[arg-type]


# Failures -----------------------------------------------------------------------------------------


BAD = np.array([[1.0, 2.0], [-1.0, 1.0], [2.0, -1.0], [3.0, 4.0]])
"""The second raises, the third gives nan."""


def test_stop_raises_with_the_point_and_the_cause() -> None:
    simulator = Simulator(simulators.fails_left)
    with pytest.raises(EvaluationError, match=r"no convergence at -1.*x = \[-1, 1\]") as caught:
        simulator(BAD)
    assert isinstance(caught.value.__cause__, ArithmeticError)
    np.testing.assert_array_equal(caught.value.x, BAD[1])
    with pytest.raises(EvaluationError, match=r"returned \[ 2. nan\]"):
        simulator(BAD[2])


def test_drop_gives_nan_for_the_whole_row() -> None:
    simulator = Simulator(simulators.fails_left, on_failure="drop")
    found = simulator(BAD)
    assert np.isnan(found[1:3]).all()
    np.testing.assert_array_equal(found[[0, 3]], BAD[[0, 3]])
    evaluated = simulator.evaluate(BAD)
    assert evaluated.ok.tolist() == [True, False, False, True]
    assert sorted(evaluated.errors) == [1, 2]
    assert simulator.counts.failures == 4


@pytest.mark.parametrize("penalty", [9.0, [7.0, 8.0]])
def test_penalise_puts_the_penalty_in_its_place(penalty: Any) -> None:
    simulator = Simulator(simulators.fails_left, on_failure="penalise", penalty=penalty)
    found = simulator(BAD)
    np.testing.assert_array_equal(found[1:3], np.broadcast_to(penalty, (2, 2)))
    np.testing.assert_array_equal(found[[0, 3]], BAD[[0, 3]])


def test_a_penalty_of_another_shape_is_refused() -> None:
    simulator = Simulator(simulators.fails_left, on_failure="penalise", penalty=[1.0, 2.0, 3.0])
    with pytest.raises(ProblemError, match=r"penalty has shape \(3,\)"):
        simulator(BAD)


def test_without_one_success_the_number_of_outputs_is_unknown_and_the_failure_is_raised() -> (
    None
):
    with pytest.raises(EvaluationError, match="no convergence"):
        Simulator(simulators.fails_left, on_failure="drop")(BAD[1:2])
    known = Simulator(simulators.fails_left, on_failure="drop", outputs=2)
    assert np.isnan(known(BAD[1:2])).tolist() == [[True, True]]


def test_outputs_that_are_cut_off_are_a_failed_run_and_not_kept() -> None:
    simulator = Simulator(
        lambda x: np.ones(3 if x[0] < 2.0 else 2),
        on_failure="drop",
        cache=":memory:",
        identity="cut",
    )
    found = simulator(POINTS)
    assert np.isnan(found).all(axis=1).tolist() == [False, False, True]
    assert "shape (2,) where shape (3,)" in str(simulator.evaluate(POINTS).errors[2])
    assert len(simulator.archive()[0]) == 2


def test_a_failed_batch_is_tried_point_by_point() -> None:
    calls = []

    def batch(x: Any) -> Any:
        calls.append(len(x))
        if (x[:, 0] < 0.0).any():
            raise ArithmeticError("one is bad")
        return x

    simulator = Simulator(batch, batch=True, on_failure="drop")
    found = simulator(BAD)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2, 3]], BAD[[0, 2, 3]])
    assert calls == [4, 1, 1, 1, 1]
    assert simulator.counts.queries == 4
    assert simulator.counts.failures == 1


# Retries ------------------------------------------------------------------------------------------


def test_a_run_that_fails_now_and_then_is_tried_again_after_growing_pauses() -> None:
    naps: list[float] = []
    flaky = Flaky(failures=4)
    simulator = Simulator(flaky, retries=patient(4, naps, wait=1.0, factor=3.0, longest=10.0))
    assert simulator([5.0]) == 5.0
    assert naps == [1.0, 3.0, 9.0, 10.0]
    counts = simulator.counts
    assert (counts.queries, counts.retries, counts.failures) == (1, 4, 0)


def test_retries_end() -> None:
    flaky = Flaky(failures=99)
    simulator = Simulator(flaky, retries=patient(3))
    with pytest.raises(EvaluationError, match="busy"):
        simulator([5.0])
    assert len(flaky.calls) == 4
    counts = simulator.counts
    assert (counts.queries, counts.retries, counts.failures) == (1, 3, 1)


def test_a_rejected_point_is_not_tried_again() -> None:
    flaky = Flaky(failures=99, error=RejectedPointError("outside the model"))
    with pytest.raises(EvaluationError, match="outside the model"):
        Simulator(flaky, retries=patient(3))([5.0])
    assert len(flaky.calls) == 1


def test_nan_is_a_result_and_not_tried_again() -> None:
    calls = []

    def function(x: Any) -> float:
        calls.append(x)
        return float("nan")

    assert np.isnan(
        Simulator(function, on_failure="drop", outputs=0, retries=patient(3))([1.0])
    )
    assert len(calls) == 1


# Budget -------------------------------------------------------------------------------------------


@given(
    budget=st.integers(0, 12),
    sizes=st.lists(st.integers(1, 5), max_size=6),
    batch=st.booleans(),
    remember=st.booleans(),
)
def test_the_budget_is_exact(
    budget: int, sizes: list[int], batch: bool, remember: bool
) -> None:
    ran: list[Any] = []

    def function(x: Any) -> Any:
        ran.extend(x if batch else [x])
        return x

    simulator = Simulator(
        function,
        batch=batch,
        max_queries=budget,
        cache=":memory:" if remember else None,
        identity="f",
    )
    expected = 0
    for k in sizes:
        # With a cache, the later calls ask for points that the earlier ones paid for.
        points = np.arange(1.0, k + 1.0)[:, None]
        new = max(0, k - expected) if remember else k
        if expected + new <= budget:
            simulator(points)
            expected += new
        else:
            with pytest.raises(
                BudgetError, match=f"{budget - expected} of max_queries={budget}"
            ):
                simulator(points)
        assert len(ran) == simulator.counts.queries == expected <= budget


def test_threads_share_a_budget() -> None:
    barrier = threading.Barrier(4)
    ran = []

    def function(x: Any) -> float:
        ran.append(x)
        return 0.0

    simulator = Simulator(function, max_queries=6)

    def ask(i: int) -> int:
        barrier.wait()
        done = 0
        for j in range(3):
            try:
                simulator([float(3 * i + j)])
            except BudgetError:
                continue
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(4))) == 6
    assert len(ran) == simulator.counts.queries == 6


def test_queries_that_were_not_run_are_given_back() -> None:
    simulator = Simulator(simulators.fails_left, max_queries=4)
    with pytest.raises(EvaluationError):
        simulator(BAD)
    # One after another: the third and the fourth never ran.
    assert simulator.counts.queries == 2
    simulator(BAD[[0, 3]])
    with pytest.raises(BudgetError):
        simulator(BAD[0])


# Side by side -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 2, 7])
@pytest.mark.parametrize("batch", [False, True])
def test_threads_give_what_one_after_another_gives(batch: bool, batch_size: int | None) -> None:
    points = np.random.default_rng(1).random((9, 2))
    function = simulators.smooth_batch if batch else simulators.smooth
    serial = Simulator(function, batch=batch)
    with ThreadPoolExecutor(3) as pool:
        threads = Simulator(function, batch=batch, executor=pool, batch_size=batch_size)
        np.testing.assert_array_equal(threads(points), serial(points))
    assert threads.counts.queries == serial.counts.queries == 9


def test_processes_give_the_same_failures_and_numbers() -> None:
    serial = Simulator(simulators.fails_left, on_failure="drop").evaluate(BAD)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = Simulator(simulators.fails_left, on_failure="drop", executor=pool).evaluate(BAD)
    np.testing.assert_array_equal(found.values, serial.values)
    assert {i: str(e) for i, e in found.errors.items()} == {
        i: str(e) for i, e in serial.errors.items()
    }


def test_a_killed_worker_is_told_and_what_was_done_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    points = np.array([[1.0], [2.0], [-1.0]])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        simulator = Simulator(
            simulators.dies_left, executor=pool, cache=path, on_failure="drop"
        )
        with pytest.raises(EvaluationError, match="worker of the executor died"):
            simulator(points)
    counts = simulator.counts
    assert counts.queries == len(simulator.archive()[0])
    again = Simulator(simulators.dies_left, cache=path)
    assert again(points[:2]).tolist() == [1.0, 2.0]
    assert again.counts.queries == 2 - counts.queries


def test_a_stopped_call_keeps_what_was_under_way() -> None:
    started, failed = threading.Event(), threading.Event()

    def function(x: Any) -> float:
        if x[0] == 0.0:
            started.wait()
            failed.set()
            raise ArithmeticError("bad")
        started.set()
        failed.wait()
        return float(x[0])

    with ThreadPoolExecutor(2) as pool:
        simulator = Simulator(function, executor=pool, cache=":memory:", identity="f")
        with pytest.raises(EvaluationError, match="bad"):
            simulator([[0.0], [1.0]])
    points, outputs = simulator.archive()
    assert points.tolist() == outputs.tolist() == [[1.0]]


def test_an_interrupted_call_keeps_what_was_done() -> None:
    def function(x: Any) -> float:
        if x[0] == 2.0:
            raise KeyboardInterrupt
        return float(x[0])

    simulator = Simulator(function, cache=":memory:", identity="f")
    with pytest.raises(KeyboardInterrupt):
        simulator([[1.0], [2.0], [3.0]])
    assert simulator.archive()[0].tolist() == [[1.0]]
    assert simulator.counts.queries == 1


# The cache, seen from here ------------------------------------------------------------------------


def test_without_a_cache_every_point_is_run_every_time() -> None:
    simulator = Simulator(simulators.number)
    simulator([[1.0], [1.0]])
    simulator([1.0])
    assert simulator.counts.queries == 3


def test_with_a_cache_no_point_is_run_twice() -> None:
    simulator = Simulator(simulators.number, cache=":memory:")
    first = simulator([[1.0], [1.0], [-0.0], [0.0]])
    assert simulator([[0.0], [1.0]]).tolist() == [first[2], first[0]]
    counts = simulator.counts
    assert (counts.queries, counts.cache_hits) == (2, 4)


def test_failed_runs_are_run_again_and_nan_is_not() -> None:
    simulator = Simulator(simulators.fails_left, on_failure="drop", cache=":memory:")
    simulator(BAD)
    simulator(BAD)
    counts = simulator.counts
    assert (counts.queries, counts.cache_hits, counts.failures) == (5, 3, 3)


@given(
    hnp.arrays(
        float,
        st.tuples(st.integers(1, 6), st.just(2)),
        elements=st.sampled_from([0.0, -0.0, 1.0, 2.5]),
    )
)
def test_a_cache_changes_no_value(points: Any) -> None:
    cached = Simulator(simulators.smooth, cache=":memory:")
    plain = Simulator(simulators.smooth)
    for _ in range(2):
        np.testing.assert_array_equal(cached(points), plain(points))
    assert cached.counts.queries == len({tuple(p + 0.0) for p in points})


def test_two_simulators_in_one_cache_do_not_meet() -> None:
    cache = EvaluationCache(":memory:")
    a = Simulator(simulators.number, cache=cache)
    b = Simulator(simulators.smooth, cache=cache)
    assert a([1.0, 2.0]) != b([1.0, 2.0])[0]
    assert a.identity != b.identity


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(np.power, 2.0),
        Flaky(0),
        "closure",
    ],
    ids=["partial", "object", "closure"],
)
def test_functions_whose_source_says_too_little_need_a_name(function: Any) -> None:
    if function == "closure":
        scale = 2.0
        function = lambda x: scale * x
    with pytest.raises(OptionError, match="identity="):
        Simulator(function, cache=":memory:")
    Simulator(function, cache=":memory:", identity="mine 1")


def test_the_archive_needs_a_cache() -> None:
    with pytest.raises(OptionError, match="no cache"):
        Simulator(simulators.number).archive()
    points, outputs = Simulator(simulators.number, cache=":memory:").archive()
    assert points.shape == outputs.shape == (0, 0)
