from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from descent import Descent

import optlab
from optlab import PointStatus, Problem, StopReason
from optlab.core.control import Limits
from optlab.core.session import AskTell
from optlab.errors import CapabilityError, OptionError, ProblemError

X = np.array([3.0, -2.0, 1.0])


def f(x: Any) -> float:
    return float(((x - 1.0) ** 2).sum())


def session(**more: Any) -> AskTell:
    limits = Limits(**({"max_iter": 12} | more))
    return AskTell(Descent(), Problem(objective=f, x0=X), limits, 3)


def drive(run: AskTell) -> None:
    while not run.stop:
        run.tell([f(x) for x in run.ask()])


@pytest.mark.parametrize("limits", [{}, {"max_iter": None, "max_eval": 11}])
def test_telling_is_the_same_as_being_driven(limits: dict[str, Any]) -> None:
    run = session(**limits)
    drive(run)
    told = run.result()
    whole = optlab.minimize(
        Problem(objective=f, x0=X), method=Descent(), seed=3, **({"max_iter": 12} | limits)
    )
    # The driver spends a budget that is too short for a step on the points that it allows; a session does not.
    if "max_eval" not in limits:
        assert np.array_equal(told.x, whole.x)
        assert told.evaluations == whole.evaluations
    assert told.stop is whole.stop
    assert told.point is PointStatus.FEASIBLE


def test_asking_twice_asks_the_same() -> None:
    run = session()
    first = run.ask()
    first[:] = 0.0
    np.testing.assert_array_equal(run.ask(), run.query().points)
    assert not np.array_equal(run.ask(), first)


def test_what_failed_is_left_out() -> None:
    run = session()
    points = run.ask()
    run.tell([np.nan, *(f(x) for x in points[1:])])
    assert np.isfinite(run.progress.f)
    assert run.result().stop is StopReason.USER


def test_the_number_of_values_is_checked() -> None:
    run = session()
    with pytest.raises(ProblemError, match=r"shape \(2,\) is needed"):
        run.tell([1.0])
    drive(run)


def test_the_front_door_checks_the_method() -> None:
    with pytest.raises(CapabilityError, match="does its evaluations itself"):
        optlab.ask_tell([1.0], method="mezo")
    with pytest.raises(CapabilityError):
        optlab.ask_tell([1.0], method="npasa")
    with pytest.raises(OptionError, match="no option"):
        optlab.ask_tell([1.0], method=Descent, wrong=3)
    with pytest.raises(ProblemError):
        optlab.ask_tell([1.0], method=Descent, lb=2.0, ub=1.0)
