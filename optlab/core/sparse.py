"""The little that the core needs of scipy.sparse, imported only when a sparse matrix is met."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.typing import Matrix, Vector

__all__ = ["as_matrix", "csr", "is_dense", "with_data"]


def is_dense(matrix: Matrix) -> bool:
    """Whether a matrix of an oracle is a NumPy array."""
    return isinstance(matrix, np.ndarray)


def csr(data: Vector, indices: Any, indptr: Any, shape: tuple[int, int]) -> Any:
    """Build a csr_array that shares the given arrays."""
    from scipy.sparse import csr_array  # noqa: PLC0415 - 0.2 s that dense problems need not pay

    matrix: Any = csr_array((data, indices, indptr), shape=shape)
    return matrix


def with_data(matrix: Any, data: Vector) -> Any:
    """Build a csr_array with the same pattern, sharing its index arrays."""
    result = csr(data, matrix.indices, matrix.indptr, matrix.shape)
    result.has_canonical_format = True
    return result


def as_matrix(raw: Any, *, copy: bool) -> tuple[Matrix, Vector]:
    """Bring what a function returned into one of two forms: dense array or canonical csr_array.

    Parameters
    ----------
    raw
        Array-like or any scipy.sparse matrix; explicit zeros are kept.
    copy
        Whether the values must be copied. Index arrays are shared.

    Returns
    -------
    tuple
        The matrix, read-only values, and its values as one vector.
    """
    if hasattr(raw, "tocsr"):
        matrix = raw if raw.format == "csr" else raw.tocsr()
        if not matrix.has_canonical_format:
            if matrix is raw:
                matrix = matrix.copy()
            matrix.sum_duplicates()
        data = np.array(matrix.data, dtype=np.float64, copy=True if copy else None)
        if data is not matrix.data or type(matrix).__name__ != "csr_array":
            matrix = with_data(matrix, data)
        data.flags.writeable = False
        return matrix, data
    dense: Vector = np.array(raw, dtype=np.float64, order="C", copy=True if copy else None)
    dense.flags.writeable = False
    return dense, dense.reshape(-1)
