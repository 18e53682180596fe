from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import optlab
from optlab.core.reduction import (
    Chain,
    FixedVariables,
    GradientScaling,
    Multiplied,
    Scaling,
    Slacks,
)


def problem(*, sparse: bool) -> optlab.Problem:
    """Three variables (one fixed), a nonlinear range row, a nonlinear equality, a linear row."""

    def dress(matrix: Any) -> Any:
        return csr_array(matrix) if sparse else matrix

    def jacobian(x: Any) -> Any:
        rows = [[x[1] + 10.0, x[0], 1.0], [2.0 * x[0] + 0.1, 3.0, 1.0], [1.0, 1.0, 1.0]]
        return dress(np.array(rows))

    def hessian(x: Any, y: Any, sigma: float) -> Any:
        H = sigma * np.diag([12.0 * x[0] ** 2 + 1.0, 2.0, 1.0])
        H[0, 1] = H[1, 0] = y[0]
        H[0, 0] += 2.0 * y[1]
        H[2, 2] += 1e-30
        return dress(H)

    return optlab.Problem(
        objective=lambda x: float(x[0] ** 4 + 0.5 * x[0] ** 2 + x[1] ** 2 + 0.5 * x[2] ** 2),
        gradient=lambda x: np.array([4.0 * x[0] ** 3 + x[0], 2.0 * x[1], x[2]]),
        constraints=lambda x: np.array(
            [x[0] * x[1] + 10.0 * x[0] + x[2], x[0] ** 2 + 0.1 * x[0] + 3 * x[1] + x[2], sum(x)]
        ),
        jacobian=jacobian,
        hessian=hessian,
        x0=np.array([8.0, -1.0, 2.0]),
        lb=[-5.0, -np.inf, 2.0],
        ub=[9.0, 4.0, 2.0],
        cl=[0.0, 1.0, -3.0],
        cu=[7.0, 1.0, np.inf],
        linear=[False, False, True],
    )


REDUCTIONS = {
    "fixed": FixedVariables(),
    "slacks": Slacks(),
    "gradients": GradientScaling(largest=1.0),
    "all factors": Scaling(0.25, np.array([0.5, 2.0, 4.0]), np.array([2.0, 0.5, 1.0])),
    "chain": Chain((FixedVariables(), GradientScaling(largest=1.0), Slacks())),
}


def full(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_derivatives_of_the_reduced_problem(name: str, sparse: bool) -> None:
    reduced, _ = REDUCTIONS[name].apply(problem(sparse=sparse))
    rng = np.random.default_rng(0)
    x, y = reduced.x0 + 0.1 * rng.standard_normal(reduced.n), rng.standard_normal(reduced.m)
    step, eye = 1e-6, np.eye(reduced.n)

    def difference(function: Any) -> Any:
        return np.array(
            [(function(x + step * e) - function(x - step * e)) / (2.0 * step) for e in eye]
        ).T

    gradient = np.asarray(reduced.gradient(x))
    scale = 1.0 + np.abs(gradient).max()
    assert np.allclose(gradient, difference(reduced.objective), atol=1e-5 * scale)
    assert np.allclose(full(reduced.jacobian(x)), difference(reduced.constraints), atol=1e-4)

    def lagrangian_gradient(at: Any) -> Any:
        return 0.7 * np.asarray(reduced.gradient(at)) + full(reduced.jacobian(at)).T @ y

    H = full(reduced.hessian(x, y, 0.7))
    assert np.allclose(H, difference(lagrangian_gradient), atol=1e-3 * scale)
    assert np.array_equal(H, H.T)


@pytest.mark.parametrize("name", REDUCTIONS)
@given(seed=st.integers(0, 10_000))
def test_stationarity_maps_back(name: str, seed: int) -> None:
    """Where the reduced Lagrangian's gradient vanishes, so does the user's."""
    original = problem(sparse=False)
    reduced, inverse = REDUCTIONS[name].apply(original)
    rng = np.random.default_rng(seed)
    x, y = reduced.x0 + rng.standard_normal(reduced.n), rng.standard_normal(reduced.m)
    z = -(np.asarray(reduced.gradient(x)) + full(reduced.jacobian(x)).T @ y)
    at = inverse.back(Multiplied(x, y, z), exact=True)
    assert at.y is not None
    assert at.z is not None
    residual = (
        np.asarray(original.gradient(at.x)) + full(original.jacobian(at.x)).T @ at.y + at.z
    )
    assert np.allclose(residual, 0.0, atol=1e-9 * (1.0 + np.abs(at.z).max()))
    assert inverse.objective(reduced.objective(x)) == pytest.approx(original.objective(at.x))


@pytest.mark.parametrize("name", REDUCTIONS)
@given(seed=st.integers(0, 10_000))
def test_forward_then_back_is_the_identity(name: str, seed: int) -> None:
    original = problem(sparse=False)
    _, inverse = REDUCTIONS[name].apply(original)
    rng = np.random.default_rng(seed)
    x = np.append(rng.standard_normal(2), 2.0)
    y, z = rng.standard_normal(3), rng.standard_normal(3)
    z[2] = -(np.asarray(original.gradient(x)) + full(original.jacobian(x)).T @ y)[2]
    at = inverse.back(inverse.forward(Multiplied(x, y, z)), exact=True)
    np.testing.assert_allclose(at.x, x, atol=1e-12)
    assert at.y is not None
    assert at.z is not None
    np.testing.assert_allclose(at.y, y, atol=1e-12)
    np.testing.assert_allclose(at.z, z, atol=1e-9)


def test_slacks_are_named_for_methods_that_reset_them() -> None:
    reduced, _ = Slacks().apply(problem(sparse=False))
    assert reduced.slack_rows.tolist() == [0]
    assert reduced.n == 4
    assert reduced.cl[0] == reduced.cu[0] == 0.0
    assert (reduced.lb[3], reduced.ub[3]) == (0.0, 7.0)
    assert reduced.x0[3] == 7.0  # the row's value at the start, 74, projected


def test_nothing_to_do_leaves_no_trace() -> None:
    plain = optlab.Problem(objective=lambda x: float(x @ x), gradient=lambda x: 2 * x, x0=[1.0])
    reduced, _ = Chain((FixedVariables(), GradientScaling(), Slacks())).apply(plain)
    assert reduced is plain
