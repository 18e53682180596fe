"""The numbers of a report, worked out by hand for a few made-up runs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from bench_toys import lost, made_up
from hypothesis import given
from hypothesis import strategies as st

from optlab.bench.report import headline
from optlab.bench.report.profiles import best_shares, data_profile, performance_profile
from optlab.bench.report.summary import (
    Summary,
    cpu,
    different,
    ending,
    evaluations,
    own_cpu,
    summarise,
)
from optlab.errors import OptionError


def run(problem: str, label: str, nf: int, seconds: float, **more: Any) -> dict[str, Any]:
    counts = {"objective": nf, "constraints": 0}
    return made_up(problem, label, evaluations=counts, cpu=seconds, **more)


@pytest.fixture
def whole() -> Summary:
    return summarise(
        [
            run("A", "new", 10, 1.0, callback_cpu=0.5),
            run("A", "ipopt", 20, 4.0, callback_cpu=0.5),
            run("B", "new", 30, 8.0, callback_cpu=1.0, f=1.0),
            run("B", "ipopt", 10, 2.0, callback_cpu=1.0, f=1.1),
            run("C", "new", 5, 1.0, **{"class": "QP"}),
            lost("C", "ipopt", "timeout"),
            lost("D", "new", "crash"),
            run("D", "ipopt", 7, 1.0, solved=False, wrong_claim=True),
            run("E", "new", 1, 1.0),
        ]
    )


def test_counts(whole: Summary) -> None:
    assert (whole.methods, whole.reference) == (["new", "ipopt"], "ipopt")
    new, ipopt = whole.counts["new"], whole.counts["ipopt"]
    assert (new.runs, new.solved, new.wrong_claims) == (5, 4, 0)
    assert (ipopt.runs, ipopt.solved, ipopt.wrong_claims) == (4, 2, 1)
    assert new.endings == {"solved": 4, "crash": 1}
    assert ipopt.endings == {"solved": 2, "timeout": 1, "converged, not certified": 1}
    assert list(whole.classes) == ["QP", "nonlinear"]
    assert whole.classes["QP"]["new"].solved == 1
    assert whole.classes["QP"]["ipopt"].runs == 1
    assert whole.comparable == ["A", "B", "C", "D"]


def test_pairs(whole: Summary) -> None:
    (pair,) = whole.pairs
    assert (pair.method, pair.reference) == ("new", "ipopt")
    assert (pair.common, pair.both, pair.only_method, pair.only_reference) == (4, 2, 1, 0)
    assert pair.different_f == 1
    # Of 10 and 30; of 20 and 10; of 1/2 and 3.
    assert (pair.evaluations, pair.reference_evaluations) == (20.0, 15.0)
    assert pair.evaluations_ratio == 1.75
    # sqrt(1/4 * 8/2) and sqrt(0.5/3.5 * 7/1).
    assert pair.cpu_ratio == pytest.approx(1.0)
    assert pair.own_cpu_ratio == pytest.approx(1.0)
    assert [(n, p[0].both) for n, p in whole.class_pairs.items()] == [
        ("QP", 0),
        ("nonlinear", 2),
    ]
    assert math.isnan(whole.class_pairs["QP"][0].cpu_ratio)


def test_disagreements(whole: Summary) -> None:
    found = [(d.problem, d.kind) for d in whole.disagreements]
    assert found == [("B", "different f"), ("C", "one solves"), ("D", "wrong claim")]
    by_problem = {d.problem: d.detail for d in whole.disagreements}
    assert "lowest: new" in by_problem["B"]
    assert by_problem["C"] == "solved by new; not by ipopt (timeout)"
    assert "ipopt says STATIONARY" in by_problem["D"]


def test_functions_whose_time_is_unknown_leave_the_own_time_unknown() -> None:
    whole = summarise([run("A", "a", 1, 1.0, callback_cpu=None), run("A", "b", 1, 1.0)])
    assert math.isnan(whole.pairs[0].own_cpu_ratio)
    assert whole.pairs[0].cpu_ratio == pytest.approx(1.0)


def test_a_busy_machine_is_told() -> None:
    runs = [
        run("A", "a", 1, 1.0, wall=1.1),
        run("B", "a", 1, 1.0, wall=2.0),
        run("C", "a", 1, 0.1, wall=0.9),
        lost("D", "a", "timeout"),
    ]
    assert summarise(runs).starved == 1
    assert "1 of 4 runs" in headline(runs)
    assert "busy" not in headline(runs[:1])


def test_costs_of_a_run() -> None:
    both = made_up("A", "a", evaluations={"objective": 3, "constraints": 5}, cpu=0.0)
    assert evaluations(both) == 5
    assert cpu(both) > 0.0
    assert own_cpu(both) > 0.0
    assert evaluations(lost("A", "a", "crash")) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "solved"),
        ({"solved": False}, "converged, not certified"),
        ({"solved": False, "stop": "MAX_TIME"}, "max time"),
        ({"solved": False, "point": "INFEASIBLE_STATIONARY"}, "infeasible stationary"),
        ({"outcome": "memory", "solved": False}, "memory"),
    ],
)
def test_endings_in_words(changes: dict[str, Any], words: str) -> None:
    assert ending(made_up("A", "a", **changes)) == words


def test_values_are_compared_relative_to_their_size() -> None:
    assert not different(1e6, 1e6 + 50.0)
    assert different(1e6, 1e6 + 500.0)
    assert not different(0.0, 5e-5)
    assert different(0.0, 5e-4)


def test_what_cannot_be_reported_is_refused() -> None:
    with pytest.raises(OptionError, match="no runs"):
        summarise([])
    with pytest.raises(OptionError, match="'slow'"):
        summarise([made_up("A", "a")], "slow")
    with pytest.raises(OptionError, match="two runs"):
        summarise([made_up("A", "a"), made_up("A", "a")])


def test_the_reference_is_ipopt_the_one_asked_for_or_the_last() -> None:
    runs = [made_up("A", label) for label in ("a", "ipopt", "b")]
    assert summarise(runs).reference == "ipopt"
    assert summarise(runs, "a").reference == "a"
    assert summarise([runs[0], runs[2]]).reference == "b"


def test_a_mixture_of_settings_is_told() -> None:
    other = made_up("B", "a")
    other["task"] = {**other["task"], "settings": {**other["task"]["settings"], "tol": 1e-3}}
    settings = summarise([made_up("A", "a"), other]).settings
    assert settings["tolerance"] == ["1e-06", "0.001"]
    assert settings["time limit (s)"] == ["10"]


def test_performance_profile_by_hand(whole: Summary) -> None:
    new, ipopt = performance_profile(whole, evaluations)
    assert (new.costs, ipopt.costs) == ([1.0, 1.0, 3.0], [1.0, 2.0])
    assert (new.total, ipopt.total) == (4, 4)
    assert [new.share(a) for a in (0.9, 1.0, 2.9, 3.0, 1e9)] == [0.0, 0.5, 0.5, 0.75, 0.75]
    assert best_shares([new, ipopt]) == {"new": 2, "ipopt": 1}


def test_data_profile_by_hand(whole: Summary) -> None:
    new, ipopt = data_profile(whole, evaluations, lambda r: r["n"] + 1.0)
    assert new.costs == [1.0, 2.0, 6.0]
    assert ipopt.costs == [2.0, 4.0]


COSTS = st.lists(
    st.tuples(*[st.one_of(st.none(), st.floats(1e-3, 1e3))] * 3), min_size=1, max_size=8
)


@given(COSTS)
def test_profiles_rise_to_the_share_that_is_solved(
    costs: list[tuple[float | None, ...]],
) -> None:
    runs = [
        lost(f"P{i}", label, "timeout") if cost is None else run(f"P{i}", label, 1, cost)
        for i, row in enumerate(costs)
        for label, cost in zip("abc", row, strict=True)
    ]
    whole = summarise(runs)
    profiles = performance_profile(whole, cpu)
    for profile in profiles:
        assert profile.costs == sorted(profile.costs)
        assert all(cost >= 1.0 for cost in profile.costs)
        assert profile.share(math.inf) == whole.counts[profile.label].solved / len(costs)
    # Every problem that some method solves has a best method.
    solved = sum(any(cost is not None for cost in row) for row in costs)
    assert sum(best_shares(profiles).values()) >= solved
