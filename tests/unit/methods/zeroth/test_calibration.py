"""Rates that are found on samples: neither too long for small samples, nor kept when they turn out so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optlab
from optlab import Problem
from optlab.core.oracle import Oracle
from optlab.core.sampled import AbstractSampled
from optlab.core.shifts import AbstractShifts
from optlab.methods.zeroth import descent
from optlab.methods.zeroth.calibration import SHIFT, calibrated, learned
from optlab.methods.zeroth.guard import averaged, is_astray, remembered
from optlab.methods.zeroth.optimizers import ZOSGD
from optlab.methods.zeroth.state import State
from optlab.typing import Vector

ROWS, N = 240, 30


class Classes(AbstractSampled):
    """Logistic regression on few rows a sample: what is best for one of them is far too long for the others."""

    has_gradient = True

    def __init__(self, batch: int, unit: float = 1.0) -> None:
        rng = np.random.default_rng(3)
        self.A = rng.standard_normal((ROWS, N)) * np.geomspace(5.0, 0.2, N)
        self.sign = np.sign(self.A @ rng.standard_normal(N) + rng.standard_normal(ROWS))
        self.steps_per_epoch, self.unit = ROWS // batch, unit

    def rows(self, key: int | None) -> Any:
        return (
            slice(None)
            if key is None
            else slice(key % self.steps_per_epoch, None, self.steps_per_epoch)
        )

    def values(
        self,
        x: Vector,
        shifts: AbstractShifts,
        key: int | None,
        executor: Any = None,  # noqa: ARG002
    ) -> Vector:
        some = self.rows(key)
        margins = shifts.points(x) @ self.A[some].T * self.sign[some]
        return np.asarray(self.unit * np.logaddexp(0.0, -margins).mean(axis=1))

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        some = self.rows(key)
        A, sign = self.A[some], self.sign[some]
        margins = A @ x * sign
        weights = -sign / (1.0 + np.exp(margins)) / sign.size
        return self.unit * float(np.logaddexp(0.0, -margins).mean()), self.unit * (weights @ A)

    def loss(self, x: Vector) -> float:
        return self.gradient(x, None)[0]

    def problem(self) -> Problem:
        return Problem(
            objective=self.loss,
            gradient=lambda x: self.gradient(x, None)[1],
            x0=np.zeros(N),
            sampled=self,
        )


def trained(task: Classes, method: Any, **more: Any) -> optlab.Result:
    return optlab.minimize(task.problem(), method=method, seed=1, **more)


@pytest.mark.parametrize("batch", [2, 8, 40])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_small_samples_do_not_lead_astray(name: str, batch: int) -> None:
    task = Classes(batch)
    start = task.loss(np.zeros(N))
    assert trained(task, name, max_iter=600).fun < 0.6 * start


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_momentum_does_not_lead_astray(momentum: float) -> None:
    task = Classes(4)
    result = trained(task, "sgd", rule=optlab.zo.Momentum(momentum=momentum), max_iter=600)
    assert result.fun < 0.6 * task.loss(np.zeros(N))


@pytest.mark.parametrize("name", ["sgd", "zo-sgd", "zo-muon", "zo-svrg"])
@pytest.mark.parametrize("factor", [30.0, 1000.0])
def test_a_rate_that_turns_out_too_long_is_halved(
    name: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(state: State, carry: float, *, by_chance: bool) -> float:
        return factor * calibrated(state, carry, by_chance=by_chance)

    task = Classes(20)
    limits = {"max_iter": 800} if name == "sgd" else {"max_eval": 12_000}
    monkeypatch.setattr(descent, "calibrated", wrong)
    rates: list[float] = []
    result = trained(
        task, name, observers=[lambda _, p: rates.append(p.extras["rate"])], **limits
    )
    assert result.fun < task.loss(np.zeros(N))
    assert min(rates[-5:]) < rates[15] / 4.0


@settings(max_examples=6, deadline=None)
@given(unit=st.integers(-8, 8))
def test_the_unit_of_the_objective_does_not_matter(unit: int) -> None:
    """A power of two changes no digit of the path, with searches and ways back."""
    plain, other = (trained(Classes(8, unit=u), "sgd", max_iter=80) for u in (1.0, 2.0**unit))
    assert np.array_equal(plain.x, other.x)


# The parts -----------------------------------------------------------------------------------------


def first_state() -> State:
    problem = Classes(8).problem()
    return ZOSGD().init(Oracle(problem), problem.x0, np.random.default_rng(0))


@settings(max_examples=60, deadline=None)
@given(
    slope=st.floats(0.1, 10.0),
    best=st.floats(2e-3, 2.0),
    noise=st.lists(st.floats(-0.4, 0.4), min_size=10, max_size=10),
)
def test_the_average_of_searches_finds_the_lowest_point(
    slope: float, best: float, noise: list[float]
) -> None:
    """f = -s r + s r^2 / 2 r*, with curvatures that scatter round their average from search to search."""
    state, rates = first_state(), 10.0 ** np.arange(1.0, -4.5, -0.5)
    scatter = 1.0 + np.array(noise) - np.mean(noise)
    for curvature in scatter:
        state, _ = learned(state, rates, slope * (0.5 * curvature * rates**2 / best - rates))
    state = replace(state, k=9)
    found = calibrated(state, 0.5, by_chance=False)
    # The parabola over log rates is not the one over rates.
    assert 1.0 / 3.0 < found / (0.75 * best) < 3.0
    assert calibrated(state, 0.5, by_chance=True) < 0.5 * found
    assert math.isnan(calibrated(replace(state, k=2), 0.5, by_chance=False))


def test_what_fails_is_as_bad_as_the_worst() -> None:
    rates = np.array([4.0, 2.0, 1.0, 0.5])
    state, best = learned(first_state(), rates, np.array([np.nan, 3.0, -2.0, -1.0]))
    assert best == 2
    assert np.array_equal(state.rises, [3.0, 3.0, -2.0, -1.0])
    assert learned(state, rates, np.full(4, np.nan)) == (state, None)


@pytest.mark.parametrize(
    ("rises", "best"), [([3.0, 2.0, 1.0], None), ([3.0, 1.0, -1.0], 2), ([-3.0, 1.0, 1.0], 0)]
)
def test_candidates_that_are_all_too_long_are_shortened(
    rises: list[float], best: int | None
) -> None:
    """But only after all searches: one says little."""
    rates = np.array([1.0, 0.1, 0.01])
    early, found = learned(first_state(), rates, np.array(rises))
    assert found == best
    assert np.array_equal(early.tried, rates)
    late, found = learned(replace(first_state(), k=9), rates, np.array(rises))
    longest = best == 0
    assert found == (0 if longest else None)
    assert late.tried == pytest.approx(rates if longest else rates / SHIFT)
    rate = calibrated(replace(late, k=50), 0.0, by_chance=False)
    assert rate == 1.0 if longest else math.isnan(rate)


def test_chance_alone_is_not_astray() -> None:
    """Ten thousand values round a constant, and then a climb by five deviations."""
    state = replace(first_state(), k=10)
    rng = np.random.default_rng(0)
    for f in rng.standard_normal(30):
        state = averaged(state, float(f))
    for f in rng.standard_normal(10_000):
        state = remembered(averaged(state, float(f)))
        assert not is_astray(state, float(f))
    assert is_astray(state, math.nan)
    for f in 5.0 + rng.standard_normal(30):
        state = averaged(state, float(f))
    assert is_astray(state, 5.0)
