"""Entries that a sparse symmetric factor will have, without factoring.

Row i of L holds k exactly if k is met on the way from some neighbour of i up the elimination
tree, before i ([Liu90]); counting those steps costs O(nnz(L)) time and O(n) memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.kernels import use_numba

if TYPE_CHECKING:
    import numpy.typing as npt

# Steps that plain Python takes before numba is asked, whose import costs more than these do;
# without numba the count ends here.
PLAIN_LIMIT = 1_000_000


def factor_nnz(
    indptr: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    order: npt.NDArray[Any],
    limit: int,
) -> int:
    """Count the entries of L, diagonal included.

    Parameters
    ----------
    indptr, indices : int arrays
        Pattern of the full symmetric matrix, by rows.
    order : (n,) int
        Elimination order.
    limit : int
        Counting stops soon after this many.

    Returns
    -------
    int
        The count, or some number above the limit.
    """
    inverse = np.empty_like(order)
    inverse[order] = np.arange(order.size, dtype=order.dtype)
    arrays = (indptr, indices, order, inverse)
    # Lists, because plain Python reads their items faster than those of arrays.
    rows, cols, sequence, places = (a.tolist() for a in arrays)
    count = factor_nnz_plain(rows, cols, sequence, places, min(limit, PLAIN_LIMIT))
    if PLAIN_LIMIT < count <= limit and use_numba(count):
        from optlab.kernels.compiled import factor_nnz_compiled  # noqa: PLC0415 - numba is slow

        return int(factor_nnz_compiled(*arrays, limit))
    return count


def factor_nnz_plain(indptr: Any, indices: Any, order: Any, inverse: Any, limit: int) -> int:
    """Count as :func:`factor_nnz` does; the source of the compiled version, and its twin."""
    n = len(order)
    parent = [-1] * n
    mark = [-1] * n
    total = n
    for i in range(n):
        mark[i] = i
        row = order[i]
        for entry in range(indptr[row], indptr[row + 1]):
            k = inverse[indices[entry]]
            while k < i and mark[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                mark[k] = i
                total += 1
                k = parent[k]
        if total > limit:
            break
    return total
