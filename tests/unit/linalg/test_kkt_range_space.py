"""Few full rows over a sparse positive definite W: against NumPy, and where it must give way."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from optlab.linalg.kkt_range_space import RangeSpaceFactor
from optlab.linalg.kkt_sparse import SparseKKT


class System:
    """Sparse W, full A, and K on a face built the naive way."""

    def __init__(self, seed: int, shift: float = 6.0) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.n, self.ml = n, ml = 90, 14
        W = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.03)
        self.W = W + W.T + shift * np.eye(n)
        self.A = rng.standard_normal((ml, n)) * 10.0 ** rng.uniform(-3, 3, (ml, 1))
        self.D = rng.uniform(0.0, 2.0, ml) * (rng.random(ml) < 0.5)
        self.sigma = rng.uniform(0.0, 1.0, n)
        self.free = rng.random(n) < 0.7
        self.active = rng.random(ml) < 0.6
        self.kkt = SparseKKT(n, 0, sp.csr_array(self.A))

    def factorize(self) -> object:
        W = sp.csr_array(self.W)
        return self.kkt.factorize(W, None, self.D, self.free, self.active, self.sigma)

    def face(self) -> tuple[np.ndarray, np.ndarray]:
        W = self.W + np.diag(self.sigma)
        K = np.block([[W, self.A.T], [self.A, -np.diag(self.D)]])
        alive = np.flatnonzero(np.concatenate((self.free, self.active)))
        return K[np.ix_(alive, alive)], alive


@pytest.mark.parametrize("seed", range(6))
def test_solutions_and_inertia_are_those_of_the_whole(seed: int) -> None:
    system = System(seed)
    factor = system.factorize()
    assert isinstance(factor, RangeSpaceFactor)
    K, alive = system.face()
    values = np.linalg.eigvalsh(K)
    assert tuple(factor.inertia) == ((values > 0).sum(), (values < 0).sum(), 0)
    assert factor.inertia_ok
    b = system.rng.standard_normal(system.n + system.ml)
    x, _, y = factor.solve(b[: system.n], None, b[system.n :])
    expected = np.zeros_like(b)
    expected[alive] = np.linalg.solve(K, b[alive])
    np.testing.assert_allclose(np.concatenate((x, y)), expected, rtol=1e-7, atol=1e-12)
    assert factor.residual < 1e-10


def test_an_indefinite_hessian_is_left_to_the_whole_factorization() -> None:
    system = System(1, shift=0.0)
    factor = system.factorize()
    assert not isinstance(factor, RangeSpaceFactor)
    K, _ = system.face()
    values = np.linalg.eigvalsh(K)
    assert tuple(factor.inertia) == ((values > 0).sum(), (values < 0).sum(), 0)  # type: ignore[attr-defined]


def test_dependent_rows_are_left_to_the_whole_factorization() -> None:
    system = System(2)
    system.D[:] = 0.0
    system.A[1] = system.A[0]
    system.active[:2] = True
    system.kkt = SparseKKT(system.n, 0, sp.csr_array(system.A))
    factor = system.factorize()
    rhs = system.A @ np.where(system.free, 1.0, 0.0)
    x, _, _ = factor.solve(np.zeros(system.n), None, rhs)  # type: ignore[attr-defined]
    rows = system.active
    scale = np.abs(system.A[rows]).sum(axis=1)
    np.testing.assert_allclose((system.A @ x - rhs)[rows] / scale, 0.0, atol=1e-6)


def test_more_rows_than_variables_are_left_to_the_whole_factorization() -> None:
    system = System(3)
    system.free[:] = False
    system.free[:5] = True
    system.active[:] = True
    assert not isinstance(system.factorize(), RangeSpaceFactor)
