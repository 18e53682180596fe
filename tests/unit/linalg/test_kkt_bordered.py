"""Faces served by bordering one factorization: against NumPy, whatever faces came before."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from optlab.linalg.kkt_bordered import MAX_COLUMNS, BorderedFaceFactor
from optlab.linalg.kkt_sparse import SparseKKT


class System:
    """A random K with every part of it, as arrays and as the sparse path takes it."""

    def __init__(self, seed: int, *, indefinite: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.mh, self.ml = n, mh, ml = 40, 6, 12
        W = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.1)
        self.W = W + W.T + (0.0 if indefinite else 8.0) * np.eye(n)
        self.J = rng.standard_normal((mh, n)) * (rng.random((mh, n)) < 0.3)
        self.A = rng.standard_normal((ml, n)) * (rng.random((ml, n)) < 0.3)
        self.dual = rng.uniform(0.1, 1.0, mh)
        self.sigma = rng.uniform(0.0, 0.1, n)
        self.sparse = [sp.csr_array(M) for M in (self.W, self.J)]
        self.kkt = SparseKKT(n, mh, sp.csr_array(self.A))
        self.rng = rng

    def factorize(self, free: np.ndarray, active: np.ndarray) -> object:
        W, J = self.sparse
        return self.kkt.factorize(W, J, self.dual, free, active, self.sigma)

    def face(self, free: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return K on the face and the positions of its rows."""
        n, mh, ml = self.n, self.mh, self.ml
        K = np.zeros((n + mh + ml, n + mh + ml))
        K[:n, :n] = self.W + np.diag(self.sigma)
        K[n : n + mh, :n], K[:n, n : n + mh] = self.J, self.J.T
        K[n + mh :, :n], K[:n, n + mh :] = self.A, self.A.T
        K[n : n + mh, n : n + mh] = -np.diag(self.dual)
        alive = np.flatnonzero(np.concatenate((free, np.ones(mh, dtype=bool), active)))
        return K[np.ix_(alive, alive)], alive

    def check(self, free: np.ndarray, active: np.ndarray) -> object:
        """Compare solution and inertia of one face with NumPy's."""
        factor = self.factorize(free, active)
        K, alive = self.face(free, active)
        b = self.rng.standard_normal(self.n + self.mh + self.ml)
        split = np.split(b, [self.n, self.n + self.mh])
        x = np.concatenate(factor.solve(*split))  # type: ignore[attr-defined]
        expected = np.zeros_like(x)
        expected[alive] = np.linalg.solve(K, b[alive])
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())
        values = np.linalg.eigvalsh(K)
        if np.abs(values).min() > 1e-6:
            inertia = (int((values > 0).sum()), int((values < 0).sum()), 0)
            assert tuple(factor.inertia) == inertia  # type: ignore[attr-defined]
        return factor


@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_walk_over_faces_is_solved_as_if_each_were_factored(
    seed: int, indefinite: bool
) -> None:
    system = System(seed, indefinite=indefinite)
    free = np.ones(system.n, dtype=bool)
    active = np.zeros(system.ml, dtype=bool)
    active[:4] = True
    kinds = []
    for _ in range(25):
        for j in system.rng.integers(0, system.n, 2):
            free[j] ^= True
        active[system.rng.integers(0, system.ml)] ^= True
        kinds.append(type(system.check(free, active)))
    # The walk is there to test borders, so most of its faces must have been served by one.
    assert kinds.count(BorderedFaceFactor) > 15


@given(st.lists(st.integers(0, 39), min_size=1, max_size=6, unique=True), st.integers(0, 3))
def test_fixing_and_freeing_variables_gives_the_same_answer(
    fixed: list[int], seed: int
) -> None:
    system = System(seed)
    everything, rows = np.ones(system.n, dtype=bool), np.ones(system.ml, dtype=bool)
    system.check(everything, rows)
    free = everything.copy()
    free[fixed] = False
    assert isinstance(system.check(free, rows), BorderedFaceFactor)
    # Back again: the base itself serves.
    assert not isinstance(system.check(everything, rows), BorderedFaceFactor)


def test_another_matrix_is_factored_afresh() -> None:
    system = System(1)
    free, rows = np.ones(system.n, dtype=bool), np.ones(system.ml, dtype=bool)
    system.check(free, rows)
    system.sigma = system.sigma + 1e-3
    free[3] = False
    assert not isinstance(system.check(free, rows), BorderedFaceFactor)


def test_a_distant_face_is_factored_afresh() -> None:
    system = System(2)
    rows = np.ones(system.ml, dtype=bool)
    system.check(np.ones(system.n, dtype=bool), rows)
    free = np.arange(system.n) % 2 == 0
    assert free.sum() < MAX_COLUMNS
    assert not isinstance(system.check(free, rows), BorderedFaceFactor)


def test_a_row_that_depends_on_others_does_not_spoil_the_answer() -> None:
    """K is singular on the face: the answer has to satisfy what can be satisfied."""
    system = System(3)
    system.A[5] = system.A[4] + system.A[3]
    system.kkt = SparseKKT(system.n, system.mh, sp.csr_array(system.A))
    free = np.ones(system.n, dtype=bool)
    rows = np.ones(system.ml, dtype=bool)
    rows[5] = False
    system.check(free, rows)
    rows[5] = True
    factor = system.factorize(free, rows)
    x = system.rng.standard_normal(system.n)
    rhs = system.A @ x
    s, _, _ = factor.solve(np.zeros(system.n), None, rhs)  # type: ignore[attr-defined]
    np.testing.assert_allclose(system.A @ s, rhs, atol=1e-5)


@pytest.mark.parametrize("indefinite", [False, True])
def test_the_answer_does_not_depend_on_the_faces_before(indefinite: bool) -> None:
    """The same face asked for after different ones, and by a system that has seen no other."""
    goal_free, goal_rows = np.ones(40, dtype=bool), np.ones(12, dtype=bool)
    goal_free[[3, 17, 30]] = False
    goal_rows[[2, 9]] = False
    b = np.random.default_rng(0).standard_normal(58)
    answers, inertias, kinds = [], [], []
    for history in ([], [[0, 1]], [[5, 6, 7], [3, 17]], [[30], [30, 31, 32], [1, 2]]):
        system = System(6, indefinite=indefinite)
        for fixed in history:
            free = np.ones(40, dtype=bool)
            free[fixed] = False
            system.factorize(free, np.ones(12, dtype=bool))
        factor = system.factorize(goal_free, goal_rows)
        kinds.append(isinstance(factor, BorderedFaceFactor))
        parts = factor.solve(*np.split(b, [40, 46]))  # type: ignore[attr-defined]
        answers.append(np.concatenate(parts))
        inertias.append(tuple(factor.inertia))  # type: ignore[attr-defined]
    assert kinds == [False, True, True, True]
    assert len(set(inertias)) == 1
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=1e-8, atol=1e-10)
