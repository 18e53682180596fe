from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.linesearch import LineSearchOptions, LineStep, approximate_wolfe

Scalar: TypeAlias = Callable[[float], float]

OPTIONS = LineSearchOptions()


def search(
    phi: Scalar,
    dphi: Scalar,
    a_max: float = math.inf,
    options: LineSearchOptions = OPTIONS,
    reference: float | None = None,
) -> LineStep:
    return approximate_wolfe(phi, dphi, (phi(0.0), dphi(0.0)), a_max, options, reference)


def test_unit_newton_step_is_taken_at_once() -> None:
    step = search(lambda a: (a - 1.0) ** 2, lambda a: 2.0 * (a - 1.0))
    assert step.size == 1.0
    assert step.trials == 1


def test_expands_while_the_slope_says_further() -> None:
    step = search(lambda a: (a - 40.0) ** 2, lambda a: 2.0 * (a - 40.0))
    assert step.size > 1.0
    assert 2.0 * (step.size - 40.0) >= OPTIONS.curvature * -80.0


def test_never_passes_the_end_of_the_segment() -> None:
    step = search(lambda a: -a, lambda _: -1.0, a_max=3.5)
    assert step.size == 3.5


def test_backtracks_from_a_pole() -> None:
    step = search(
        lambda a: math.inf if a >= 0.2 else -math.log(0.2 - a) - 20.0 * a,
        lambda a: 1.0 / (0.2 - a) - 20.0,
    )
    assert 0.0 < step.size < 0.2


def test_accepts_at_rounding_level_by_slope() -> None:
    # Values are flat to rounding, the slope still tells where the minimiser is: (AW).
    def phi(a: float) -> float:
        return 1e8 + 1e-9 * (a - 1.0) ** 2

    step = search(phi, lambda a: 2e-9 * (a - 1.0))
    assert step.size == 1.0


def test_gives_up_on_an_ascent_direction_disguised_as_descent() -> None:
    step = approximate_wolfe(lambda a: a, lambda _: 1.0, (0.0, -1.0), 1.0, OPTIONS)
    assert not step.found
    assert step.trials <= OPTIONS.max_trials


def test_nonmonotone_reference_admits_a_rise() -> None:
    def phi(a: float) -> float:
        return a * (a - 0.1)

    def dphi(a: float) -> float:
        return 2.0 * a - 0.1

    assert search(phi, dphi, a_max=1.0).size < 1.0
    assert search(phi, dphi, a_max=1.0, reference=2.0).size == 1.0


@settings(max_examples=60, deadline=None)
@given(
    curvature=st.floats(1e-3, 1e3),
    minimiser=st.floats(1e-4, 1e4),
    a_max=st.floats(1.0, 1e5),
)
def test_found_steps_satisfy_a_wolfe_condition(
    curvature: float, minimiser: float, a_max: float
) -> None:
    def phi(a: float) -> float:
        return 0.5 * curvature * (a - minimiser) ** 2

    def dphi(a: float) -> float:
        return curvature * (a - minimiser)

    step = search(phi, dphi, a_max)
    assert step.found
    slope0 = dphi(0.0)
    armijo = phi(step.size) <= phi(0.0) + OPTIONS.decrease * step.size * slope0
    noise = phi(step.size) <= phi(0.0) * (1.0 + OPTIONS.rounding)
    assert armijo or noise
    assert dphi(step.size) >= OPTIONS.curvature * slope0 or step.size == pytest.approx(a_max)
