"""Every kind of mistake that is planted is found where it is, and clean problems have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import optlab
from optlab.cli import main
from optlab.errors import OptionError, UnknownMethodError
from optlab.trust.inspection import Finding, Severity
from optlab_problems.catalog import load
from optlab_problems.classic import sif_path

INF = np.inf


def quadratic(A: Any, cl: Any, cu: Any, **changes: Any) -> optlab.Problem:
    """Return the nearest point to 1/2 (1, 1, ...) on rows that are linear, with every row feasible at 0."""
    A = np.array(A, dtype=float)
    m, n = A.shape
    stated: dict[str, Any] = {
        "objective": lambda x: float(np.sum((x - 0.5) ** 2)),
        "gradient": lambda x: 2.0 * (x - 0.5),
        "hessian": lambda _, __, sigma: 2.0 * sigma * np.eye(n),
        "constraints": lambda x: A @ x,
        "jacobian": lambda _: A,
        "linear": np.ones(m, dtype=bool),
        "cl": cl,
        "cu": cu,
        "x0": np.zeros(n),
        "variable_names": [f"v{j}" for j in range(n)],
        "constraint_names": [f"r{i}" for i in range(m)],
    }
    return optlab.Problem(**{**stated, **changes})


CLEAN = quadratic([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]], [-1.0, -INF], [4.0, 3.0])


def the(problem: optlab.Problem, kind: str) -> Finding:
    found = [finding for finding in optlab.check(problem) if finding.kind == kind]
    assert len(found) == 1, str(optlab.check(problem))
    assert found[0].what
    assert found[0].advice
    assert all(name in found[0].what for name in found[0].where[:6])
    return found[0]


def test_a_clean_problem_has_no_findings() -> None:
    found = optlab.check(CLEAN)
    assert not found.findings, str(found)
    assert not found.skipped
    assert found
    assert "0 errors, 0 warnings, 0 notes" in str(found)


@pytest.mark.parametrize("name", ["hs6", "hs35", "hs71", "hs106"])
def test_textbook_problems_have_nothing_serious_but_their_scaling(name: str) -> None:
    found = optlab.check(load(name))
    serious = {finding.kind for finding in found if finding.severity is not Severity.NOTE}
    # HS106 is known for it: rows of 1e-3 beside rows of 1e6.
    assert serious <= ({"scaled-rows", "scaled-columns"} if name == "hs106" else set()), str(
        found
    )


def wrong_gradient(x: np.ndarray) -> Any:
    return 2.0 * (x - 0.5) + np.array([0.0, 0.1, 0.0])


def wrong_jacobian(_: np.ndarray) -> np.ndarray:
    return np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.1]])


def wrong_hessian(_: np.ndarray, __: np.ndarray, sigma: float) -> np.ndarray:
    return 2.0 * sigma * np.diag([1.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("verb", "function", "label"),
    [
        ("gradient", wrong_gradient, "gradient[1 (v1)]"),
        ("jacobian", wrong_jacobian, "jacobian[1 (r1), 2 (v2)]"),
        ("hessian", wrong_hessian, "hessian[2 (v2), 2 (v2)]"),
    ],
)
def test_wrong_derivatives(verb: str, function: Callable[..., Any], label: str) -> None:
    problem = CLEAN.replace(**{verb: function}, linear=np.zeros(2, dtype=bool))
    found = the(problem, f"wrong-{verb}")
    assert found.severity is Severity.ERROR
    assert found.where == (label,)


def test_derivatives_of_many_variables_are_compared_when_asked_for() -> None:
    problem = optlab.Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 3.0 * x, x0=np.ones(301)
    )
    assert "301 variables" in optlab.check(problem).skipped[0]
    assert optlab.check(problem)
    assert not optlab.check(problem, derivatives=True)
    small = problem.replace(x0=np.ones(2), lb=None, ub=None)
    assert not optlab.check(small)
    assert optlab.check(small, derivatives=False)


def test_a_row_without_a_value_at_the_start_is_named() -> None:
    problem = CLEAN.replace(
        constraints=lambda x: np.array([x[0], np.log(x[1])]), linear=None, jacobian="3-point"
    )
    found = the(problem, "undefined-start")
    assert found.severity is Severity.ERROR
    assert found.where == ("r1",)


def test_an_objective_that_raises_at_the_start() -> None:
    def objective(_: np.ndarray) -> float:
        raise ZeroDivisionError("no value here")

    found = optlab.check(CLEAN.replace(objective=objective))
    assert [f.kind for f in found] == ["undefined-start"]
    assert "no value here" in found.findings[0].what


def test_a_start_outside_bounds_and_rows() -> None:
    problem = CLEAN.replace(lb=[-1.0, 2.5, -1.0], ub=5.0)
    outside = the(problem, "start-outside-bounds")
    assert outside.where == ("v1",)
    assert "2.5" in outside.what
    # There, r0 is 5 where 4 is allowed.
    violated = the(problem, "infeasible-start")
    assert violated.where == ("r0",)
    assert "most by 1 " in violated.what
    assert violated.severity is Severity.NOTE


def test_bad_scaling_names_what_is_far_from_the_rest() -> None:
    rows = [[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [3e7, 0.0, 1e7]]
    problem = quadratic(rows, [-1.0] * 3, [1.0] * 3)
    assert the(problem, "scaled-rows").where == ("r2",)
    columns = [[1.0, 2e-7, 0.5], [1.0, 1e-7, -1.0]]
    assert the(quadratic(columns, [-1.0] * 2, [1.0] * 2), "scaled-columns").where == ("v1",)
    weights = np.array([1.0, 1.0, 1e8])
    uneven = CLEAN.replace(
        objective=lambda x: float(weights @ (x - 0.5) ** 2),
        gradient=lambda x: 2.0 * weights * (x - 0.5),
        hessian=None,
    )
    assert the(uneven, "scaled-gradient").where == ("v2",)


def test_rows_and_variables_that_play_no_part() -> None:
    problem = quadratic(
        [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]],
        [-INF, -1.0],
        [1.0, 1.0],
        objective=lambda x: float((x[0] - 1.0) ** 2),
        gradient=lambda x: np.array([2.0 * (x[0] - 1.0), 0.0, 0.0]),
        hessian=None,
    )
    assert the(problem, "empty-row").where == ("r1",)
    assert the(problem, "empty-column").where == ("v2",)


def test_a_derivative_that_vanishes_at_the_start_only_is_not_empty() -> None:
    problem = optlab.Problem(
        objective=lambda x: float(x[0] ** 2 + x[1] ** 4),
        gradient=lambda x: np.array([2.0 * x[0], 4.0 * x[1] ** 3]),
        constraints=lambda x: x[:1] * x[1],
        jacobian=lambda x: sp.csr_array([[x[1], x[0]]]),
        cl=[-1.0], cu=[1.0], x0=[0.0, 0.0],
    )  # fmt: skip
    assert not optlab.check(problem).findings


def test_fixed_variables_and_free_rows() -> None:
    problem = CLEAN.replace(
        lb=[0.0, -5.0, -5.0], ub=[0.0, 5.0, 5.0], cl=[-INF, -1.0], cu=[INF, INF]
    )
    assert the(problem, "fixed-variable").where == ("v0",)
    assert the(problem, "free-row").where == ("r0",)
    assert optlab.check(problem)


def test_redundant_and_parallel_rows() -> None:
    problem = quadratic(
        [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [-2.0, 0.0, -2.0]],
        [-9.0, -1.0, -2.0], [9.0, 1.0, 2.0],
        lb=-1.0, ub=1.0,
    )  # fmt: skip
    assert the(problem, "redundant-row").where == ("r0",)
    assert set(the(problem, "parallel-rows").where) == {"r1", "r2"}


def test_two_rows_that_contradict_bounds() -> None:
    problem = quadratic(
        [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [3.0, -INF], [INF, 1.0], lb=-1.0, ub=1.0
    )
    found = the(problem, "conflict")
    assert found.where == ("r0",)
    assert found.severity is Severity.ERROR
    assert "v0" in found.what
    assert "v1" in found.what


@pytest.mark.parametrize("declared", [True, False])
def test_a_contradiction_that_takes_three_rows(declared: bool) -> None:
    # x + y >= 1, y + z >= 1, x + 2y + z <= 1.5: no pair contradicts, and no rule of presolve sees it.
    problem = quadratic(
        [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, -1.0, 3.0]],
        [1.0, 1.0, -INF, -9.0],
        [INF, INF, 1.5, 9.0],
    )
    if not declared:
        problem = problem.replace(linear=None)
    assert the(problem, "conflict").where == ("r0", "r1", "r2")


@given(st.integers(0, 10_000))
def test_conflicts_are_found_if_and_only_if_there_is_no_point(seed: int) -> None:
    """Random rows around a point have one; less than a combination of their sides is then too little."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    A = rng.integers(-3, 4, (m, n)).astype(float)
    low = A @ rng.normal(size=n) - rng.uniform(0.1, 1.0, m)
    sound = quadratic(A, low, np.full(m, INF))
    kinds = {finding.kind for finding in optlab.check(sound, derivatives=False)}
    assert not kinds & {"conflict", "empty-row"}
    weights = rng.uniform(0.5, 2.0, m)
    # weights'A x >= weights'low follows from the rows; the last asks for less, against all of them together.
    rows = np.vstack((A, weights @ A))
    high = np.append(np.full(m, INF), weights @ low - 1.0)
    found = optlab.check(quadratic(rows, np.append(low, -INF), high), derivatives=False)
    assert {"conflict", "empty-row"} & {finding.kind for finding in found}, str(found)


def test_rows_that_only_just_agree_are_no_conflict() -> None:
    problem = quadratic(
        [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 2.0, 1.0]], [1.0, 1.0, -INF], [INF, INF, 2.0]
    )
    assert {f.kind for f in optlab.check(problem)} <= {"infeasible-start"}


def test_dependent_equations_are_named_and_others_are_not() -> None:
    rows = [
        [1.0, 1.0, 0.0, 0.0],
        [0.0, 1.0, 1.0, 0.0],
        [1.0, 2.0, 1.0, 0.0],
        [0.0, 1.0, 0.0, 1.0],
    ]
    found = the(quadratic(rows, [0.0] * 4, [0.0] * 4), "dependent-rows")
    assert found.where == ("r0", "r1", "r2")
    assert "rank 3" in found.what
    inequalities = quadratic(rows, [-1.0] * 4, [0.0] * 4)
    assert "dependent-rows" not in {f.kind for f in optlab.check(inequalities)}


def test_more_equations_than_free_variables_depend_on_each_other() -> None:
    problem = quadratic(
        [[1.0, 1.0], [1.0, -1.0]], 0.0 * np.ones(2), np.zeros(2), lb=[0, -1], ub=[0, 1]
    )
    assert the(problem, "dependent-rows").where == ("r0", "r1")


def test_a_nonlinear_row_declared_linear() -> None:
    problem = CLEAN.replace(
        constraints=lambda x: np.array([x[0] + 2.0 * x[1], x[1] - x[2] + x[0] ** 2]),
        jacobian=lambda x: np.array([[1.0, 2.0, 0.0], [2.0 * x[0], 1.0, -1.0]]),
        hessian=None,
    )
    found = the(problem, "not-linear")
    assert found.where == ("r1",)
    assert found.severity is Severity.ERROR


def test_names_are_made_up_where_there_are_none() -> None:
    problem = CLEAN.replace(
        variable_names=None,
        constraint_names=None,
        lb=[0, -5, -5],
        ub=[0, 5, 5],
        cl=[-INF, 0.0],
        cu=[INF, INF],
    )
    assert the(problem, "fixed-variable").where == ("x[0]",)
    assert the(problem, "free-row").where == ("row[0]",)


def test_a_problem_without_derivatives() -> None:
    found = optlab.check(
        optlab.Problem(objective=lambda x: float(x @ x), x0=np.ones(2), constraints=lambda x: x[:1] ** 2,
                       cl=[-INF], cu=[4.0])
    )  # fmt: skip
    assert not found.findings
    assert any("estimated" in reason for reason in found.skipped)


def test_the_command_writes_the_findings_and_ends_with_a_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert main(["check", str(sif_path("HS71")), "--json", str(out)]) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["schema"] == "optlab.check/1"
    assert record["sizes"] == {"variables": 4, "constraints": 2}
    assert [f["kind"] for f in record["findings"]] == ["infeasible-start"]
    assert "infeasible-start" in capsys.readouterr().out


FIXED_CONFLICT = """NAME          BAD
ROWS
 N  OBJ
 G  LOW
COLUMNS
    X         OBJ       1.0            LOW       1.0
    Y         OBJ       1.0            LOW       1.0
RHS
    RHS       LOW       5.0
BOUNDS
 UP BND       X         1.0
 UP BND       Y         1.0
ENDATA
"""


def test_a_file_with_a_contradiction_ends_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "BAD.SIF"
    file.write_text(FIXED_CONFLICT, encoding="utf-8")
    assert main(["check", str(file)]) == 1
    shown = capsys.readouterr().out
    assert "error    conflict" in shown
    assert "'LOW'" in shown
    assert main(["check", str(file), "--quiet"]) == 1
    assert not capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nowhere.SIF"], ["FILE", "--param", "N"]])
def test_bad_input_ends_with_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(sif_path("HS71")) if word == "FILE" else word for word in arguments]
    assert main(["check", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_no_problem_is_refused() -> None:
    with pytest.raises(UnknownMethodError):
        optlab.check("model.xyz")
    with pytest.raises(OptionError):
        optlab.check(CLEAN, params={"N": 3})


def test_a_model_of_pyomo_is_inspected_by_its_names() -> None:
    pyo = pytest.importorskip("pyomo.environ")
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0.0, 1.0), initialize=0.5)
    model.y = pyo.Var(bounds=(0.0, 1.0), initialize=0.5)
    model.cost = pyo.Objective(expr=model.x**2 + model.y**2)
    model.demand = pyo.Constraint(expr=model.x + model.y >= 3.0)
    found = optlab.check(model)
    assert [finding.where for finding in found if finding.kind == "conflict"] == [("demand",)]


def test_derivatives_are_compared_at_the_start_where_nothing_near_it_has_a_value() -> None:
    start = np.array([1.0, 1.0])

    def objective(x: np.ndarray) -> float:
        # Defined within a thousandth of the start only.
        return float(x @ x) if np.abs(x - start).max() < 1e-3 else np.nan

    def problem(factor: float) -> optlab.Problem:
        return optlab.Problem(objective=objective, gradient=lambda x: factor * x, x0=start)

    right, wrong = optlab.check(problem(2.0)), optlab.check(problem(3.0))
    assert right
    assert any("empty rows" in reason for reason in right.skipped)
    assert [finding.kind for finding in wrong] == ["wrong-gradient"]
