"""Greedy colouring of the columns of a sparse matrix, for compressed differences ([CPR74]).

Columns that share no row may be perturbed together: every row then sees at most one of them. The
colouring is the greedy one of the column intersection graph, in a given order: each column takes
the smallest colour that none of its neighbours has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.kernels import use_numba

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["color_in_order", "color_plain"]


def color_in_order(
    by_row: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    by_column: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    order: npt.NDArray[Any],
) -> npt.NDArray[np.intp]:
    """Colour the columns greedily in the given order.

    Parameters
    ----------
    by_row, by_column : (indptr, indices)
        The pattern by rows and by columns.
    order : (k,) int
        Columns in the order in which they choose; the others get no colour.

    Returns
    -------
    (n,) int
        Colours 0, 1, ...; -1 for columns that did not choose.
    """
    n = by_column[0].size - 1
    arrays = (*by_row, *by_column, order)
    if use_numba(int(by_row[1].size)):
        from optlab.kernels.compiled import color_compiled  # noqa: PLC0415 - numba is slow

        work = np.full(2 * n + 1, -1, dtype=np.intp)
        color_compiled(*arrays, work)
        return work[:n]
    # Lists, because plain Python reads their items faster than those of arrays.
    plain = [-1] * (2 * n + 1)
    (row_start, row_columns), (column_start, column_rows) = (
        (start.tolist(), entries.tolist()) for start, entries in (by_row, by_column)
    )
    color_plain(row_start, row_columns, column_start, column_rows, order.tolist(), plain)
    return np.array(plain[:n], dtype=np.intp)


def color_plain(
    row_start: Any, row_columns: Any, column_start: Any, column_rows: Any, order: Any, work: Any
) -> None:
    """Fill in the colours; the source of the compiled version, and its twin.

    ``work`` (2n + 1,) holds the colours and, behind them, who last met each colour at a neighbour;
    all -1 before.
    """
    n = len(column_start) - 1
    for j in order:
        for entry in range(column_start[j], column_start[j + 1]):
            i = column_rows[entry]
            for k in range(row_start[i], row_start[i + 1]):
                met = work[row_columns[k]]
                if met >= 0:
                    work[n + met] = j
        free = 0
        while work[n + free] == j:
            free += 1
        work[j] = free
