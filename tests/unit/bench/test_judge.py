"""The judge knows a solution, refuses everything else, and never asks the solver."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import Planted, planted

from optlab import Problem
from optlab.bench.judge import error, judge, passes
from optlab.core.control import Tolerances
from optlab.core.kkt import Certificate
from optlab.core.result import Multipliers, Result
from optlab.core.status import PointStatus, StopReason
from optlab.typing import Vector

TOL = Tolerances(1e-6, 1e-6)


def result(
    x: Any, y: Any = (), z: Any = None, claim: PointStatus = PointStatus.STATIONARY
) -> Result:
    """Return a result that boasts: everything but x and the multipliers is the solver's word."""
    at = np.asarray(x, dtype=np.float64)
    bounds = np.full(at.size, math.nan) if z is None else np.asarray(z, dtype=np.float64)
    return Result(
        x=at,
        fun=-1e9,
        success=True,
        message="the best ever",
        stop=StopReason.CONVERGED,
        point=claim,
        multipliers=Multipliers(np.asarray(y, dtype=np.float64), bounds),
        certificate=Certificate(0, 0, 0, 0, 0, 0, 0, 0),
        iterations=0,
        evaluations={},
        time=0.0,
        method="boaster",
        problem="",
    )


@given(planted(curved=True))
def test_a_solution_is_solved(case: Planted) -> None:
    verdict = judge(case.problem(), result(case.x, case.y, case.z), 1e-6, TOL)
    assert verdict.solved
    assert not verdict.wrong_claim
    assert verdict.multipliers == "returned"
    assert verdict.f == pytest.approx(case.value(), rel=1e-9, abs=1e-9)


@given(planted(curved=True, min_rows=1))
def test_a_solution_without_multipliers_is_solved_with_fitted_ones(case: Planted) -> None:
    nothing = result(case.x, np.full(case.y.size, math.nan))
    wrong = result(case.x, case.y + 1.0, case.z)
    first = judge(case.problem(), nothing, 1e-6, TOL)
    assert (first.solved, first.multipliers) == (True, "least squares")
    second = judge(case.problem(), wrong, 1e-6, TOL)
    assert second.solved
    assert second.multipliers == "least squares"
    # The point is right, but what the result says of its multipliers is not.
    assert second.wrong_claim


@given(planted(curved=True), st.integers(0, 2**16), st.sampled_from([1e-3, 1e-1]))
def test_no_other_point_is_solved(case: Planted, seed: int, size: float) -> None:
    direction = np.random.default_rng(seed).standard_normal(case.x.size)
    x = case.x + size * direction / np.linalg.norm(direction)
    verdict = judge(case.problem(), result(x, case.y, case.z), 1e-6, TOL)
    assert not verdict.solved
    assert verdict.wrong_claim
    humble = result(x, case.y, case.z, PointStatus.FEASIBLE)
    assert not judge(case.problem(), humble, 1e-6, TOL).wrong_claim


@given(planted())
def test_derived_bound_multipliers_come_before_least_squares(case: Planted) -> None:
    verdict = judge(case.problem(), result(case.x, case.y), 1e-6, TOL)
    assert verdict.solved
    assert verdict.multipliers == "derived bounds"


def test_a_claim_is_judged_by_the_tolerances_under_which_it_was_made() -> None:
    problem = Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=np.ones(1)
    )
    rough = result([1e-4], z=[0.0])
    loose = judge(problem, rough, 1e-6, Tolerances(1e-3, 1e-3))
    assert not loose.solved
    assert not loose.wrong_claim
    assert judge(problem, rough, 1e-6, TOL).wrong_claim


def circle(linear: Any = None) -> Problem:
    """Return min x with x^2 <= -1: infeasible everywhere, the violation is least at 0."""
    return Problem(
        objective=lambda x: float(x[0]),
        gradient=lambda _: np.ones(1),
        constraints=lambda x: np.array([x[0] ** 2]),
        jacobian=lambda x: np.array([[2.0 * x[0]]]),
        cu=[-1.0],
        cl=[-np.inf],
        x0=np.ones(1),
        linear=linear,
    )


@pytest.mark.parametrize("linear", [None, [False]])
def test_a_claim_of_infeasibility_is_judged(linear: Any) -> None:
    claim = PointStatus.INFEASIBLE_STATIONARY
    assert not judge(circle(linear), result([0.0], [0.0], None, claim), 1e-6, TOL).wrong_claim
    assert judge(circle(linear), result([0.5], [0.0], None, claim), 1e-6, TOL).wrong_claim
    free = circle(linear).replace(cu=[4.0])
    assert judge(free, result([0.0], [0.0], None, claim), 1e-6, TOL).wrong_claim


@pytest.mark.parametrize("name", ["primal", "dual", "complementarity", "scale"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_residual_that_is_no_number_passes_nothing(name: str, value: float) -> None:
    good = Certificate(0, 0, 0, 0, 0, 0, 0, 0)
    assert passes(good, 1e-6, 1e-6)
    changes: dict[str, Any] = {name: value}
    assert not passes(replace(good, **changes), 1e-6, 1e-6)


def test_residuals_are_relative_to_the_scale_but_the_violation_is_not() -> None:
    big = Certificate(0, 0, 0, 0, 0, 0.0, 5e-6, 5e-6, scale=10.0)
    assert passes(big, 1e-6, 1e-6)
    assert not passes(replace(big, scale=1.0), 1e-6, 1e-6)
    assert not passes(replace(big, primal=5e-6), 1e-6, 1e-6)


def test_the_error_of_a_record_is_what_is_compared_with_the_tolerance() -> None:
    record = {"primal": 2e-7, "dual": 5e-6, "complementarity": 3e-6, "scale": 10.0}
    assert error(record) == pytest.approx(5e-7)
    assert error({**record, "primal": 1e-3}) == 1e-3
    assert error({**record, "dual": None}) is None
    assert error({}) is None


def test_a_point_that_is_no_number_is_not_solved() -> None:
    def objective(x: Vector) -> float:
        return float(x @ x)

    problem = Problem(objective=objective, gradient=lambda x: 2.0 * x, x0=np.ones(2), lb=0.0)
    verdict = judge(problem, result([math.nan, 0.0]), 1e-6, TOL)
    assert not verdict.solved
    assert verdict.wrong_claim
