"""Solving without derivatives: what the front door does, what the certificate may claim."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.control import Tolerances
from optlab.core.derivatives import Differences
from optlab.core.derivatives.accuracy import derivative_error, refined
from optlab.core.oracle import Oracle
from optlab.core.problem import Problem
from optlab.core.status import PointStatus, StopReason
from optlab.core.verdict import certify
from optlab.errors import CapabilityError, OptionError, OptlabWarning


def rosenbrock(x: Any) -> Any:
    return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2


def hs71(**more: Any) -> Problem:
    given: dict[str, Any] = {
        "objective": lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2],
        "constraints": lambda x: np.array([np.prod(x), x @ x]),
        "cl": [25.0, 40.0],
        "cu": [np.inf, 40.0],
        "lb": 1.0,
        "ub": 5.0,
        "x0": [1.0, 5.0, 5.0, 1.0],
    }
    return Problem(**(given | more))


def test_a_plain_function_needs_nothing_else() -> None:
    result = optlab.minimize(rosenbrock, [-1.2, 1.0])
    assert result.success
    assert np.allclose(result.x, 1.0, atol=1e-5)
    assert result.certificate.derivatives == "estimated"
    assert 0.0 < result.certificate.derivative_error < 1e-6
    assert "estimated from differences" in result.message


@pytest.mark.parametrize("scheme", ["2-point", "3-point", "cs", "finite-difference"])
def test_jac_takes_the_name_of_a_scheme(scheme: str) -> None:
    result = optlab.minimize(rosenbrock, [-1.2, 1.0], jac=scheme)
    assert result.success
    assert np.allclose(result.x, 1.0, atol=1e-4)


@pytest.mark.parametrize("scheme", ["auto", "2-point", "3-point", Differences(noise=1e-14)])
def test_constraints_without_a_jacobian(scheme: Any) -> None:
    calls = {"objective": 0, "constraints": 0}
    plain = hs71()

    def counted(verb: str) -> Any:
        def call(x: np.ndarray) -> Any:
            calls[verb] += 1
            assert (x >= 1.0).all()
            assert (x <= 5.0).all()
            return getattr(plain, verb)(x)

        return call

    problem = plain.replace(objective=counted("objective"), constraints=counted("constraints"))
    result = optlab.minimize(problem, derivatives=scheme)
    assert result.success
    assert result.fun == pytest.approx(17.0140173, abs=1e-5)
    assert {verb: result.evaluations[verb] for verb in calls} == calls


def test_exact_derivatives_stay_exact() -> None:
    result = optlab.minimize(lambda x: float(x @ x), [1.0, 2.0], jac=lambda x: 2.0 * x)
    assert result.certificate.derivatives == "exact"
    assert result.certificate.derivative_error == 0.0
    assert "estimated" not in result.message


def test_who_forbids_estimates_gets_the_capability_error() -> None:
    with pytest.raises(CapabilityError, match="gradient"):
        optlab.minimize(rosenbrock, [0.0, 0.0], derivatives="exact")
    with pytest.raises(CapabilityError, match="Jacobian"):
        optlab.minimize(
            hs71(gradient=lambda x: x), method="npasa", derivatives="exact"
        )  # fmt: skip
    with pytest.raises(OptionError, match="3-point"):
        optlab.minimize(rosenbrock, [0.0, 0.0], derivatives="newton")


@pytest.mark.parametrize("limit", [1, 2, 5, 17, 40])
def test_the_limit_on_evaluations_is_exact(limit: int) -> None:
    count = 0

    def f(x: np.ndarray) -> float:
        nonlocal count
        count += 1
        return float(rosenbrock(x))

    result = optlab.minimize(f, [-1.2, 1.0], max_eval=limit)
    assert count == result.evaluations["objective"] <= limit
    assert result.stop is StopReason.MAX_EVAL
    assert not result.success


def test_noisy_functions_end_without_a_false_claim() -> None:
    rng = np.random.default_rng(11)

    def noisy(x: np.ndarray) -> float:
        return float(rosenbrock(x) + 5.0) * (1.0 + 1e-7 * rng.uniform(-1.0, 1.0))

    result = optlab.minimize(noisy, [-1.2, 1.0], jac=Differences(noise=1e-7), max_iter=300)
    assert result.point is PointStatus.FEASIBLE
    assert not result.success
    assert np.allclose(result.x, 1.0, atol=0.3)
    assert result.stop in (StopReason.CONVERGED, StopReason.STALLED, StopReason.MAX_ITER)


def test_a_point_is_not_called_stationary_on_the_word_of_coarse_differences() -> None:
    # The slope of the forward difference vanishes at 1 - d/2, where the true slope is -d.
    x = np.array([1.0 - 0.5e-3])
    problem = Problem(objective=lambda p: float((p[0] - 1.0) ** 2), x0=x, gradient=Differences(
        scheme="2-point", noise=1e-6))  # fmt: skip
    assert abs(problem.gradient(x)[0]) < 1e-9
    point = certify(Oracle(problem), x, 0.0, (None, None), Tolerances(1e-6, 1e-6))
    assert point.status is PointStatus.FEASIBLE
    assert point.certificate.derivative_error == pytest.approx(2e-3, rel=0.1)
    exact = problem.replace(gradient=lambda p: 2.0 * (p - 1.0))
    assert abs(exact.gradient(x)[0]) == pytest.approx(1e-3)


@pytest.mark.parametrize("scheme", ["2-point", "3-point", "complex-step"])
def test_the_error_estimate_covers_the_error(scheme: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        a, b = rng.uniform(-3.0, 3.0, 2), 10.0 ** rng.uniform(-2.0, 2.0)
        y = rng.uniform(-10.0, 10.0, 1)

        def f(x: Any, a: Any = a, b: float = b) -> Any:
            return b * np.exp(a[0] * x[0]) + np.sin(a[1] * x[1])

        def c(x: Any, b: float = b) -> Any:
            return np.array([b * x[0] * x[1] ** 3])

        problem = Problem(
            objective=f, gradient=scheme, constraints=c,
            jacobian=scheme, cl=[0.0], cu=[0.0], x0=[0.5, 0.7], linear=[False],
        )  # fmt: skip
        x = problem.x0
        g = np.array([a[0] * b * np.exp(a[0] * x[0]), a[1] * np.cos(a[1] * x[1])])
        J = b * np.array([[x[1] ** 3, 3.0 * x[0] * x[1] ** 2]])
        oracle = Oracle(problem)
        true = np.abs(oracle.gradient(x) - g + (oracle.jacobian(x) - J).T @ y).max()
        assert true <= derivative_error(oracle, x, y) + 1e-13 * (
            1.0 + np.abs(g).max() + abs(y[0] * b)
        )


def test_refined_steps_suit_badly_scaled_variables() -> None:
    def f(x: np.ndarray) -> float:
        return float(np.cos(1e4 * x[0]) + x[1] ** 2)

    oracle = Oracle(Problem(objective=f, gradient="3-point", x0=[1e-4, 1.0]))
    x = oracle.x0
    true = np.array([-1e4 * np.sin(1.0), 2.0])
    finer = refined(oracle, x, np.zeros(0))["gradient"]
    before = np.abs(oracle.gradient(x) - true).max()
    after = np.abs(finer(x) - true).max()
    assert after < 0.02 * before


def test_fixed_variables_have_no_multiplier_that_nobody_measured() -> None:
    problem = Problem(
        objective=lambda x: float((x[0] - 3.0) ** 2 + 7.0 * x[1]), x0=[0.0, 1.0], lb=[-1.0, 1.0], ub=[5.0, 1.0],
    )  # fmt: skip
    result = optlab.minimize(problem)
    assert result.success
    assert np.isnan(result.multipliers.bounds).tolist() == [False, True]
    again = optlab.minimize(problem, warm_start=result)
    assert again.success


def test_a_pattern_that_grows_is_noticed_and_the_solve_goes_on() -> None:
    n = 10

    def c(x: np.ndarray) -> np.ndarray:
        late = 0.1 * (x[9] - 5.0) * max(x[0] - 2.0, 0.0) ** 2
        return np.array([x[0] ** 2 + x[1] - 9.0 + late, *(x[2:9] ** 2 - 1.0)])

    problem = Problem(
        objective=lambda x: float(((x - 3.0) ** 2).sum()), constraints=c, cl=np.zeros(8),
        cu=np.zeros(8), x0=np.full(n, 0.5), linear=np.zeros(8, dtype=bool),
    )  # fmt: skip
    with pytest.warns(OptlabWarning, match="outside the pattern"):
        result = optlab.minimize(problem)
    assert result.success
    exact = Problem(objective=problem.objective, constraints=c, cl=np.zeros(8), cu=np.zeros(8), x0=np.full(n, 0.5), jacobian=Differences(jacobian_pattern=np.ones((8, n), dtype=bool)), gradient="3-point", linear=np.zeros(8, dtype=bool))  # fmt: skip
    assert result.fun == pytest.approx(optlab.minimize(exact).fun, rel=1e-6)


def test_linear_rows_are_found_by_values_alone() -> None:
    A = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
    problem = Problem(
        objective=lambda x: float((x**4).sum()), constraints=lambda x: np.append(A @ x, x @ x),
        cl=[1.0, 1.0, 0.0], cu=[1.0, 1.0, 10.0], x0=np.zeros(3),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = optlab.minimize(problem)
    assert result.success
    from optlab.core.probe import find_linear_rows

    oracle = Oracle(problem.replace(jacobian="3-point"))
    assert find_linear_rows(oracle, problem.x0).tolist() == [True, True, False]
    assert oracle.counts["jacobian"] == 0
    assert oracle.counts["constraints"] == 6
