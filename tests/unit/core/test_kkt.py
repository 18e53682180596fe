"""Hand-worked estimators and statuses; the formulas are in docs/notation.md."""

from __future__ import annotations

import math

import numpy as np
import pytest

import optlab
from optlab.core.control import Tolerances
from optlab.core.kkt import error_estimators
from optlab.core.status import PointStatus
from optlab.core.verdict import point_status


def parabola(**more: object) -> optlab.Problem:
    """f = (x0 - 3)^2 + x1^2."""
    return optlab.Problem(
        objective=lambda x: float((x[0] - 3.0) ** 2 + x[1] ** 2),
        gradient=lambda x: np.array([2.0 * (x[0] - 3.0), 2.0 * x[1]]),
        x0=np.zeros(2),
        **more,  # type: ignore[arg-type]
    )


def circle() -> optlab.Problem:
    """The parabola on x0^2 + x1^2 = 4: solution (2, 0) with y = 1/2."""
    return parabola(
        constraints=lambda x: np.array([x @ x]),
        jacobian=lambda x: 2.0 * x[None, :],
        cl=[4.0],
        cu=[4.0],
        linear=[False],
    )


def test_solution_of_an_equality_has_no_error() -> None:
    cert = error_estimators(circle(), np.array([2.0, 0.0]), np.array([0.5]), np.zeros(2))
    assert cert.E0 == cert.E1 == cert.primal == cert.dual == 0.0


def test_constraint_error_and_multiplier_error_by_hand() -> None:
    # At (1, 1): grad f = (-4, 2), J = (2, 2), c - 4 = -2; y = 1 gives grad L = (-2, 4).
    cert = error_estimators(circle(), np.ones(2), np.array([1.0]), np.zeros(2))
    assert cert.Ec == pytest.approx(2.0)
    assert cert.Em1 == pytest.approx(math.sqrt(20.0))
    assert cert.Em0 == pytest.approx(math.sqrt(20.0))
    assert pytest.approx(math.sqrt(24.0)) == cert.E1
    assert cert.primal == pytest.approx(2.0)
    assert cert.dual == pytest.approx(4.0)


def test_bound_multipliers_by_hand() -> None:
    # x0 <= 2, at x0 = 1.5: gap 0.5; z0 = 3 cancels grad f. E_m0 adds 3 * 0.5, E_m1 adds 0.5^2.
    problem = parabola(ub=[2.0, np.inf])
    cert = error_estimators(problem, np.array([1.5, 0.0]), np.zeros(0), np.array([3.0, 0.0]))
    assert cert.Em0 == pytest.approx(math.sqrt(1.5))
    assert cert.Em1 == pytest.approx(0.5)
    assert cert.complementarity == pytest.approx(0.5)


def test_a_multiplier_of_a_side_that_is_not_there_counts_in_full() -> None:
    problem = parabola(ub=[2.0, np.inf])
    cert = error_estimators(problem, np.array([2.0, 0.0]), np.zeros(0), np.array([2.0, -0.7]))
    assert cert.Em1 >= 0.7
    assert cert.dual >= 0.7


def test_range_row_uses_the_side_of_its_sign() -> None:
    # 0 <= x0 + x1 <= 1 at (1, 0): the upper side is active, grad f = (-4, 0).
    problem = parabola(
        constraints=lambda x: np.array([x[0] + x[1]]),
        jacobian=lambda _x: np.ones((1, 2)),
        cl=[0.0],
        cu=[1.0],
        linear=[True],
    )
    x = np.array([1.0, 0.0])
    right = error_estimators(problem, x, np.array([4.0]), np.zeros(2))
    assert right.complementarity == 0.0
    assert right.Em1 == pytest.approx(4.0)  # grad L = (0, 4)
    wrong = error_estimators(problem, x, np.array([-4.0]), np.zeros(2))
    # The lower side is 1 away: min(4, 1) enters E_m1, 4 * 1 enters E_m0^2.
    assert wrong.complementarity == pytest.approx(1.0)
    assert wrong.Em1 == pytest.approx(math.sqrt(64.0 + 16.0 + 1.0))
    assert wrong.Em0 == pytest.approx(math.sqrt(64.0 + 16.0 + 4.0))


def test_large_multipliers_scale_the_test_not_the_residual() -> None:
    def steep(x: np.ndarray) -> np.ndarray:
        return np.array([2e6 * (x[0] - 3.0), 2.0 * x[1]])

    problem = parabola(ub=[2.0, 1.0]).replace(gradient=steep)
    x, z = np.array([2.0, 0.0]), np.array([2e6 + 1e-3, 0.0])
    cert = error_estimators(problem, x, np.zeros(0), z)
    assert cert.dual == pytest.approx(1e-3, rel=1e-3)
    assert cert.scale > 1e3
    assert point_status(problem, x, cert, Tolerances()) is PointStatus.STATIONARY


@pytest.mark.parametrize(
    ("x", "y", "status"),
    [
        ((2.0, 0.0), 0.5, PointStatus.STATIONARY),
        ((0.0, 2.0), 0.5, PointStatus.FEASIBLE),
        ((0.0, 0.0), 0.0, PointStatus.INFEASIBLE_STATIONARY),
        ((1.0, 1.0), 0.0, PointStatus.UNKNOWN),
    ],
)
def test_status_says_no_more_than_the_residuals(
    x: tuple[float, float], y: float, status: PointStatus
) -> None:
    problem, point = circle(), np.array(x)
    z = np.zeros(2)
    cert = error_estimators(problem, point, np.array([y]), z)
    assert point_status(problem, point, cert, Tolerances()) is status


def test_unbounded_needs_a_feasible_point_and_a_very_low_value() -> None:
    problem, x = parabola(), np.array([3.0, 1.0])
    cert = error_estimators(problem, x, np.zeros(0), np.zeros(2))
    low, high = -1e21, -1e6
    assert (
        point_status(problem, x, cert, Tolerances(), unbounded_value=low)
        is PointStatus.UNBOUNDED_DIRECTION
    )
    assert (
        point_status(problem, x, cert, Tolerances(), unbounded_value=high)
        is PointStatus.FEASIBLE
    )
