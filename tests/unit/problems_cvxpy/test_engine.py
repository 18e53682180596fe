"""The derivatives are functions of x alone, whatever was evaluated before, and they are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optlab
from optlab_problems.cvxpy import load

cp = pytest.importorskip("cvxpy")

N = 6


def model() -> Any:
    """Slices, chain rules, a parameter and every kind of row."""
    x = cp.Variable(N, name="x")
    a = cp.Parameter(N - 1, name="a", value=np.linspace(0.5, 1.5, N - 1))
    objective = cp.sum_squares(x[1:] - cp.square(x[:-1])) + cp.sum(cp.exp(0.1 * x))
    rows = [
        cp.multiply(a, x[1:]) == cp.nlp.sin(x[:-1]) + 1,
        cp.sum_squares(x) <= 9,
        x[0] + 2 * x[1] >= -1,
        cp.prod(x[:3]) <= 4,
    ]
    return cp.Problem(cp.Minimize(objective), rows)


VERBS = ("objective", "gradient", "constraints", "jacobian", "hessian")


def call(problem: optlab.Problem, verb: str, x: Any, y: Any) -> Any:
    if verb == "hessian":
        return problem.hessian(x, y, 0.7)
    return getattr(problem, verb)(x)


def dense(value: Any) -> Any:
    return value.toarray() if hasattr(value, "toarray") else np.asarray(value)


def as_any(value: Any) -> Any:
    """Leave the checking of types to the test."""
    return value


def point(seed: int, size: int) -> Any:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, size)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 3)), min_size=1, max_size=12),
)
def test_no_answer_depends_on_the_calls_before(calls: list[tuple[str, int]]) -> None:
    """The engine differentiates where it stands; a Hessian asked for first would be wrong for ever."""
    used = load(model())
    y = point(9, used.m)
    for verb, seed in calls:
        x = point(seed, used.n)
        fresh = load(model())
        # In the order in which interior-point methods call, which the engine is made for.
        for first in ("objective", "constraints", "gradient", "jacobian"):
            call(fresh, first, x, y)
        expected = dense(call(fresh, verb, x, y))
        assert np.allclose(dense(call(used, verb, x, y)), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_those_of_the_functions(seed: int) -> None:
    problem = load(model())
    check = optlab.check_derivatives(problem, point(seed, problem.n))
    assert check.ok, repr(check)
    assert check.checked["hessian"] > 0


def test_patterns_are_fixed_and_both_triangles_are_there() -> None:
    problem = load(model())
    y = point(5, problem.m)
    one, other = (as_any(problem.hessian(point(k, problem.n), y, 1.0)) for k in (1, 2))
    assert one.indices is other.indices
    assert np.array_equal(one.toarray(), one.toarray().T)
    # x[1:] - x[:-1]^2 couples neighbours; prod couples three variables that stand for x[:3].
    assert one.nnz == N + 2 * (N - 1) + 9
    jacobian = as_any(problem.jacobian(point(1, problem.n)))
    assert jacobian.indices is as_any(problem.jacobian(point(2, problem.n))).indices
    assert jacobian.nnz < problem.m * problem.n


def test_what_was_returned_is_not_overwritten() -> None:
    problem = load(model())
    x, y = point(1, problem.n), point(2, problem.m)
    before = [np.array(dense(call(problem, verb, x, y))) for verb in VERBS]
    held = [call(problem, verb, x, y) for verb in VERBS]
    for verb in VERBS:
        call(problem, verb, point(3, problem.n), y)
    for kept, copy in zip(held, before, strict=True):
        assert np.array_equal(dense(kept), copy)


def test_names_and_linear_rows() -> None:
    x, X = cp.Variable(2, name="x"), cp.Variable((2, 2), name="X")
    s, twin = cp.Variable(name="s"), cp.Variable(2, name="x")
    rows = [x[0] + s == 1, cp.square(s) <= 4, (X @ x == twin).set_label("balance")]
    problem = load(cp.Problem(cp.Minimize(cp.sum(cp.log(s + 3)) + cp.sum(X)), rows))
    assert problem.variable_names is not None
    assert problem.constraint_names is not None
    named = set(problem.variable_names)
    assert {"x[0]", "x[1]", "x#2[1]", "s", "X[0,0]", "X[1,0]", "smooth1"} <= named
    assert problem.variable_names.index("X[1,0]") == problem.variable_names.index("X[0,0]") + 1
    assert problem.linear is not None
    linear = dict(zip(problem.constraint_names, problem.linear.tolist(), strict=True))
    assert linear == {
        "smooth1": True, "c0": True, "c1": False, "balance[0]": False, "balance[1]": False,
    }  # fmt: skip


def test_bounds_of_every_kind_arrive() -> None:
    low = cp.Parameter(value=0.5)
    free = cp.Variable(2, bounds=[-1, np.array([3.0, np.inf])], name="a")
    moving = cp.Variable(2, bounds=[low, 4], name="b")
    signed = cp.Variable(nonpos=True, name="c")
    whole = cp.Problem(cp.Minimize(cp.sum_squares(free) + cp.sum(moving) - signed))
    problem = load(whole)
    assert problem.variable_names is not None
    found = dict(
        zip(problem.variable_names, zip(problem.lb, problem.ub, strict=True), strict=True)
    )
    assert found == {
        "a[0]": (-1, 3), "a[1]": (-1, np.inf), "b[0]": (0.5, 4), "b[1]": (0.5, 4),
        "c": (-np.inf, 0),
    }  # fmt: skip
    # CVXPY's own nonlinear route drops bounds that are expressions; its conic route has them.
    optlab.minimize(whole, tol=1e-9)
    assert np.allclose(moving.value, 0.5)
    low.value = 0.75
    optlab.minimize(whole, tol=1e-9)
    assert np.allclose(moving.value, 0.75)


def test_variables_with_structure() -> None:
    S = cp.Variable((3, 3), symmetric=True, name="S")
    D = cp.Variable((3, 3), diag=True, name="D")
    wanted = np.arange(9.0).reshape(3, 3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(S - wanted) + cp.sum_squares(D - wanted)))
    assert optlab.minimize(problem, tol=1e-9).success
    assert np.allclose(S.value, (wanted + wanted.T) / 2)
    assert np.allclose(D.value.toarray(), np.diag(np.diag(wanted)))
