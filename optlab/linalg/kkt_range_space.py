"""KKT systems by a small system for the multipliers of the rows: the range-space method.

    [ H  A' ] [ x ]   [ b ]          S = A H^{-1} A' + D,     S y = A H^{-1} b - c,
    [ A  -D ] [ y ] = [ c ]          x = H^{-1} (b - A'y)

Where H = W + sigma is positive definite on the free variables, sparse with a sparse factor or full, and the
rows are so full that S is full in any case, a sparse factorization of the whole matrix does the work of S
column by column. Here it is one product of full matrices, S = V'V with V = L^{-1} A', which runs ten times as
fast. K has the inertia (n, m, 0) if and only if S is positive definite; where H or S is not, or where one
solve with a known solution is not accurate, the caller takes the factorization of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lapack

from optlab.linalg.factorization import Inertia
from optlab.linalg.kkt_analysis import TRUSTED_BACKWARD_ERROR
from optlab.linalg.kkt_definite import DenseDefiniteFactor
from optlab.linalg.kkt_dense import DenseFaceFactor
from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.kkt_sparse import SparseFaceFactor, SparseKKT
from optlab.linalg.refinement import norm, refined_solve
from optlab.linalg.row_gram import SPEED, RowGram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import scipy.sparse as sp

    from optlab.linalg.arrays import BoolArray, FloatArray, IntArray
    from optlab.linalg.kkt_analysis import Analysis

__all__ = ["RangeSpaceFactor", "RangeSpaceKKT"]

# Rows, and entries with zeros included, of which an array is kept.
ROWS_MAX = 2000
ENTRIES_MAX = 10_000_000
# Part of the entries of A A' that are not zero from which on its factor is taken to be full without a look.
FULL_FRACTION = 0.3
# The fullest columns, by number, that are left out of that estimate: a sparse order puts them last.
FULLEST_COLUMNS = 0.05
# Rows of K on a face up to which LAPACK's factorization with pivoting costs less than the analysis of the
# whole pattern.
FULL_ORDER_MAX = 1500
# Filling of W from which on H is factored as a full matrix.
DENSE_FRACTION = 0.2


class RangeSpaceKKT:
    """K for changing values and faces where eliminating the variables first is the shorter way.

    Parameters
    ----------
    A : (ml, n) array or csr_array
    known : list of Analysis
        Of the variables' part in an earlier system, which must not be used any more.
    """

    def __init__(self, A: FloatArray | sp.csr_array, known: Sequence[Analysis] = ()) -> None:
        self._A = A
        self._gram = RowGram(A)
        self._variables = SparseKKT(int(A.shape[1]), 0, None, known)
        self._variables.borders = False
        self._pays: tuple[object, bool] | None = None

    @staticmethod
    def suits(A: FloatArray | sp.csr_array) -> bool:
        """Whether there are so few rows that the method is worth a thought."""
        m, n = A.shape
        return bool(0 < m <= min(ROWS_MAX, n) and m * n <= ENTRIES_MAX)

    @property
    def analyses(self) -> list[Analysis]:
        """Return what has been analysed."""
        return self._variables.analyses

    def pays(self, W: FloatArray | sp.csr_array, whole: SparseKKT | None) -> bool:
        """Compare the multiplications with those of another factorization; known once for a pattern.

        Parameters
        ----------
        W : (n, n)
        whole
            The sparse factorization of K; None for that of a full matrix.
        """
        known = self._pays
        shape = _structure(W)
        if known is None or known[0] != shape:
            known = self._pays = (shape, self._work(W) < self._work_of_whole(W, whole))
        return known[1]

    def _work(self, W: FloatArray | sp.csr_array) -> float:
        """Return multiplications, those of full matrices counted by their speed."""
        m, n = self._gram.shape
        rows = m**3 / 3.0 / SPEED
        if _is_full(W):
            return rows + (n**3 / 3.0 + m * n * n + m * m * n) / SPEED
        analysis = self._variables.analysis(W)
        if analysis.pattern.lower.nnz == n:
            return rows + self._gram.work(m, n)
        analysis.symbolic(pivoting=False)
        entries = analysis.mean_column * n or float(n * n)
        return rows + m * m * n / SPEED + m * entries

    def _work_of_whole(self, W: FloatArray | sp.csr_array, whole: SparseKKT | None) -> float:
        """Return at least what is spent on the rows, if the factor is full there, or on everything."""
        m, n = self._gram.shape
        order = m + n
        if whole is None:
            return order**3 / 3.0 / SPEED
        if _is_full(W):
            return order**3 / 3.0 / (0.2 * SPEED)
        fraction, pairs = self._filling()
        if fraction >= FULL_FRACTION:
            return m**3 / 3.0 + pairs
        analysis = whole.analysis(W)
        analysis.symbolic(pivoting=False)
        return float(order * analysis.mean_column**2)

    def _filling(self) -> tuple[float, float]:
        """Return the part of A A' that is not zero, about, and the products it is the sum of."""
        m, n = self._gram.shape
        if isinstance(self._A, np.ndarray):
            return 1.0, float(m * m * n)
        counts = np.sort(np.bincount(self._A.indices, minlength=n).astype(np.float64))
        counts = counts[: n - int(FULLEST_COLUMNS * n)]
        # Two rows share no column, if they are independent, with probability prod_j (1 - (c_j / m)^2).
        pairs = counts * np.maximum(counts - 1.0, 0.0) / (m * m)
        return float(-np.expm1(np.log1p(-np.minimum(pairs, 0.99)).sum())), counts.dot(counts)

    def factorize(
        self,
        W: FloatArray | sp.csr_array,
        dual: FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray,
    ) -> RangeSpaceFactor | DenseFaceFactor | None:
        """Factor K on a face.

        Where H or S is not definite or the result is not accurate, small faces are factored as full
        matrices; None for large ones.

        Parameters
        ----------
        W : (n, n)
        dual : (ml,)
            Diagonal of D.
        free, active : (n,) and (ml,) bool
        sigma : float or (n,)
            Added to the diagonal of W.
        """
        factor = self._by_rows(W, dual, free, active, sigma)
        if factor is not None:
            return factor
        order = int(np.count_nonzero(free)) + int(np.count_nonzero(active))
        return self._full(W, dual, free, active, sigma) if order <= FULL_ORDER_MAX else None

    def _by_rows(
        self,
        W: FloatArray | sp.csr_array,
        dual: FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray,
    ) -> RangeSpaceFactor | None:
        """Factor H and S; None where that cannot be trusted."""
        if np.count_nonzero(active) > np.count_nonzero(free):
            return None
        inner: SparseFaceFactor | DenseDefiniteFactor
        if _is_full(W):
            inner = DenseDefiniteFactor(W, sigma, free)
        else:
            nothing = np.zeros(0, dtype=bool)
            found = self._variables.factorize(W, None, 0.0, free, nothing, sigma)
            assert isinstance(found, SparseFaceFactor)
            inner = found
        if not (inner.trusted and inner.inertia_ok):
            return None
        factor = RangeSpaceFactor(inner, self._A, self._gram, dual, active)
        return factor if factor.trusted else None

    def _full(
        self,
        W: FloatArray | sp.csr_array,
        dual: FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray,
    ) -> DenseFaceFactor:
        """Factor K on a small face by LAPACK."""
        ml, n = self._gram.shape
        F, rows = free.nonzero()[0], active.nonzero()[0]
        K = np.zeros((F.size + rows.size, F.size + rows.size))
        K[: F.size, : F.size] = (
            W[np.ix_(F, F)] if isinstance(W, np.ndarray) else W[F][:, F].toarray()
        )
        K[F.size :, : F.size] = self._gram.array()[np.ix_(rows, F)]
        K[: F.size, F.size :] = K[F.size :, : F.size].T
        diagonal = K.reshape(-1)[:: K.shape[0] + 1]
        diagonal[: F.size] += np.broadcast_to(sigma, (n,))[F]
        diagonal[F.size :] = -dual[rows]
        face = np.concatenate((F, n + rows))
        return DenseFaceFactor(K, face, (n, 0, ml), (F.size, rows.size))


def _is_full(W: FloatArray | sp.csr_array) -> bool:
    return isinstance(W, np.ndarray) or W.nnz >= DENSE_FRACTION * W.shape[0] ** 2


def _structure(W: FloatArray | sp.csr_array) -> object:
    return W.shape if isinstance(W, np.ndarray) else (W.shape, W.nnz)


class RangeSpaceFactor(AbstractFaceFactor):
    """Factor of K on a face from one of H and one of S.

    Parameters
    ----------
    inner : SparseFaceFactor or DenseDefiniteFactor
        Factor of H on the free variables, positive definite there.
    A : (ml, n) array or csr_array
        All rows.
    gram : RowGram
        Of A.
    dual : (ml,)
        Diagonal of D.
    active : (ml,) bool
        Rows on the face.

    Attributes
    ----------
    trusted : bool
        Whether S is positive definite and a solve accurate; nothing else may be used if not.
    """

    def __init__(
        self,
        inner: SparseFaceFactor | DenseDefiniteFactor,
        A: FloatArray | sp.csr_array,
        gram: RowGram,
        dual: FloatArray,
        active: BoolArray,
    ) -> None:
        ml, n = A.shape
        self._sizes = (n, 0, ml)
        self._inner, self._A, self._AT = inner, A, A.T
        self._free, self._scale = inner.alive, inner.scale
        self._rows: IntArray = np.flatnonzero(active)
        # Rows of the equilibrated matrix, that is with the scale of the variables, of about unit norm.
        squares = gram.row_squares(self._scale)[self._rows] + dual[self._rows]
        self._row_scale = 1.0 / np.sqrt(np.where(squares > 0.0, squares, 1.0))
        self._D = dual[self._rows] * self._row_scale**2
        S = _schur_complement(inner, gram, active)
        S *= self._row_scale
        S *= self._row_scale[:, None]
        S.reshape(-1)[:: self._rows.size + 1] += self._D
        # LAPACK takes no matrices of order zero.
        factor, info = lapack.dpotrf(S.T, lower=1, overwrite_a=1) if S.size else (S, 0)
        self._S: FloatArray = factor
        self.trusted = info == 0
        self.inertia = Inertia(int(np.count_nonzero(self._free)), self._rows.size, 0)
        self.inertia_ok = self.trusted = self.trusted and self._is_accurate()

    def _is_accurate(self) -> bool:
        """Solve once with a known solution."""
        order = self._sizes[0] + self._rows.size
        known = np.where(np.random.default_rng(order).random(order) < 0.5, -1.0, 1.0)
        known[: self._sizes[0]][~self._free] = 0.0
        b = self._matvec(known)
        x = self._apply_inverse(b)
        error = norm(b - self._matvec(x)) / (norm(b) + norm(x))
        return bool(error <= TRUSTED_BACKWARD_ERROR)

    def _times_rows(self, x: FloatArray) -> FloatArray:
        """Multiply by the equilibrated rows of the face."""
        product: FloatArray = self._row_scale * (self._A @ (self._scale * x))[self._rows]
        return product

    def _times_transpose(self, y: FloatArray) -> FloatArray:
        full = np.zeros(self._sizes[2])
        full[self._rows] = self._row_scale * y
        product: FloatArray = self._scale * (self._AT @ full)
        return product

    def _apply_inverse(self, v: FloatArray) -> FloatArray:
        n = self._sizes[0]
        x = self._inner.apply_inverse(v[:n])
        if not self._rows.size:
            return x
        y, _ = lapack.dpotrs(self._S, self._times_rows(x) - v[n:], lower=1)
        x = x - self._inner.apply_inverse(self._times_transpose(y))
        return np.concatenate((x, y))

    def _matvec(self, v: FloatArray) -> FloatArray:
        n = self._sizes[0]
        x, y = v[:n], v[n:]
        return np.concatenate(
            (
                self._inner.matvec(x) + self._times_transpose(y),
                self._times_rows(x) - self._D * y,
            )
        )

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        n = self._sizes[0]
        scaled = np.concatenate((b[:n] * self._scale, b[n + self._rows] * self._row_scale))
        x, residual = refined_solve(self._matvec, self._apply_inverse, scaled)
        self.residual = norm(residual) / (norm(scaled) or 1.0)
        solution = np.zeros_like(b)
        solution[:n] = x[:n] * self._scale
        solution[n + self._rows] = x[n:] * self._row_scale
        return solution

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return those of the factor of H, and the order of S."""
        return {**self._inner.diagnostics, "range_space": float(self._rows.size)}


def _schur_complement(
    inner: SparseFaceFactor | DenseDefiniteFactor, gram: RowGram, active: BoolArray
) -> FloatArray:
    """Return A H^{-1} A' for the rows of a face, (k, k)."""
    scale, inverse = inner.scale, inner.inverse_diagonal
    if inverse is not None:
        return gram.product(active, inner.alive, scale * np.sqrt(inverse))
    rows = active.nonzero()[0]
    if inner.has_half:
        return gram.product_of(rows, lambda part: inner.half_inverse((part * scale).T).T)
    whole = gram.array()[rows] * scale
    product: FloatArray = whole @ inner.apply_inverse(np.asfortranarray(whole.T))
    return product
