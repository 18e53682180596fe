"""Noise is measured from a difference table, and the displacement balances it against curvature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from optlab import zo
from optlab.methods.zeroth.estimators import Box
from optlab.methods.zeroth.estimators.noise import best_step
from optlab.typing import Vector

N = 8


def smooth(x: Vector) -> float:
    return float(np.exp(0.5 * x).sum() + np.sin(x.sum()))


def gradient(x: Vector) -> Vector:
    return np.asarray(0.5 * np.exp(0.5 * x) + np.cos(x.sum()))


def noisy(level: float, seed: int = 0) -> object:
    rng = np.random.default_rng(seed)
    return lambda x: smooth(x) + level * rng.standard_normal()


@pytest.mark.parametrize("level", [1e-8, 1e-5, 1e-2])
def test_the_level_is_found_within_a_factor(level: float) -> None:
    found = []
    for seed in range(20):
        known, spent = zo.CGE(noise="estimate").measured(noisy(level, seed), np.zeros(N), seed)  # type: ignore[arg-type]
        assert spent == 7
        found.append(known.known_noise)
    assert np.median(found) == pytest.approx(level, rel=0.35)
    assert level / 5 < min(found) <= max(found) < 5 * level


def test_an_exact_function_has_the_noise_of_its_rounding() -> None:
    known, _ = zo.RGE(noise="estimate").measured(smooth, np.zeros(N), 0)
    assert 1e-16 < known.known_noise < 1e-12


def test_single_precision_is_seen() -> None:
    def rounded(x: Vector) -> float:
        return float(np.float32(smooth(x.astype(np.float32).astype(np.float64))))

    known, _ = zo.RGE(noise="estimate").measured(rounded, np.ones(N), 0)
    assert 1e-8 < known.known_noise < 1e-5


@pytest.mark.parametrize("central", [False, True])
def test_the_step_is_least_of_the_error_bound(central: bool) -> None:
    """Against a minimiser of the mean square error; see the docstring of the module."""
    s, c = 3e-4, 2.5

    def error(log: float) -> float:
        h = np.exp(log)
        if central:
            return float((c * h**2 / 6) ** 2 + s**2 / (2 * h**2))
        return float((c * h / 2) ** 2 + 2 * s**2 / h**2)

    least = minimize_scalar(error, bracket=(-8.0, 0.0), tol=1e-10)
    assert best_step(s, c, central=central) == pytest.approx(np.exp(least.x), rel=1e-4)


# Of gaussian directions the error is that of their choice, whatever the displacement.
ESTIMATORS = [
    zo.CGE(),
    zo.CGE(central=True),
    zo.RGE(count=None, law="orthogonal"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["cge", "central", "orthogonal"])
def test_a_known_noise_gives_a_better_gradient_than_a_wrong_displacement(
    estimator: zo.CGE | zo.RGE,
) -> None:
    x, level = np.full(N, 0.3), 1e-4
    g = gradient(x)

    def error(**settings: object) -> float:
        changed = type(estimator)(**{**vars(estimator), **settings})
        runs = [changed.gradient(noisy(level, s), x, s).gradient for s in range(30)]  # type: ignore[arg-type]
        return float(np.sqrt(np.mean([((r - g) ** 2).sum() for r in runs])))

    chosen = error(noise=level)
    assert chosen < error(smoothing=1e-4) / 3.0
    assert chosen < error(smoothing=1.0)
    assert error(noise=level, repeats=16) < chosen
    assert error(noise="estimate") < 1.5 * chosen


def test_all_directions_get_displacements_of_the_same_length() -> None:
    lengths = []
    for estimator in (
        zo.CGE(noise=1e-6),
        zo.RGE(noise=1e-6, law="sphere"),
        zo.RGE(noise=1e-6, law="rademacher"),
        zo.RGE(noise=1e-6, law="orthogonal", count=3),
    ):
        rows = estimator.plan(N, np.random.default_rng(0)).shifts.rows()
        lengths.append(np.linalg.norm(rows[1:], axis=1))
    assert np.concatenate(lengths) == pytest.approx(best_step(1e-6, 1.0, central=False))


def test_measuring_is_counted_and_within_bounds() -> None:
    estimator = zo.CGE(noise="estimate")
    assert estimator.noise_is_wanted
    assert not estimator.knowing(1e-3).noise_is_wanted
    calls: list[Vector] = []

    def function(x: Vector) -> float:
        calls.append(x)
        return smooth(x)

    estimate = estimator.gradient(function, np.zeros(N), 0)
    assert estimate.queries == len(calls) == 7 + N + 1
    x = np.zeros(N)
    box = Box(x, np.resize([0.0, -1.0, 0.0, -1e-9], N), np.resize([1.0, 0.0, 0.0, 0.0], N))
    points = estimator.noise_plan(N, np.random.default_rng(0), box=box).shifts.points(x)
    assert np.all((box.lb <= points) & (points <= box.ub))
    assert len(np.unique(points, axis=0)) == 7
    active = np.array([2, 5])
    rows = estimator.noise_plan(N, np.random.default_rng(0), active=active).shifts.rows()
    assert np.flatnonzero(rows.any(axis=0)).tolist() == [2, 5]


def test_a_noise_that_cannot_be_measured_leaves_the_smoothing() -> None:
    plan = zo.CGE(noise="estimate").noise_plan(N, np.random.default_rng(0))
    values = np.ones(plan.queries)
    values[3] = np.nan
    assert np.isnan(plan.combine(values))
    known = zo.CGE(noise="estimate", smoothing=0.02).knowing(plan.combine(values))
    assert known.plan(N, np.random.default_rng(0)).shifts.rows().max() == 0.02


def test_zero_noise_leaves_the_smoothing() -> None:
    assert zo.CGE(noise=0.0, smoothing=0.02).radius() == 0.02
