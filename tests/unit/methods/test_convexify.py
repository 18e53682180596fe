"""Shifts and reflections: convex on the face, by little, in the units of each variable."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from optlab.linalg.kkt_system import KKTSystem
from optlab.linalg.low_rank import LowRank
from optlab.linalg.polyhedron import Polyhedron
from optlab.methods.pasa.convexify import (
    FIRST_SHIFT,
    RADIUS_FLOOR,
    Convexifier,
    curvature_radii,
)
from optlab.methods.pasa.model import QuadraticModel
from optlab.methods.pasa.working_set import WorkingSet

seeds = st.integers(0, 10_000)


def symmetric(rng: np.random.Generator, n: int, density: float = 0.4) -> np.ndarray:
    W = rng.standard_normal((n, n)) * (rng.random((n, n)) < density)
    return np.asarray(W + W.T)


def face(rng: np.random.Generator, n: int, ml: int) -> WorkingSet:
    bounds = (rng.random(n) < 0.3).astype(np.int8)
    return WorkingSet(bounds, (rng.random(ml) < 0.5).astype(np.int8))


def setup(
    seed: int, *, sparse: bool, ml: int = 3
) -> tuple[Convexifier, QuadraticModel, WorkingSet]:
    """Make an indefinite model; sparse ones are large enough for the sparse path."""
    rng = np.random.default_rng(seed)
    n = 400 if sparse else 12
    W = symmetric(rng, n, 2.0 / n if sparse else 0.4)
    A = rng.standard_normal((ml, n)) * (rng.random((ml, n)) < (0.05 if sparse else 1.0))
    sides = np.full(ml, np.inf)
    poly = Polyhedron(
        sp.csr_array(A) if sparse else A, -sides, sides, np.full(n, -np.inf), np.full(n, np.inf)
    )
    kkt = KKTSystem(n, 0, poly.A)
    assert kkt.is_dense is not sparse
    model = QuadraticModel(rng.standard_normal(n), sp.csr_array(W) if sparse else W)
    return Convexifier(poly, kkt), model, face(rng, n, ml)


def reduced(convexifier: Convexifier, model: QuadraticModel, held: WorkingSet) -> np.ndarray:
    """Return Z'(W + sigma M)Z by an SVD."""
    H = model.hessian if isinstance(model.hessian, np.ndarray) else model.hessian.toarray()
    H = H + np.diag(np.broadcast_to(model.shift * model.metric, H.shape[0]))
    A = convexifier.polyhedron.A
    assert A is not None
    rows = (A if isinstance(A, np.ndarray) else A.toarray())[
        np.ix_(held.active_rows, held.free)
    ]
    _, sizes, V = np.linalg.svd(rows)
    Z = V[int((sizes > 1e-12).sum()) :].T
    return np.asarray(Z.T @ H[np.ix_(held.free, held.free)] @ Z)


@given(seeds)
def test_radii_are_gershgorins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = symmetric(rng, 8) * 10.0 ** rng.integers(-8, 9)
    W[2] = W[:, 2] = 0.0
    radii = curvature_radii(W)
    largest = np.abs(W).sum(axis=1).max()
    assume(largest > 0.0)
    np.testing.assert_allclose(radii, np.maximum(np.abs(W).sum(axis=1), RADIUS_FLOOR * largest))
    assert radii[2] == RADIUS_FLOOR * largest
    np.testing.assert_allclose(curvature_radii(sp.csr_array(W)), radii, rtol=1e-14)
    # Strictly above 1 the shift makes the matrix positive definite.
    assert np.linalg.eigvalsh(W + 1.01 * np.diag(radii)).min() > 0.0


@given(seeds)
def test_radii_of_separable_models_follow_the_units(seed: int) -> None:
    """x = D z turns W into D W D: the radii must turn into D^2 radii, above the floor."""
    rng = np.random.default_rng(seed)
    w = rng.choice([-1.0, 1.0], 6) * rng.uniform(0.5, 2.0, 6)
    d = rng.uniform(0.3, 3.0, 6)
    scaled = curvature_radii(np.diag(d * w * d))
    np.testing.assert_allclose(scaled, d * curvature_radii(np.diag(w)) * d)


@given(seeds)
def test_radii_do_not_depend_on_order_or_on_the_objectives_unit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, order = symmetric(rng, 7), rng.permutation(7)
    assume(np.any(W))
    radii = curvature_radii(W)
    np.testing.assert_allclose(curvature_radii(W[np.ix_(order, order)]), radii[order])
    np.testing.assert_allclose(curvature_radii(1e5 * W), 1e5 * radii)


@pytest.mark.parametrize("zero", [np.zeros((4, 4)), sp.csr_array((4, 4))])
def test_radii_of_nothing_are_one(zero: object) -> None:
    np.testing.assert_array_equal(curvature_radii(zero), np.ones(4))


@given(seeds)
def test_dense_models_become_convex_and_keep_what_was_convex(seed: int) -> None:
    convexifier, model, held = setup(seed, sparse=False)
    before = np.linalg.eigvalsh(reduced(convexifier, model, held))
    assume(np.abs(before).min(initial=1.0) > 1e-3)
    factor, convex = convexifier.factorize(model, held)
    assert factor is not None
    assert factor.inertia_ok
    after = np.linalg.eigvalsh(reduced(convexifier, convex, held))
    if before.min(initial=1.0) > 0.0:
        assert convex is model
    else:
        # The absolute values of the spectrum, and the largest change is the one that is told.
        np.testing.assert_allclose(after, np.sort(np.abs(before)), rtol=1e-7)
        assert convex.convexified == pytest.approx(2.0 * -before.min())
        assert convex.shift == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_sparse_models_are_shifted_by_little_in_the_metric(seed: int) -> None:
    convexifier, model, held = setup(seed, sparse=True)
    assert np.linalg.eigvalsh(reduced(convexifier, model, held)).min() < 0.0
    factor, convex = convexifier.factorize(model, held)
    assert factor is not None
    assert factor.inertia_ok
    assert sp.issparse(convex.hessian)
    assert np.linalg.eigvalsh(reduced(convexifier, convex, held)).min() > 0.0
    np.testing.assert_array_equal(convex.metric, curvature_radii(model.hessian))
    # Gershgorin: 1 suffices, and the search overshoots tenfold at most.
    assert convex.shift <= 10.0
    assert convex.convexified == pytest.approx(convex.shift * np.max(convex.metric))
    assert convexifier.last_shift == convex.shift
    # The next search begins below what this one needed and does not end above it.
    _, again = convexifier.factorize(model, held)
    assert again.shift <= convex.shift


@pytest.mark.parametrize("w", [1.0, 0.7, 3.3, 1.0 / 3.0])
def test_products_of_two_variables_are_not_left_singular(w: float) -> None:
    """[[0, w], [w, 0]] with sigma = 1 is [[w, w], [w, w]]: the step would have no end."""
    n = 400
    W = sp.diags_array(np.concatenate((np.zeros(2), np.full(n - 2, 2.0)))).tolil()
    W[0, 1] = W[1, 0] = w
    poly = Polyhedron(None, None, None, np.full(n, -np.inf), np.full(n, np.inf))
    convexifier = Convexifier(poly, KKTSystem(n, 0, None))
    held = WorkingSet(np.zeros(n, dtype=np.int8), np.zeros(0, dtype=np.int8))
    gradient = np.ones(n)
    gradient[1] = -0.5
    model = QuadraticModel(gradient, sp.csr_array(W.tocsr()))
    for _ in range(6):  # the remembered shift must not lead there, either
        factor, convex = convexifier.factorize(model, held)
        assert factor is not None
        step, _, _ = factor.solve(-gradient, None, None)
        assert np.abs(step).max() <= 100.0 / w
        shifted = convex.hessian.toarray() + np.diag(convex.shift * convex.metric)
        assert np.linalg.eigvalsh(shifted).min() > 1e-3


def test_a_shift_found_for_one_model_is_raised_for_a_worse_one() -> None:
    convexifier, model, held = setup(1, sparse=True)
    _, convex = convexifier.factorize(model, held)
    n = model.gradient.size
    worse = QuadraticModel(
        model.gradient, sp.csr_array(convex.hessian - 3.0 * sp.diags_array(convex.metric)),
        shift=convex.shift, metric=convex.metric, convexified=convex.convexified,
    )  # fmt: skip
    factor, shifted = convexifier.factorize(worse, held)
    assert factor is not None
    assert factor.inertia_ok
    assert shifted.shift > convex.shift
    # Sigma goes on in the metric that it was begun in: another would change its meaning.
    np.testing.assert_array_equal(shifted.metric, convex.metric)
    assert np.broadcast_to(shifted.metric, n).min() > 0.0


@given(seeds)
def test_quasi_newton_models_of_low_rank_become_convex(seed: int) -> None:
    """Their radii are those of the diagonal only: the search has to go on beyond 1."""
    rng = np.random.default_rng(seed)
    n = 30
    W = LowRank(0.5, rng.standard_normal((n, 2)), np.diag([-3.0, 2.0]))
    poly = Polyhedron(None, None, None, np.full(n, -np.inf), np.full(n, np.inf))
    convexifier = Convexifier(poly, KKTSystem(n, 0, None))
    held = WorkingSet(np.zeros(n, dtype=np.int8), np.zeros(0, dtype=np.int8))
    factor, convex = convexifier.factorize(QuadraticModel(np.ones(n), W), held)
    assert factor is not None
    assert factor.inertia_ok
    shifted = W.dense() + np.diag(np.broadcast_to(convex.shift * convex.metric, n))
    assert np.linalg.eigvalsh(shifted).min() > 0.0


def test_flat_directions_get_the_smallest_shift_only() -> None:
    n = 5
    poly = Polyhedron(None, None, None, np.full(n, -np.inf), np.full(n, np.inf))
    convexifier = Convexifier(poly, KKTSystem(n, 0, None))
    held = WorkingSet(np.zeros(n, dtype=np.int8), np.zeros(0, dtype=np.int8))
    flat = QuadraticModel(np.ones(n), np.diag([1.0, 2.0, 0.0, 4.0, 0.0]))
    factor, helped = convexifier.as_it_is(flat, held)
    assert factor is not None
    assert factor.inertia_ok
    assert 0.0 < helped.shift <= FIRST_SHIFT
    # A saddle is a saddle, unshifted.
    saddle = QuadraticModel(np.ones(n), np.diag([1.0, 2.0, -1.0, 4.0, 3.0]))
    factor, same = convexifier.as_it_is(saddle, held)
    assert factor is not None
    assert same is saddle
    assert tuple(factor.inertia) == (4, 1, 0)
