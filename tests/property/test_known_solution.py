"""Problems built from a known KKT point are solved to that point, by every method that can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from planted import Planted, planted

import optlab
from optlab import PointStatus, Result, StopReason

TOL = 1e-8


def assert_solves(case: Planted, result: Result) -> None:
    assert result.success, result
    assert (result.stop, result.point) == (StopReason.CONVERGED, PointStatus.STATIONARY)
    # Curvature of at least 1/2 turns a residual of TOL into an error of the same order.
    np.testing.assert_allclose(result.x, case.x, atol=1e-5)
    assert result.fun == pytest.approx(case.value(), abs=1e-5)
    assert_multipliers(case, result)


def assert_multipliers(case: Planted, result: Result) -> None:
    """Check signs and stationarity; the values need not be unique."""
    y, z = result.multipliers.constraints, result.multipliers.bounds
    jacobian = case.A + np.outer(case.k, result.x)
    gradient = case.Q @ result.x + case.q
    np.testing.assert_allclose(gradient + jacobian.T @ y + z, 0.0, atol=1e-5)
    rows = case.A @ result.x + 0.5 * case.k * (result.x @ result.x)
    tiny = 1e-4
    assert np.all((y >= -tiny) | (rows <= case.cl + tiny))
    assert np.all((y <= tiny) | (rows >= case.cu - tiny))
    assert np.all((z >= -tiny) | (result.x <= case.lb + tiny))
    assert np.all((z <= tiny) | (result.x >= case.ub - tiny))


@pytest.mark.parametrize("method", ["pasa", "npasa"])
@given(case=planted())
def test_quadratic_programs(method: str, case: Planted) -> None:
    assert_solves(case, optlab.minimize(case.problem(), method=method, tol=TOL))


@pytest.mark.parametrize("method", ["pasa", "npasa"])
@given(case=planted(min_rows=3, degenerate=True))
def test_quadratic_programs_with_more_active_constraints_than_variables(
    method: str, case: Planted
) -> None:
    assert_solves(case, optlab.minimize(case.problem(), method=method, tol=TOL))


@given(case=planted(curved=True, min_rows=1))
def test_convex_problems_with_curved_rows(case: Planted) -> None:
    assert_solves(case, optlab.minimize(case.problem(), method="npasa", tol=TOL))


@pytest.mark.parametrize("method", ["pasa", "npasa"])
@given(case=planted())
def test_without_a_hessian_the_same_point_is_found(method: str, case: Planted) -> None:
    problem = case.problem().replace(hessian=None)
    result = optlab.minimize(problem, method=method, tol=1e-6)
    assert result.success, result
    np.testing.assert_allclose(result.x, case.x, atol=1e-4)


@given(case=planted(curved=True, min_rows=1))
def test_started_at_the_solution_little_is_evaluated(case: Planted) -> None:
    result = optlab.minimize(case.problem(x0=case.x), method="npasa", tol=1e-6)
    assert result.success, result
    np.testing.assert_allclose(result.x, case.x, atol=1e-5)
    assert result.evaluations["objective"] <= 30
