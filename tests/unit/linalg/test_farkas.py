"""Rays proposed by a linear program: proofs on empty polyhedra, none on others."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from optlab.linalg.farkas import proposed_ray
from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron
from optlab.linalg.projection import ProjectionStatus, Projector


def empty(seed: int) -> Polyhedron:
    """Make rows whose combination with known positive weights asks for 1 <= 0."""
    rng = np.random.default_rng(seed)
    m, n = 6, 9
    A = rng.standard_normal((m, n))
    weights = rng.uniform(0.5, 2.0, m)
    A[-1] = -(weights[:-1] @ A[:-1]) / weights[-1]
    bu = rng.standard_normal(m)
    bu[-1] = -(weights[:-1] @ bu[:-1] + 1.0) / weights[-1]
    return Polyhedron(A, np.full(m, -np.inf), bu, np.full(n, -np.inf), np.full(n, np.inf))


@given(st.integers(0, 1000))
def test_the_ray_of_an_empty_polyhedron_is_a_proof(seed: int) -> None:
    polyhedron = empty(seed)
    ray = proposed_ray(polyhedron)
    assert ray is not None
    assert polyhedron.proves_empty(ray)
    assert (ray >= 0.0).all()


@given(st.integers(0, 1000))
def test_nothing_is_proved_where_there_is_a_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A = sp.csr_array(rng.standard_normal((5, 8)))
    x = rng.uniform(0.0, 1.0, 8)
    r = A @ x
    polyhedron = Polyhedron(A, r, r + rng.uniform(0.0, 1.0, 5), np.zeros(8), np.ones(8))
    ray = proposed_ray(polyhedron)
    assert ray is None or not polyhedron.proves_empty(ray)


def test_a_projection_that_fails_asks_for_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the dual method's own search for rays the linear program still finds one."""
    monkeypatch.setattr("optlab.linalg.dual_newton.DualNewton._raise_if_ray", lambda *_: None)
    with pytest.raises(EmptyPolyhedronError):
        Projector(empty(3)).project(np.zeros(9))


def test_a_polyhedron_known_to_have_points_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Polyhedron] = []

    def nothing(polyhedron: Polyhedron) -> None:
        asked.append(polyhedron)

    monkeypatch.setattr("optlab.linalg.projection.proposed_ray", nothing)
    monkeypatch.setattr("optlab.linalg.dual_newton.DualNewton._raise_if_ray", lambda *_: None)
    projector = Projector(empty(3))
    for _ in range(3):
        assert projector.project(np.zeros(9)).status is ProjectionStatus.INACCURATE
    assert len(asked) == 1


@pytest.mark.parametrize("side", [-1.0, 1.0])
@given(seed=st.integers(0, 1000))
def test_bounds_and_units_take_part_in_the_proof(side: float, seed: int) -> None:
    """A positive combination of x in [0, 1] is in [0, its sum], in whatever units its row is."""
    rng = np.random.default_rng(seed)
    n = 6
    A = np.vstack((rng.uniform(0.5, 2.0, n), rng.standard_normal((3, n))))
    units = 10.0 ** rng.uniform(-4.0, 4.0, 4)
    bl, bu = np.full(4, -np.inf), np.full(4, np.inf)
    bl[1] = float(np.minimum(A[1], 0.0).sum()) - 1.0  # never met
    if side > 0.0:
        bu[0] = -0.1
    else:
        bl[0] = float(A[0].sum()) + 0.1
    p = Polyhedron(A * units[:, None], bl * units, bu * units, np.zeros(n), np.ones(n))
    ray = proposed_ray(p)
    assert ray is not None
    assert p.proves_empty(ray)
    assert side * ray[0] > 0.0
    np.testing.assert_array_equal(ray[1:], 0.0)
    # One hair wider and there are points: nothing may be proved.
    bu[0], bl[0] = (1e-3, bl[0]) if side > 0.0 else (bu[0], float(A[0].sum()) - 1e-3)
    wider = Polyhedron(A * units[:, None], bl * units, bu * units, np.zeros(n), np.ones(n))
    ray = proposed_ray(wider)
    assert ray is not None
    np.testing.assert_array_equal(ray, 0.0)


def test_without_rows_there_is_no_ray() -> None:
    assert proposed_ray(Polyhedron(None, None, None, np.zeros(3), np.ones(3))) is None
