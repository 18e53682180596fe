"""Projected CG: exactness on faces, curvature, trust radius."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.linalg.krylov import CGEnd, projected_cg
from optlab.linalg.polyhedron import Polyhedron
from optlab.linalg.projection import Projector


def face(seed: int, n: int = 9, m: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((n, n))
    return B @ B.T + np.eye(n), rng.standard_normal(n), rng.standard_normal((m, n))


@pytest.mark.parametrize("seed", range(4))
def test_solution_equals_that_of_the_kkt_system(seed: int) -> None:
    H, g, A = face(seed)
    n, m = g.size, A.shape[0]
    free = np.arange(n) != 2
    projector = Projector(Polyhedron(A, np.zeros(m), np.zeros(m), np.full(n, -np.inf)))
    on = np.ones(m, dtype=bool)
    result = projected_cg(
        lambda v: H @ v, g, lambda v: projector.face_projection(v, free, on)[0], rtol=1e-12
    )
    assert result.end is CGEnd.SOLVED
    assert result.iterations <= n - 1 - m + 1
    K = np.block([[H, A.T], [A, np.zeros((m, m))]])
    keep = np.concatenate((free, on))
    expected = np.linalg.solve(K[np.ix_(keep, keep)], np.concatenate((-g[free], np.zeros(m))))
    np.testing.assert_allclose(result.step[free], expected[: n - 1], rtol=1e-8, atol=1e-10)
    assert result.step[2] == 0.0


def test_negative_curvature_is_returned_and_not_followed() -> None:
    H = np.diag([2.0, 1.0, -0.5])
    g = np.array([1.0, 1.0, 0.1])
    result = projected_cg(lambda v: H @ v, g, lambda v: v, rtol=1e-10)
    p = result.curvature_direction
    assert result.end is CGEnd.NEGATIVE_CURVATURE
    assert p is not None
    assert p @ H @ p <= 0.0
    assert g @ p <= 0.0
    assert g @ result.step < 0.0


def test_flat_directions_count_as_no_curvature() -> None:
    result = projected_cg(lambda v: 0.0 * v, np.ones(3), lambda v: v)
    assert result.end is CGEnd.NEGATIVE_CURVATURE
    assert not result.step.any()
    np.testing.assert_array_equal(result.curvature_direction, -np.ones(3))


def test_steps_end_on_the_trust_region() -> None:
    H, g, _ = face(1)
    result = projected_cg(lambda v: H @ v, g, lambda v: v, rtol=1e-12, radius=1e-3)
    assert result.end is CGEnd.BOUNDARY
    assert np.linalg.norm(result.step) == pytest.approx(1e-3)


def test_iteration_limit_and_a_stationary_start() -> None:
    H, g, _ = face(2)
    assert projected_cg(lambda v: H @ v, g, lambda v: v, rtol=1e-14, max_iter=2).iterations == 2
    zero = projected_cg(lambda v: H @ v, np.zeros(9), lambda v: v)
    assert zero.end is CGEnd.SOLVED
    assert zero.iterations == 0
