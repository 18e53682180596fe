"""Rows eliminated by a small system over a positive definite W: against NumPy, and where it must give way."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from optlab.linalg import factorization
from optlab.linalg.kkt_dense import DenseFaceFactor
from optlab.linalg.kkt_range_space import RangeSpaceFactor, RangeSpaceKKT
from optlab.linalg.kkt_sparse import SparseKKT
from optlab.linalg.kkt_system import KKTSystem

KINDS = ("sparse", "diagonal", "full", "full csr")
ROWS = ("array", "csr")


class System:
    """W and A of some kind, and K on a face built the naive way."""

    def __init__(
        self, seed: int, kind: str = "sparse", rows: str = "array", shift: float = 6.0
    ) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.n, self.ml = n, ml = 90, 14
        W = rng.standard_normal((n, n))
        if kind == "diagonal":
            W = np.diag(rng.uniform(-1.0, 0.0, n))
        elif kind == "sparse":
            W *= rng.random((n, n)) < 0.03
        else:
            shift *= 5.0
        self.W = W + W.T + shift * np.eye(n)
        self.kind, self.rows = kind, rows
        self.A = rng.standard_normal((ml, n)) * 10.0 ** rng.uniform(-3, 3, (ml, 1))
        if rows == "csr":
            self.A *= rng.random((ml, n)) < 0.3
        self.D = rng.uniform(0.0, 2.0, ml) * (rng.random(ml) < 0.5)
        self.sigma = rng.uniform(0.0, 1.0, n)
        self.free = rng.random(n) < 0.7
        self.active = rng.random(ml) < 0.6

    def factorize(self) -> RangeSpaceFactor | DenseFaceFactor | None:
        W = self.W if self.kind == "full" else sp.csr_array(self.W)
        A = self.A if self.rows == "array" else sp.csr_array(self.A)
        return RangeSpaceKKT(A).factorize(W, self.D, self.free, self.active, self.sigma)

    def face(self) -> tuple[np.ndarray, np.ndarray]:
        W = self.W + np.diag(self.sigma)
        K = np.block([[W, self.A.T], [self.A, -np.diag(self.D)]])
        alive = np.flatnonzero(np.concatenate((self.free, self.active)))
        return K[np.ix_(alive, alive)], alive

    def check(self, factor: RangeSpaceFactor | DenseFaceFactor | None) -> None:
        """Compare inertia and a solution with NumPy's."""
        assert factor is not None
        K, alive = self.face()
        values = np.linalg.eigvalsh(K)
        assert tuple(factor.inertia) == ((values > 0).sum(), (values < 0).sum(), 0)
        b = self.rng.standard_normal(self.n + self.ml)
        x, _, y = factor.solve(b[: self.n], None, b[self.n :])
        expected = np.zeros_like(b)
        expected[alive] = np.linalg.solve(K, b[alive])
        np.testing.assert_allclose(np.concatenate((x, y)), expected, rtol=1e-7, atol=1e-11)
        assert factor.residual < 1e-10


@pytest.mark.parametrize("active", ["some", "none", "one"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_solutions_and_inertia_are_those_of_the_whole(
    seed: int, kind: str, rows: str, active: str
) -> None:
    system = System(seed, kind, rows)
    if active != "some":
        system.active[:] = False
        system.active[3] = active == "one"
    factor = system.factorize()
    assert isinstance(factor, RangeSpaceFactor)
    assert factor.inertia_ok
    system.check(factor)


@pytest.mark.parametrize("backend", factorization.available_backends())
def test_every_backend_serves_the_variables(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factorization, "_BACKENDS", {backend: factorization._BACKENDS[backend]})
    system = System(4)
    system.check(system.factorize())


@pytest.mark.parametrize("kind", ["sparse", "full"])
def test_an_indefinite_hessian_is_left_to_pivoting(kind: str) -> None:
    system = System(1, kind, shift=0.0)
    factor = system.factorize()
    assert isinstance(factor, DenseFaceFactor)
    assert not factor.inertia_ok
    system.check(factor)


@pytest.mark.parametrize("kind", ["diagonal", "sparse", "full"])
def test_flat_variables_held_by_rows_are_solved_to_the_last_digits(kind: str) -> None:
    """W is singular on the face and K is not: H^{-1} alone would lose the rows' accuracy."""
    system = System(5, kind)
    flat = np.flatnonzero(system.free)[:6]
    system.W[flat, :] = system.W[:, flat] = 0.0
    system.sigma[flat] = 0.0
    system.active[:] = True
    system.D[:] = 0.0
    factor = system.factorize()
    assert factor is not None
    assert factor.inertia_ok
    system.check(factor)
    point = np.where(system.free, 1.0, 0.0)
    x, _, _ = factor.solve(np.zeros(system.n), None, system.A @ point)
    error = np.abs(system.A @ (x - point)) / np.linalg.norm(system.A, axis=1)
    assert error.max() <= 1e-11 * (1.0 + np.abs(x).max())


def test_dependent_rows_still_solve_consistent_equations() -> None:
    system = System(2)
    system.D[:] = 0.0
    system.A[1] = system.A[0]
    system.active[:2] = True
    factor = system.factorize()
    assert factor is not None
    rhs = system.A @ np.where(system.free, 1.0, 0.0)
    x, _, _ = factor.solve(np.zeros(system.n), None, rhs)
    rows = system.active
    scale = np.abs(system.A[rows]).sum(axis=1)
    np.testing.assert_allclose((system.A @ x - rhs)[rows] / scale, 0.0, atol=1e-6)


def test_more_rows_than_variables_are_not_eliminated() -> None:
    system = System(3)
    system.free[:] = False
    system.free[:5] = True
    system.active[:] = True
    assert not isinstance(system.factorize(), RangeSpaceFactor)


def test_large_faces_are_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.linalg.kkt_range_space.FULL_ORDER_MAX", 10)
    assert System(1, shift=0.0).factorize() is None


class TestChoice:
    """Where eliminating the variables first is taken for the shorter way."""

    n = 1000

    def choose(self, A: sp.csr_array, W: sp.csr_array | np.ndarray) -> bool:
        return RangeSpaceKKT(A).pays(W, SparseKKT(self.n, 0, A))

    def rows(self, m: int, density: float) -> sp.csr_array:
        rng = np.random.default_rng(m)
        return sp.csr_array(sp.random_array((m, self.n), density=density, rng=rng))

    def test_full_rows_over_a_diagonal(self) -> None:
        assert self.choose(self.rows(200, 0.3), sp.csr_array(sp.eye_array(self.n)))

    def test_rows_that_fill_each_other(self) -> None:
        assert self.choose(self.rows(300, 0.05), sp.csr_array(sp.eye_array(self.n)))

    def test_full_hessian(self) -> None:
        assert self.choose(self.rows(200, 0.3), np.eye(self.n))

    def test_not_a_chain(self) -> None:
        chain = sp.diags_array([1.0, -1.0], offsets=[0, 1], shape=(self.n - 1, self.n))
        assert not self.choose(sp.csr_array(chain), sp.csr_array(sp.eye_array(self.n)))

    def test_not_a_chain_with_one_variable_in_every_row(self) -> None:
        chain = sp.diags_array([1.0, -1.0], offsets=[0, 1], shape=(self.n - 1, self.n)).tolil()
        chain[:, [500]] = 1.0
        assert not self.choose(sp.csr_array(chain), sp.csr_array(sp.eye_array(self.n)))

    def test_the_answer_belongs_to_the_pattern(self) -> None:
        A = self.rows(200, 0.3)
        kkt, whole = RangeSpaceKKT(A), SparseKKT(self.n, 0, A)
        diagonal = sp.csr_array(sp.eye_array(self.n))
        rng = np.random.default_rng(0)
        B = sp.random_array((self.n, self.n), density=0.01, rng=rng)
        filled = sp.csr_array(B + B.T + 100.0 * sp.eye_array(self.n))
        first = [kkt.pays(W, whole) for W in (diagonal, filled, diagonal)]
        assert first == [self.choose(A, W) for W in (diagonal, filled, diagonal)]


def test_system_takes_it_and_hands_its_analyses_over() -> None:
    rng = np.random.default_rng(7)
    n, ml = 600, 60
    A = sp.csr_array(sp.random_array((ml, n), density=0.5, rng=rng))
    W = sp.csr_array(sp.diags_array(rng.uniform(1.0, 2.0, n)))
    every, rows = np.ones(n, dtype=bool), np.ones(ml, dtype=bool)
    kkt = KKTSystem(n, 0, A)
    factor = kkt.factorize(W, None, 0.0, every, rows)
    assert isinstance(factor, RangeSpaceFactor)
    assert kkt.is_heavy(W, None)
    analyses = kkt.structure().take()
    assert [a.pattern.lower.n for a in analyses] == [n]
