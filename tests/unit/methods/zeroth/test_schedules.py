from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import OptionError
from optlab.methods.zeroth.schedules import (
    AbstractSchedule,
    Constant,
    Cosine,
    Linear,
    PowerDecay,
    Steps,
    WarmUp,
)

SCHEDULES = [
    Constant(),
    Cosine(),
    Cosine(last=0.1),
    Linear(),
    Steps(),
    WarmUp(3, Cosine()),
    WarmUp(0.2),
    PowerDecay(),
]


def torch_factors(name: str, steps: int, **options: Any) -> list[float]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    factors = []
    for _ in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return factors


@pytest.mark.torch
def test_torch_has_the_same_cosine_and_line() -> None:
    cosine = torch_factors("CosineAnnealingLR", 20, T_max=20, eta_min=0.1)
    assert [Cosine(last=0.1)(k, 20) for k in range(20)] == pytest.approx(cosine)
    options: dict[str, Any] = {"start_factor": 1.0, "end_factor": 0.2, "total_iters": 12}
    line = torch_factors("LinearLR", 15, **options)
    assert [Linear(last=0.2)(k, 12) for k in range(15)] == pytest.approx(line)


def test_milestones_are_fractions_of_the_run() -> None:
    factors = [Steps((0.5, 0.75), 0.1)(k, 8) for k in range(8)]
    assert factors == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_warm_up_comes_before_the_rest() -> None:
    schedule = WarmUp(4, Cosine())
    assert [schedule(k, 14) for k in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert [schedule(k + 4, 14) for k in range(10)] == [Cosine()(k, 10) for k in range(10)]
    assert [WarmUp(0.5)(k, 4) for k in range(4)] == pytest.approx([0.5, 1.0, 1.0, 1.0])
    assert WarmUp(3)(0, None) == pytest.approx(1 / 3)


def test_spalls_gains() -> None:
    """a / (k + 1 + A)^0.602 with A a tenth of the run, divided by its first value."""
    gains = [1.0 / (k + 1 + 10) ** 0.602 for k in range(100)]
    assert [PowerDecay()(k, 100) for k in range(100)] == pytest.approx(
        [gain / gains[0] for gain in gains]
    )
    smoothing = PowerDecay(0.101, 0.0)
    assert smoothing(7, None) == pytest.approx(1.0 / 8**0.101)


@given(st.sampled_from(SCHEDULES), st.integers(1, 300), st.integers(0, 400))
def test_factors_stay_between_0_and_1(schedule: AbstractSchedule, horizon: int, k: int) -> None:
    factor = schedule(k, horizon)
    assert math.isfinite(factor)
    assert 0.0 <= factor <= 1.0 + 1e-12


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_horizon_is_asked_for_where_it_matters(schedule: AbstractSchedule) -> None:
    if schedule.needs_horizon:
        with pytest.raises(OptionError, match="max_epochs"):
            schedule(5, None)
    else:
        assert schedule(5, None) <= 1.0


def test_bad_settings_are_refused() -> None:
    with pytest.raises(OptionError, match="fractions"):
        Steps(milestones=(1.5,))
    with pytest.raises(OptionError, match=">= 0"):
        WarmUp(-1)
