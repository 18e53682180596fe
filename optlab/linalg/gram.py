"""Systems with A_WF A_WF': rows W and columns F of a fixed matrix, changing from face to face.

    (A_WF A_WF' + eps diag(A_WF A_WF')) d = r

The rows of A are normalised by the caller. eps makes dependent rows harmless: their share of d
is then large along the null space, where it changes neither A_WF'd nor, much, anything else.

Three ways, chosen once per matrix by :func:`gram_solver`:

* dense Cholesky for small or dense A, and where A A' is not sparse;
* CHOLMOD's factorization of [A_WF, E][A_WF, E]' with one pattern for all faces: columns outside
  F and rows outside W hold explicit zeros, the diagonal E holds sqrt(eps) or, for rows
  outside W, one;
* the augmented system [[I, A_F'], [A_W, 0]] by :class:`~optlab.linalg.kkt_sparse.SparseKKT`,
  without scikit-sparse and wherever a dense column would fill A A'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from optlab.linalg.factorization import is_available
from optlab.linalg.kkt_sparse import SparseKKT
from optlab.linalg.low_rank import LowRank
from optlab.linalg.row_gram import FaceGram, RowGram

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.linalg.arrays import BoolArray, FloatArray

# Relative regularisation of the diagonal: the first that lets the factorization succeed.
# Rounding in an m-row Gram matrix is about m * 1e-16.
REGULARISATIONS = (1e-13, 1e-11, 1e-9, 1e-7)
# Dense below this many entries of A, or above this density.
DENSE_ENTRIES = 40_000
DENSE_FRACTION = 0.2
# Up to this many rows a dense Cholesky factorization of A A' pays if A A' is fuller than this.
DENSE_ROWS_MAX = 3000
AAT_FRACTION = 0.1
# A A' costs at least sum_j c_j^2 entries, c_j the count of column j: beyond this multiple of
# nnz(A) a column is too dense for it.
AAT_FILL = 40


class AbstractGramSolver(ABC):
    """Solver of the face equations for changing faces; keeps the factors of the last few."""

    # PASA alternates between the projection's face and its own.
    _KEPT = 3

    def __init__(self) -> None:
        self._recent: dict[tuple[bytes, bytes, float], Callable[[FloatArray], FloatArray]] = {}
        self.factorizations = 0

    def on_face(
        self, free: BoolArray, rows: BoolArray, damping: float = 0.0
    ) -> Callable[[FloatArray], FloatArray]:
        """Return r -> d for the face; r and d are (m,), zero outside W.

        Parameters
        ----------
        free : (n,) bool
            Columns F.
        rows : (m,) bool
            Rows W.
        damping : float
            Added to the diagonal, besides the least regularisation.
        """
        key = (free.tobytes(), rows.tobytes(), damping)
        solve = self._recent.get(key)
        if solve is None:
            solve = self._factor(free, rows, damping)
            self.factorizations += 1
            if len(self._recent) >= self._KEPT:
                del self._recent[next(iter(self._recent))]
            self._recent[key] = solve
        return solve

    @abstractmethod
    def weighted(self, X: FloatArray, S: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return r -> (A diag(X) A' + diag(S))^{-1} r for weights X (n,), S (m,) >= 0."""

    @abstractmethod
    def _factor(
        self, free: BoolArray, rows: BoolArray, damping: float
    ) -> Callable[[FloatArray], FloatArray]:
        """Factor for a new face; the arrays belong to the caller and may change later."""


def gram_solver(A: FloatArray | sp.csr_array) -> AbstractGramSolver:
    """Choose the way to solve face equations with this matrix of normalised rows."""
    m, n = A.shape
    if isinstance(A, np.ndarray):
        return DenseGram(A)
    if m * n <= DENSE_ENTRIES or (A.nnz > DENSE_FRACTION * m * n and m <= DENSE_ROWS_MAX):
        return DenseGram(A.toarray())
    counts = np.bincount(A.indices, minlength=n).astype(np.float64)
    products = counts.dot(counts)
    if m <= DENSE_ROWS_MAX and products > AAT_FRACTION * m * m:
        return DenseGram(A)
    if is_available("cholmod") and products <= AAT_FILL * A.nnz:
        return CholmodGram(A)
    return AugmentedGram(A)


class DenseGram(AbstractGramSolver):
    """Cholesky by LAPACK; A itself may be dense or sparse."""

    def __init__(self, A: FloatArray | sp.csr_array) -> None:
        super().__init__()
        self._gram = RowGram(A)
        self._faces = FaceGram(self._gram)

    def _factor(
        self, free: BoolArray, rows: BoolArray, damping: float
    ) -> Callable[[FloatArray], FloatArray]:
        m = rows.size
        W = rows.nonzero()[0]
        if W.size == 0:
            return np.zeros_like
        every = W.size == m
        factor = _cholesky(self._faces.product(rows, free), damping)

        def solve(r: FloatArray) -> FloatArray:
            d, _ = lapack.dpotrs(factor, r if every else r[W], lower=1)
            if every:
                return np.asarray(d)
            full = np.zeros(m)
            full[W] = d
            return full

        return solve

    def weighted(self, X: FloatArray, S: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return r -> (A diag(X) A' + diag(S))^{-1} r."""
        gram = self._gram.product(np.ones(S.size, dtype=bool), X > 0.0, np.sqrt(X))
        # S may be huge beside A X A'; the Cholesky factor of the equilibrated matrix is exact.
        diagonal = gram.reshape(-1)[:: S.size + 1]
        diagonal += S
        scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        gram *= scale
        gram *= scale[:, None]
        factor = _cholesky(gram, 0.0)
        return lambda r: scale * lapack.dpotrs(factor, scale * r, lower=1)[0]


def _cholesky(gram: FloatArray, damping: float) -> FloatArray:
    """Factor a positive semidefinite matrix (k, k) with the least regularisation that works.

    The matrix is overwritten; ``damping`` is added to its diagonal.
    """
    diagonal = gram.reshape(-1)[:: gram.shape[0] + 1]
    exact = diagonal.copy()
    weight = np.where(exact > 0.0, exact, 1.0)
    for eps in REGULARISATIONS:
        diagonal[:] = exact + (eps * weight + damping)
        factor, info = lapack.dpotrf(gram.T, lower=1)
        if info == 0:
            return np.asarray(factor)
    # Not even the largest shift: rows differ by more than rounding allows for.
    return np.diag(np.sqrt(weight))


class CholmodGram(AbstractGramSolver):
    """CHOLMOD on [A, E][A, E]' with a fixed pattern."""

    def __init__(self, A: sp.csr_array) -> None:
        from sksparse.cholmod import analyze_AAt  # noqa: PLC0415 - optional dependency

        super().__init__()
        m, n = A.shape
        self._A = sp.csc_array(A)
        self._A.sort_indices()
        self._cols = np.repeat(np.arange(n), np.diff(self._A.indptr))
        every = np.arange(m, dtype=self._A.indices.dtype)
        indptr = np.concatenate((self._A.indptr, self._A.indptr[-1] + 1 + every))
        self._extended = sp.csc_array(
            (np.ones(self._A.nnz + m), np.concatenate((self._A.indices, every)), indptr),
            shape=(m, n + m),
        )
        self._analysis = analyze_AAt(self._extended, mode="auto")

    def _factor(
        self, free: BoolArray, rows: BoolArray, damping: float
    ) -> Callable[[FloatArray], FloatArray]:
        data = self._A.data * (free[self._cols] & rows[self._A.indices])
        diagonal = np.bincount(self._A.indices, data * data, minlength=rows.size)
        weight = np.where(rows & (diagonal > 0.0), diagonal, 1.0)
        rows = rows.copy()
        solve = self._regularised(data, lambda eps: np.where(rows, eps * weight + damping, 1.0))
        return lambda r: solve(np.where(rows, r, 0.0))

    def weighted(self, X: FloatArray, S: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return r -> (A diag(X) A' + diag(S))^{-1} r."""
        data = self._A.data * np.sqrt(X)[self._cols]
        diagonal = np.bincount(self._A.indices, data * data, minlength=S.size) + S
        scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        data *= scale[self._A.indices]
        solve = self._regularised(data, lambda eps: eps + scale * scale * S)
        return lambda r: scale * solve(scale * r)

    def _regularised(
        self, data: FloatArray, squares: Callable[[float], FloatArray]
    ) -> Callable[[FloatArray], FloatArray]:
        """Factor [data, E][data, E]' with E^2 = diag(squares(eps)) and the least eps that works."""
        from sksparse.cholmod import CholmodError  # noqa: PLC0415 - optional dependency

        for eps in REGULARISATIONS:
            self._extended.data = np.concatenate((data, np.sqrt(squares(eps))))
            try:
                factor = self._analysis.cholesky_AAt(self._extended)
            except CholmodError:
                continue
            return lambda r: np.asarray(factor.solve_A(r))
        return lambda r: r


class AugmentedGram(AbstractGramSolver):
    """The quasi-definite augmented system: [[I, A_F'], [A_W, 0]] [x; -d] = [0; r]."""

    def __init__(self, A: sp.csr_array) -> None:
        super().__init__()
        self._kkt = SparseKKT(int(A.shape[1]), 0, A)
        n = int(A.shape[1])
        self._identity = LowRank(1.0, np.zeros((n, 0)), np.zeros((0, 0)))
        self._zero = np.zeros(n)

    def _factor(
        self, free: BoolArray, rows: BoolArray, damping: float
    ) -> Callable[[FloatArray], FloatArray]:
        dual = np.full(rows.size, damping)
        factor = self._kkt.factorize(self._identity, None, dual, free, rows, 0.0)

        def solve(r: FloatArray) -> FloatArray:
            return -factor.solve(self._zero, None, r)[2]

        return solve

    def weighted(self, X: FloatArray, S: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return r -> (A diag(X) A' + diag(S))^{-1} r, from [[1/X, A'], [A, -S]]."""
        free = X > 0.0
        diagonal = 1.0 / np.where(free, X, 1.0)
        W = LowRank(diagonal, self._identity.U, self._identity.M)
        factor = self._kkt.factorize(W, None, S, free, np.ones(S.size, dtype=bool), 0.0)
        return lambda r: -factor.solve(self._zero, None, r)[2]
