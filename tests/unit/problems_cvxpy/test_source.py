"""``optlab.minimize(cp.Problem(...))``: values, duals and status go back; parameters reuse what was built."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.problem_sources import find_source, load_problem
from optlab.errors import OptionError
from optlab_problems.cvxpy import engine, source

cp = pytest.importorskip("cvxpy")


def hs71() -> Any:
    x = cp.Variable(4, bounds=[1, 5], name="x")
    x.value = [1.0, 5.0, 5.0, 1.0]
    objective = x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    return cp.Problem(cp.Minimize(objective), [cp.prod(x) >= 25, cp.sum_squares(x) == 40])


def tracking(steps: int = 12) -> tuple[Any, Any, Any]:
    """Return a nonlinear control problem with a parameter, its control and the parameter."""
    s, u = cp.Variable(steps, name="s"), cp.Variable(steps, bounds=[-1, 1], name="u")
    wanted = cp.Parameter(steps, name="wanted", value=np.linspace(0.0, 1.0, steps))
    rows = [s[0] == 0, s[1:] == s[:-1] + 0.5 * (u[:-1] - cp.nlp.sin(s[:-1]))]
    cost = cp.sum_squares(s - wanted) + 0.1 * cp.sum_squares(u)
    return cp.Problem(cp.Minimize(cost), rows), u, wanted


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the derivative engines that are built."""
    built: list[int] = []
    make = engine.Engine.__init__

    def counted(self: Any, smooth: Any, n: int, m: int) -> None:
        built.append(n)
        make(self, smooth, n, m)

    monkeypatch.setattr(engine.Engine, "__init__", counted)
    return built


def test_hs71_with_everything_set() -> None:
    problem = hs71()
    result = optlab.minimize(problem, method="npasa", tol=1e-9)
    assert result.success
    assert problem.status == "optimal"
    assert problem.value == pytest.approx(17.0140172892)
    # The published solution and multipliers.
    (x,) = problem.variables()
    assert np.allclose(x.value, [1.0, 4.7429996, 3.8211503, 1.3794082], atol=1e-6)
    assert [c.dual_value for c in problem.constraints] == pytest.approx(
        [0.55229366, 0.16146857]
    )
    assert all(isinstance(c.dual_value, float) for c in problem.constraints)
    assert problem.solver_stats.num_iters == result.iterations
    assert problem.solver_stats.extra_stats is result
    assert "npasa" in problem.solver_stats.solver_name


def test_the_certificate_is_that_of_the_delivered_duals() -> None:
    """At the delivered point and dual values the gradient of CVXPY's Lagrangian vanishes on free variables."""
    problem = hs71()
    optlab.minimize(problem, tol=1e-10)
    (x,) = problem.variables()
    lower, equal = problem.constraints

    def lagrangian(at: Any) -> float:
        x.value = at
        f = problem.objective.value
        return float(
            f + lower.dual_value * lower.expr.value + equal.dual_value * equal.expr.value
        )

    solution = np.array(x.value)
    free = (solution > 1 + 1e-6) & (solution < 5 - 1e-6)
    assert free.sum() == 3
    for i in np.flatnonzero(free):
        step = 1e-6 * np.eye(4)[i]
        slope = (lagrangian(solution + step) - lagrangian(solution - step)) / 2e-6
        assert abs(slope) < 1e-6


def test_new_parameters_reuse_the_engine_and_the_last_solution(compilations: list[int]) -> None:
    problem, _, wanted = tracking()
    cold = optlab.minimize(problem, tol=1e-9)
    assert cold.success
    fresh, _, its = tracking()
    for shift in (0.01, 0.02, 0.05):
        wanted.value = np.linspace(0.0, 1.0, 12) + shift
        warm = optlab.minimize(problem, tol=1e-9)
        assert warm.success
        assert warm.iterations <= cold.iterations
        assert warm.evaluations["hessian"] <= 2
    assert len(compilations) == 1
    its.value = wanted.value
    optlab.minimize(fresh, tol=1e-9)
    assert fresh.value == pytest.approx(problem.value, rel=1e-9)
    for mine, theirs in zip(problem.constraints, fresh.constraints, strict=True):
        assert np.allclose(mine.dual_value, theirs.dual_value, atol=1e-7)


def test_a_start_that_the_user_sets_is_taken(compilations: list[int]) -> None:
    x = cp.Variable(name="x")
    problem = cp.Problem(cp.Minimize(cp.square(cp.square(x) - 1) + 0.1 * x))
    x.value = 2.0
    optlab.minimize(problem)
    right = x.value
    x.value = -2.0
    optlab.minimize(problem)
    assert right > 0.9
    assert x.value < -0.9
    assert len(compilations) == 1
    # An explicit start in optlab's own terms wins over both.
    optlab.minimize(problem, np.array([1.5]))
    assert x.value > 0.9


def test_parameters_by_name() -> None:
    problem, _, wanted = tracking()
    optlab.minimize(problem, params={"wanted": np.full(12, 0.3)})
    assert np.array_equal(wanted.value, np.full(12, 0.3))
    with pytest.raises(OptionError, match=r"'wished'.*wanted"):
        optlab.minimize(problem, params={"wished": 1})


PARAMETRIC: dict[str, Callable[[Any, Any], Any]] = {
    "factor": lambda x, a: cp.sum_squares(a * x - 1),
    "shift": lambda x, a: cp.sum_squares(x - a),
    "matrix": lambda x, a: cp.sum_squares(cp.hstack([a, 1, a]) @ x - 2) + cp.sum_squares(x),
    "denominator": lambda x, a: cp.quad_over_lin(x, a) - cp.sum(x),
    "divisor": lambda x, a: cp.sum_squares(x / a - 1),
    "absolute": lambda x, a: cp.sum_squares(x - cp.abs(a)),
    "largest": lambda x, a: cp.sum_squares(x - cp.max(cp.hstack([a, 0.25]))),
    "entropy": lambda x, a: cp.sum(cp.rel_entr(x + 1, a)) + cp.sum_squares(x),
    "logarithm": lambda x, a: cp.sum_squares(x - cp.log(a)),
    "huber": lambda x, a: cp.sum(cp.huber(x - 3, a)) + cp.sum_squares(x),
    "root": lambda x, a: cp.sum_squares(x - cp.sqrt(a) * 2),
    "product": lambda x, a: cp.sum_squares(x - a * a),
    "matrix product": lambda x, a: cp.sum_squares(
        x - np.diag([1, 2, 3]) @ cp.hstack([a, 1, a])
    ),
    "affine in it": lambda x, a: cp.sum_squares(x - (1 - cp.hstack([a, a, 2 * a])[::-1])),
    "zero at first": lambda x, a: (
        cp.sum_squares((a - 0.5) * x[0] - x[1]) + cp.sum_squares(x - 1)
    ),
}


@pytest.mark.parametrize("name", PARAMETRIC)
def test_a_parameter_never_goes_stale(name: str) -> None:
    """CVXPY copies some parameters into constants, or bounds |a| from one side only, when it smooths."""
    a = cp.Parameter(nonneg=True, name="a", value=0.5)
    x = cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(PARAMETRIC[name](x, a)), [cp.sum(x) <= 4])
    for value in (0.5, 2.0, 0.7):
        a.value = value
        optlab.minimize(problem, tol=1e-9)
        constant, y = cp.Constant(value), cp.Variable(3, name="y")
        other = cp.Problem(cp.Minimize(PARAMETRIC[name](y, constant)), [cp.sum(y) <= 4])
        other.solve(solver="CLARABEL")
        assert problem.value == pytest.approx(other.value, abs=1e-6)
        assert np.allclose(x.value, y.value, atol=1e-4)


def test_structured_parameters_are_renewed() -> None:
    P = cp.Parameter((2, 2), symmetric=True, value=np.eye(2))
    x = cp.Variable(2, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(P @ x - np.ones(2))))
    for factor in (1.0, 2.0, 4.0):
        P.value = factor * np.array([[1.0, 0.5], [0.5, 2.0]])
        optlab.minimize(problem, tol=1e-10)
        assert np.allclose(P.value @ x.value, 1.0, atol=1e-6)


def test_endings_that_are_no_solution() -> None:
    x = cp.Variable(2, name="x")
    empty = cp.Problem(cp.Minimize(cp.sum(x)), [cp.sum_squares(x) <= 1, x[0] >= 2])
    result = optlab.minimize(empty)
    assert not result.success
    assert empty.status == "infeasible"
    assert empty.value == np.inf
    assert x.value is None
    assert empty.constraints[0].dual_value is None
    unbounded = cp.Problem(cp.Minimize(-cp.exp(x[0])), [x[1] == 0])
    optlab.minimize(unbounded)
    assert unbounded.status == "unbounded"
    limited = hs71()
    optlab.minimize(limited, max_iter=0)
    assert limited.status == "user_limit"
    assert limited.variables()[0].value is not None


def test_a_failure_leaves_no_old_answer_behind() -> None:
    problem = hs71()
    optlab.minimize(problem)
    assert problem.status == "optimal"

    good = optlab.minimize(hs71())
    lost = replace(
        good, fun=float("nan"), success=False, point=optlab.PointStatus.UNKNOWN,
        stop=optlab.StopReason.EVAL_ERROR,
    )  # fmt: skip
    source.deliver(problem, load_problem(problem), lost)
    assert problem.status == "solver_error"
    assert problem.value is None
    assert problem.variables()[0].value is None
    assert problem.constraints[0].dual_value is None


def test_nothing_keeps_a_problem_alive() -> None:
    problem = hs71()
    optlab.minimize(problem)
    held = weakref.ref(problem)
    del problem
    gc.collect()
    assert held() is None


def test_looking_for_a_source_imports_nothing() -> None:
    """Whether a thing is a CVXPY problem is told from its type's module."""
    code = (
        "import sys, optlab.core.problem_sources as r; "
        "assert not r.find_source([1.0]); assert 'cvxpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert find_source(hs71()) is not None
    assert find_source(cp.Variable()) is None


def test_the_table_of_sources_names_it() -> None:
    assert "cvxpy" in repr(optlab.sources())
