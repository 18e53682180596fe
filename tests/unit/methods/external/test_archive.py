"""What the points next to an answer say about it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optlab
from optlab.core.oracle import Oracle
from optlab.methods.external.archive import Archive

pytest.importorskip("cobyqa")


def archive(n: int, **bounds: object) -> Archive:
    problem = optlab.Problem(objective=lambda x: float(x.sum()), x0=np.zeros(n), **bounds)  # type: ignore[arg-type]
    return Archive(Oracle(problem), np.ones(n))


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32), st.floats(1e-6, 1e3))
def test_the_gradient_of_a_plane_is_exact(n: int, seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    gradient, x = rng.standard_normal(n), rng.standard_normal(n)
    points = archive(n)
    for step in [np.zeros(n), *(size * rng.standard_normal((2 * n, n)))]:
        points.add(x + step, 2.0 + float(gradient @ (x + step)))
    norm, error = points.steepness(x)
    assert norm == pytest.approx(float(np.linalg.norm(gradient)), rel=1e-3)
    assert error <= 1e-3


def test_the_standard_error_is_what_noise_does() -> None:
    """Of many fits of a plane with noise 0.1, the mean square error agrees with the mean square of what is reported."""
    rng, n = np.random.default_rng(1), 3
    gradient = np.array([1.0, -2.0, 0.5])
    errors, reported = [], []
    for _ in range(400):
        points = archive(n)
        for step in np.vstack([np.zeros(n), 0.3 * np.eye(n), -0.3 * np.eye(n)]):
            points.add(step, float(gradient @ step) + 0.1 * rng.standard_normal())
        norm, error = points.steepness(np.zeros(n))
        errors.append(norm**2 - gradient @ gradient)
        reported.append(error**2)
    # E |g|^2 = |gradient|^2 + E |error|^2.
    assert np.mean(errors) == pytest.approx(np.mean(reported), rel=0.5)
    assert np.mean(reported) == pytest.approx(3 * 0.1**2 / (2 * 0.3**2), rel=0.1)


def test_only_the_nearest_points_count_and_a_point_counts_once() -> None:
    points = archive(1)
    for x, f in ((0.0, 0.0), (0.1, 0.1), (-0.1, -0.1), (-0.1, -0.1), (5.0, 99.0)):
        points.add(np.array([x]), f)
    assert points.steepness(np.zeros(1))[0] == pytest.approx(1.0)
    assert points.radius(np.zeros(1)) == 0.1


def test_too_few_points_or_points_in_a_line_tell_nothing() -> None:
    few, line = archive(2), archive(2)
    for t in range(5):
        if t < 3:
            few.add(np.array([t, t**2], dtype=float), 1.0)
        line.add(np.array([t, t], dtype=float), float(t))
    assert all(map(math.isnan, few.steepness(np.zeros(2))))
    assert all(map(math.isnan, line.steepness(np.zeros(2))))
    assert math.isnan(archive(2).radius(np.zeros(2)))


def test_a_bound_in_the_way_of_descent_makes_it_flat_and_fixed_variables_do_not_count() -> None:
    points = archive(2, lb=[0.0, 3.0], ub=[np.inf, 3.0])
    for t in (0.0, 0.1, 0.2, 0.3):
        points.add(np.array([t, 3.0]), 4.0 * t)
    norm, error = points.steepness(np.array([0.0, 3.0]))
    assert norm == 0.0
    assert error < 1e-12


@pytest.mark.parametrize("method", ["cobyqa", "zo-local"])
def test_a_solve_reports_it(method: str) -> None:
    def f(x: np.ndarray) -> float:
        return float((x[0] - 1.0) ** 2 + 3.0 * (x[1] + 0.5) ** 2)

    converged = optlab.minimize(f, [3.0, 2.0], method=method, seed=0)
    assert converged.extras["estimated_gradient_norm"] < 1e-4
    assert converged.extras["standard_error"] < 1e-4
    early = optlab.minimize(f, [30.0, 20.0], method=method, seed=0, max_eval=5)
    steep = early.extras["estimated_gradient_norm"]
    true = np.linalg.norm([2.0 * (early.x[0] - 1.0), 6.0 * (early.x[1] + 0.5)])
    assert abs(steep - true) < 4.0 * early.extras["standard_error"]
