"""Fixed sparsity patterns for peers that take a list of entries once and values ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.errors import ProblemError

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Indices, Matrix, Vector

__all__ = ["Structure", "hessian_structure", "jacobian_structure"]


class Structure:
    """Where a matrix may have entries, and how to read their values off.

    Parameters
    ----------
    verb
        The function that returns the matrix, for messages.
    samples
        Values of the matrix, dense arrays or canonical csr_arrays; the pattern is their union, and
        that of a dense array is full.
    lower
        Whether only the lower triangle is wanted.
    """

    __slots__ = (
        "_columns", "_full", "_indices", "_indptr", "_keep", "_keys", "_lower", "_verb", "columns", "rows",
    )  # fmt: skip

    def __init__(self, verb: str, samples: list[Matrix], *, lower: bool = False) -> None:
        self._verb = verb
        self._lower = lower
        self._columns = int(samples[0].shape[1])
        keys = np.unique(np.concatenate([self._entries(matrix)[0] for matrix in samples]))
        self._keys: Indices = keys
        self.rows: Indices = keys // max(1, self._columns)
        """(entries,) row numbers from 0."""
        self.columns: Indices = keys % max(1, self._columns)
        """(entries,) column numbers from 0."""
        wanted = int(samples[0].shape[0]) * self._columns
        if lower:
            wanted = self._columns * (self._columns + 1) // 2
        self._full = keys.size == wanted
        self._indices: Any = None
        self._indptr: Any = None
        self._keep: Indices = np.zeros(0, dtype=np.intp)

    def values(self, matrix: Any) -> Vector:
        """Return the values in the order of ``rows`` and ``columns``.

        Raises
        ------
        ProblemError
            When an entry that is not zero lies outside the pattern.
        """
        dense = isinstance(matrix, np.ndarray)
        if dense and self._full:
            every: Vector = matrix.reshape(-1)[self._keys]
            return every
        if not dense and matrix.indices is self._indices and matrix.indptr is self._indptr:
            # The oracle hands out the same index arrays as long as the pattern stays the same.
            same: Vector = matrix.data[self._keep]
            return same
        keys, where, data = self._entries(matrix)
        place = np.searchsorted(self._keys, keys)
        inside = place < self._keys.size
        inside[inside] = self._keys[place[inside]] == keys[inside]
        stray = np.flatnonzero(~inside & (data != 0.0))
        if stray.size:
            self._complain(int(keys[stray[0]]), float(data[stray[0]]))
        if not dense and keys.size == self._keys.size and bool(inside.all()):
            self._indices, self._indptr, self._keep = matrix.indices, matrix.indptr, where
        values: Vector = np.zeros(self._keys.size)
        values[place[inside]] = data[inside]
        return values

    def _entries(self, matrix: Any) -> tuple[Indices, Indices, Vector]:
        """Return key (row * columns + column), position among the values, and value of each entry."""
        m, n = int(matrix.shape[0]), int(matrix.shape[1])
        if isinstance(matrix, np.ndarray):
            data: Vector = matrix.reshape(-1)
            rows: Indices = np.repeat(np.arange(m), n)
            columns: Indices = np.tile(np.arange(n), m)
        else:
            data = matrix.data
            rows = np.repeat(np.arange(m), np.diff(matrix.indptr))
            columns = matrix.indices.astype(np.intp)
        keep: Indices = np.flatnonzero(columns <= rows) if self._lower else np.arange(data.size)
        return rows[keep] * n + columns[keep], keep, data[keep]

    def _complain(self, key: int, value: float) -> None:
        row, column = divmod(key, self._columns)
        raise ProblemError(
            f"{self._verb}(x) has the entry {value:g} in row {row}, column {column}, which is outside "
            "the pattern that it had at the start; a pattern that does not depend on x is needed: "
            "return a sparse matrix with explicit zeros, or a dense array"
        )


def jacobian_structure(oracle: Oracle, points: list[Vector]) -> Structure:
    """Take the pattern of the Jacobian at some points, each (n,)."""
    return Structure("jacobian", [oracle.jacobian(x) for x in points])


def hessian_structure(oracle: Oracle, points: list[Vector]) -> Structure:
    """Take the pattern of the lower triangle of the Lagrangian's Hessian at some points."""
    weights = np.ones(oracle.m)
    samples = [oracle.hessian(x, weights, 1.0) for x in points]
    return Structure("hessian", samples, lower=True)
