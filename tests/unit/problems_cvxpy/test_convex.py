"""Convex problems have the optimum and the dual values that CVXPY's conic route gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optlab

cp = pytest.importorskip("cvxpy")

Problems = Callable[[], Any]
RNG = np.random.default_rng(20)
A, B, X0 = RNG.standard_normal((12, 4)), RNG.standard_normal(12), RNG.standard_normal(4)


def least_squares() -> Any:
    x = cp.Variable(4, name="x")
    return cp.Problem(
        cp.Minimize(cp.sum_squares(A @ x - B)), [cp.sum(x) == 1, x[0] <= 0.1, x >= -2]
    )


def matrix_rows() -> Any:
    X = cp.Variable((2, 3), name="X")
    wanted = np.arange(6.0).reshape(2, 3)
    rows = [
        np.array([[1.0, 2.0, 0.5], [2.5, 9.0, 1.5]]) >= X,
        cp.sum(X, axis=0) == [1.0, 2.0, 1.5],
    ]
    return cp.Problem(cp.Minimize(cp.sum_squares(X - wanted)), rows)


def absolute_values() -> Any:
    x = cp.Variable(4, name="x")
    return cp.Problem(cp.Minimize(cp.sum_squares(A @ x - B)), [cp.norm1(x) <= 0.4])


def logarithms() -> Any:
    x = cp.Variable(3, name="x", nonneg=True)
    gain = cp.sum(cp.log(x + np.array([0.5, 1.0, 2.0])))
    return cp.Problem(cp.Maximize(gain), [cp.sum(x) <= 3, x[2] >= 0.2])


def logistic() -> Any:
    x = cp.Variable(4, name="x")
    return cp.Problem(
        cp.Minimize(cp.sum(cp.logistic(A @ x)) + cp.sum_squares(x)),
        [x[1] >= 0.3, cp.sum(x) == 0.5],
    )


def entropy() -> Any:
    p = cp.Variable(4, name="p")
    values = np.array([1.0, 2.0, 3.0, 4.0])
    return cp.Problem(cp.Maximize(cp.sum(cp.entr(p))), [cp.sum(p) == 1, values @ p >= 3.2])


def euclidean_norm() -> Any:
    x = cp.Variable(4, name="x")
    return cp.Problem(cp.Minimize(X0 @ x), [cp.norm(x) <= 2, x[0] == 0.5])


def huber() -> Any:
    x = cp.Variable(4, name="x")
    return cp.Problem(cp.Minimize(cp.sum(cp.huber(A @ x - B, 0.5))), [cp.sum(x) == 1.3])


def quadratic_over_linear() -> Any:
    x, t = cp.Variable(3, name="x"), cp.Variable(name="t")
    return cp.Problem(
        cp.Minimize(cp.quad_over_lin(x, t) + t), [x >= [1.0, 2.0, -1.0], t <= 1.5]
    )


def sum_of_exponentials() -> Any:
    x = cp.Variable(4, name="x")
    return cp.Problem(cp.Minimize(cp.log_sum_exp(A @ x)), [x[3] >= 0.2, cp.sum(x) == 0.3])


def geometric_mean() -> Any:
    x = cp.Variable(3, name="x")
    return cp.Problem(cp.Maximize(cp.geo_mean(x)), [x[0] + 2 * x[1] + 3 * x[2] <= 6])


def explicit_kinds() -> Any:
    x = cp.Variable(3, name="x")
    rows = [cp.NonNeg(x - 1), cp.Zero(cp.sum(x) - 5), cp.NonNeg(2 - x[2])]
    return cp.Problem(cp.Minimize(cp.sum_squares(x - np.array([0.0, 1.0, 4.0]))), rows)


def largest_entry() -> Any:
    x = cp.Variable(3, name="x")
    costs = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    return cp.Problem(cp.Minimize(cp.max(costs @ x) + cp.sum_squares(x)), [cp.sum(x) == 2])


CONVEX: list[Problems] = [
    least_squares, matrix_rows, absolute_values, logarithms, logistic, entropy, euclidean_norm,
    huber, quadratic_over_linear, sum_of_exponentials, geometric_mean, explicit_kinds, largest_entry,
]  # fmt: skip

TIGHT = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)


def answer(problem: Any) -> list[Any]:
    """List the variables' values and the constraints' dual values."""
    variables = sorted(problem.variables(), key=lambda v: v.name())
    return [v.value for v in variables] + [c.dual_value for c in problem.constraints]


def assert_same(one: list[Any], other: list[Any], tolerance: float) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert np.shape(mine) == np.shape(theirs)
        assert np.allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", CONVEX, ids=lambda f: f.__name__)
def test_values_and_duals_are_those_of_a_conic_solver(make: Problems) -> None:
    conic, smooth = make(), make()
    conic.solve(solver="CLARABEL", **TIGHT)
    result = optlab.minimize(smooth, tol=1e-9)
    assert result.success
    assert smooth.status == "optimal"
    assert smooth.value == pytest.approx(conic.value, rel=1e-6, abs=1e-7)
    assert_same(answer(smooth), answer(conic), 3e-5)


@pytest.mark.parametrize("make", [least_squares, matrix_rows], ids=lambda f: f.__name__)
def test_maximising_the_negative_has_the_same_duals(make: Problems) -> None:
    down = make()
    up = cp.Problem(cp.Maximize(-down.objective.expr), down.constraints)
    optlab.minimize(down, tol=1e-10)
    before = answer(down)
    optlab.minimize(up, tol=1e-10)
    assert up.value == pytest.approx(-down.value)
    assert_same(answer(up), before, 1e-8)


@pytest.mark.parametrize("make", [least_squares, logarithms, entropy, explicit_kinds])
def test_a_dual_value_is_a_sensitivity(make: Problems) -> None:
    """Shift a constraint's right-hand side: the value falls or rises at the rate of the dual value."""
    problem = make()
    optlab.minimize(problem, tol=1e-10)
    maximised = -1.0 if type(problem.objective).__name__ == "Maximize" else 1.0
    for k, row in enumerate(problem.constraints):
        dual, shift = np.sum(row.dual_value), 1e-4
        # Of lhs <= rhs relaxed by the shift; of NonNeg and Zero, whose expr is bounded by 0 instead of -shift.
        eased = cp.Problem(
            problem.objective,
            [relaxed(c, shift if i == k else 0.0) for i, c in enumerate(problem.constraints)],
        )
        optlab.minimize(eased, tol=1e-10)
        rate = maximised * (eased.value - problem.value) / shift
        assert rate == pytest.approx(-dual, rel=1e-3, abs=1e-3)


def relaxed(constraint: Any, shift: float) -> Any:
    kind = type(constraint).__name__
    if kind == "NonNeg":
        return cp.NonNeg(constraint.expr + shift)
    if kind in ("Equality", "Zero"):
        return constraint.expr == shift
    return constraint.expr <= shift
