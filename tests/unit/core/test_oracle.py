from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.control import BudgetSpent, Limits
from optlab.core.oracle import Oracle
from optlab.errors import EvaluationError, ProblemError


def counted(calls: list[str], **more: Any) -> optlab.Problem:
    def objective(x: Any) -> float:
        calls.append("objective")
        return float(x @ x)

    def gradient(x: Any) -> Any:
        calls.append("gradient")
        return 2.0 * x

    given: dict[str, Any] = {"objective": objective, "gradient": gradient, "x0": np.ones(3)}
    return optlab.Problem(**(given | more))


def test_the_two_last_points_cost_nothing() -> None:
    calls: list[str] = []
    oracle = Oracle(counted(calls))
    a, b, c = (np.full(3, v) for v in (1.0, 2.0, 3.0))
    for x in (a, b, a, b, a):
        oracle.objective(x)
        oracle.gradient(x)
    assert calls.count("objective") == oracle.counts["objective"] == 2
    oracle.objective(c)
    oracle.objective(b)
    oracle.objective(a)
    assert oracle.counts["objective"] > 3


def test_the_cache_looks_at_values_not_at_identity() -> None:
    oracle = Oracle(counted([]))
    x = np.ones(3)
    assert oracle.objective(x) == 3.0
    x[0] = 2.0
    assert oracle.objective(x) == 6.0


def test_a_buffer_that_the_user_reuses_does_not_corrupt_the_cache() -> None:
    buffer = np.zeros(3)

    def gradient(x: Any) -> Any:
        buffer[:] = 2.0 * x
        return buffer

    oracle = Oracle(counted([], gradient=gradient))
    first = oracle.gradient(np.ones(3))
    oracle.gradient(np.full(3, 5.0))
    assert np.array_equal(first, np.full(3, 2.0))
    assert np.array_equal(oracle.gradient(np.ones(3)), np.full(3, 2.0))


def test_what_comes_out_cannot_be_written() -> None:
    oracle = Oracle(counted([]))
    with pytest.raises(ValueError, match="read-only"):
        oracle.gradient(np.ones(3))[0] = 7.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite(value: float) -> None:
    oracle = Oracle(counted([], objective=lambda _x: value))
    with pytest.raises(EvaluationError, match="objective") as caught:
        oracle.objective(np.arange(3.0))
    assert caught.value.function == "objective"
    assert np.array_equal(caught.value.x, np.arange(3.0))


def test_exceptions_keep_their_cause() -> None:
    def broken(_x: Any) -> float:
        message = "no licence"
        raise RuntimeError(message)

    oracle = Oracle(counted([], objective=broken))
    with pytest.raises(EvaluationError, match="no licence") as caught:
        oracle.objective(np.ones(3))
    assert isinstance(caught.value.cause, RuntimeError)


def test_wrong_shapes_say_what_is_needed() -> None:
    oracle = Oracle(counted([], gradient=lambda _x: np.ones(2)))
    with pytest.raises(ProblemError, match=r"\(3,\)"):
        oracle.gradient(np.ones(3))


def test_the_budget_is_exact_to_one_evaluation() -> None:
    calls: list[str] = []
    oracle = Oracle(counted(calls))
    oracle.set_limits(Limits(max_eval=3))
    for k in range(3):
        oracle.objective(np.full(3, float(k)))
    with pytest.raises(BudgetSpent):
        oracle.objective(np.full(3, 9.0))
    assert calls.count("objective") == 3


def test_the_incumbent_prefers_feasibility_then_value() -> None:
    problem = counted(
        [],
        constraints=lambda x: np.array([x[0]]),
        jacobian=lambda _x: np.array([[1.0, 0.0, 0.0]]),
        cl=[2.0],
        cu=[np.inf],
        linear=[True],
    )
    oracle = Oracle(problem)
    for first in (0.0, 3.0, 2.0, 1.0, 2.5):
        x = np.array([first, 0.0, 0.0])
        oracle.objective(x)
        oracle.constraints(x)
    assert oracle.incumbent is not None
    assert oracle.incumbent.x[0] == 2.0
    assert oracle.incumbent.violation == 0.0
