"""Products R R' of rows with themselves, for changing rows, columns and weights of one matrix A.

    G = A_WF diag(w_F)^2 A_WF'

costs |W|^2 |F| multiplications in full arrays and, in sparse ones, one for every pair of entries that share a
column. But a multiplication of the first kind takes a hundredth of the time: where A is more than some
percent full, the product of full arrays is the faster one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse as sp

    from optlab.linalg.arrays import BoolArray, FloatArray, IntArray

__all__ = ["FaceGram", "RowGram"]

# Multiplications of full arrays in the time of one of sparse arrays, and sparse ones in the time of one entry
# of a sparse product (2026-11; 500 x 2000: 5.4 ms in full arrays at any density, 2.4 ms in sparse ones at density
# 0.02, 10 ms at 0.1, 49 ms at 0.3).
SPEED = 100.0
ENTRY = 10.0
# Entries, zeros included, up to which a sparse matrix is kept as an array, too: 80 MB.
FULL_ENTRIES_MAX = 10_000_000
# Entries of A, zeros included, up to which nothing is gained by care for memory.
SMALL_ENTRIES = 40_000
# Rows that are worked on at a time.
TOGETHER = 32
# Columns that may change, relative to those there are, and what must be left of a row's square.
CHANGED = 0.5
LEFT = 0.01


class RowGram:
    """Products of the rows of A with themselves.

    Parameters
    ----------
    A : (m, n) array or csr_array
    """

    def __init__(self, A: FloatArray | sp.csr_array) -> None:
        self._sparse = None if isinstance(A, np.ndarray) else A
        self._array: FloatArray | None = A if isinstance(A, np.ndarray) else None
        self._pairs = 0.0
        if not isinstance(A, np.ndarray):
            counts = np.bincount(A.indices, minlength=A.shape[1]).astype(np.float64)
            self._pairs = float(counts.dot(counts))
        self._squares: FloatArray | sp.csr_array | None = None
        self._scratch = np.empty(0)
        self.shape: tuple[int, int] = A.shape

    def array(self) -> FloatArray:
        """Return A as an array, which must not be changed."""
        if self._array is None and self._sparse is not None:
            self._array = self._sparse.toarray()
        assert self._array is not None
        return self._array

    @property
    def is_small(self) -> bool:
        """Whether calls cost more than arithmetic."""
        return self.shape[0] * self.shape[1] <= SMALL_ENTRIES

    def row_squares(self, weights: FloatArray) -> FloatArray:
        """Return sum_j (a_ij w_j)^2 for every row, (m,)."""
        if self._squares is None:
            A = self._sparse
            self._squares = np.square(self.array()) if A is None else A.multiply(A).tocsr()
        squares: FloatArray = self._squares @ (weights * weights)
        return squares

    def work(self, rows: int, columns: int) -> float:
        """Return what a product of so many rows and columns costs, in multiplications of sparse arrays."""
        return min(self._full_work(rows, columns), self._sparse_work(rows))

    def _full_work(self, rows: int, columns: int) -> float:
        m, n = self.shape
        if self._array is None and m * n > FULL_ENTRIES_MAX:
            return np.inf
        return rows * rows * columns / SPEED

    def _sparse_work(self, rows: int) -> float:
        """Return the work of sparse products, where columns that are left out cost as much as others."""
        if self._sparse is None:
            return np.inf
        part = rows / self.shape[0]
        return part * part * self._pairs + ENTRY * rows * rows

    def product(
        self, rows: BoolArray, columns: BoolArray, weights: FloatArray | None = None
    ) -> FloatArray:
        """Return A_WF diag(w_F)^2 A_WF', (k, k) with k rows in W.

        Parameters
        ----------
        rows, columns : (m,) and (n,) bool
            W and F.
        weights : (n,) or None
            w; None stands for ones.
        """
        k, size = int(np.count_nonzero(rows)), int(np.count_nonzero(columns))
        if self._sparse is not None and self._sparse_work(k) < self._full_work(k, size):
            face = self._sparse if k == rows.size else self._sparse[rows.nonzero()[0]]
            root = face * (columns if weights is None else np.where(columns, weights, 0.0))
            product: FloatArray = (root @ root.T).toarray()
            return product
        W, F = rows.nonzero()[0], columns.nonzero()[0]
        if self.is_small:
            root = self.array() if k == rows.size else self.array()[W]
            root = root if size == columns.size else root[:, F]
            root = root if weights is None else root * weights[F]
            gram: FloatArray = root @ root.T
            return gram
        if weights is None:
            weights = np.ones(columns.size)
        if size == columns.size:
            return self.product_of(W, lambda part: part * weights)
        kept = weights[F]
        return self.product_of(W, lambda part: part[:, F] * kept)

    def product_of(
        self, rows: IntArray, change: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        """Return V V', (k, k), for V = change(A_W).

        V is made of some rows at a time, which stay in the cache, and in memory that is kept: fresh
        memory of this size would cost more than what is done in it.

        Parameters
        ----------
        rows : (k,)
            W.
        change : callable
            (j, n) -> (j, f), for any j > 0.
        """
        if not rows.size:
            return np.zeros((0, 0))
        A = self.array()
        if self._scratch.size < A.size:
            self._scratch = np.empty(A.size)
        V: FloatArray | None = None
        for first in range(0, rows.size, TOGETHER):
            part = change(A[rows[first : first + TOGETHER]])
            if V is None:
                V = self._scratch[: rows.size * part.shape[1]].reshape(rows.size, -1)
            V[first : first + TOGETHER] = part
        assert V is not None
        product: FloatArray = V @ V.T
        return product


class FaceGram:
    """A_WF A_WF' for one face after another, from the last one where they differ by little.

    Subsets of the rows are taken out of what is there; columns that enter and leave are added and subtracted.
    Subtracting loses digits where little is left of a row: it is then computed afresh.
    """

    def __init__(self, gram: RowGram) -> None:
        self._gram = gram
        self._rows: BoolArray | None = None
        self._columns: BoolArray
        self._product: FloatArray

    def product(self, rows: BoolArray, columns: BoolArray) -> FloatArray:
        """Return A_WF A_WF', (k, k); the caller may change it.

        Parameters
        ----------
        rows, columns : (m,) and (n,) bool
            W and F.
        """
        if self._gram.is_small:
            return self._gram.product(rows, columns)
        product = self._from_last(rows, columns)
        if product is None:
            product = self._gram.product(rows, columns)
        self._rows, self._columns, self._product = rows.copy(), columns.copy(), product
        return product.copy()

    def _from_last(self, rows: BoolArray, columns: BoolArray) -> FloatArray | None:
        """Return the product for a smaller W and an F that differs in few columns; None for others."""
        if self._rows is None or (rows & ~self._rows).any():
            return None
        entering, leaving = columns & ~self._columns, self._columns & ~columns
        changed = np.count_nonzero(entering) + np.count_nonzero(leaving)
        if changed > CHANGED * np.count_nonzero(columns):
            return None
        kept = rows[self._rows].nonzero()[0]
        product = self._product[kept[:, None], kept]
        if not changed:
            return product
        if entering.any():
            product += self._gram.product(rows, entering)
        before = product.diagonal().copy()
        if leaving.any():
            product -= self._gram.product(rows, leaving)
        return product if np.all(product.diagonal() >= LEFT * before) else None
