from __future__ import annotations

import numpy as np
import pytest

import optlab
from optlab.core.status import PointStatus, StopReason


def parabola(**more: object) -> optlab.Problem:
    given = {
        "objective": lambda x: float((x[0] - 0.7) ** 2),
        "x0": [0.0],
        "lb": -1.0,
        "ub": 2.0,
    }
    return optlab.Problem(**(given | more))  # type: ignore[arg-type]


def test_it_finds_a_minimum_between_the_bounds() -> None:
    result = optlab.minimize(parabola(), method="bounded")
    assert result.success
    assert result.stop is StopReason.CONVERGED
    assert result.point is PointStatus.FEASIBLE
    assert result.x[0] == pytest.approx(0.7, abs=1e-4)


def test_limits_and_accuracy() -> None:
    few = optlab.minimize(parabola(), method="bounded", max_eval=3)
    assert few.stop is StopReason.MAX_EVAL
    assert few.evaluations["objective"] == 3
    rough = optlab.minimize(
        parabola(objective=lambda x: float(np.cosh(x[0] - 0.7))), method="bounded", accuracy=0.2
    )
    fine = optlab.minimize(
        parabola(objective=lambda x: float(np.cosh(x[0] - 0.7))),
        method="bounded",
        accuracy=1e-6,
    )
    assert rough.evaluations["objective"] < fine.evaluations["objective"]
    assert abs(fine.x[0] - 0.7) < 1e-5


def test_what_it_cannot_do() -> None:
    with pytest.raises(
        optlab.errors.CapabilityError, match=r"at most 1 variable\(s\) and the problem has 2"
    ):
        optlab.minimize(parabola(x0=[0.0, 0.0]), method="bounded")
    with pytest.raises(optlab.errors.CapabilityError, match="needs both bounds"):
        optlab.minimize(parabola(ub=np.inf), method="bounded")
