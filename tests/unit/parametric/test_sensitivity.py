"""Derivatives of solutions agree with differences of solutions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from families import Moved, close, slopes
from hypothesis import assume, given
from hypothesis import strategies as st
from planted import Planted, planted

import optlab
from optlab import Perturbation, Problem
from optlab.core.method import WarmStart
from optlab.errors import SolveError
from optlab_problems import catalog

P = 3
STEADY = 100.0
"""Inverse norm of the KKT matrix up to which steps of 1e-6 keep the active set of planted problems."""


@given(case=planted(curved=True))
def test_planted_problems_move_as_predicted(case: Planted) -> None:
    family = Moved.of(case, P)
    s = optlab.sensitivity(family, family.solution, np.zeros(P))
    assert s.regular, s
    assume(s.regularity.inverse_norm < STEADY)
    for k, e in enumerate(np.eye(P)):
        x, y, z, f = slopes(family, np.zeros(P), e, 1e-6)
        close(s.dx[:, k], x, 1e-4)
        close(s.dy[:, k], y, 1e-4)
        close(s.dz[:, k], z, 1e-4)
        close(s.df[k], f, 1e-4)


@given(case=planted(curved=True), seed=st.integers(0, 1000))
def test_the_adjoint_is_the_transpose(case: Planted, seed: int) -> None:
    family = Moved.of(case, P)
    s = optlab.sensitivity(family, family.solution, np.zeros(P))
    rng = np.random.default_rng(seed)
    n, m = case.x.size, case.y.size
    vx, vy, vz = rng.standard_normal(n), rng.standard_normal(m), rng.standard_normal(n)
    forward = vx @ s.dx + vy @ s.dy + vz @ s.dz + 0.7 * s.df
    close(s.adjoint(vx, vy, vz, 0.7), forward, 1e-9 * max(1.0, s.regularity.inverse_norm))
    direction = rng.standard_normal(P)
    step = s.along(direction)
    close(step.x, s.dx @ direction, 1e-12 * max(1.0, s.regularity.inverse_norm))
    assert step.f == pytest.approx(float(s.df @ direction), rel=1e-9, abs=1e-9)


@given(case=planted(min_rows=1), exponent=st.integers(-8, 8))
def test_units_of_rows_and_objective_change_only_multipliers(
    case: Planted, exponent: int
) -> None:
    plain = optlab.sensitivity(case.problem(), WarmStart(case.x, case.y, case.z), "linear")
    factors = 10.0 ** (exponent * np.linspace(-1.0, 1.0, case.y.size))
    scaled = case.with_rows_scaled(factors)
    s = optlab.sensitivity(scaled.problem(), WarmStart(scaled.x, scaled.y, scaled.z), "linear")
    assert s.regular, s
    close(s.dx, plain.dx, 1e-7 * max(1.0, plain.regularity.inverse_norm))
    unit = 10.0**exponent
    other = replace(case, Q=unit * case.Q, q=unit * case.q, y=unit * case.y, z=unit * case.z)
    t = optlab.sensitivity(other.problem(), WarmStart(other.x, other.y, other.z), "linear")
    assert t.regular, t
    close(unit * t.dx, plain.dx, 1e-7 * max(1.0, plain.regularity.inverse_norm))


@pytest.mark.parametrize("name", ["hs39", "hs40", "hs43", "hs63", "hs71", "hs100", "hs106"])
@pytest.mark.parametrize("method", ["npasa", "ipopt"])
@pytest.mark.parametrize("data", ["linear", "cl", "cu", "lb", "ub"])
def test_nonlinear_problems_against_solving_again(name: str, method: str, data: str) -> None:
    if method == "ipopt":
        pytest.importorskip("cyipopt")
    problem = catalog.load(name)
    result = optlab.minimize(problem, method=method, tol=1e-9)
    s = optlab.sensitivity(problem, result, data)
    assert s.regular, s
    movable = np.ones(problem.n) if data == "linear" else np.isfinite(getattr(problem, data))
    for k in np.flatnonzero(movable)[:3]:
        size = 1.0 if data == "linear" else max(1.0, abs(getattr(problem, data)[k]))
        e = np.arange(movable.size) == k

        def build(p: Any) -> Problem:
            return moved(problem, data, p * e)  # noqa: B023 - called before k changes

        x, _, _, f = slopes(
            build, np.zeros(1), np.ones(1), 1e-5 * size, tol=1e-9, warm_start=result
        )
        close(s.dx[:, k], x, 1e-6)
        close(s.df[k], f, 1e-6)


def moved(problem: Problem, data: str, shift: Any) -> Problem:
    """Return the problem with a linear term added or limits moved, equalities as a whole."""
    if data == "linear":
        return problem.replace(
            objective=lambda x: problem.objective(x) + shift @ x,
            gradient=lambda x: problem.gradient(x) + shift,
        )
    other = {"cl": "cu", "cu": "cl", "lb": "ub", "ub": "lb"}[data]
    one, two = getattr(problem, data), getattr(problem, other)
    return problem.replace(**{data: one + shift, other: np.where(one == two, two + shift, two)})


@pytest.mark.parametrize("full", [False, True])
def test_a_large_sparse_system_gives_what_dense_algebra_gives(*, full: bool) -> None:
    n, m = 300, 120
    rng = np.random.default_rng(3)
    W = sp.diags_array([np.full(n - 1, -1.0), np.full(n, 2.5), np.full(n - 1, -1.0)],
                       offsets=[-1, 0, 1], format="csr")  # fmt: skip
    J = sp.random_array((m, n), density=1.0 if full else 0.02, rng=rng, format="csr")
    J = sp.csr_array(J + sp.eye_array(m, n))
    x = rng.uniform(0.1, 1.0, n)
    at_bound = (rng.random(n) < 0.2) & (np.arange(n) >= m)
    x[at_bound] = 0.0
    z = np.where(at_bound, -rng.uniform(0.5, 1.0, n), 0.0)
    y = rng.standard_normal(m)
    q = -(W @ x + J.T @ y + z)
    problem = Problem(
        objective=lambda v: float(0.5 * v @ (W @ v) + q @ v),
        gradient=lambda v: W @ v + q,
        hessian=lambda _x, _y, sigma: sigma * W,
        constraints=lambda v: J @ v,
        jacobian=lambda _x: J,
        x0=x,
        lb=0.0,
        cl=J @ x,
        cu=J @ x,
    )
    s = optlab.sensitivity(problem, WarmStart(x, y, z), "cl")
    assert s.regular, s
    free = np.flatnonzero(~at_bound)
    A = J.toarray()[:, free]
    K = np.block([[W.toarray()[np.ix_(free, free)], A.T], [A, np.zeros((m, m))]])
    wanted = np.linalg.solve(K, np.vstack((np.zeros((free.size, m)), np.eye(m))))
    close(s.dx[free], wanted[: free.size], 1e-8)
    close(s.dy, wanted[free.size :], 1e-8)
    assert not s.dx[at_bound].any()
    v = rng.standard_normal(n)
    close(s.adjoint(v), v @ s.dx, 1e-8)


def small(**changes: Any) -> Problem:
    given: dict[str, Any] = {
        "objective": lambda x: float(np.exp(x[0]) + x[1] ** 4 + x @ x),
        "gradient": lambda x: np.array([np.exp(x[0]), 4 * x[1] ** 3]) + 2 * x,
        "hessian": lambda x, y, s: (
            s * np.diag([np.exp(x[0]) + 2, 12 * x[1] ** 2 + 2]) + 2 * y[0] * np.eye(2)
        ),
        "constraints": lambda x: np.array([x @ x]),
        "jacobian": lambda x: 2 * x[None],
        "x0": [0.3, 0.8],
        "cl": [1.0],
        "cu": [2.0],
    }
    return Problem(**(given | changes))


def test_second_derivatives_come_from_where_they_are() -> None:
    full = small()
    result = optlab.minimize(full, tol=1e-10)
    wanted = optlab.sensitivity(full, result, "cl")
    assert wanted.solution.active.rows[0] == -1.0
    products = full.replace(hessian=None, hprod=lambda x, y, s, v: full.hessian(x, y, s) @ v)
    close(optlab.sensitivity(products, result, "cl").dx, wanted.dx, 1e-12)
    close(optlab.sensitivity(full.replace(hessian=None), result, "cl").dx, wanted.dx, 1e-6)


def test_missing_multipliers_are_fitted() -> None:
    problem = small()
    result = optlab.minimize(problem, tol=1e-10)
    wanted = optlab.sensitivity(problem, result, "cl")
    for solution in (WarmStart(result.x), WarmStart(result.x, np.array([np.nan]), None)):
        found = optlab.sensitivity(problem, solution, "cl")
        close(found.dx, wanted.dx, 1e-7)
        close(found.df, wanted.df, 1e-7)


def test_a_perturbation_says_the_same_as_the_names() -> None:
    problem = small()
    result = optlab.minimize(problem, tol=1e-10)
    named = optlab.sensitivity(problem, result, "cl")
    own = optlab.sensitivity(problem, result, Perturbation(cl=[1.0], names=["radius"]))
    rows = optlab.sensitivity(problem, result, Perturbation(constraints=[-1.0]))
    for other in (own, rows):
        close(other.dx, named.dx, 1e-14)
        close(other.df, named.df, 1e-14)


def test_a_fixed_variable_moves_the_rest() -> None:
    problem = small(lb=[0.5, -10.0], ub=[0.5, 10.0], cl=[-5.0], cu=[1.25])
    result = optlab.minimize(problem, tol=1e-10)
    s = optlab.sensitivity(problem, result, "lb")
    x, _, z, f = slopes(
        lambda p: problem.replace(lb=[0.5 + p[0], -10.0], ub=[0.5 + p[0], 10.0]),
        np.zeros(1), np.ones(1), 1e-5,
    )  # fmt: skip
    close(s.dx[:, 0], x, 1e-6)
    close(s.dz[:, 0], z, 1e-6)
    close(s.df[0], f, 1e-6)
    # Without second derivatives the fixed column must be differenced, too.
    t = optlab.sensitivity(problem.replace(hessian=None), result, "lb")
    close(t.dz, s.dz, 1e-6)


def test_the_prediction_is_right_to_first_order_and_stays_in_the_moved_bounds() -> None:
    case = small(lb=[0.4, -10.0])

    def build(p: Any) -> Problem:
        return case.replace(lb=[0.4 + p[0], -10.0], cl=[1.0 + p[1]])

    result = optlab.minimize(build([0.0, 0.0]), tol=1e-11)
    s = optlab.sensitivity(build, result, [0.0, 0.0])
    errors = []
    for h in (1e-2, 1e-3):
        direction = np.array([h, 2 * h])
        guess, moved_to = s.predict(direction), optlab.minimize(build(direction), tol=1e-11)
        assert guess.y is not None
        assert (guess.x >= build(direction).lb - 1e-9).all()
        errors.append(np.abs(guess.x - moved_to.x).max())
        again = optlab.minimize(build(direction), warm_start=guess, tol=1e-6)
        assert again.success
    assert errors[1] < 0.02 * errors[0]


def test_repr_and_the_way_to_insist() -> None:
    problem = small()
    s = optlab.sensitivity(problem, optlab.minimize(problem, tol=1e-9), "cl")
    assert repr(s).startswith("Sensitivity(2 variables, 1 rows, 1 parameters; active: 1 rows")
    assert s.raise_if_irregular() is s
    flat = Problem(
        objective=lambda _x: 0.0, gradient=np.zeros_like, x0=[0.0],
        hessian=lambda _x, _y, _s: np.zeros((1, 1)),
    )  # fmt: skip
    t = optlab.sensitivity(flat, WarmStart(np.zeros(1)), "linear")
    with pytest.raises(SolveError, match="singular"):
        t.raise_if_irregular()
