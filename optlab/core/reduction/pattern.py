"""Parts and extensions of matrices whose sparsity pattern never changes.

Each operation analyses the pattern once and then only moves values; the index arrays of its result
are the same objects from call to call. Dense matrices take the direct way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.core.sparse import csr, with_data
from optlab.typing import Indices, Matrix, Vector

__all__ = ["AppendColumns", "Pad", "Scale", "Select"]


class _FixedPattern:
    """Base: remembers the last pattern and calls ``_analyse`` when another one comes."""

    __slots__ = ("_source", "_template")

    def __init__(self) -> None:
        self._source: Any = None
        self._template: Any = None

    def _ready(self, matrix: Any) -> None:
        source = self._source
        if source is not None and (
            matrix.indices is source.indices
            or (
                np.array_equal(matrix.indptr, source.indptr)
                and np.array_equal(matrix.indices, source.indices)
            )
        ):
            return
        self._analyse(matrix)
        self._source = matrix

    def _analyse(self, matrix: Any) -> None:
        raise NotImplementedError


class Select(_FixedPattern):
    """The columns ``cols`` of all rows, or of the rows ``rows``.

    Parameters
    ----------
    cols
        Increasing positions.
    rows
        Increasing positions, or None for all.
    """

    __slots__ = ("_cols", "_picked", "_rows")

    def __init__(self, cols: Indices, rows: Indices | None = None) -> None:
        super().__init__()
        self._cols = cols
        self._rows = rows
        self._picked: Any = None

    def __call__(self, matrix: Matrix) -> Matrix:
        """Return the part."""
        if isinstance(matrix, np.ndarray):
            if self._rows is None:
                return matrix[:, self._cols]
            return matrix[np.ix_(self._rows, self._cols)]
        self._ready(matrix)
        return with_data(self._template, matrix.data[self._picked])  # type: ignore[no-any-return]

    def _analyse(self, matrix: Any) -> None:
        m, n = _shape(matrix)
        rows: Indices = np.arange(m) if self._rows is None else self._rows
        row_at = np.full(m, -1, dtype=np.int64)
        row_at[rows] = np.arange(rows.size)
        col_at = np.full(n, -1, dtype=np.int64)
        col_at[self._cols] = np.arange(self._cols.size)
        entry_row = row_at[np.repeat(np.arange(m), np.diff(matrix.indptr))]
        entry_col = col_at[matrix.indices]
        self._picked = np.flatnonzero((entry_row >= 0) & (entry_col >= 0))
        counts = np.bincount(entry_row[self._picked], minlength=rows.size)
        indptr = np.concatenate(([0], np.cumsum(counts)))
        indices = entry_col[self._picked]
        shape = (rows.size, self._cols.size)
        self._template = csr(np.zeros(indices.size), indices, indptr, shape)


class AppendColumns(_FixedPattern):
    """[A, -E]: one new column for each of the rows ``rows``, with the entry -1.

    Parameters
    ----------
    rows
        Increasing positions of the rows.
    """

    __slots__ = ("_data", "_old", "_rows")

    def __init__(self, rows: Indices) -> None:
        super().__init__()
        self._rows = rows
        self._old: Any = None
        self._data: Any = None

    def __call__(self, matrix: Matrix) -> Matrix:
        """Return the wider matrix."""
        k = self._rows.size
        if isinstance(matrix, np.ndarray):
            m, n = matrix.shape
            wide = np.zeros((m, n + k))
            wide[:, :n] = matrix
            wide[self._rows, n + np.arange(k)] = -1.0
            return wide
        self._ready(matrix)
        data = self._data.copy()
        data[self._old] = matrix.data
        return with_data(self._template, data)  # type: ignore[no-any-return]

    def _analyse(self, matrix: Any) -> None:
        m, n = _shape(matrix)
        k = self._rows.size
        added = np.zeros(m, dtype=np.int64)
        added[self._rows] = 1
        before = np.concatenate(([0], np.cumsum(added)))
        indptr = matrix.indptr + before
        entry_row: Indices = np.repeat(np.arange(m), np.diff(matrix.indptr))
        old: Indices = np.arange(int(matrix.nnz)) + before[entry_row]
        self._old = old
        new = indptr[self._rows + 1] - 1
        indices = np.empty(matrix.indices.size + k, dtype=np.int64)
        indices[self._old] = matrix.indices
        indices[new] = n + np.arange(k)
        self._data = np.zeros(indices.size)
        self._data[new] = -1.0
        self._template = csr(self._data, indices, indptr, (m, n + k))


class Pad(_FixedPattern):
    """[[A, 0], [0, 0]] with ``k`` more rows and columns."""

    __slots__ = ("_k",)

    def __init__(self, k: int) -> None:
        super().__init__()
        self._k = k

    def __call__(self, matrix: Matrix) -> Matrix:
        """Return the larger matrix."""
        if isinstance(matrix, np.ndarray):
            n = matrix.shape[0]
            large = np.zeros((n + self._k, n + self._k))
            large[:n, :n] = matrix
            return large
        self._ready(matrix)
        return with_data(self._template, matrix.data)  # type: ignore[no-any-return]

    def _analyse(self, matrix: Any) -> None:
        n = matrix.shape[0] + self._k
        last = matrix.indptr[-1]
        indptr = np.concatenate((matrix.indptr, np.full(self._k, last, matrix.indptr.dtype)))
        self._template = csr(matrix.data, matrix.indices, indptr, (n, n))


class Scale(_FixedPattern):
    """diag(left) A diag(right).

    Parameters
    ----------
    left
        Factors of the rows.
    right
        Factors of the columns, or None for ones.
    """

    __slots__ = ("_factors", "_left", "_right")

    def __init__(self, left: Vector, right: Vector | None = None) -> None:
        super().__init__()
        self._left = left
        self._right = right
        self._factors: Any = None

    def __call__(self, matrix: Matrix) -> Matrix:
        """Return the scaled matrix."""
        if isinstance(matrix, np.ndarray):
            scaled: Vector = matrix * self._left[:, None]
            return scaled if self._right is None else scaled * self._right
        self._ready(matrix)
        return with_data(matrix, matrix.data * self._factors)  # type: ignore[no-any-return]

    def _analyse(self, matrix: Any) -> None:
        factors = np.repeat(self._left, np.diff(matrix.indptr))
        self._factors = (
            factors if self._right is None else factors * self._right[matrix.indices]
        )


def _shape(matrix: Any) -> tuple[int, int]:
    """Return the numbers of rows and columns."""
    m, n = matrix.shape
    return int(m), int(n)
