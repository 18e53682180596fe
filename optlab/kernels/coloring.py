"""Greedy colouring of the columns of a sparse matrix, for compressed differences ([CPR74]).

Columns that share no row may be perturbed together: every row then sees at most one of them. The
colouring is the greedy one of the column intersection graph, in a given order: each column takes
the smallest colour that none of its neighbours has.

For symmetric matrices there is the star colouring of the graph whose edges are the entries beside the diagonal:
neighbours differ, and no path of four vertices has only two colours. Every entry can then be read
directly from one of its two places ([GMP05], section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.kernels import use_numba

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["color_in_order", "color_plain", "star_color", "star_plain"]


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


def star_color(
    graph: tuple[npt.NDArray[Any], npt.NDArray[Any]], order: npt.NDArray[Any]
) -> npt.NDArray[np.intp]:
    """Give the vertices of a graph a star colouring, greedily in the given order.

    Parameters
    ----------
    graph : (indptr, indices)
        Neighbours of every vertex, the vertex itself left out; symmetric.
    order : (n,) int
        All vertices, in the order in which they choose.

    Returns
    -------
    (n,) int
        Colours 0, 1, ...
    """
    n = graph[0].size - 1
    if use_numba(int(graph[1].size)):
        from optlab.kernels.compiled import star_compiled  # noqa: PLC0415 - numba is slow

        work = np.full(3 * n + 1, -1, dtype=np.intp)
        star_compiled(*graph, order, work)
        return work[:n]
    plain = [-1] * (3 * n + 1)
    star_plain(graph[0].tolist(), graph[1].tolist(), order.tolist(), plain)
    return np.array(plain[:n], dtype=np.intp)


def star_plain(start: Any, neighbours: Any, order: Any, work: Any) -> None:
    """Fill in the star colours; the source of the compiled version, and its twin.

    Vertex v must not take the colour of a neighbour w, nor that of an x behind w, when this would
    leave a path of two colours: always while w has none; else when x has another neighbour of w's colour,
    or v has one.

    ``work`` (3n + 1,) holds the colours, who last met each colour where it is forbidden, and the first
    neighbour of the present vertex with each colour; all -1 before.
    """
    n = len(start) - 1
    for v in order:
        for i in range(start[v], start[v + 1]):
            color = work[neighbours[i]]
            if color >= 0:
                work[n + color] = v
                # -2: more than one neighbour has it.
                work[2 * n + 1 + color] = -2 if work[2 * n + 1 + color] != -1 else neighbours[i]
        for i in range(start[v], start[v + 1]):
            w = neighbours[i]
            color = work[w]
            repeated = color < 0 or work[2 * n + 1 + color] == -2
            for j in range(start[w], start[w + 1]):
                x = neighbours[j]
                other = work[x]
                if x == v or other < 0 or work[n + other] == v:
                    continue
                clash = repeated
                if not clash:
                    for k in range(start[x], start[x + 1]):
                        if neighbours[k] != w and work[neighbours[k]] == color:
                            clash = True
                            break
                if clash:
                    work[n + other] = v
        for i in range(start[v], start[v + 1]):
            color = work[neighbours[i]]
            if color >= 0:
                work[2 * n + 1 + color] = -1
        free = 0
        while work[n + free] == v:
            free += 1
        work[v] = free
