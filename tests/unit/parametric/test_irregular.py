"""Solutions without a two-sided derivative: weakly active constraints, dependent rows, flat Hessians."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from families import Moved, close, parts
from hypothesis import assume, given
from hypothesis import strategies as st
from planted import Planted, planted

import optlab
from optlab import Perturbation, Problem
from optlab.core.method import WarmStart
from optlab.parametric.least_norm import LEAST_NORM_ORDER


def qp(Q: Any, q: Any, A: Any = None, **limits: Any) -> Problem:
    """Return min 1/2 x'Qx + q'x with rows A x."""
    Q, q = np.asarray(Q, dtype=float), np.asarray(q, dtype=float)
    rows: dict[str, Any] = {}
    if A is not None:
        A = np.asarray(A, dtype=float)
        rows = {
            "constraints": lambda x: A @ x,
            "jacobian": lambda _x: A,
            "linear": np.ones(len(A), dtype=bool),
        }
    return Problem(
        objective=lambda x: float(0.5 * x @ Q @ x + q @ x),
        gradient=lambda x: Q @ x + q,
        hessian=lambda _x, _y, s: s * Q,
        x0=np.zeros(q.size),
        **rows,
        **limits,
    )


def weakened(case: Planted, rows: Any, bounds: Any) -> Planted:
    """Set multipliers of inequalities to zero; the point stays the solution."""
    y = np.where(rows & (case.cl != case.cu), 0.0, case.y)
    z = np.where(bounds, 0.0, case.z)
    jacobian = case.A + np.outer(case.k, case.x)
    return replace(case, y=y, z=z, q=-(case.Q @ case.x + jacobian.T @ y + z))


@given(case=planted(curved=True), seed=st.integers(0, 1000))
def test_one_sided_derivatives_at_kinks_match_solving_again(case: Planted, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = weakened(case, rng.random(case.y.size) < 0.5, rng.random(case.x.size) < 0.5)
    family = Moved.of(case, 2, seed)
    s = optlab.sensitivity(family, family.solution, np.zeros(2))
    assume(s.weakly_active)
    assert not s.regular
    assert "weakly active" in s.issues[0]
    assume(s.regularity.inverse_norm < 100.0)
    start, h = (*parts_of(case), case.value()), 1e-7
    for direction in (*np.eye(2), *-np.eye(2)):
        step = s.directional(direction)
        assert step.exists, step.message
        ends = parts(optlab.minimize(family(h * direction), tol=1e-11))
        for end, begin, rate in zip(ends, start, (step.x, step.y, step.z, step.f), strict=True):
            close((end - begin) / h, rate, 1e-3)


def parts_of(case: Planted) -> tuple[Any, Any, Any]:
    return case.x, case.y, case.z


@pytest.mark.parametrize(("direction", "rate"), [(1.0, 0.0), (-1.0, 1.0)])
def test_the_two_sides_of_a_kink(direction: float, rate: float) -> None:
    """Minimise x^2 / 2 + p x over x >= 0: x = max(0, -p)."""
    problem = qp([[1.0]], [0.0], lb=0.0)
    s = optlab.sensitivity(problem, optlab.minimize(problem, tol=1e-10), "linear")
    assert s.weakly_active == ("bound of x[0] at its lower side",)
    step = s.directional([direction])
    assert step.x[0] == pytest.approx(rate, abs=1e-9)
    assert step.z[0] == pytest.approx(rate - direction if rate == 0.0 else 0.0, abs=1e-9)
    # The linear map is the one of the side on which the bound stays active.
    assert s.dx[0, 0] == 0.0
    assert s.adjoint([1.0])[0] == 0.0


def test_weak_rows_are_named() -> None:
    problem = qp(np.eye(2), [-1.0, -1.0], [[1.0, 1.0]], cl=[-np.inf], cu=[2.0]).replace(
        constraint_names=["budget"]
    )
    s = optlab.sensitivity(problem, WarmStart(np.ones(2), np.zeros(1), np.zeros(2)), "cu")
    assert s.weakly_active == ("row[0] (budget) at its upper side",)
    assert s.directional([-1.0]).x.tolist() == pytest.approx([-0.5, -0.5])
    assert s.directional([1.0]).x.tolist() == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize("barrier", [1e-8, 1e-10])
def test_what_an_interior_point_method_leaves_of_a_weak_bound_is_called_weak(
    barrier: float,
) -> None:
    problem = qp([[1.0]], [0.0], lb=0.0)
    root = np.sqrt(barrier)
    ended = WarmStart(np.array([root]), np.zeros(0), np.array([-root]))
    assert optlab.sensitivity(problem, ended, "linear").weakly_active


@pytest.mark.parametrize("barrier", [1e-7, 1e-9])
def test_and_a_strong_or_inactive_one_is_not(barrier: float) -> None:
    for q, x, z in ((1.0, barrier, -1.0), (-1.0, 1.0, -barrier)):
        problem = qp([[1.0]], [q], lb=0.0)
        s = optlab.sensitivity(
            problem, WarmStart(np.array([x]), np.zeros(0), np.array([z])), "linear"
        )
        assert not s.weakly_active
        assert s.dx[0, 0] == (0.0 if q > 0 else -1.0)


def test_a_repeated_row_is_reported_and_consistent_changes_still_have_a_derivative() -> None:
    problem = qp(np.eye(2), [0.0, 0.0], [[1.0, 1.0], [2.0, 2.0]], cl=[1.0, 2.0], cu=[1.0, 2.0])
    result = optlab.minimize(problem, tol=1e-10)
    s = optlab.sensitivity(problem, result, "cl")
    assert not s.regularity.independent
    assert s.regularity.second_order
    assert any("dependent" in issue for issue in s.issues)
    assert np.isnan(s.dx).all()
    together = s.along([1.0, 2.0])
    assert together.exists
    close(together.x, np.array([0.5, 0.5]), 1e-9)
    apart = s.along([1.0, 0.0])
    assert not apart.exists
    assert "no solution" in apart.message
    assert not s.directional([1.0, 0.0]).exists
    linear = optlab.sensitivity(problem, result, "linear")
    close(linear.dx, np.array([[-0.5, 0.5], [0.5, -0.5]]), 1e-9)
    close(linear.adjoint([1.0, 0.0]), np.array([-0.5, 0.5]), 1e-9)


@given(seed=st.integers(0, 100_000))
def test_where_multipliers_are_not_unique_the_right_ones_are_found(seed: int) -> None:
    """More active rows than variables, all with a common interior direction."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    m = n + int(rng.integers(1, 4))
    root = rng.standard_normal((n, n))
    Q, x = root @ root.T / n + 0.3 * np.eye(n), rng.uniform(-1, 1, n)
    A, inward = rng.standard_normal((m, n)), np.ones(n) / np.sqrt(n)
    A -= np.outer(A @ inward + rng.uniform(0.3, 1.0, m), inward)
    y = rng.uniform(0.0, 1.0, m) * (rng.random(m) < 0.6)
    q = -(Q @ x + A.T @ y)
    dA, db, dq = (
        0.3 * rng.standard_normal((m, n)),
        rng.standard_normal(m),
        rng.standard_normal(n),
    )

    def build(p: Any) -> Problem:
        open_side = np.full(m, -np.inf)
        return qp(Q, q + dq * p[0], A + dA * p[0], cl=open_side, cu=A @ x + db * p[0])

    s = optlab.sensitivity(build, WarmStart(x, y, np.zeros(n)), [0.0])
    assert not s.regularity.independent
    step, h = s.directional([1.0]), 1e-7
    assert step.exists, step.message
    # Where the active rows are nearly dependent, differences with h are too far from the limit.
    assume(np.abs(step.y).max() < 1e3)
    again = optlab.minimize(build([h]), tol=1e-10)
    assume(again.success)
    close((again.x - x) / h, step.x, 1e-2)
    close((again.fun - (0.5 * x @ Q @ x + q @ x)) / h, step.f, 1e-2)


def test_a_degenerate_vertex_of_a_linear_program() -> None:
    problem = qp(
        np.zeros((2, 2)), [-1.0, -1.0], [[1.0, 1.0], [1.0, 2.0], [2.0, 1.0]],
        cl=[-np.inf] * 3, cu=[2.0, 3.0, 3.0],
    )  # fmt: skip
    s = optlab.sensitivity(problem, optlab.minimize(problem, tol=1e-10), "cu")
    assert not s.regularity.independent
    # With the first row loosened the other two hold the vertex, and with it tightened it alone counts.
    assert s.directional([1.0, 0.0, 0.0]).f == pytest.approx(0.0, abs=1e-8)
    assert s.directional([-1.0, 0.0, 0.0]).f == pytest.approx(1.0)
    assert s.directional([0.0, -1.0, 0.0]).f == pytest.approx(1.0 / 3.0)


def test_contradicting_changes_have_no_derivative() -> None:
    problem = qp([[1.0]], [0.0], [[1.0], [1.0]], cl=[-np.inf, 1.0], cu=[1.0, np.inf])
    s = optlab.sensitivity(
        problem, optlab.minimize(problem, tol=1e-10), Perturbation(cu=[-1.0, 0.0])
    )
    step = s.directional([1.0])
    assert not step.exists
    assert step.f == np.inf
    assert "contradict" in step.message


def test_without_a_family_multipliers_that_matter_are_not_guessed() -> None:
    problem = qp([[1.0]], [0.0], [[1.0], [1.0]], cl=[1.0, 1.0], cu=[np.inf, np.inf])
    result = optlab.minimize(problem, tol=1e-10)
    moved = Perturbation(constraints=[-1.0, -0.5], gradient=[0.0])
    step = optlab.sensitivity(problem, result, moved).directional([1.0])
    assert not step.exists
    assert "family" in step.message
    # Limits do not touch grad L, so here the multipliers can be chosen.
    limits = Perturbation(cl=[1.0, 0.5])
    close(optlab.sensitivity(problem, result, limits).directional([1.0]).x, [1.0], 1e-8)


def test_a_weak_row_that_repeats_a_strong_one_does_no_harm_to_the_linear_map() -> None:
    problem = qp([[1.0]], [0.0], [[1.0], [1.0]], cl=[1.0, 1.0], cu=[np.inf, np.inf])
    solution = WarmStart(np.ones(1), np.array([-1.0, 0.0]), np.zeros(1))
    s = optlab.sensitivity(problem, solution, "cl")
    assert not s.regularity.independent
    assert "released" in s.issues[0]
    close(s.dx, np.array([[1.0, 0.0]]), 1e-9)
    close(s.directional([0.0, 1.0]).x, [1.0], 1e-9)
    close(s.directional([0.0, -1.0]).x, [0.0], 1e-9)


def test_a_flat_direction_is_reported_and_gets_the_least_norm() -> None:
    problem = qp(np.diag([1.0, 0.0]), [0.0, 0.0])
    s = optlab.sensitivity(problem, WarmStart(np.array([0.0, 3.0])), "linear")
    assert s.regularity.singular
    assert not s.regularity.second_order
    assert s.regularity.independent
    close(s.dx[:, 0], [-1.0, 0.0], 1e-12)
    assert np.isnan(s.dx[:, 1]).all()
    close(s.adjoint([1.0, 0.0]), [-1.0, 0.0], 1e-12)
    assert np.isnan(s.adjoint([0.0, 1.0])).all()
    # The value has a derivative all the same.
    close(s.df, [0.0, 3.0], 1e-12)


def test_flat_and_dependent_at_once() -> None:
    problem = qp(
        np.diag([1.0, 0.0, 0.0]), np.zeros(3), [[1, 0, 0], [1, 0, 0]], cl=[1, 1], cu=[1, 1]
    )
    s = optlab.sensitivity(problem, optlab.minimize(problem), "linear")
    assert (s.regularity.independent, s.regularity.singular) == (False, True)
    assert len(s.issues) == 2


def test_a_hessian_that_vanishes_at_the_exact_solution_only_is_seen_by_its_drift() -> None:
    problem = Problem(
        objective=lambda x: float(x[0] ** 4 + x[1] ** 2),
        gradient=lambda x: np.array([4.0 * x[0] ** 3, 2.0 * x[1]]),
        hessian=lambda x, _y, s: s * np.diag([12.0 * x[0] ** 2, 2.0]),
        x0=[1.0, 1.0],
    )
    s = optlab.sensitivity(problem, optlab.minimize(problem, tol=1e-10), "linear")
    # A Newton step takes x to 2/3 x, and the Hessian to 4/9 of it.
    assert s.regularity.drift == pytest.approx(5.0 / 9.0, rel=1e-3)
    assert "solve with a smaller tol" in s.issues[0]


def test_rows_that_are_dependent_at_the_exact_solution_only_are_seen_too() -> None:
    problem = Problem(
        objective=lambda x: float(x[1]), gradient=lambda _x: np.array([0.0, 1.0]),
        hessian=lambda _x, y, _s: np.diag([2.0 * y.sum(), 0.0]),
        constraints=lambda x: x[0] ** 2 - x[1] * np.array([1.0, 2.0]),
        jacobian=lambda x: np.array([[2 * x[0], -1.0], [2 * x[0], -2.0]]),
        x0=[1.0, 1.0], cl=[-np.inf] * 2, cu=[0.0] * 2,
    )  # fmt: skip
    near = WarmStart(np.array([1e-6, 1e-12]), np.array([0.5, 0.25]), np.zeros(2))
    assert not optlab.sensitivity(problem, near, "cu").regular


def test_a_second_point_that_cannot_be_evaluated_is_an_issue() -> None:
    problem = Problem(
        objective=lambda x: float(x[0] ** 2), gradient=lambda x: 2.0 * x,
        hessian=lambda x, _y, _s: np.array([[2.0 if x[0] > 0.0 else np.nan]]), x0=[1.0],
    )  # fmt: skip
    near = WarmStart(np.array([1e-9]), np.zeros(0), np.zeros(1))
    assert optlab.sensitivity(problem, near, "linear").regularity.drift == np.inf


def test_a_nearly_singular_vertex_is_measured_without_any_curvature() -> None:
    A = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-7]])
    problem = qp(np.zeros((2, 2)), -A.sum(axis=0), A, cl=[-np.inf] * 2, cu=[0.0] * 2)
    s = optlab.sensitivity(problem, WarmStart(np.zeros(2), np.ones(2), np.zeros(2)), "cu")
    assert 1e6 < s.regularity.inverse_norm < 1e9
    close(A @ s.dx, np.eye(2), 1e-6)


def test_a_saddle_point_is_told_from_a_minimizer() -> None:
    problem = qp(np.diag([1.0, -1.0]), [0.0, 0.0])
    s = optlab.sensitivity(problem, WarmStart(np.zeros(2)), "linear")
    assert not s.regularity.second_order
    assert not s.regularity.singular
    assert "need not be a minimizer" in s.issues[0]
    close(s.dx, np.diag([-1.0, 1.0]), 1e-12)


@pytest.mark.parametrize("dependent", [False, True])
def test_beyond_the_least_norm_order_singularity_is_still_seen(*, dependent: bool) -> None:
    n = LEAST_NORM_ORDER + 1
    Q = np.eye(n)
    if not dependent:
        Q[-1, -1] = 0.0
    A = np.zeros((2, n))
    A[:, 0] = 1.0
    A[1, 1] = 0.0 if dependent else 1.0
    problem = qp(Q, np.zeros(n), A, cl=[0.0, 0.0], cu=[0.0, 0.0])
    s = optlab.sensitivity(
        problem,
        WarmStart(np.zeros(n), np.zeros(2), np.zeros(n)),
        Perturbation(gradient=np.eye(n)[2]),
    )
    assert s.regularity.independent is not dependent
    assert s.regularity.singular is not dependent
    close(s.dx[:, 0], -np.eye(n)[2], 1e-8)


@given(case=planted(min_rows=1), exponent=st.integers(-7, 7))
def test_ill_scaled_rows_and_variables_are_not_called_irregular(
    case: Planted, exponent: int
) -> None:
    scale = 10.0 ** (exponent * np.linspace(-1.0, 1.0, case.y.size))
    moved = case.with_rows_scaled(scale)
    s = optlab.sensitivity(moved.problem(), WarmStart(moved.x, moved.y, moved.z), "linear")
    assert s.regular, s
