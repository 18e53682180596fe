from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from bench_toys import SETTINGS, TOY
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import optlab
from optlab import Problem
from optlab.bench import MethodSpec, ProblemSpec
from optlab.bench.measure import HISTORY_ROWS, hide, measure, peak_memory, thinned
from optlab.bench.plan import Task
from optlab.bench.warmup import tiny_problems, warm_up
from optlab.core.observers import HistoryRow
from optlab.typing import Vector
from optlab_problems.classic import sif_path

KINDS: dict[str, dict[str, Any]] = {
    "none": {},
    "linear": {"linear": [True]},
    "nonlinear": {"linear": [False]},
    "unknown": {"linear": None},
}


def like(kind: str, **more: Any) -> Problem:
    """Return a problem whose kind of rows is to be imitated."""
    rows: dict[str, Any] = {}
    if kind != "none":
        rows = {"constraints": lambda x: x[:1], "jacobian": lambda _: np.eye(1, 2), "cl": [0.0]}
        rows |= {"cu": [1.0], **KINDS[kind]}
    verbs: dict[str, Any] = {
        "gradient": lambda x: 2.0 * x,
        "hessian": lambda _x, _y, sigma: sigma * 2.0 * np.eye(2),
    }
    return Problem(objective=lambda x: float(x @ x), x0=np.ones(2), **{**verbs, **rows, **more})


def slopes(function: Any, x: Vector) -> Vector:
    """Return central differences, one column per variable."""
    steps = 1e-5 * np.eye(x.size)
    return np.array([(function(x + d) - function(x - d)) / 2e-5 for d in steps]).T


@pytest.mark.parametrize("kind", KINDS)
def test_warm_up_problems_have_right_derivatives(kind: str) -> None:
    for tiny in tiny_problems(like(kind)):
        x = tiny.x0 + 0.01 * np.arange(tiny.n)
        y = np.linspace(-1.0, 1.0, tiny.m)

        def lagrangian(x: Any, tiny: Problem = tiny, y: Any = y) -> Any:
            rows = tiny.jacobian(x).T @ y if tiny.m else 0.0
            return 0.7 * np.asarray(tiny.gradient(x)) + rows

        assert np.allclose(slopes(tiny.objective, x), tiny.gradient(x), atol=1e-6)
        if tiny.m:
            dense = sparse.csr_array(tiny.jacobian(x)).toarray()
            assert np.allclose(slopes(tiny.constraints, x), dense, atol=1e-6)
        dense = sparse.csr_array(tiny.hessian(x, y, 0.7)).toarray()
        assert np.allclose(slopes(lagrangian, x), dense, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_up_problems_can_be_solved_and_resemble_the_problem(kind: str) -> None:
    dense, sparse_one = tiny_problems(like(kind))
    for tiny in (dense, sparse_one):
        assert optlab.minimize(tiny, method="npasa").success
        expected = {"none": 0, "linear": 1}.get(kind, 2)
        found = 0 if tiny.m == 0 else 1 if tiny.linear is not None and tiny.linear.all() else 2
        assert found == expected
    assert sparse_one.n > 10 * dense.n
    blind = next(tiny_problems(like(kind, gradient=None, hessian=None, jacobian=None)))
    assert not blind.has_gradient
    assert not blind.has_hessian


def test_a_method_that_fails_in_the_warm_up_says_so_in_its_run() -> None:
    task = Task(ProblemSpec("A", "A.toy"), MethodSpec("m", "bench-missing"), SETTINGS)
    warm_up(task, like("none"))


@given(st.integers(0, 3000))
def test_a_history_is_thinned_evenly_and_keeps_its_ends(count: int) -> None:
    rows = [HistoryRow(k, 1.0 / (k + 1), 0.0, None, None, 0.0, {}) for k in range(count)]
    kept = [row[0] for row in thinned(rows)]
    assert len(kept) == min(count, HISTORY_ROWS)
    assert kept == sorted(set(kept))
    if count:
        assert (kept[0], kept[-1]) == (0, count - 1)
        assert max(np.diff(kept), default=1) <= count / HISTORY_ROWS + 2


def test_what_is_no_number_becomes_null() -> None:
    row = HistoryRow(0, float("nan"), float("inf"), None, None, 0.0, {})
    assert json.dumps(thinned([row])) == "[[0, null, null, null]]"


def test_hiding_leaves_the_rest_as_it_is() -> None:
    problem = like("linear")
    assert hide(problem, "exact") is problem
    gradients = hide(problem, "gradients")
    assert (gradients.has_gradient, gradients.has_jacobian) == (True, True)
    assert not gradients.has_hessian
    functions = hide(problem, "functions")
    assert not functions.has_gradient
    assert not functions.has_jacobian
    assert functions.m == 1
    assert functions.constraints(np.array([3.0, 4.0])) == [3.0]


def test_phases_are_told_in_order_with_what_is_known() -> None:
    told: list[tuple[str, set[str]]] = []
    spec = ProblemSpec.of(sif_path("HS71"))
    record = measure(
        Task(spec, MethodSpec("npasa", "npasa"), SETTINGS),
        lambda phase, known: told.append((phase, set(known))),
    )
    assert [phase for phase, _ in told] == ["load", "warm-up", "solve", "judge"]
    assert "n" not in told[0][1]
    assert "n" in told[1][1]
    assert {"cpu", "f", "history"} <= told[3][1]
    assert record["solved"]
    assert record["class"] == "nonlinear"
    json.dumps(record, allow_nan=False)


def test_peak_memory_is_of_this_process_and_not_of_its_parent() -> None:
    ballast = np.ones(2**25)
    code = "from optlab.bench.measure import peak_memory; print(peak_memory())"
    paths = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    here = peak_memory()
    assert here is not None
    assert int(done.stdout) < ballast.nbytes <= here


def test_the_label_is_no_part_of_the_record() -> None:
    assert "label" not in measure(
        Task(ProblemSpec("A", "A.toy"), TOY, SETTINGS), lambda *_: None
    )
