"""The split of a solve's time: exclusive, complete, shared by nested solves."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import optlab
from optlab.core.oracle import Oracle
from optlab.core.timing import CALLBACKS, Timing
from optlab.errors import EvaluationError
from optlab.linalg import account as module
from optlab.linalg.account import TimeAccount
from optlab.linalg.kkt_system import KKTSystem
from optlab.linalg.projection import Polyhedron, Projector
from optlab.typing import Vector
from optlab_problems import read_sif
from optlab_problems.classic import sif_path


class Clock:
    """A clock that goes on by one whenever it is read, and by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


def test_a_part_inside_another_interrupts_it(clock: Clock) -> None:
    account = TimeAccount()
    account.enter("outer")  # at 1
    account.enter("inner")  # at 2
    clock.now += 10.0
    account.leave()  # at 13
    account.enter("outer")  # at 14, inside itself
    account.leave()
    account.leave()  # at 16
    assert dict(account.wall) == {"outer": 1.0 + 1.0 + 1.0 + 1.0, "inner": 11.0}
    assert dict(account.calls) == {"outer": 2, "inner": 1}


@given(st.lists(st.sampled_from(["a", "b", "c", "leave"]), max_size=40))
def test_parts_add_up_to_the_time_between_first_entry_and_last_leave(words: list[str]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "perf_counter", clock)
        account = TimeAccount()
        account.enter("whole")
        begin, depth = clock.now, 0
        for word in words:
            if word != "leave":
                account.enter(word)
                depth += 1
            elif depth:
                account.leave()
                depth -= 1
        for _ in range(depth + 1):
            account.leave()
        assert sum(account.wall.values()) == clock.now - begin


def _slow(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_functions_are_timed_under_their_names_also_when_they_raise() -> None:
    def gradient(_: Vector) -> Vector:
        _slow(0.01)
        raise ZeroDivisionError

    def objective(x: Vector) -> float:
        _slow(0.005)
        return float(x @ x)

    oracle = Oracle(optlab.Problem(objective=objective, gradient=gradient, x0=np.ones(2)))
    oracle.objective(np.ones(2))
    oracle.objective(np.ones(2))
    with pytest.raises(EvaluationError):
        oracle.gradient(np.ones(2))
    timing = Timing.of(oracle.account)
    assert timing.wall["objective"] >= 0.005
    assert timing.wall["gradient"] >= 0.01
    assert timing.calls == {"objective": 1, "gradient": 1}
    # Nothing is left open: what comes next is not charged to the gradient.
    oracle.account.enter("next")
    oracle.account.leave()
    assert oracle.account.calls["next"] == 1
    assert timing.callbacks == pytest.approx(timing.total_wall)


@pytest.fixture(scope="module")
def hs71() -> optlab.Problem:
    return read_sif(sif_path("HS71"))


@pytest.fixture(params=["npasa", "pasa", "slsqp"])
def solved(request: pytest.FixtureRequest, hs71: optlab.Problem) -> optlab.Result:
    problem = hs71
    if request.param == "pasa":
        rows = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
        problem = optlab.Problem(
            objective=lambda x: float(np.sum((x - 2.0) ** 4)),
            gradient=lambda x: 4.0 * (x - 2.0) ** 3,
            hessian=lambda x, _, sigma: sigma * np.diag(12.0 * (x - 2.0) ** 2),
            constraints=lambda x: rows @ x,
            jacobian=lambda _: rows,
            x0=[3.0, 2.0, 1.0],
            cl=[-np.inf, 1.0],
            cu=[2.0, 1.0],
            linear=[True, True],
        )
    return optlab.minimize(problem, method=request.param)


def test_every_solve_accounts_for_all_of_its_time(solved: optlab.Result) -> None:
    timing = solved.timing
    assert solved.success
    assert all(seconds >= 0.0 for seconds in timing.wall.values())
    for verb, count in solved.evaluations.items():
        assert timing.calls.get(verb, 0) == count
    # The callbacks of probing lie before the solve proper; everything else is in its time.
    assert timing.total_wall - timing.callbacks <= solved.time
    assert timing.calls["rest"] == 1
    if solved.method == "slsqp":
        assert not {"factorization", "solves", "projection"} & set(timing.wall)
    else:
        assert timing.calls["factorization"] >= 1
        assert timing.calls["solves"] >= 1
    assert timing.cpu["method"] >= 0.0
    assert sum(timing.cpu.get(v, 0.0) for v in CALLBACKS) == pytest.approx(solved.callback_time)
    assert solved.to_dict()["timing"]["calls"] == dict(timing.calls)


def test_views_share_the_account_and_count_only_the_functions_of_the_root(
    hs71: optlab.Problem,
) -> None:
    oracle = Oracle(hs71)
    view = oracle.view(oracle.as_problem())
    assert view.account is oracle.account
    x = np.array([1.0, 5.0, 5.0, 1.0])
    view.objective(x)
    view.gradient(x)
    assert dict(oracle.account.calls) == {"objective": 1, "gradient": 1}


def test_linear_algebra_counts_factorizations_and_solves_where_they_happen() -> None:
    account = TimeAccount()
    system = KKTSystem(2, 0, np.array([[1.0, 1.0]]))
    system.account = account
    free, active = np.ones(2, dtype=bool), np.ones(1, dtype=bool)
    factor = system.factorize(np.eye(2), None, 0.0, free, active)
    other = system.factorize_full(2.0 * np.eye(2), None, 0.0, free, active)
    for found in (factor, other):
        d, _, _ = found.solve(np.array([1.0, 0.0]), None, np.array([0.0]))
        assert d.sum() == pytest.approx(0.0, abs=1e-12)
    assert dict(account.calls) == {"factorization": 2, "solves": 2}
    projector = Projector(Polyhedron(np.array([[1.0, 1.0]]), [1.0], [1.0], -9.0, 9.0), account)
    projector.project(np.array([3.0, 4.0]))
    assert account.calls["projection"] == 1


def test_timings_add_up_and_say_the_largest_part_first() -> None:
    one = Timing({"rest": 1.0, "gradient": 3.0}, {"method": 1.0}, {"gradient": 2})
    two = Timing({"rest": 2.0, "solves": 1e-9}, {"method": 0.5}, {"gradient": 1, "solves": 1})
    both = one + two
    assert both.wall == {"rest": 3.0, "gradient": 3.0, "solves": 1e-9}
    assert both.cpu == {"method": 1.5}
    assert both.calls == {"gradient": 3, "solves": 1}
    assert str(one) == "gradient 75.0%, rest 25.0%"
    assert "solves" not in str(both)
    assert str(Timing()) == "not known"


def test_a_series_that_solves_again_adds_the_timings() -> None:
    """The second problem is not defined at the first answer, so its warm start fails."""

    def problem(goal: float, least: float) -> optlab.Problem:
        return optlab.Problem(
            objective=lambda x: float((x - goal) @ (x - goal)) if x[0] > least else np.nan,
            gradient=lambda x: 2.0 * (x - goal),
            x0=2.0 * np.ones(2),
        )

    series = optlab.sequence([problem(0.0, -np.inf), problem(3.0, 1.5)])
    _, second = series
    assert second.success
    assert not series.rows[1].warm
    assert second.timing.calls["rest"] == 2
    assert second.timing.calls["objective"] == second.evaluations["objective"]
