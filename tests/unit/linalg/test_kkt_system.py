"""KKT systems on faces: the dense and the sparse path against NumPy and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optlab.linalg import factorization, kkt_analysis
from optlab.linalg.factorization import is_available
from optlab.linalg.kkt_dense import DenseKKT
from optlab.linalg.kkt_sparse import SparseKKT
from optlab.linalg.kkt_system import KKTSystem, LowRank

PATHS = (DenseKKT, SparseKKT)


class Case:
    """A random KKT system and its face matrix, built the naive way."""

    def __init__(self, seed: int, shift: float = 4.0, dual_h: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        n, mh, ml = 12, 3, 5
        W = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.3)
        self.W = W + W.T + shift * np.eye(n)
        self.J = rng.standard_normal((mh, n)) * (rng.random((mh, n)) < 0.6)
        self.A = rng.standard_normal((ml, n)) * (rng.random((ml, n)) < 0.6)
        self.free = rng.random(n) < 0.8
        self.active = rng.random(ml) < 0.5
        self.dual_h = np.full(mh, dual_h)
        self.rhs = rng.standard_normal(n), rng.standard_normal(mh), rng.standard_normal(ml)
        self.alive = np.concatenate((self.free, np.ones(mh, dtype=bool), self.active))
        self.n, self.mh, self.ml = n, mh, ml

    def matrix(self, W: np.ndarray | None = None, sigma: float = 0.0) -> np.ndarray:
        W = (self.W if W is None else W) + sigma * np.eye(self.n)
        zero = np.zeros((self.mh, self.ml))
        K = np.block([
            [W, self.J.T, self.A.T],
            [self.J, -np.diag(self.dual_h), zero],
            [self.A, zero.T, np.zeros((self.ml, self.ml))],
        ])  # fmt: skip
        return np.asarray(K[np.ix_(self.alive, self.alive)])

    def factorize(self, path: Any, W: Any = None, sigma: float = 0.0) -> Any:
        W = self.W if W is None else W
        J: Any = self.J
        A: Any = self.A
        if path is SparseKKT:
            J, A = sp.csr_array(J), sp.csr_array(A)
            W = sp.csr_array(W) if isinstance(W, np.ndarray) else W
        system = path(self.n, self.mh, A)
        return system.factorize(W, J, self.dual_h, self.free, self.active, sigma)

    def expected_inertia(self, K: np.ndarray) -> tuple[int, int]:
        values = np.linalg.eigvalsh(K)
        return int((values > 1e-12).sum()), int((values < -1e-12).sum())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dual_h", [0.0, 0.3])
def test_solution_and_inertia_on_random_faces(path: Any, seed: int, dual_h: float) -> None:
    case = Case(seed, shift=1.0, dual_h=dual_h)
    K = case.matrix(sigma=0.25)
    if np.linalg.cond(K) > 1e8:
        pytest.skip("the random rows of this face are dependent")
    factor = case.factorize(path, sigma=0.25)
    x = np.concatenate(factor.solve(*case.rhs))
    b = np.concatenate(case.rhs)[case.alive]
    np.testing.assert_allclose(K @ x[case.alive], b, atol=1e-10)
    assert not x[~case.alive].any()
    assert factor.residual < 1e-10
    pos, neg = case.expected_inertia(K)
    assert factor.inertia == (pos, neg, 0)
    wanted = int(case.free.sum()), case.mh + int(case.active.sum())
    assert factor.inertia_ok == ((pos, neg) == wanted)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("seed", range(6))
def test_low_rank_hessians_equal_their_dense_form(path: Any, seed: int) -> None:
    case = Case(seed, dual_h=0.1)
    rng = np.random.default_rng(900 + seed)
    U, M = rng.standard_normal((case.n, 3)), rng.standard_normal((3, 3))
    W = LowRank(2.0 + rng.random(case.n), U, M + M.T)
    K = case.matrix(W.dense(), sigma=0.5)
    factor = case.factorize(path, W, sigma=0.5)
    assert factor.inertia[:2] == case.expected_inertia(K)
    x = np.concatenate(factor.solve(*case.rhs))
    np.testing.assert_allclose(
        K @ x[case.alive], np.concatenate(case.rhs)[case.alive], atol=1e-9
    )


def test_low_rank_products_and_dense_form_agree() -> None:
    rng = np.random.default_rng(0)
    U, M = rng.standard_normal((7, 2)), np.array([[1.0, 2.0], [2.0, 4.0]])
    W = LowRank(3.0, U, M)
    v = rng.standard_normal(7)
    np.testing.assert_allclose(W.matvec(v), W.dense() @ v)
    V, signs = W.signed_factor()
    assert signs.tolist() == [1.0]
    np.testing.assert_allclose(V @ np.diag(signs) @ V.T, U @ M @ U.T, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
def test_negative_curvature_on_the_null_space_is_seen(path: Any) -> None:
    n = 4
    W = np.diag([1.0, 1.0, -1e-3, 2.0])
    A = np.array([[0.0, 0.0, 1.0, 0.0]])
    system = path(n, 0, A if path is DenseKKT else sp.csr_array(A))
    hessian = W if path is DenseKKT else sp.csr_array(W)
    free, on, off = np.ones(n, dtype=bool), np.array([True]), np.array([False])
    assert system.factorize(hessian, None, 0.0, free, on, 0.0).inertia_ok
    bad = system.factorize(hessian, None, 0.0, free, off, 0.0)
    assert not bad.inertia_ok
    assert bad.inertia == (3, 1, 0)
    free[2] = False
    assert system.factorize(hessian, None, 0.0, free, off, 0.0).inertia_ok


@pytest.mark.parametrize("path", PATHS)
def test_dependent_rows_count_as_negative_and_consistent_systems_are_solved(path: Any) -> None:
    n = 5
    A = np.vstack((np.ones(n), 2.0 * np.ones(n), np.arange(n)))
    system = path(n, 0, A if path is DenseKKT else sp.csr_array(A))
    W = np.eye(n) if path is DenseKKT else sp.csr_array(np.eye(n))
    active = np.ones(3, dtype=bool)
    factor = system.factorize(W, None, 0.0, np.ones(n, dtype=bool), active, 0.0)
    assert factor.inertia_ok
    target = np.linspace(1.0, 2.0, n)
    d, _, lam = factor.solve(np.zeros(n), None, A @ target)
    np.testing.assert_allclose(A @ d, A @ target, atol=1e-9)
    np.testing.assert_allclose(d + A.T @ lam, 0.0, atol=1e-9)
    assert factor.residual < 1e-9


@pytest.mark.parametrize("path", PATHS)
def test_contradicting_rows_are_flagged_by_the_residual(path: Any) -> None:
    A = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    system = path(3, 0, A if path is DenseKKT else sp.csr_array(A))
    W = np.eye(3) if path is DenseKKT else sp.csr_array(np.eye(3))
    on = np.ones(2, dtype=bool)
    factor = system.factorize(W, None, 0.0, np.ones(3, dtype=bool), on, 0.0)
    d, _, _ = factor.solve(np.zeros(3), None, np.array([0.0, 1.0]))
    assert factor.residual > 0.1
    # The least-squares point lies half-way between the two planes.
    np.testing.assert_allclose(A @ d, 0.5, atol=1e-5)


def test_sparse_path_keeps_one_analysis_for_all_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(3)
    made: list[str] = []
    original = factorization.analyze

    def counting(*args: Any) -> Any:
        made.append(args[1])
        return original(*args)

    monkeypatch.setattr(kkt_analysis, "analyze", counting)
    W, J, A = (sp.csr_array(M) for M in (case.W, case.J, case.A))
    system = SparseKKT(case.n, case.mh, A)
    free = case.free.copy()
    for j in range(case.n):
        free[j] ^= True
        system.factorize(W, J, 0.1, free, case.active, 0.0)
    # Equal patterns in other arrays are recognised, too.
    system.factorize(W.copy(), J.copy(), 0.1, free, case.active, 0.0)
    assert made.count("auto") == 1
    other = sp.csr_array(case.W + np.eye(case.n)[::-1])
    system.factorize(other, J, 0.1, free, case.active, 0.0)
    assert made.count("auto") == 2


def test_old_factors_survive_new_factorizations() -> None:
    case = Case(5, dual_h=0.2)
    W, J, A = (sp.csr_array(M) for M in (case.W, case.J, case.A))
    system = SparseKKT(case.n, case.mh, A)
    args = (J, case.dual_h, case.free, case.active)
    first = system.factorize(W, *args, 0.0)
    before = first.solve(*case.rhs)[0].copy()
    system.factorize(W, *args, 100.0)
    np.testing.assert_array_equal(first.solve(*case.rhs)[0], before)


def test_a_badly_scaled_sparse_system_is_refined_to_a_small_residual() -> None:
    case = Case(11, dual_h=1e-3)
    scale = 10.0 ** np.random.default_rng(1).uniform(-4, 4, case.n)
    case.W = case.W * scale * scale[:, None]
    case.J = case.J * scale
    case.A = case.A * scale
    factor = case.factorize(SparseKKT)
    x = np.concatenate(factor.solve(*case.rhs))[case.alive]
    K, b = case.matrix(), np.concatenate(case.rhs)[case.alive]
    backward = np.abs(K @ x - b) / (np.abs(K) @ np.abs(x) + np.abs(b))
    assert backward.max() < 1e-10


def test_zero_curvature_next_to_a_row_climbs_the_ladder_but_solves() -> None:
    """A slack has no curvature: the pivot without pivoting is the regularisation alone."""
    n = 40
    W = sp.csr_array(sp.diags([1.0] * (n - 1) + [0.0]).tocsr())
    A = sp.csr_array(np.vstack((np.ones(n), np.arange(n) - 1.0)))
    system = SparseKKT(n, 0, A)
    both = np.ones(2, dtype=bool)
    factor = system.factorize(W, None, 0.0, np.ones(n, dtype=bool), both, 0.0)
    assert factor.inertia_ok
    d, _, lam = factor.solve(np.ones(n), None, np.array([1.0, 2.0]))
    np.testing.assert_allclose(A @ d, [1.0, 2.0], atol=1e-9)
    np.testing.assert_allclose(W @ d + A.T @ lam, 1.0, atol=1e-9)


def test_convexification_ends_with_the_wanted_inertia() -> None:
    case = Case(2, shift=-3.0)
    system = KKTSystem(case.n, case.mh, case.A, case.W, case.J)
    args = (case.W, case.J, case.dual_h, case.free, case.active)
    assert not system.factorize(*args).inertia_ok
    factor, sigma = system.factorize_convex(*args)
    assert factor.inertia_ok
    assert sigma > 0.0
    lowest = np.linalg.eigvalsh(case.W)[0]
    assert sigma <= 10.0 * abs(lowest)
    assert system.factorize(*args, sigma=sigma).inertia_ok


def test_small_or_full_systems_take_the_dense_path_and_large_sparse_ones_do_not() -> None:
    assert KKTSystem(20, 5, None).is_dense
    assert KKTSystem(400, 0, None, np.eye(400)).is_dense
    assert not KKTSystem(400, 0, None, sp.csr_array(sp.eye_array(400))).is_dense


def test_every_variable_fixed_leaves_only_rows() -> None:
    case = Case(0, dual_h=0.5)
    case.free[:] = False
    case.active[:] = False
    case.alive[:] = [False] * case.n + [True] * case.mh + [False] * case.ml
    for path in PATHS:
        factor = case.factorize(path)
        assert factor.inertia_ok
        dx, dh, da = factor.solve(*case.rhs)
        assert not dx.any()
        assert not da.any()
        np.testing.assert_allclose(dh, -case.rhs[1] / 0.5)


def test_a_pattern_without_a_good_ordering_is_factored_in_blocks() -> None:
    if not is_available("cholmod"):
        pytest.skip("only CHOLMOD tells its ordering")
    n = 400
    rng = np.random.default_rng(0)
    W = sp.csr_array(sp.random_array((n, n), density=0.05, rng=rng))
    W = sp.csr_array(W + W.T + 20.0 * sp.eye_array(n))
    factor = SparseKKT(n, 0, None).factorize(
        W, None, 0.0, np.ones(n, dtype=bool), np.zeros(0, dtype=bool), 0.0
    )
    # SSIDS works on dense blocks, too.
    assert factor.diagnostics["backend"] == ("ssids" if is_available("ssids") else "dense")
    assert float(factor.diagnostics["fill_ratio"]) > 4.0
    x = factor.solve(np.ones(n))[0]
    np.testing.assert_allclose(W @ x, 1.0, atol=1e-10)


def test_a_rung_that_was_needed_is_where_the_next_factorization_starts() -> None:
    n = 40
    W = sp.csr_array(sp.diags([1.0] * (n - 1) + [0.0]).tocsr())
    A = sp.csr_array(np.vstack((np.ones(n), np.arange(n) - 1.0)))
    system = SparseKKT(n, 0, A)
    args = (W, None, 0.0, np.ones(n, dtype=bool), np.ones(2, dtype=bool), 0.0)
    first, second = system.factorize(*args), system.factorize(*args)
    for key in ("primal_regularisation", "dual_regularisation"):
        assert second.diagnostics[key] == first.diagnostics[key]
