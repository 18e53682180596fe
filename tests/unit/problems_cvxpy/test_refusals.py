"""What CVXPY's nonlinear interface takes in silence, or fails on without a word, is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.errors import CapabilityError, OptlabError, ProblemError
from optlab_problems.cvxpy import upstream

cp = pytest.importorskip("cvxpy")


def least(expression: Any, *rows: Any) -> Any:
    return cp.Problem(cp.Minimize(expression), list(rows))


def variable(**attributes: Any) -> Any:
    return cp.Variable(2, name="speed", **attributes)


def soc() -> Any:
    x = variable()
    return least(cp.sum(x), cp.SOC(x[0], x))


def semidefinite() -> Any:
    X = cp.Variable((2, 2), symmetric=True)
    return least(cp.trace(X), X >> np.eye(2))


def exponential_cone() -> Any:
    x = cp.Variable(3)
    return least(x[2], cp.ExpCone(x[0], x[1], x[2]))


def concave_row() -> Any:
    x = variable()
    return least(cp.sum_squares(x), cp.max(x) >= 1)


REFUSED: list[tuple[Callable[[], Any], type[OptlabError], str]] = [
    (lambda: least(cp.sum_squares(variable(integer=True) - 0.4)), CapabilityError, "speed is integer"),
    (lambda: least(cp.sum_squares(variable(boolean=True) - 0.4)), CapabilityError, "speed is boolean"),
    (lambda: least(cp.sum(cp.abs(variable(complex=True)))), CapabilityError, "speed is complex"),
    (soc, CapabilityError, "SOC.*cp.norm"),
    (semidefinite, CapabilityError, "PSD"),
    (lambda: least(cp.sum_squares(cp.Variable((2, 2), PSD=True))), CapabilityError, "PSD"),
    (exponential_cone, CapabilityError, "ExpCone.*exp"),
    (lambda: least(cp.lambda_max(cp.Variable((2, 2), symmetric=True))), CapabilityError, "lambda_max"),
    (lambda: least(cp.sum(cp.cumsum(variable()))), CapabilityError, "cumsum"),
    (lambda: least(cp.norm(variable(), 3)), CapabilityError, "p-norm.*3"),
    (lambda: least(cp.sum(cp.power(variable(), 2, approx=False))), CapabilityError, r"x \*\* 2"),
    (lambda: least(-cp.norm1(variable())), CapabilityError, "the objective is not DNLP"),
    (concave_row, CapabilityError, "constraint .* is not DNLP"),
    (lambda: least(cp.Constant(1.0)), ProblemError, "no variables"),
    (lambda: least(cp.sum(variable() * cp.Parameter(name="gain"))), ProblemError, "gain"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_refused_by_name(make: Callable[[], Any], error: type[OptlabError], words: str) -> None:
    with pytest.raises(error, match=words):
        optlab.minimize(make())


@pytest.mark.parametrize(("make", "error", "words"), REFUSED[:7])
def test_refused_inside_cvxpy_as_well(
    make: Callable[[], Any], error: type[OptlabError], words: str
) -> None:
    pytest.importorskip("optlab.cvxpy")
    with pytest.raises(error, match=words):
        make().solve(method="optlab")


def test_integers_are_refused_by_the_nonlinear_solver_too() -> None:
    """``solve(nlp=True)`` reaches us after CVXPY's reductions: attributes are still there, cones never arrive."""
    pytest.importorskip("optlab.cvxpy")
    with pytest.raises(CapabilityError, match="speed is integer"):
        least(cp.sum_squares(variable(integer=True))).solve(nlp=True, solver="OPTLAB")
    with pytest.raises(AttributeError, match="is_dnlp"):
        soc().solve(nlp=True, solver="OPTLAB")


def test_explicit_rows_are_kept() -> None:
    """CVXPY drops NonNeg and Zero when it hands over a nonlinear problem; here they count."""
    pytest.importorskip("optlab.cvxpy")
    for solve in (optlab.minimize, lambda p: p.solve(nlp=True, solver="OPTLAB")):
        t = cp.Variable(name="t")
        problem = least(cp.square(t) + 0.7 * t, cp.Zero(t - 1))
        solve(problem)
        assert t.value == pytest.approx(1.0)
        assert problem.constraints[0].dual_value == pytest.approx(-2.7)
        problem = least(cp.square(t) + 0.7 * t, cp.NonNeg(t - 2))
        solve(problem)
        assert t.value == pytest.approx(2.0)
        assert problem.constraints[0].dual_value == pytest.approx(4.7)


def test_a_start_that_is_not_finite() -> None:
    x = cp.Variable(3, name="x")
    x.value = [0.0, np.inf, 0.0]
    with pytest.raises(ProblemError, match=r"x\[1\] is inf"):
        optlab.minimize(least(cp.sum_squares(x)))


@pytest.mark.parametrize("inside", [False, True])
def test_a_start_where_a_function_is_undefined(inside: bool) -> None:
    pytest.importorskip("optlab.cvxpy")
    height, other = cp.Variable(name="height"), cp.Variable(name="other")
    other.value, height.value = 0.0, 800.0
    in_row = least(cp.square(other), cp.exp(height) + other <= 5)
    in_objective = least(cp.exp(cp.square(height)))

    def solve(problem: Any) -> None:
        if inside:
            problem.solve(nlp=True, solver="OPTLAB")
        else:
            optlab.minimize(problem)

    for problem, words in (
        (in_row, "constraint c0 is inf .*height, other"),
        (in_objective, "objective is inf .*height"),
    ):
        height.value = 800.0
        with pytest.raises(ProblemError, match=words):
            solve(problem)


def test_the_names_behind_auxiliary_variables() -> None:
    """An undefined function of a variable that smoothing brought in is reported with the user's variable."""
    depth = cp.Variable(name="depth")
    depth.value = 1e200
    with pytest.raises(ProblemError, match=r"depends on depth:"):
        optlab.minimize(least(cp.square(cp.sqrt(depth) + 1) + cp.power(depth + 1, 2.5)))


def test_a_start_is_what_cvxpy_would_take() -> None:
    free, boxed = cp.Variable(name="free"), cp.Variable(bounds=[2, 6], name="boxed")
    half, given = cp.Variable(bounds=[3, None], name="half"), cp.Variable(name="given")
    given.value = 7.0
    problem = least(cp.sum_squares(cp.hstack([free, boxed, half, given])))
    stated = optlab.core.problem_sources.load_problem(problem)
    assert stated.variable_names is not None
    start = dict(zip(stated.variable_names, stated.x0.tolist(), strict=True))
    assert start == {"free": 0.0, "boxed": 4.0, "half": 4.0, "given": 7.0}


# The names that are not public ----------------------------------------------------------------------


def test_every_private_name_is_where_it_was() -> None:
    """When this fails, CVXPY has moved: upstream.py lists what the bridge needs, and the extra pins 1.9."""
    assert upstream.missing() == []
    assert cp.__version__.startswith("1.9.")
    x = cp.Variable()
    problem = least(cp.square(x))
    assert {"_status", "_solver_stats"} <= set(vars(problem))


def test_a_moved_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    import cvxpy.reductions.solvers.nlp_solvers.diff_engine as engine

    monkeypatch.delattr(engine, "C_problem")
    assert "C_problem" in upstream.missing()
    with pytest.raises(CapabilityError, match=r"C_problem.*cvxpy>=1.9,<1.10"):
        optlab.minimize(least(cp.square(cp.Variable())))


def test_without_cvxpy(monkeypatch: pytest.MonkeyPatch) -> None:
    from optlab.errors import MissingDependencyError

    monkeypatch.setitem(__import__("sys").modules, "cvxpy", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[cvxpy\]"):
        upstream.cvxpy()
