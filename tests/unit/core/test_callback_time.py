from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest

import optlab
from optlab.core.oracle import Oracle
from optlab.errors import EvaluationError
from optlab.typing import Vector


def _busy(seconds: float) -> None:
    """Use CPU time, as the process clock counts it."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def _problem() -> optlab.Problem:
    def objective(x: Vector) -> float:
        _busy(0.01)
        return float(x @ x)

    def gradient(x: Vector) -> Vector:
        _busy(0.02)
        return 2.0 * x

    return optlab.Problem(objective=objective, gradient=gradient, x0=np.ones(3))


def test_oracle_adds_up_the_time_of_every_function_but_not_of_remembered_values() -> None:
    oracle = Oracle(_problem())
    assert oracle.callback_time == 0.0
    x = np.ones(3)
    oracle.objective(x)
    first = oracle.callback_time
    assert first >= 0.01
    oracle.objective(x)
    assert oracle.callback_time == first
    oracle.gradient(x)
    assert oracle.callback_time >= first + 0.02


def test_time_of_a_function_that_raises_counts() -> None:
    def broken(x: Vector) -> float:  # noqa: ARG001
        _busy(0.01)
        raise ZeroDivisionError

    oracle = Oracle(optlab.Problem(objective=broken, x0=np.ones(1)))
    with pytest.raises(EvaluationError):
        oracle.objective(np.ones(1))
    assert oracle.callback_time >= 0.01


def test_result_reports_the_time_in_seconds_of_all_counted_calls() -> None:
    begin = time.process_time()
    result = optlab.minimize(_problem(), method="pasa")
    total = time.process_time() - begin
    counted = 0.01 * result.evaluations["objective"] + 0.02 * result.evaluations["gradient"]
    assert counted <= result.callback_time <= total
    assert json.loads(json.dumps(result.to_dict()))["callback_time"] == result.callback_time


def test_views_do_not_count_the_time_twice() -> None:
    """NPASA solves subproblems whose functions call the user's; only those are timed."""

    def row(x: Vector) -> Vector:
        _busy(0.005)
        return np.array([x @ x])

    problem = _problem().replace(
        constraints=row,
        jacobian=lambda x: 2.0 * x[None, :],
        cl=[1.0],
        cu=[1.0],
        linear=None,
        hessian=lambda _x, y, sigma: 2.0 * (sigma + y[0]) * np.eye(3),
    )
    begin = time.process_time()
    result = optlab.minimize(problem, method="npasa")
    total = time.process_time() - begin
    counts = result.evaluations
    counted = (
        0.01 * counts["objective"] + 0.02 * counts["gradient"] + 0.005 * counts["constraints"]
    )
    assert counted <= result.callback_time <= total


def test_a_result_made_by_hand_does_not_know() -> None:
    result = optlab.minimize(_problem(), method="pasa", max_iter=0)
    fields = {
        name: getattr(result, name)
        for name in ("x", "fun", "success", "message", "stop", "point", "multipliers")
    }
    bare = optlab.Result(
        **fields,
        certificate=result.certificate,
        iterations=0,
        evaluations={},
        time=0.0,
        method="",
        problem="",
    )
    assert math.isnan(bare.callback_time)
    assert bare.to_dict()["callback_time"] is None
