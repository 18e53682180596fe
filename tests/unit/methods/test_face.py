from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import minimize as scipy_minimize

from optlab.linalg.kkt_system import KKTSystem
from optlab.linalg.polyhedron import Polyhedron
from optlab.linalg.projection import Projector
from optlab.methods.pasa.convexify import Convexifier
from optlab.methods.pasa.face import FaceSolver
from optlab.methods.pasa.krylov_face import KrylovFaceSolver
from optlab.methods.pasa.model import QuadraticModel
from optlab.methods.pasa.working_set import WorkingSet, active_at

seeds = st.integers(0, 10_000)


def random_polyhedron(rng: np.random.Generator, n: int, ml: int) -> tuple[Polyhedron, Any]:
    """A polyhedron around a point x that lies on some of its sides."""
    x = rng.standard_normal(n)
    lo = x - rng.choice([0.0, 0.5, np.inf], n)
    hi = x + rng.choice([0.3, 1.0, np.inf], n)
    if not ml:
        return Polyhedron(None, None, None, lo, hi), x
    A = rng.standard_normal((ml, n))
    bl = A @ x - rng.choice([0.0, 0.4, np.inf], ml)
    bu = A @ x + rng.choice([0.2, 1.0], ml)
    return Polyhedron(A, bl, bu, lo, hi), x


def solver(poly: Polyhedron, mh: int = 0) -> FaceSolver:
    return FaceSolver(poly, Convexifier(poly, KKTSystem(poly.n, mh, poly.A)), 100)


def convex(rng: np.random.Generator, n: int) -> Any:
    B = rng.standard_normal((n, n))
    return B @ B.T + 0.1 * np.eye(n)


def start(poly: Polyhedron, x: Any) -> WorkingSet:
    return active_at(x, poly.rows_times(x), poly)


def optimality_error(model: QuadraticModel, poly: Polyhedron, x: Any, step: Any) -> float:
    """Distance between x + s and its projected gradient step: zero only at the minimiser."""
    y = x + step
    gradient = model.partial_gradient(step, np.zeros(model.residual.size))
    if model.jacobian is not None:
        residual = model.residual + model.jacobian @ step
        gradient = gradient + model.jacobian.T @ residual / model.dual_regularization
    return float(np.max(np.abs(Projector(poly).project(y - 1e-3 * gradient).x - y)))


@given(seed=seeds, ml=st.sampled_from([0, 2, 5]))
@example(seed=281, ml=2)  # a constraint has to be released twice
def test_minimises_convex_models(seed: int, ml: int) -> None:
    rng = np.random.default_rng(seed)
    poly, x = random_polyhedron(rng, 6, ml)
    model = QuadraticModel(5.0 * rng.standard_normal(6), convex(rng, 6))
    found = solver(poly).minimize(model, x, start(poly, x), np.zeros(ml))
    assert poly.violation(x + found.step) <= 1e-9
    assert found.solved
    assert found.sigma == 0.0
    assert optimality_error(model, poly, x, found.step) <= 1e-9


def test_agrees_with_another_solver() -> None:
    rng = np.random.default_rng(3)
    poly, x = random_polyhedron(rng, 5, 3)
    model = QuadraticModel(5.0 * rng.standard_normal(5), convex(rng, 5))
    found = solver(poly).minimize(model, x, start(poly, x), np.zeros(3))
    assert isinstance(poly.A, np.ndarray)
    A, finite = poly.A, np.isfinite(poly.bl)
    other = scipy_minimize(
        model.value,
        np.zeros(5),
        jac=lambda s: model.partial_gradient(s, np.zeros(0)),
        bounds=list(zip(poly.lo - x, poly.hi - x, strict=True)),
        constraints=[
            {"type": "ineq", "fun": lambda s: poly.bu - A @ (x + s)},
            {"type": "ineq", "fun": lambda s: (A @ (x + s) - poly.bl)[finite]},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert model.value(found.step) == pytest.approx(other.fun, abs=1e-8)
    np.testing.assert_allclose(found.step, other.x, atol=1e-5)


@given(seed=seeds, penalty=st.sampled_from([0.5, 1e3, 1e7]))
def test_penalty_block_is_the_gauss_newton_term(seed: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    poly, x = random_polyhedron(rng, 5, 0)
    J, h = rng.standard_normal((2, 5)), rng.standard_normal(2)
    g, W = rng.standard_normal(5), convex(rng, 5)
    D = 0.5 / penalty
    block = QuadraticModel(g, W, J, h, D)
    formed = QuadraticModel(g + J.T @ h / D, W + J.T @ J / D)
    found = solver(poly, 2).minimize(block, x, start(poly, x), np.zeros(0))
    value, best = (
        formed.value(found.step),
        solver(poly).minimize(formed, x, start(poly, x), np.zeros(0)),
    )
    assert value <= formed.value(best.step) + 1e-7 * abs(value)
    if found.solved:
        nu = (J @ found.step + h) / D
        np.testing.assert_allclose(found.block_multipliers, nu, rtol=1e-4, atol=1e-4)


@given(seed=seeds, ml=st.sampled_from([0, 3]))
def test_nonconvex_models_give_feasible_descent(seed: int, ml: int) -> None:
    rng = np.random.default_rng(seed)
    poly, x = random_polyhedron(rng, 6, ml)
    W = rng.standard_normal((6, 6))
    model = QuadraticModel(rng.standard_normal(6), W + W.T)
    found = solver(poly).minimize(model, x, start(poly, x), np.zeros(ml))
    assert poly.violation(x + found.step) <= 1e-9
    assert not found.step.any() or model.gradient @ found.step < 0.0


def test_reflection_turns_negative_curvature_round() -> None:
    poly = Polyhedron(None, None, None, np.full(2, -np.inf), np.full(2, np.inf))
    model = QuadraticModel(np.array([1.0, 1.0]), np.diag([4.0, -2.0]))
    found = solver(poly).minimize(model, np.zeros(2), start(poly, np.zeros(2)), np.zeros(0))
    # |W| = diag(4, 2): the step along negative curvature has its natural length.
    np.testing.assert_allclose(found.step, [-0.25, -0.5])
    assert found.sigma == pytest.approx(4.0)


def test_contradicting_rows_and_bounds_are_no_face() -> None:
    """Both variables fixed and a row held that they miss: the primal-dual method must not accept."""
    poly = Polyhedron(np.array([[1.0, 1.0]]), [1.0], [1.0], np.zeros(2), np.ones(2))
    model = QuadraticModel(np.array([1.0, 1.0]), np.eye(2))
    held = WorkingSet(np.array([-1, -1], dtype=np.int8), np.array([2], dtype=np.int8))
    assert solver(poly).primal_dual(model, np.zeros(2), held, np.zeros(1)) is None


@given(seed=seeds, ml=st.sampled_from([0, 2]))
def test_products_alone_reach_the_same_minimiser(seed: int, ml: int) -> None:
    rng = np.random.default_rng(seed)
    poly, x = random_polyhedron(rng, 5, ml)
    model = QuadraticModel(1e-6 * rng.standard_normal(5), convex(rng, 5))
    products = KrylovFaceSolver(poly, Projector(poly), 50, 200)
    held = start(poly, x)
    found = products.minimize(model, x, held, np.zeros(ml))
    assert poly.violation(x + found.step) <= 1e-8
    assert model.value(found.step) <= 0.0
    assert not found.step.any() or model.gradient @ found.step < 0.0


def test_products_follow_negative_curvature() -> None:
    poly = Polyhedron(None, None, None, np.full(2, -np.inf), np.full(2, np.inf))
    model = QuadraticModel(np.array([0.0, 1.0]), np.diag([4.0, -2.0]))
    products = KrylovFaceSolver(poly, Projector(poly), 50, 200)
    found = products.minimize(model, np.zeros(2), start(poly, np.zeros(2)), np.zeros(0))
    np.testing.assert_allclose(found.step, [0.0, -0.5])
