"""Estimated gradients, Jacobians and Hessians: values, patterns, bounds, counts, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from optlab.core.derivatives import Differences, estimate_derivatives
from optlab.core.derivatives.compression import (
    Pattern,
    column_groups,
    read_pattern,
    symmetric_groups,
)
from optlab.core.derivatives.estimates import EstimatedGradient
from optlab.core.derivatives.hessian import EstimatedHessian
from optlab.core.derivatives.jacobian import EstimatedJacobian, KnownRows
from optlab.core.derivatives.options import stencil
from optlab.core.oracle import Oracle
from optlab.core.problem import Problem
from optlab.errors import EvaluationError, OptionError, ProblemError

SCHEMES = ["2-point", "3-point", "complex-step"]
ACCURACY = {"2-point": 1e-6, "3-point": 1e-8, "complex-step": 1e-14}


def smooth(x: Any) -> Any:
    return np.sin(x[0]) * x[1] ** 2 + np.exp(0.3 * x[1])


def smooth_gradient(x: np.ndarray) -> np.ndarray:
    return np.array(
        [np.cos(x[0]) * x[1] ** 2, 2.0 * np.sin(x[0]) * x[1] + 0.3 * np.exp(0.3 * x[1])]
    )


class Rows:
    """Random sparse nonlinear rows c_i = sum over a_ij (x_j + x_j^2 / 2), with their Jacobian."""

    def __init__(self, A: np.ndarray) -> None:
        self.A = A
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.A @ (x + 0.5 * x**2)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.A * (1.0 + x))

    def problem(self, **more: Any) -> Problem:
        m, n = self.A.shape
        given: dict[str, Any] = {
            "objective": lambda x: float(x @ x),
            "gradient": lambda x: 2.0 * x,
            "constraints": self,
            "cl": np.zeros(m),
            "cu": np.zeros(m),
            "x0": np.full(n, 0.5),
        }
        return Problem(**(given | more))


def dense(matrix: Any) -> np.ndarray:
    return np.asarray(matrix.toarray() if sp.issparse(matrix) else matrix)


@st.composite
def sparse_rows(draw: st.DrawFn) -> np.ndarray:
    m, n = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    A = rng.uniform(0.5, 2.0, (m, n)) * rng.choice([-1.0, 1.0], (m, n))
    return np.where(rng.random((m, n)) < draw(st.floats(0.02, 0.6)), A, 0.0)


# Gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_gradient_has_the_accuracy_of_its_scheme(scheme: str) -> None:
    problem = Problem(objective=smooth, gradient=scheme, x0=[0.7, -1.3])
    error = np.abs(problem.gradient(problem.x0) - smooth_gradient(problem.x0)).max()
    assert error < ACCURACY[scheme]
    assert problem.derivatives == "estimated"


def test_noise_lengthens_the_steps() -> None:
    rng = np.random.default_rng(3)

    def noisy(x: np.ndarray) -> float:
        return float(smooth(x)) * (1.0 + 1e-8 * rng.uniform(-1.0, 1.0))

    x = np.array([0.7, -1.3])
    errors = [
        np.abs(
            Problem(objective=noisy, gradient=Differences(noise=noise), x0=x).gradient(x)
            - smooth_gradient(x)
        ).max()
        for noise in (1e-15, 1e-8)
    ]
    assert errors[1] < 1e-4 < errors[0]


@given(
    st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=2),
    st.lists(st.sampled_from([0.0, 1e-9, 1e-7, 1e-3, 5.0, np.inf]), min_size=4, max_size=4),
    st.sampled_from(["2-point", "3-point"]),
)
def test_no_point_outside_the_bounds(x0: list[float], room: list[float], scheme: str) -> None:
    x = np.array(x0)
    lb, ub = x - room[:2], x + room[2:]

    def fenced(p: np.ndarray) -> float:
        assert (p >= lb).all()
        assert (p <= ub).all()
        return float(smooth(p))

    g = Problem(objective=fenced, gradient=scheme, x0=x, lb=lb, ub=ub).gradient(x)
    fixed = lb == ub
    assert not g[fixed].any()
    # With almost no room rounding is divided by next to nothing; elsewhere the digits are there.
    roomy = np.maximum(x - lb, ub - x) >= 1e-3
    assert np.abs(g - smooth_gradient(x))[roomy].max(initial=0.0) < 1e-4


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_start_outside_its_bounds_is_left_inwards(scheme: str, side: float) -> None:
    x = np.array([side * 3.0])
    points = stencil(x, np.array([-1.0]), np.array([1.0]), scheme, 1e-3)
    for offset in points.offsets:
        assert offset[0] * side < 0.0


def test_central_differences_at_a_bound_keep_their_order() -> None:
    problem = Problem(
        objective=smooth, gradient="3-point", x0=[0.7, -1.3], lb=[0.7, -2], ub=[2, -1.3]
    )
    error = np.abs(problem.gradient(problem.x0) - smooth_gradient(problem.x0)).max()
    assert error < 1e-8


def test_replaced_bounds_and_functions_reach_the_estimate() -> None:
    problem = Problem(objective=smooth, gradient="3-point", x0=[0.7, -1.3])
    seen: list[np.ndarray] = []

    def watched(x: np.ndarray) -> float:
        seen.append(x.copy())
        return float(smooth(x))

    moved = problem.replace(objective=watched, lb=[0.7, -1.3])
    moved.gradient(moved.x0)
    assert seen
    assert all((x >= moved.lb).all() for x in seen)
    assert moved.gradient is not problem.gradient


@pytest.mark.parametrize(
    ("scheme", "calls"), [("2-point", 4), ("3-point", 6), ("complex-step", 3)]
)
def test_the_oracle_counts_every_evaluation(scheme: str, calls: int) -> None:
    count = 0

    def f(x: Any) -> Any:
        nonlocal count
        count += 1
        return x @ x

    oracle = Oracle(Problem(objective=f, gradient=scheme, x0=np.ones(3)))
    oracle.gradient(oracle.x0)
    assert oracle.counts["objective"] == count == calls
    assert oracle.counts["gradient"] == 1
    oracle.gradient(oracle.x0)
    assert oracle.counts["objective"] == calls  # remembered


def test_a_value_that_the_oracle_remembers_is_not_asked_for_again() -> None:
    oracle = Oracle(
        Problem(objective=lambda x: float(x @ x), gradient="2-point", x0=np.ones(3))
    )
    oracle.objective(oracle.x0)
    oracle.gradient(oracle.x0)
    assert oracle.counts["objective"] == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_names_the_point(bad: float) -> None:
    def f(x: np.ndarray) -> float:
        return bad if x[1] > 1.0 else 0.0

    oracle = Oracle(Problem(objective=f, gradient="2-point", x0=np.ones(2)))
    with pytest.raises(EvaluationError, match="objective") as caught:
        oracle.gradient(oracle.x0)
    assert caught.value.x[1] > 1.0


def test_what_a_function_raises_next_to_x_is_an_evaluation_error() -> None:
    def f(x: np.ndarray) -> float:
        if x[0] != 1.0:
            raise ArithmeticError("off the path")
        return 0.0

    problem = Problem(objective=f, gradient="2-point", x0=[1.0])
    with pytest.raises(EvaluationError, match="off the path"):
        problem.gradient(problem.x0)
    with pytest.raises(EvaluationError, match="off the path"):
        Oracle(problem).gradient(problem.x0)


def test_functions_that_drop_the_imaginary_part_are_found_out() -> None:
    problem = Problem(objective=lambda x: abs(x[0]), gradient="complex-step", x0=[1.0])
    with pytest.raises(EvaluationError, match="complex"):
        problem.gradient(problem.x0)


def test_an_estimate_without_a_problem_says_so() -> None:
    with pytest.raises(ProblemError, match=r"optlab\.Problem"):
        EstimatedGradient(Differences())(np.ones(2))


# Jacobians ----------------------------------------------------------------------------------------


@given(sparse_rows(), st.sampled_from(SCHEMES), st.booleans())
def test_the_coloured_jacobian_is_the_dense_one(
    A: np.ndarray, scheme: str, known: bool
) -> None:
    rows = Rows(A)
    wanted = Differences(scheme=scheme, jacobian_pattern=A != 0.0 if known else None)
    problem = rows.problem(jacobian=wanted)
    x = np.linspace(-0.6, 0.8, A.shape[1])
    np.testing.assert_allclose(
        dense(problem.jacobian(x)), rows.jacobian(x), atol=30.0 * ACCURACY[scheme]
    )


@given(sparse_rows())
def test_the_detected_pattern_is_the_true_one(A: np.ndarray) -> None:
    problem = Rows(A).problem(jacobian="3-point")
    estimate: Any = problem.jacobian
    found = estimate.detect(estimate.direct, problem.x0)
    mask = np.zeros(A.shape, dtype=bool)
    mask[found.rows, found.columns] = True
    np.testing.assert_array_equal(mask, A != 0.0)


@given(st.integers(1, 60), st.integers(0, 3), st.integers(0, 3))
def test_a_band_needs_as_many_groups_as_a_row_has_entries(
    n: int, below: int, above: int
) -> None:
    i, j = np.indices((n, n))
    mask = (j - i <= above) & (i - j <= below)
    groups = column_groups(Pattern.of(mask))
    assert len(groups) == mask.sum(axis=1).max()


@given(sparse_rows(), st.integers(0, 2**32 - 1))
def test_groups_hold_every_wanted_entry_once_and_no_two_of_a_row(
    A: np.ndarray, seed: int
) -> None:
    pattern = Pattern.of(A != 0.0)
    wanted: Any = np.random.default_rng(seed).random(A.shape[0]) < 0.7
    groups = column_groups(pattern, wanted)
    entries = np.concatenate([np.zeros(0, dtype=int), *groups.entries])
    assert sorted(entries) == np.flatnonzero(wanted[pattern.rows]).tolist()
    for columns, part in zip(groups.columns, groups.entries, strict=True):
        assert np.unique(pattern.rows[part]).size == part.size
        assert np.array_equal(np.unique(pattern.columns[part]), columns)


def test_an_arrow_is_coloured_largest_first() -> None:
    n = 12
    mask = np.eye(n, dtype=bool)
    mask[:, -1] = True
    assert len(column_groups(Pattern.of(mask))) == 2


def test_a_sparse_jacobian_comes_as_one_with_a_fixed_pattern() -> None:
    A = np.diag(np.ones(30)) + np.diag(np.ones(29), 1)
    oracle = Oracle(Rows(A).problem(jacobian="3-point"))
    first: Any = oracle.jacobian(oracle.x0)
    second: Any = oracle.jacobian(np.full(30, 0.1))
    assert sp.issparse(first)
    assert second.indices is first.indices


@pytest.mark.parametrize(
    ("scheme", "each"), [("2-point", 1), ("3-point", 2), ("complex-step", 1)]
)
def test_a_jacobian_costs_one_or_two_evaluations_for_every_group(
    scheme: str, each: int
) -> None:
    A = np.diag(np.ones(30)) + np.diag(np.ones(29), 1)
    rows = Rows(A)
    wanted = Differences(scheme=scheme, jacobian_pattern=sp.csr_array(A))
    oracle = Oracle(rows.problem(jacobian=wanted))
    oracle.constraints(oracle.x0)
    oracle.jacobian(oracle.x0)
    before = oracle.counts["constraints"]
    assert before == rows.calls
    oracle.jacobian(np.full(30, 0.1))
    assert oracle.counts["constraints"] - before == 2 * each + (scheme == "2-point")
    assert oracle.counts["constraints"] == rows.calls
    assert oracle.counts["jacobian"] == 2


def test_linear_rows_are_estimated_once_and_to_all_digits() -> None:
    A = np.array([[1.0, 2.0, 0.0], [0.0, 1.0 / 3.0, -7.0], [1.0, 1.0, 1.0]])

    def c(x: np.ndarray) -> np.ndarray:
        return np.append(A[:2] @ x, x @ x) - 1.0

    problem = Problem(
        objective=lambda x: float(x @ x), x0=np.array([0.3, 0.1, -0.2]), gradient=lambda x: 2.0 * x,
        constraints=c, jacobian="2-point", cl=np.zeros(3), cu=np.zeros(3), linear=[True, True, False],
    )  # fmt: skip
    first, second = problem.jacobian(problem.x0), problem.jacobian(np.array([5.0, -3.0, 2.0]))
    np.testing.assert_array_equal(dense(first)[:2], dense(second)[:2])
    np.testing.assert_allclose(dense(first)[:2], A[:2], rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(dense(second)[2], [10.0, -6.0, 4.0], atol=1e-5)


def test_rows_that_are_not_finite_far_away_do_not_spoil_the_linear_ones() -> None:
    def c(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] + 2.0 * x[1], np.log(x[0]) if x[0] < 1.5 else np.nan])

    problem = Problem(
        objective=lambda x: float(x @ x), x0=np.ones(2), gradient=lambda x: 2.0 * x, constraints=c,
        jacobian="3-point", cl=np.zeros(2), cu=np.zeros(2), linear=[True, False],
    )  # fmt: skip
    np.testing.assert_allclose(
        dense(problem.jacobian(problem.x0)), [[1.0, 2.0], [1.0, 0.0]], atol=1e-9
    )


def test_a_given_pattern_that_lacks_entries_names_row_and_columns() -> None:
    A = np.zeros((9, 9))
    np.fill_diagonal(A, 2.0)
    A[4, 7] = 1.0
    problem = Rows(A).problem(
        jacobian=Differences(jacobian_pattern=np.eye(9, dtype=bool)),
        variable_names=[f"v{j}" for j in range(9)],
        constraint_names=[f"r{i}" for i in range(9)],
    )
    with pytest.raises(ProblemError, match=r"row 4 \(r4\) for column\(s\) 7 \(v7\)"):
        problem.jacobian(problem.x0)


def test_entries_that_appear_later_show_in_the_check() -> None:
    def c(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] + (0.0 if x[0] < 5.0 else x[9]), *x[1:10]])

    problem = Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=np.ones(10), constraints=c,
        jacobian="3-point", cl=np.zeros(10), cu=np.zeros(10),
    )  # fmt: skip
    estimate: Any = problem.jacobian
    x = np.full(10, 6.0)
    estimate(x)
    assert estimate.pattern.nnz == 10
    assert not estimate.incomplete_rows(estimate.direct, problem.x0).size
    assert estimate.incomplete_rows(estimate.direct, x).tolist() == [0]
    wider = estimate.widened(estimate.direct, x)
    assert wider.pattern.nnz == 11
    assert dense(wider(x))[0, 9] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        (np.ones((2, 3), dtype=bool), r"shape \(2, 3\)"),
        (np.ones((3, 3)), "dense array of float64"),
        (sp.csr_array((3, 2)), r"shape \(3, 2\)"),
    ],
)
def test_wrong_patterns_are_refused(pattern: Any, match: str) -> None:
    with pytest.raises(OptionError, match=match):
        read_pattern(pattern, (3, 3), "jacobian_pattern")


def test_rows_of_the_wrong_length_are_refused() -> None:
    problem = Problem(
        objective=lambda x: float(x @ x), x0=np.ones(2), constraints=lambda _x: np.ones(3),
        jacobian="2-point", cl=np.zeros(2), cu=np.zeros(2),
    )  # fmt: skip
    with pytest.raises(ProblemError, match=r"shape \(3,\)"):
        problem.jacobian(problem.x0)


# Hessians -----------------------------------------------------------------------------------------


@given(sparse_rows(), st.sampled_from(["2-point", "3-point"]))
def test_the_hessian_from_gradients_is_the_true_one(A: np.ndarray, scheme: str) -> None:
    rows = Rows(A)
    m, n = A.shape
    base = rows.problem(jacobian=lambda x: sp.csr_array(rows.jacobian(x)))
    wanted = Differences(scheme=scheme, hessian_pattern=np.eye(n, dtype=bool))
    problem = estimate_derivatives(base, wanted)
    assert problem.has_hessian
    assert problem.derivatives == "exact"
    y = np.linspace(-1.0, 1.0, m)
    H = dense(problem.hessian(np.linspace(0.0, 1.0, n), y, 0.5))
    np.testing.assert_allclose(H, np.diag(1.0 + A.T @ y), atol=1e-5)


def test_a_coupled_hessian_is_symmetric_and_counted() -> None:
    def f(x: np.ndarray) -> float:
        return float((x[:-1] * x[1:]).sum() + (x**3).sum())

    def g(x: np.ndarray) -> np.ndarray:
        shifted = np.append(x[1:], 0.0) + np.insert(x[:-1], 0, 0.0)
        return np.asarray(shifted + 3.0 * x**2)

    n = 20
    band = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) == 1  # the diagonal is added
    problem = Problem(
        objective=f, gradient=g, x0=np.ones(n), hessian=Differences(hessian_pattern=band), lb=-1.0,
    )  # fmt: skip
    oracle = Oracle(problem)
    x = np.linspace(0.0, 1.0, n)
    H: Any = oracle.hessian(x, np.zeros(0), 1.0)
    expected = np.diag(6.0 * x) + band
    np.testing.assert_allclose(dense(H), expected, atol=1e-8)
    np.testing.assert_array_equal(dense(H), dense(H).T)
    assert oracle.counts["gradient"] == 6  # three groups, two points
    assert oracle.counts["hessian"] == 1


def test_a_fixed_variable_takes_its_row_from_the_others() -> None:
    H = np.array([[2.0, 1.0], [1.0, 4.0]])
    problem = Problem(
        objective=lambda x: float(x @ H @ x) / 2.0, gradient=lambda x: H @ x, x0=[1.0, 1.0],
        lb=[1.0, -5.0], ub=[1.0, 5.0], hessian=Differences(hessian_pattern=np.ones((2, 2), dtype=bool)),
    )  # fmt: skip
    found = dense(problem.hessian(problem.x0, np.zeros(0), 1.0))
    np.testing.assert_allclose(found, [[0.0, 1.0], [1.0, 4.0]], atol=1e-9)


def test_a_hessian_without_a_pattern_has_it_detected() -> None:
    n = 30

    def g(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.append(x[1:] ** 2, 0.0) + np.insert(2.0 * x[:-1] * x[1:], 0, 0.0))

    problem = Problem(
        objective=lambda x: float((x[:-1] * x[1:] ** 2).sum()), gradient=g, hessian="3-point",
        x0=np.zeros(n),
    )  # fmt: skip
    oracle = Oracle(problem)
    x = np.linspace(1.0, 2.0, n)
    expected = np.diag(2.0 * np.append(0.0, x[:-1])) + np.diag(2.0 * x[1:], 1)
    expected += np.diag(2.0 * x[1:], -1)
    H: Any = oracle.hessian(x, np.zeros(0), 1.0)
    np.testing.assert_allclose(dense(H), expected, atol=1e-8)
    assert sp.issparse(H)
    assert H.nnz == 3 * n - 2
    detecting = oracle.counts["gradient"]
    oracle.hessian(x + 1.0, np.zeros(0), 1.0)
    assert oracle.counts["gradient"] - detecting == 2 * 3
    assert EstimatedHessian(Differences()).problem is None


def test_an_arrow_needs_two_groups() -> None:
    n = 40
    arrow = np.eye(n, dtype=bool)
    arrow[0] = arrow[:, 0] = True
    assert len(column_groups(Pattern.of(arrow))) == n
    assert len(symmetric_groups(Pattern.of(arrow))) == 2


@st.composite
def symmetric_patterns(draw: st.DrawFn) -> np.ndarray:
    n = draw(st.integers(1, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    half = rng.random((n, n)) < draw(st.floats(0.0, 0.7))
    return np.asarray(half | half.T | np.eye(n, dtype=bool))


@given(symmetric_patterns())
def test_star_groups_give_every_entry_at_one_of_its_places(mask: np.ndarray) -> None:
    pattern = Pattern.of(mask)
    groups = symmetric_groups(pattern)
    assert len(groups) <= len(column_groups(pattern))
    assert sorted(np.concatenate(groups.columns)) == list(range(mask.shape[0]))
    rng = np.random.default_rng(0)
    H = np.where(mask, rng.normal(size=mask.shape), 0.0)
    H = H + H.T
    found = np.full(mask.shape, np.nan)
    for columns, entries in zip(groups.columns, groups.entries, strict=True):
        product = H[:, columns].sum(axis=1)
        found[pattern.rows[entries], pattern.columns[entries]] = product[pattern.rows[entries]]
    either = np.where(np.isnan(found), found.T, found)
    np.testing.assert_allclose(either[mask], H[mask], rtol=1e-12)
    both = ~np.isnan(found) & ~np.isnan(found.T)
    np.testing.assert_allclose(found[both], found.T[both], rtol=1e-12)


# Options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Differences(scheme="4-point"), "3-point"),
        (lambda: Differences(noise=0.0), "noise"),
        (lambda: Differences(noise=0.5), "noise"),
        (lambda: Problem(objective=smooth, gradient="forward", x0=[0.0]), "or a function"),
    ],
)
def test_wrong_options_say_what_is_needed(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        make()


def test_names_of_schemes() -> None:
    assert Differences(scheme="finite-difference").scheme == "3-point"
    assert Differences(scheme="cs").scheme == "complex-step"


def test_estimate_derivatives_fills_in_only_what_is_missing() -> None:
    A = np.array([[1.0, 2.0]])
    problem = Rows(A).problem()
    filled = estimate_derivatives(problem, "2-point")
    assert filled.gradient is problem.gradient
    assert isinstance(filled.jacobian, EstimatedJacobian)
    assert estimate_derivatives(filled, "3-point") is filled


# Rows that are known ------------------------------------------------------------------------------


@given(sparse_rows(), st.sampled_from(SCHEMES), st.booleans(), st.integers(0, 2**32 - 1))
def test_known_rows_are_taken_as_they_are_and_only_the_others_estimated(
    A: np.ndarray, scheme: str, sparse: bool, seed: int
) -> None:
    rows = Rows(A)
    known: Any = np.random.default_rng(seed).random(A.shape[0]) < 0.5

    def given_rows(x: np.ndarray) -> Any:
        J = rows.jacobian(x)[known]
        return sp.csr_array(J) if sparse else J

    estimate = EstimatedJacobian(Differences(scheme=scheme), known=KnownRows(known, given_rows))
    problem = rows.problem(jacobian=estimate)
    x = np.linspace(0.2, 1.2, A.shape[1])
    J = dense(problem.jacobian(x))
    np.testing.assert_array_equal(J[known], rows.jacobian(x)[known])
    np.testing.assert_allclose(J, rows.jacobian(x), atol=10.0 * ACCURACY[scheme])
    bound: Any = problem.jacobian
    if known.all():
        rows.calls = 0
        problem.jacobian(x + 0.1)
        assert rows.calls == 0
    # What is known belongs to these functions; for others all rows are estimated.
    other = problem.replace(constraints=lambda x: 2.0 * rows(x))
    np.testing.assert_allclose(
        dense(other.jacobian(x)), 2.0 * rows.jacobian(x), atol=40.0 * ACCURACY[scheme]
    )
    assert bound.incomplete_rows(bound.direct, x).size == 0


def test_a_known_row_may_show_a_new_entry() -> None:
    def values(x: Any) -> Any:
        return np.array([x[0] + x[1] ** 2, x[1] * x[2]])

    known = KnownRows(
        np.array([True, False]), lambda x: sp.csr_array(np.array([[1.0, 2.0 * x[1], 0.0]]))
    )
    problem = Problem(
        objective=lambda x: float(x @ x), constraints=values, cl=[0, 0], cu=[1, 1], x0=[0.0, 0.0, 0.0],
        jacobian=EstimatedJacobian(Differences(), known=known),
    )  # fmt: skip
    np.testing.assert_allclose(
        dense(problem.jacobian(problem.x0)), [[1, 0, 0], [0, 0, 0]], atol=1e-9
    )
    at = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(dense(problem.jacobian(at)), [[1, 4, 0], [0, 3, 2]], atol=1e-9)


def test_estimated_rows_beside_known_ones_may_grow() -> None:
    """The estimated row is flat near the start; far away it depends on all variables."""
    n = 40

    def flat(x: Any) -> Any:
        return np.maximum(0.0, x - 2.0) ** 3

    known = KnownRows(np.array([True, False]), lambda x: 2.0 * x[None, :])
    problem = Problem(
        objective=lambda x: float(x @ x), x0=np.zeros(n), cl=[0, 0], cu=[1, 1],
        constraints=lambda x: np.array([x @ x, flat(x).sum()]),
        jacobian=EstimatedJacobian(Differences(), known=known),
    )  # fmt: skip
    problem.jacobian(problem.x0)
    estimate: Any = problem.jacobian
    x = np.full(n, 3.0)
    assert estimate.incomplete_rows(estimate.direct, x).tolist() == [1]
    wider = problem.replace(jacobian=estimate.widened(estimate.direct, x))
    np.testing.assert_allclose(
        dense(wider.jacobian(x)), [np.full(n, 6.0), np.full(n, 3.0)], atol=1e-7
    )


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
def test_single_precision_lengthens_the_steps(scheme: str) -> None:
    def single(x: Any) -> Any:
        return np.float32(smooth(x))

    problem = Problem(objective=single, gradient=scheme, x0=[0.3, 0.7])
    found = problem.gradient(problem.x0)
    # Steps for double precision leave errors of 1 (2-point) and 1e-2 (3-point).
    allowed = 1e-2 if scheme == "2-point" else 1e-3
    np.testing.assert_allclose(found, smooth_gradient(problem.x0), atol=allowed)
    estimate: Any = problem.gradient
    assert estimate.options.noise == np.finfo(np.float32).eps
