"""Coordinates are drawn with exactly the chances that the weights assume; moments of cut entries are right."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.methods.zeroth.estimators.clipping import normal_moments, sign_moments
from optlab.methods.zeroth.estimators.laws import draw_directions
from optlab.methods.zeroth.estimators.sampling import draw_coordinates, inclusion


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("power", [0.0, 1.0, 6.0])
def test_chances_sum_to_the_count_and_follow_the_importance(count: int, power: float) -> None:
    importance = np.arange(1.0, 9.0)[::-1] ** power
    chance = inclusion(importance, count)
    assert chance.sum() == pytest.approx(count)
    assert np.all((chance > 0.0) & (chance <= 1.0))
    free = chance < 1.0 - 1e-9
    if np.any(free):
        ratio = chance[free] / importance[free]
        np.testing.assert_allclose(ratio, ratio[0])
        assert np.all(ratio[0] * importance[~free] >= 1.0 - 1e-9)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_draws_without_replacement_have_these_chances(count: int) -> None:
    importance = np.array([0.1, 3.0, 1.0, 1.0, 0.5, 20.0, 2.0, 0.3])
    rng = np.random.default_rng(1)
    seen = np.zeros(8)
    for _ in range(20_000):
        draw = draw_coordinates(importance, count, rng)
        assert len(set(draw.place.tolist())) == count
        np.testing.assert_allclose(draw.weight, 1.0 / inclusion(importance, count)[draw.place])
        seen[draw.place] += 1.0
    chance = inclusion(importance, count)
    error = np.sqrt(chance * (1.0 - chance) / 20_000) + 1e-12
    assert np.abs((seen / 20_000 - chance) / error).max() < 4.5


def test_equal_chances_for_equal_importance_and_everything_when_all_are_drawn() -> None:
    np.testing.assert_allclose(inclusion(np.ones(5), 2), 0.4)
    draw = draw_coordinates(np.array([1e-9, 1.0, 1e9]), 3, np.random.default_rng(0))
    assert draw.place.tolist() == [0, 1, 2]
    assert draw.weight.tolist() == [1.0, 1.0, 1.0]


ROOMS = np.array(
    [[0.0, np.inf], [0.3, 0.7], [np.inf, np.inf], [2.0, 0.0], [0.0, 0.0], [0.05, np.inf]]
)


@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_moments_of_cut_entries_against_a_sample(law: str) -> None:
    a, b = ROOMS.T
    found = (normal_moments if law == "gaussian" else sign_moments)(a, b)
    u = draw_directions(law, 400_000, len(a), np.random.default_rng(0))  # type: ignore[arg-type]
    v = np.clip(u, -b, a)
    half = (v - np.clip(-u, -b, a)) / 2.0
    np.testing.assert_allclose(found.mean, v.mean(axis=0), atol=5e-3)
    np.testing.assert_allclose(found.variance, v.var(axis=0), atol=8e-3)
    np.testing.assert_allclose(found.pair, half.var(axis=0), atol=8e-3)


@pytest.mark.parametrize(("count", "m"), [(3, 5), (5, 5), (12, 5), (1, 1), (4, 1)])
def test_orthogonal_directions_are_orthonormal_in_blocks(count: int, m: int) -> None:
    rows = draw_directions("orthogonal", count, m, np.random.default_rng(0))
    assert rows.shape == (count, m)
    for start in range(0, count, m):
        block = rows[start : start + m]
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-12)


def test_orthogonal_directions_prefer_no_sign() -> None:
    """Without the signs of R's diagonal the first entries of a QR factor lean to one side."""
    rng = np.random.default_rng(3)
    rows = np.array([draw_directions("orthogonal", 2, 3, rng) for _ in range(4000)])
    assert np.abs(rows.mean(axis=0)).max() < 4.5 / np.sqrt(3 * 4000)
