"""The feasibility phase: other starts, the user's units, systems of equations."""

from __future__ import annotations

import numpy as np
import pytest

import optlab
from optlab import PointStatus, Problem, StopReason


def corner(x0: list[float]) -> Problem:
    """x y = 1 on x, y >= 0: from the corner the violation has no first-order way down."""
    return Problem(
        objective=lambda x: float(x[0] + 4.0 * x[1]),
        gradient=lambda _: np.array([1.0, 4.0]),
        hessian=lambda _x, y, _s: y[0] * np.array([[0.0, 1.0], [1.0, 0.0]]),
        constraints=lambda x: np.array([x[0] * x[1]]),
        jacobian=lambda x: np.array([[x[1], x[0]]]),
        cl=[1.0], cu=[1.0], lb=0.0, x0=x0, linear=[False],
    )  # fmt: skip


def test_a_start_in_a_corner_of_stationary_infeasibility_is_left() -> None:
    result = optlab.minimize(corner([0.0, 0.0]), method="npasa")
    assert result.point is PointStatus.STATIONARY
    np.testing.assert_allclose(result.x, [2.0, 0.5], atol=1e-5)


def circles(scales: tuple[float, float]) -> Problem:
    """Two circles that do not meet, each row in units of its own."""
    a, b = scales

    def rows(x: np.ndarray) -> np.ndarray:
        return np.array([a * (x @ x - 1.0), b * ((x[0] - 4.0) ** 2 + x[1] ** 2 - 1.0)])

    return Problem(
        objective=lambda x: float(x @ x),
        gradient=lambda x: 2.0 * x,
        hessian=lambda _, y, sigma: 2.0 * (sigma + a * y[0] + b * y[1]) * np.eye(2),
        constraints=rows,
        jacobian=lambda x: np.array([2.0 * a * x, 2.0 * b * (x - [4.0, 0.0])]),
        cl=np.zeros(2), cu=np.zeros(2), x0=[0.5, 1.5], linear=[False, False],
    )  # fmt: skip


@pytest.mark.parametrize("scales", [(1.0, 1.0), (1e3, 1.0), (1.0, 1e3), (1e-3, 1.0)])
def test_infeasibility_is_judged_in_the_users_units(scales: tuple[float, float]) -> None:
    problem = circles(scales)
    result = optlab.minimize(problem, method="npasa")
    assert result.stop is StopReason.STALLED
    assert result.point is PointStatus.INFEASIBLE_STATIONARY
    # The gradient of the violation, as the user has stated the rows.
    c, J = problem.constraints(result.x), problem.jacobian(result.x)
    slope = J.T @ c / np.linalg.norm(c)
    assert np.abs(slope).max() <= 1e-3


def test_a_system_of_equations_is_solved_by_the_feasibility_phase_at_once() -> None:
    """Brown's almost linear system of three; nothing is minimised but the residual."""

    def rows(x: np.ndarray) -> np.ndarray:
        return np.array([2 * x[0] + x[1] + x[2] - 4, x[0] + 2 * x[1] + x[2] - 4, x.prod() - 1])

    def jacobian(x: np.ndarray) -> np.ndarray:
        last = [x[1] * x[2], x[0] * x[2], x[0] * x[1]]
        return np.array([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], last])

    def hessian(x: np.ndarray, y: np.ndarray, _: float) -> np.ndarray:
        H = np.array([[0.0, x[2], x[1]], [x[2], 0.0, x[0]], [x[1], x[0], 0.0]])
        return np.asarray(y[2] * H)

    problem = Problem(
        objective=lambda _: 0.0, gradient=np.zeros_like, hessian=hessian,
        constraints=rows, jacobian=jacobian, cl=np.zeros(3), cu=np.zeros(3),
        x0=np.full(3, 0.5), linear=[False, False, False],
    )  # fmt: skip
    result = optlab.minimize(problem, method="npasa")
    assert result.point is PointStatus.STATIONARY
    np.testing.assert_allclose(rows(result.x), 0.0, atol=1e-6)
    assert [row.extras["phase"] for row in result.history][1:] == ["feas"]
    np.testing.assert_array_equal(result.multipliers.constraints, 0.0)


def test_an_objective_that_starts_flat_is_not_forgotten() -> None:
    """The gradient vanishes at the infeasible start, and nowhere beside it."""
    problem = Problem(
        objective=lambda x: float(-(x[0] ** 2)),
        gradient=lambda x: np.array([-2.0 * x[0], 0.0]),
        hessian=lambda _, y, sigma: 2.0 * (y[0] * np.eye(2) - sigma * np.diag([1.0, 0.0])),
        constraints=lambda x: np.array([x @ x]),
        jacobian=lambda x: 2.0 * x[None, :],
        cl=[4.0], cu=[4.0], x0=[0.0, 3.0], linear=[False],
    )  # fmt: skip
    result = optlab.minimize(problem, method="npasa")
    assert result.history[1].extras["phase"] != "feas"
    assert result.point is PointStatus.STATIONARY
