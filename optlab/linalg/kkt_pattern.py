"""One sparse pattern for the KKT matrix on every face.

The lower triangle of K is stored in CSC form with a full diagonal. Its values are gathered
from the values of W, J and A by index arrays made once. On a face, entries in rows or columns
of fixed variables and inactive rows are zeroed and their diagonal is set to +1 or -1, so that
the pattern (and with it the symbolic analysis) never changes and the inertia of the face is
that of the whole less the known signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from optlab.linalg.dense import MAX_PASSES, WIDE
from optlab.linalg.factorization import LowerPattern

if TYPE_CHECKING:
    from optlab.linalg.arrays import BoolArray, FloatArray, Index32Array, IntArray


def csr_pattern(matrix: FloatArray | sp.csr_array | None, cols: int) -> sp.csr_array:
    """Return a CSR matrix with the pattern of the argument; arrays count as full."""
    if matrix is None:
        return sp.csr_array((0, cols))
    if sp.issparse(matrix):
        return sp.csr_array(matrix)
    full = sp.csr_array(np.ones(matrix.shape))
    full.data = np.asarray(matrix, dtype=np.float64).ravel()
    return full


def stored_values(matrix: FloatArray | sp.csr_array | None) -> FloatArray:
    """Return the values in the order of :func:`csr_pattern`."""
    if matrix is None:
        return np.zeros(0)
    if isinstance(matrix, np.ndarray):
        return np.ravel(matrix)
    values: FloatArray = matrix.data
    return values


def same_pattern(
    matrix: FloatArray | sp.csr_array | None, known: sp.csr_array | FloatArray | None
) -> bool:
    """Compare two patterns, by identity of their index arrays before looking inside."""
    if matrix is None or known is None:
        return matrix is known
    if isinstance(matrix, np.ndarray) or isinstance(known, np.ndarray):
        return isinstance(matrix, np.ndarray) and isinstance(known, np.ndarray)
    if matrix.indices is known.indices and matrix.indptr is known.indptr:
        return True
    return bool(
        matrix.nnz == known.nnz
        and np.array_equal(matrix.indptr, known.indptr)
        and np.array_equal(matrix.indices, known.indices)
    )


@dataclass(frozen=True, slots=True)
class FaceValues:
    """Equilibrated values of K on one face: S K S with S = diag(scale).

    Attributes
    ----------
    data : (nnz,)
    scale : (order,)
    alive : (order,) bool
    """

    data: FloatArray
    scale: FloatArray
    alive: BoolArray


class KKTPattern:
    """Pattern of K and the maps from W, J and A into it.

    Parameters
    ----------
    hessian : (n, n) csr_array with both triangles, array, or None for a diagonal one
    jacobian : (mh, n) csr_array, array or None
    A : (ml, n) csr_array
    """

    def __init__(
        self,
        hessian: FloatArray | sp.csr_array | None,
        jacobian: FloatArray | sp.csr_array | None,
        A: sp.csr_array,
    ) -> None:
        self.hessian, self.jacobian = hessian, jacobian
        n = int(A.shape[1])
        J = csr_pattern(jacobian, n)
        self.n, self.mh, self.ml = n, int(J.shape[0]), int(A.shape[0])
        order = n + self.mh + self.ml
        w_rows, w_cols = _coordinates(csr_pattern(hessian, n))
        self._w_lower: IntArray = np.flatnonzero(w_rows > w_cols)
        self._w_diagonal: IntArray = np.flatnonzero(w_rows == w_cols)
        self._w_diagonal_at = w_rows[self._w_diagonal]
        j_rows, j_cols = _coordinates(J)
        a_rows, a_cols = _coordinates(A)
        every = np.arange(order)
        rows = np.concatenate(
            (w_rows[self._w_lower], j_rows + n, a_rows + (n + self.mh), every)
        )
        cols = np.concatenate((w_cols[self._w_lower], j_cols, a_cols, every))
        self._A = A
        # Gathering concatenated sources by `_order` puts every value into its place.
        self._order = np.lexsort((rows, cols))
        counts = np.bincount(cols, minlength=order)
        indptr = np.zeros(order + 1, dtype=np.int32)
        np.cumsum(counts, out=indptr[1:])
        self.lower = LowerPattern(order, indptr, rows[self._order].astype(np.int32))
        self._cols: Index32Array = cols[self._order].astype(np.int32)
        self.diagonal_at = indptr[:-1]
        shape = (order, order)
        numbered = sp.csc_array(
            (np.arange(self.lower.nnz), self.lower.indices, indptr), shape=shape
        ).tocsr()
        self._by_row, self._row_starts = numbered.data, numbered.indptr[:-1]
        # Both triangles by rows, for products: one pass, where two halves would cost two.
        strict = self.lower.indices != self._cols
        places = np.concatenate((np.arange(self.lower.nnz), np.flatnonzero(strict)))
        both = sp.coo_array(
            (
                places,
                (
                    np.concatenate((self.lower.indices, self._cols[strict])),
                    np.concatenate((self._cols, self.lower.indices[strict])),
                ),
            ),
            shape=shape,
        ).tocsr()
        self._mirror: IntArray = both.data
        self._both = (both.indices, both.indptr)

    def fits(
        self,
        hessian: FloatArray | sp.csr_array | None,
        jacobian: FloatArray | sp.csr_array | None,
    ) -> bool:
        """Say whether matrices have the patterns that this one was made for."""
        if not (same_pattern(hessian, self.hessian) and same_pattern(jacobian, self.jacobian)):
            return False
        # From now on the index arrays of this problem are recognised without a look inside.
        self.hessian, self.jacobian = hessian, jacobian
        return True

    def adopt(self, A: sp.csr_array, mh: int) -> bool:
        """Take linear rows with other values; False where they have another pattern."""
        if self.mh != mh or A.shape != self._A.shape or not same_pattern(A, self._A):
            return False
        self._A = A
        return True

    def assemble(
        self,
        hessian_values: FloatArray,
        jacobian_values: FloatArray,
        primal_diagonal: float | FloatArray,
        dual_diagonal: FloatArray,
        alive: BoolArray,
    ) -> FaceValues:
        """Return the equilibrated values of K on the face ``alive`` (order,) bool.

        ``primal_diagonal`` is added to the diagonal of W, ``dual_diagonal`` (mh + ml,) is
        subtracted from that of the rows.
        """
        n, order = self.n, self.lower.n
        diagonal = np.zeros(order)
        diagonal[:n] = primal_diagonal
        if self._w_diagonal.size:
            diagonal[self._w_diagonal_at] += hessian_values[self._w_diagonal]
        diagonal[n:] = np.negative(dual_diagonal)
        sources = (
            hessian_values[self._w_lower], jacobian_values, self._A.data, diagonal,
        )  # fmt: skip
        data = np.concatenate(sources)[self._order]
        if not alive.all():
            diagonal[:n][~alive[:n]] = 1.0
            diagonal[n:][~alive[n:]] = -1.0
            data *= alive[self.lower.indices] & alive[self._cols]
            data[self.diagonal_at] = diagonal
        return FaceValues(data, self._equilibrate(data), alive)

    def _equilibrate(self, data: FloatArray) -> FloatArray:
        """Scale the values in place; return S, as in :mod:`optlab.linalg.dense`."""
        total = np.ones(self.lower.n)
        for _ in range(MAX_PASSES):
            size = np.abs(data)
            largest = np.maximum(
                np.maximum.reduceat(size, self.lower.indptr[:-1]),
                np.maximum.reduceat(size[self._by_row], self._row_starts),
            )
            largest[largest == 0.0] = 1.0
            scale = 1.0 / np.sqrt(largest)
            data *= scale[self.lower.indices]
            data *= scale[self._cols]
            total *= scale
            if not largest.max() > WIDE * largest.min():
                break
        return total

    def symmetric(self, data: FloatArray) -> sp.csr_array:
        """Return the matrix of these values, (nnz,), with both triangles."""
        shape = (self.lower.n, self.lower.n)
        return sp.csr_array((data[self._mirror], *self._both), shape=shape)


def _coordinates(matrix: sp.csr_array) -> tuple[IntArray, IntArray]:
    """Return rows and columns of the stored entries in storage order."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices.astype(np.intp)
