"""Iteration and evaluation counts on the packaged problems: a moved line must be meant."""

from __future__ import annotations

import pytest
import trajectories

COMMITTED = trajectories.read()


@pytest.mark.parametrize(("name", "method"), list(trajectories.cases()))
def test_counts_are_the_committed_ones(name: str, method: str) -> None:
    assert (name, method) in COMMITTED, "no line for it: run `make trajectories`"
    moved = trajectories.difference(COMMITTED[name, method], trajectories.record(name, method))
    assert not moved, (
        f"{name} {method} moved: {'; '.join(moved)}. If that is meant, run `make trajectories`, "
        "commit the file and say why in changes/*.trajectory.md"
    )


def test_every_committed_line_still_has_its_problem() -> None:
    assert set(COMMITTED) == set(trajectories.cases())


def test_differences_are_named() -> None:
    old = {"stop": "CONVERGED", "iterations": 3, "evaluations": {"objective": 9}, "f": 1.0}
    new = {"stop": "STALLED", "iterations": 3, "evaluations": {"objective": 11}, "f": 1.1}
    assert trajectories.difference(old, old) == []
    assert trajectories.difference(old, new) == [
        "stop: CONVERGED -> STALLED",
        "evaluations.objective: 9 -> 11",
        "f: 1.0 -> 1.1",
    ]
