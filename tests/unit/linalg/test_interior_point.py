"""The central path and its boxes: invariants at every step, optimality, breakdowns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.linalg.interior_point import (
    AbstractCentralSystem,
    Box,
    average_complementarity,
    follow_central_path,
    interior_multipliers,
)
from optlab.linalg.polyhedron import Polyhedron
from optlab.linalg.scaled_rows import ScaledRows

seeds = st.integers(0, 10_000)


def limits(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sides of every kind: both, one, none, equal; from narrow to wide."""
    low = rng.standard_normal(n)
    high = low + 10.0 ** rng.uniform(-6.0, 2.0, n)
    kind = rng.integers(0, 5, n)
    high = np.where(kind == 1, low, np.where(np.isin(kind, (2, 4)), np.inf, high))
    return np.where(np.isin(kind, (3, 4)), -np.inf, low), high


class Diagonal(AbstractCentralSystem):
    """minimize 1/2 x'diag(w)x - b'x over a box: every equation can be solved by hand."""

    def __init__(self, w: np.ndarray, b: np.ndarray, fails_at: int = -1) -> None:
        self.w, self.b, self.fails_at = w, b, fails_at
        self.factored = 0
        self.worst = math.inf

    def factorize(self, x: Box, s: Box) -> bool:
        assert s.v.size == 0
        self.x = x
        inside = [x.below[x.has_low], x.above[x.has_high], x.down[x.has_low], x.up[x.has_high]]
        self.worst = min([self.worst, *(float(part.min(initial=math.inf)) for part in inside)])
        self.factored += 1
        return self.factored != self.fails_at

    def solve(
        self,
        target: float,
        cross_x: tuple[np.ndarray, np.ndarray],
        cross_s: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        assert cross_s[0].size == 0
        x = self.x
        r = self.b - self.w * x.v + x.pull(target, cross_x)
        return np.where(x.fixed, 0.0, r / (self.w + x.stiffness)), np.zeros(0)

    def move(self, t: float) -> None:
        pass


def no_rows() -> Box:
    return Box.around(np.zeros(0), np.zeros(0), np.zeros(0), 1.0)


@given(seeds, st.floats(1e-3, 1e3))
def test_a_box_starts_strictly_inside(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    low, high = limits(rng, 20)
    v = 10.0 * rng.standard_normal(20)
    box = Box.around(v, low, high, scale, 2.0)
    moving = low < high
    assert (box.v[moving] > low[moving]).all()
    assert (box.v[moving] < high[moving]).all()
    np.testing.assert_array_equal(box.v[~moving], low[~moving])
    np.testing.assert_array_equal(box.fixed, ~moving)
    # Never more than scale from where it was or from the limit that it was outside of.
    assert (np.abs(box.v - np.clip(v, low, high)) <= scale * (1.0 + 1e-12)).all()
    products = box.below[box.has_low].sum() + box.above[box.has_high].sum()
    assert box.complementarity() == pytest.approx(2.0 * products)
    assert box.count() == int(
        (np.isfinite(low) & moving).sum() + (np.isfinite(high) & moving).sum()
    )


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, np.nextafter(1.0, 2.0)), (1e8, 1e8 + 2e-8), (1e17, np.inf)]
)
def test_gaps_too_small_to_see_beside_the_limit_are_not_zero(low: float, high: float) -> None:
    box = Box.around(np.zeros(1), np.array([low]), np.array([high]), 1.0)
    assert box.below[0] > 0.0
    assert box.above[0] > 0.0
    assert np.isfinite(box.stiffness).all()


def test_the_path_of_a_projection_survives_a_bound_that_is_hardly_free() -> None:
    low, high = np.zeros(2), np.ones(2)
    low[0], high[0] = 1.0, np.nextafter(1.0, 2.0)
    p = Polyhedron(np.ones((1, 2)), np.array([1.2]), np.array([1.4]), low, high)
    rows = ScaledRows(p, p.A)
    y = np.array([0.0, 5.0])
    lam = interior_multipliers(rows, y)
    assert lam is not None
    x = np.clip(y - p.transpose_times(lam * rows.scale), low, high)
    np.testing.assert_allclose(x, [1.0, 0.4], atol=1e-6)


@given(seeds)
def test_the_changes_solve_the_linearised_complementarity(seed: int) -> None:
    """z gap + gap dz + z dgap = target - cross, at every side that is there and no other."""
    rng = np.random.default_rng(seed)
    low, high = limits(rng, 20)
    box = Box.around(rng.standard_normal(20), low, high, 0.7, 1.3)
    dv = np.where(box.fixed, 0.0, rng.standard_normal(20))
    cross = rng.standard_normal(20), rng.standard_normal(20)
    down, up = box.multipliers(dv, 0.3, cross)
    for there, gap, z, dz, dgap, c in (
        (box.has_low, box.below, box.down, down, dv, cross[0]),
        (box.has_high, box.above, box.up, up, -dv, cross[1]),
    ):
        left = (z * gap + gap * dz + z * dgap)[there]
        size = 1.0 + float(np.abs(z * dgap).max())
        np.testing.assert_allclose(left, (0.3 - c)[there], atol=1e-13 * size)
        np.testing.assert_array_equal(dz[~there], 0.0)
    # The multipliers eliminated: what is left is the pull less the stiffness times the step.
    force = (box.down + down) - (box.up + up)
    expected = box.pull(0.3, cross) - box.stiffness * dv
    size = 1.0 + float(np.abs(box.stiffness * dv).max())
    np.testing.assert_allclose(force, expected, atol=1e-12 * size)


@given(seeds)
def test_the_longest_step_ends_at_the_first_side(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = limits(rng, 20)
    box = Box.around(rng.standard_normal(20), low, high, 0.5)
    dv = np.where(box.fixed, 0.0, rng.standard_normal(20))
    d_down = np.where(box.has_low, rng.standard_normal(20), 0.0)
    d_up = np.where(box.has_high, rng.standard_normal(20), 0.0)
    t = box.longest(dv, d_down, d_up)
    assert 0.0 < t <= 1.0
    box.move(t, dv, d_down, d_up)
    parts = [box.below, box.above, box.down, box.up]
    there = [box.has_low, box.has_high, box.has_low, box.has_high]
    least = min(float(p[m].min(initial=math.inf)) for p, m in zip(parts, there, strict=True))
    assert least >= -1e-12
    if t < 1.0:
        assert least <= 1e-12


@given(seeds)
def test_the_path_ends_at_the_minimum_and_never_leaves_the_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = limits(rng, 15)
    system = Diagonal(rng.uniform(0.1, 10.0, 15), 3.0 * rng.standard_normal(15))
    x, s = Box.around(np.zeros(15), low, high, 1.0), no_rows()
    target = 1e-14 * average_complementarity(x, s)
    assert follow_central_path(system, x, s, target) <= target
    assert system.worst > 0.0
    best = np.clip(system.b / system.w, low, high)
    np.testing.assert_allclose(x.v, best, atol=1e-5)
    # The multipliers are those of the sides: the slope that is left.
    slope = system.w * x.v - system.b
    np.testing.assert_allclose((slope - x.down + x.up)[~x.fixed], 0.0, atol=1e-7)
    # Held is what the solution presses against, wherever it does so clearly.
    push = system.b / system.w
    clear = ~x.fixed & (np.minimum(np.abs(push - low), np.abs(push - high)) > 1e-2)
    sides = np.where(push < low, -1, np.where(push > high, 1, 0))
    np.testing.assert_array_equal(x.held[clear], sides[clear])


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_failed_factorization_is_a_breakdown(fails_at: int) -> None:
    system = Diagonal(np.ones(4), np.full(4, 5.0), fails_at)
    x = Box.around(np.zeros(4), np.zeros(4), np.ones(4), 1.0)
    assert follow_central_path(system, x, no_rows(), 1e-12) == math.inf
    assert system.factored == fails_at


def test_equations_that_are_not_finite_are_a_breakdown_that_moves_nothing() -> None:
    x = Box.around(np.zeros(4), np.zeros(4), np.ones(4), 1.0)
    before = x.v.copy()
    system = Diagonal(np.ones(4), np.array([1.0, np.nan, 1.0, 1.0]))
    assert follow_central_path(system, x, no_rows(), 1e-12) == math.inf
    np.testing.assert_array_equal(x.v, before)


def test_the_limit_on_steps_is_kept_and_the_barrier_reported() -> None:
    x, s = Box.around(np.zeros(4), np.zeros(4), np.ones(4), 1.0), no_rows()
    system = Diagonal(np.ones(4), np.full(4, 5.0))
    start = average_complementarity(x, s)
    reached = follow_central_path(system, x, s, 0.0, max_steps=2)
    assert system.factored == 2
    assert reached == average_complementarity(x, s)
    assert 0.0 < reached < start


def test_a_path_that_is_at_its_end_is_not_followed() -> None:
    x, s = Box.around(np.zeros(3), np.zeros(3), np.ones(3), 1.0), no_rows()
    system = Diagonal(np.ones(3), np.ones(3))
    barrier = average_complementarity(x, s)
    assert follow_central_path(system, x, s, barrier) == barrier
    assert system.factored == 0


def test_the_corrector_saves_factorizations() -> None:
    """With the wrong sign of the second-order terms the mean is 19 and more instead of 15."""
    made = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        low, high = limits(rng, 15)
        system = Diagonal(rng.uniform(0.1, 10.0, 15), 3.0 * rng.standard_normal(15))
        x, s = Box.around(np.zeros(15), low, high, 1.0), no_rows()
        follow_central_path(system, x, s, 1e-14 * average_complementarity(x, s))
        made.append(system.factored)
    assert np.mean(made) <= 17.0
