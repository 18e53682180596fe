"""The little that the core needs of scipy.sparse, imported only when a sparse matrix is met."""

from __future__ import annotations

import importlib
from copy import copy as shallow_copy
from typing import Any

import numpy as np

from optlab.typing import Indices, Matrix, Vector, is_a

__all__ = ["as_matrix", "csr", "row_max", "scipy_module", "with_data"]


def scipy_module(name: str) -> Any:
    """Import a module of SciPy when it is needed: 0.2 s that small dense problems need not pay.

    Any, because SciPy has no type stubs.

    Parameters
    ----------
    name
        Without the leading ``scipy.``.
    """
    return importlib.import_module(f"scipy.{name}")


def csr(data: Vector, indices: Any, indptr: Any, shape: tuple[int, int]) -> Any:
    """Build a canonical csr_array (its pattern must be canonical already)."""
    matrix: Any = scipy_module("sparse").csr_array((data, indices, indptr), shape=shape)
    matrix.has_canonical_format = True
    return matrix


def with_data(matrix: Any, data: Vector) -> Any:
    """Return a csr_array with the same pattern and other values.

    The index arrays are the same objects, which is how later stages recognise a fixed pattern.
    A shallow copy costs a seventh of what the constructor costs.
    """
    result = shallow_copy(matrix)
    result.data = data
    return result


def as_matrix(raw: Any, *, copy: bool, like: Any = None) -> tuple[Matrix, Vector]:
    """Bring what a function returned into one of two forms: dense array or canonical csr_array.

    Parameters
    ----------
    raw
        Array-like or any scipy.sparse matrix; explicit zeros are kept.
    copy
        Whether the values must be copied.
    like
        What an earlier call returned; its index arrays are used again when the pattern is equal.

    Returns
    -------
    tuple
        The matrix, read-only values, and its values as one vector.
    """
    if not hasattr(raw, "tocsr"):
        dense: Vector = np.array(raw, dtype=np.float64, order="C", copy=True if copy else None)
        dense.flags.writeable = False
        return dense, dense.reshape(-1)
    matrix = raw if raw.format == "csr" else raw.tocsr()
    known = like is not None and not isinstance(like, np.ndarray) and _same(matrix, like)
    if not known and not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
        copy = False
    data: Vector = np.array(matrix.data, dtype=np.float64, copy=True if copy else None)
    data.flags.writeable = False
    if known:
        return with_data(like, data), data
    return csr(data, matrix.indices.copy(), matrix.indptr.copy(), matrix.shape), data


def row_max(matrix: Any) -> Vector:
    """Return the largest magnitude in every row of a dense or sparse matrix, 0 for empty rows."""
    if is_a(matrix, np.ndarray):
        largest: Vector = np.abs(matrix).max(axis=1, initial=0.0)
        return largest
    rows = matrix.tocsr()
    m = int(rows.shape[0])
    largest = np.zeros(m)
    entry_row: Indices = np.repeat(np.arange(m), np.diff(rows.indptr))
    np.maximum.at(largest, entry_row, np.abs(rows.data))
    return largest


def _same(matrix: Any, like: Any) -> bool:
    """Whether two csr matrices have the same pattern."""
    if matrix.indices is like.indices and matrix.indptr is like.indptr:
        return True
    return (
        matrix.indices.size == like.indices.size
        and matrix.shape == like.shape
        and np.array_equal(matrix.indptr, like.indptr)
        and np.array_equal(matrix.indices, like.indices)
    )
