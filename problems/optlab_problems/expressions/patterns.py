"""Fixed sparsity patterns: where every contribution of an evaluation is added.

Contributions arrive as one flat array; `Pattern.sum` adds those that share an entry by one
``np.bincount`` over positions that are computed once.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from scipy import sparse

from optlab.typing import Indices, Vector

__all__ = ["Pattern", "RectangularMatrix", "SymmetricPattern", "add_up"]


def add_up(slots: Indices, contributions: Vector, size: int) -> Vector:
    """Return the sums of the contributions that share a slot, (size,)."""
    if contributions.size == 0:
        # bincount would return integers.
        return np.zeros(size)
    # With weights the sums are float64, whatever the stubs say.
    return cast("Vector", np.bincount(slots, weights=contributions, minlength=size))


class Pattern:
    """Pattern of a matrix from the rows and columns of contributions.

    Parameters
    ----------
    rows, columns
        Of every contribution, repetitions allowed.
    shape
        Of the matrix.
    """

    def __init__(self, rows: Indices, columns: Indices, shape: tuple[int, int]) -> None:
        keys, slots = np.unique(rows * shape[1] + columns, return_inverse=True)
        self.shape = shape
        self.size = int(keys.size)
        self.slots = slots.astype(np.intp).ravel()
        self.rows = keys // shape[1]
        self.columns = keys % shape[1]
        self.flat = keys

    def sum(self, slots: Indices, contributions: Vector) -> Vector:
        """Return the entries, each the sum of its contributions, (size,)."""
        return add_up(slots, contributions, self.size)


class _CompressedRows:
    """Indices of a csr_array, shared by all matrices of one pattern."""

    def __init__(self, rows: Indices, columns: Indices, shape: tuple[int, int]) -> None:
        self.shape = shape
        counts = np.bincount(rows, minlength=shape[0])
        kind = np.int32 if max(columns.size, *shape) < 2**31 else np.int64
        self.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(kind)
        self.indices = columns.astype(kind)

    def matrix(self, data: Vector) -> sparse.csr_array:
        """Return a csr_array with these entries."""
        made = sparse.csr_array((data, self.indices, self.indptr), shape=self.shape)
        made.has_canonical_format = True
        return made


class RectangularMatrix:
    """Builds Jacobians of one pattern, dense or sparse."""

    def __init__(self, pattern: Pattern, *, dense: bool) -> None:
        self._dense = dense
        self._flat = pattern.flat
        self._shape = pattern.shape
        self._full = pattern.size == pattern.shape[0] * pattern.shape[1]
        self._rows = _CompressedRows(pattern.rows, pattern.columns, pattern.shape)

    def build(self, data: Vector) -> Vector | sparse.csr_array:
        """Return the matrix with these entries."""
        if not self._dense:
            return self._rows.matrix(data)
        if self._full:
            return data.reshape(self._shape)
        matrix = np.zeros(self._shape)
        matrix.reshape(-1)[self._flat] = data
        return matrix


class SymmetricPattern:
    """Builds symmetric matrices from entries of the lower triangle, dense or sparse.

    Parameters
    ----------
    lower
        Pattern of the lower triangle (row >= column).
    dense
        Return ndarrays.
    """

    def __init__(self, lower: Pattern, *, dense: bool) -> None:
        self._dense = dense
        self._shape = lower.shape
        strict = np.flatnonzero(lower.rows != lower.columns)
        rows = np.concatenate([lower.rows, lower.columns[strict]])
        columns = np.concatenate([lower.columns, lower.rows[strict]])
        source = np.concatenate([np.arange(lower.size), strict])
        order = np.lexsort((columns, rows))
        self._source = source[order]
        self._flat = (rows * lower.shape[1] + columns)[order]
        self._rows = _CompressedRows(rows[order], columns[order], lower.shape)

    def build(self, lower_data: Vector) -> Vector | sparse.csr_array:
        """Return the matrix with both triangles."""
        data = lower_data[self._source]
        if not self._dense:
            return self._rows.matrix(data)
        matrix = np.zeros(self._shape)
        matrix.reshape(-1)[self._flat] = data
        return matrix
