"""Projection onto polyhedra: properties, an independent solver, degenerate and empty cases."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import ProblemError
from optlab.linalg import dual_newton, gram, scaled_rows
from optlab.linalg.factorization import is_available
from optlab.linalg.interior_point import interior_multipliers
from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron
from optlab.linalg.projection import Projection, ProjectionStatus, Projector, project

EXAMPLES = settings(max_examples=60, deadline=None)


class Setup(NamedTuple):
    polyhedron: Polyhedron
    inside: np.ndarray
    y: np.ndarray


def random_setup(seed: int, *, degenerate: bool = False, sparse: bool = False) -> Setup:
    """Build a nonempty polyhedron around a known point; degenerate: that point is a vertex."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 12)), int(rng.integers(1, 10))
    A = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.6)
    if degenerate:
        A = np.round(A)
        A[0] = -2.0 * A[-1]
    inside = rng.standard_normal(n)
    value = A @ inside
    width = 0.0 if degenerate else 1.0

    def limit(base: np.ndarray, sign: float) -> np.ndarray:
        gap = width * rng.random(base.size)
        return np.where(rng.random(base.size) < 0.6, base + sign * gap, sign * np.inf)

    lo, hi = limit(inside, -1.0), limit(inside, 1.0)
    bl, bu = limit(value, -1.0), limit(value, 1.0)
    equal = rng.random(m) < 0.3
    bl[equal] = bu[equal] = value[equal]
    y = inside + 10.0 ** float(rng.integers(-2, 3)) * rng.standard_normal(n)
    return Setup(Polyhedron(sp.csr_array(A) if sparse else A, bl, bu, lo, hi), inside, y)


def assert_optimal(p: Polyhedron, y: np.ndarray, result: Projection) -> None:
    """Check feasibility, stationarity, the signs and complementarity, which suffice."""
    size = 1.0 + np.abs(result.x).max() + np.abs(y).max()
    lam, z = result.row_multipliers, result.bound_multipliers
    assert p.violation(result.x) <= 1e-11 * (1.0 + np.abs(result.x).max())
    np.testing.assert_allclose(result.x - y + p.transpose_times(lam) + z, 0.0, atol=1e-8 * size)
    for value, low, high, multiplier in (
        (p.rows_times(result.x), p.bl, p.bu, lam), (result.x, p.lo, p.hi, z),
    ):  # fmt: skip
        up, down = multiplier > 0.0, multiplier < 0.0
        np.testing.assert_allclose(value[up], high[up], rtol=1e-9, atol=1e-9 * size)
        np.testing.assert_allclose(value[down], low[down], rtol=1e-9, atol=1e-9 * size)
    assert not z[result.free].any()
    assert not lam[~result.active].any()


@given(st.integers(0, 2**32 - 1), st.booleans())
@EXAMPLES
def test_multipliers_prove_optimality(seed: int, sparse: bool) -> None:
    p, _, y = random_setup(seed, sparse=sparse)
    result = Projector(p).project(y)
    assert result.status is ProjectionStatus.OPTIMAL
    assert_optimal(p, y, result)


@given(st.integers(0, 2**32 - 1))
@EXAMPLES
def test_projection_is_idempotent_and_nonexpansive(seed: int) -> None:
    p, _, y = random_setup(seed)
    projector = Projector(p)
    x = projector.project(y).x
    size = 1.0 + np.abs(x).max()
    np.testing.assert_allclose(projector.project(x).x, x, atol=1e-10 * size)
    other = y + np.random.default_rng(seed).standard_normal(y.size)
    distance = np.linalg.norm(projector.project(other).x - x)
    assert distance <= np.linalg.norm(other - y) * (1.0 + 1e-9) + 1e-10 * size


@given(st.integers(0, 2**32 - 1))
@EXAMPLES
def test_variational_inequality_holds_for_points_inside(seed: int) -> None:
    p, inside, y = random_setup(seed)
    x = Projector(p).project(y).x
    size = 1.0 + np.linalg.norm(y) ** 2
    assert (y - x) @ (inside - x) <= 1e-9 * size


@given(st.integers(0, 2**32 - 1))
@EXAMPLES
def test_degenerate_polyhedra_give_feasible_nearest_points(seed: int) -> None:
    """Duplicate, contradicting-to-rounding and zero rows; often a single feasible point."""
    p, inside, y = random_setup(seed, degenerate=True)
    x = Projector(p).project(y).x
    size = 1.0 + np.abs(x).max()
    assert p.violation(x) <= 1e-9 * size
    assert (y - x) @ (inside - x) <= 1e-7 * (1.0 + np.linalg.norm(y) ** 2)


@pytest.mark.parametrize("seed", range(25))
def test_agreement_with_an_interior_point_solver(seed: int) -> None:
    clarabel = pytest.importorskip("clarabel", reason="independent QP solver not installed")
    p, _, y = random_setup(seed)
    rows, rhs = [], []
    for M, low, high in ((np.asarray(p.A), p.bl, p.bu), (np.eye(p.n), p.lo, p.hi)):
        rows += [M[np.isfinite(high)], -M[np.isfinite(low)]]
        rhs += [high[np.isfinite(high)], -low[np.isfinite(low)]]
    G, h = sp.csc_matrix(np.vstack(rows)), np.concatenate(rhs)
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-10
    cones = [clarabel.NonnegativeConeT(h.size)]
    identity = sp.eye(p.n, format="csc")
    solution = clarabel.DefaultSolver(identity, -y, G, h, cones, options).solve()
    if str(solution.status) != "Solved":
        pytest.skip(f"the independent solver ended with {solution.status}")
    x = Projector(p).project(y).x
    np.testing.assert_allclose(x, solution.x, atol=1e-6 * (1.0 + np.abs(y).max()))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_point_again_costs_one_solve(seed: int) -> None:
    p, _, y = random_setup(seed)
    projector = Projector(p)
    first = projector.project(y)
    made = projector.factorizations
    again = projector.project(y)
    assert again.iterations <= 1
    assert projector.factorizations <= made + 1
    np.testing.assert_allclose(again.x, first.x, atol=1e-10 * (1.0 + np.abs(first.x).max()))


def test_a_nearby_point_on_the_same_face_reuses_the_factorization() -> None:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4, 9))
    projector = Projector(Polyhedron(A, np.zeros(4), np.zeros(4), -np.ones(9), np.ones(9)))
    y = 2.0 * rng.standard_normal(9)
    projector.project(y)
    projector.project(y)
    made = projector.factorizations
    for _ in range(5):
        y = y + 1e-9 * rng.standard_normal(9)
        assert projector.project(y).iterations == 1
    assert projector.factorizations == made


@pytest.mark.parametrize("kind", ["dense", "cholmod", "augmented"])
@pytest.mark.parametrize("seed", range(4))
def test_every_solver_of_face_equations_gives_the_same_projection(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "cholmod" and not is_available("cholmod"):
        pytest.skip("scikit-sparse is not installed here")
    rng = np.random.default_rng(seed)
    m, n = 30, 60
    A = sp.csr_array(sp.random(m, n, 0.1, random_state=rng))
    inside = rng.random(n)
    value = A @ inside
    p = Polyhedron(A, value - 0.05, value + 0.05, np.zeros(n), np.ones(n))
    y = inside + rng.standard_normal(n)
    expected = Projector(p).project(y)
    assert_optimal(p, y, expected)
    made: dict[str, type[gram.AbstractGramSolver]] = {
        "dense": gram.DenseGram, "cholmod": gram.CholmodGram, "augmented": gram.AugmentedGram,
    }  # fmt: skip
    monkeypatch.setattr(scaled_rows, "DENSE_ENTRIES", 0)
    monkeypatch.setattr(scaled_rows, "gram_solver", made[kind])
    result = Projector(p).project(y)
    assert_optimal(p, y, result)
    np.testing.assert_allclose(result.x, expected.x, atol=1e-9)


def test_bounds_alone_are_clipped_without_any_solve() -> None:
    p = Polyhedron(None, None, None, np.array([0.0, -np.inf, 1.0]), np.array([1.0, 0.0, 1.0]))
    result = Projector(p).project(np.array([2.0, -5.0, 7.0]))
    assert result.x.tolist() == [1.0, -5.0, 1.0]
    assert result.bound_multipliers.tolist() == [1.0, 0.0, 6.0]
    assert result.free.tolist() == [False, True, False]
    assert result.iterations == 0


def test_signs_of_multipliers() -> None:
    p = Polyhedron(np.array([[1.0, 1.0]]), np.array([-1.0]), np.array([1.0]))
    up = Projector(p).project(np.array([2.0, 1.0]))
    assert up.row_multipliers.tolist() == pytest.approx([1.0])
    np.testing.assert_allclose(up.x, [1.0, 0.0], atol=1e-14)
    down = Projector(p).project(np.array([-2.0, -1.0]))
    assert down.row_multipliers.tolist() == pytest.approx([-1.0])


def test_multipliers_belong_to_the_rows_as_given() -> None:
    """Rows are normalised inside; a row scaled by t has its multiplier divided by t."""
    A = np.array([[3.0, 4.0], [1.0, -2.0]])
    y = np.array([5.0, 1.0])
    one = Projector(Polyhedron(A, None, np.array([1.0, 0.5]))).project(y)
    t = np.array([1e6, 1e-6])
    two = Projector(Polyhedron(A * t[:, None], None, t * [1.0, 0.5])).project(y)
    np.testing.assert_allclose(two.x, one.x, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(two.row_multipliers * t, one.row_multipliers, rtol=1e-8)


@given(st.integers(0, 2**32 - 1))
@EXAMPLES
def test_empty_polyhedra_come_with_a_ray_that_proves_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 9)), int(rng.integers(2, 7))
    A = rng.standard_normal((m, n))
    lo, hi = -rng.random(n), rng.random(n)
    bu = rng.standard_normal(m) + A @ (lo + hi)
    bl = np.full(m, -np.inf)
    if rng.random() < 0.5:
        # The last row contradicts a combination of the others; nothing is bounded.
        weights = rng.random(m - 1)
        A[-1] = -weights @ A[:-1]
        bu[-1] = -weights @ bu[:-1] - 0.1
        lo, hi = np.full(n, -np.inf), np.full(n, np.inf)
    else:
        # The first row asks for more than the box can give.
        bl[0] = np.where(A[0] > 0.0, A[0] * hi, A[0] * lo).sum() + 1e-3
        bu[0] = np.inf
    p = Polyhedron(A, bl, bu, lo, hi)
    with pytest.raises(EmptyPolyhedronError) as caught:
        Projector(p).project(rng.standard_normal(n))
    ray = caught.value.ray
    rows = np.where(ray > 0.0, bu, bl)[ray != 0.0] @ ray[ray != 0.0]
    w = A.T @ ray
    w[np.abs(w) < 1e-9 * np.abs(ray).max()] = 0.0
    box = np.where(w > 0.0, lo, hi)[w != 0.0] @ w[w != 0.0]
    assert rows < box - 1e-9


def test_zero_rows() -> None:
    A = np.array([[0.0, 0.0], [1.0, 0.0]])
    fine = Polyhedron(A, np.array([-1.0, 0.0]), np.array([0.0, 2.0]))
    np.testing.assert_array_equal(Projector(fine).project(np.array([3.0, 1.0])).x, [2.0, 1.0])
    with pytest.raises(EmptyPolyhedronError, match="rows 0") as caught:
        Projector(Polyhedron(A, np.array([1.0, 0.0]), None))
    assert caught.value.ray.tolist() == [-1.0, 0.0]


def test_rays_that_prove_nothing_are_refused() -> None:
    p = Polyhedron(np.eye(2), np.zeros(2), np.ones(2), np.zeros(2), np.ones(2))
    assert not p.proves_empty(np.array([1.0, 0.0]))
    assert not p.proves_empty(np.zeros(2))
    assert not p.proves_empty(np.array([np.nan, 1.0]))
    crossed = Polyhedron(np.eye(2), np.array([2.0, -np.inf]), None, np.zeros(2), np.ones(2))
    assert crossed.proves_empty(np.array([-1.0, 0.0]))
    assert not crossed.proves_empty(np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"A": np.ones((1, 2)), "bl": [1.0], "bu": [0.0]}, r"bl\[0\] = 1 and bu\[0\] = 0"),
        ({"A": np.ones((1, 2)), "lo": [0.0, 2.0], "hi": [1.0, 1.0]}, r"lo\[1\] = 2"),
        ({"A": np.ones((1, 2)), "bl": [np.nan]}, "bl has NaN"),
        ({"A": np.ones((1, 2)), "bl": [0.0, 1.0]}, r"needed: \(1,\)"),
        ({"A": np.array([[np.inf, 1.0]])}, "finite"),
        ({"A": np.ones((1, 2)), "lo": [np.inf, 0.0]}, "leave no value"),
    ],
)
def test_wrong_polyhedra_are_refused(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        Polyhedron(**kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize("y", [np.zeros(3), np.array([np.nan, 0.0])])
def test_wrong_points_are_refused(y: np.ndarray) -> None:
    with pytest.raises(ProblemError, match="2 finite numbers"):
        Projector(Polyhedron(np.ones((1, 2)), None, np.ones(1))).project(y)


def test_public_function_takes_numbers_sparse_matrices_and_lists() -> None:
    A = sp.csr_array(np.array([[1.0, 1.0, 1.0]]))
    x = project([1.0, 2.0, 3.0], A, bl=1.0, bu=1.0, lo=0.0)
    np.testing.assert_allclose(x, [0.0, 0.0, 1.0], atol=1e-14)
    np.testing.assert_array_equal(project([5.0], hi=2.0), [2.0])
    np.testing.assert_array_equal(project([5.0], hi=1e20), [5.0])


@given(st.integers(0, 2**32 - 1))
@EXAMPLES
def test_face_projection_gives_least_squares_multipliers(seed: int) -> None:
    p, _, v = random_setup(seed, degenerate=seed % 2 == 0)
    rng = np.random.default_rng(seed)
    free, active = rng.random(p.n) < 0.8, rng.random(p.ml) < 0.6
    d, lam = Projector(p).face_projection(v, free, active)
    size = 1.0 + np.abs(v).max()
    assert not d[~free].any()
    assert not lam[~active].any()
    A = np.asarray(p.A)
    rows = A[active]
    np.testing.assert_allclose(rows @ d, 0.0, atol=1e-9 * size)
    np.testing.assert_allclose((d + A.T @ lam)[free], v[free], atol=1e-8 * size)
    face = rows[:, free]
    best = np.linalg.lstsq(face.T, v[free], rcond=None)[0]
    np.testing.assert_allclose(d[free], v[free] - face.T @ best, atol=1e-7 * size)


def test_results_do_not_alias_the_projectors_memory() -> None:
    p, _, y = random_setup(4)
    projector = Projector(p)
    first = projector.project(y)
    kept = first.x.copy()
    first.x[:] = 77.0
    np.testing.assert_allclose(projector.project(y).x, kept, atol=1e-9 * (1 + abs(kept).max()))


@pytest.mark.parametrize("kind", ["dense", "cholmod", "augmented"])
@pytest.mark.parametrize("seed", range(5))
def test_interior_point_multipliers_are_close_to_those_of_the_projection(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "cholmod" and not is_available("cholmod"):
        pytest.skip("scikit-sparse is not installed here")
    made: dict[str, type[gram.AbstractGramSolver]] = {
        "dense": gram.DenseGram, "cholmod": gram.CholmodGram, "augmented": gram.AugmentedGram,
    }  # fmt: skip
    monkeypatch.setattr(scaled_rows, "DENSE_ENTRIES", 0)
    monkeypatch.setattr(scaled_rows, "gram_solver", made[kind])
    p, _, y = random_setup(seed, sparse=True)
    rows = scaled_rows.ScaledRows(p, p.A)
    lam = interior_multipliers(rows, y)
    assert lam is not None
    x = np.clip(y - p.transpose_times(lam * rows.scale), p.lo, p.hi)
    expected = Projector(p).project(y).x
    np.testing.assert_allclose(x, expected, atol=1e-5 * (1.0 + np.abs(y).max()))


def degenerate_cone(seed: int) -> Setup:
    """Many halfspaces through one point in few dimensions, rows of very different size."""
    rng = np.random.default_rng(seed)
    n, m = 6, 80
    A = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-2, 2, (m, 1))
    inside = rng.standard_normal(n)
    lower = np.full(n, -np.inf)
    return Setup(Polyhedron(A, None, A @ inside, lower), inside, 1e3 * rng.standard_normal(n))


@pytest.mark.parametrize("seed", range(8))
def test_vertices_where_many_rows_meet(seed: int) -> None:
    p, inside, y = degenerate_cone(seed)
    result = Projector(p).project(y)
    assert result.status is ProjectionStatus.OPTIMAL
    assert_optimal(p, y, result)
    assert (y - result.x) @ (inside - result.x) <= 1e-6 * np.linalg.norm(y)


def test_the_interior_point_start_is_taken_when_newton_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dual_newton, "MAX_STEPS", 1)
    calls = []

    def counted(*args: object) -> np.ndarray | None:
        calls.append(args)
        return interior_multipliers(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(dual_newton, "interior_multipliers", counted)
    p, _, y = random_setup(12)
    result = Projector(p).project(y)
    assert_optimal(p, y, result)
    monkeypatch.undo()
    np.testing.assert_allclose(Projector(p).project(y).x, result.x, atol=1e-7)
    assert len(calls) <= 1
