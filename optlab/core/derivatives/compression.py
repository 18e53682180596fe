"""Sparsity patterns and their compression: which columns may be perturbed together.

Two columns with no common row are structurally orthogonal: one evaluation at a point where both are
moved gives the differences of both ([CPR74]). The number of groups is at least the largest
number of entries in a row, and for banded matrices not more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.core.sparse import csr
from optlab.errors import OptionError
from optlab.kernels.coloring import color_in_order, star_color
from optlab.typing import Indices, Mask, Vector

__all__ = ["Groups", "Pattern", "column_groups", "read_pattern", "symmetric_groups"]

_DENSE_FRACTION = 0.5
"""A pattern fuller than this is returned as a dense matrix."""

_DENSE_SIZE = 64
"""So is a matrix with no more entries than this."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Positions of the entries of a matrix that may be nonzero, by rows."""

    shape: tuple[int, int]
    rows: Indices
    columns: Indices
    indptr: Indices

    @classmethod
    def of(cls, mask: Mask) -> Pattern:
        """Take the true positions of a bool array (m, n)."""
        rows, columns = mask.nonzero()
        return cls.from_positions(rows, columns, (int(mask.shape[0]), int(mask.shape[1])))

    @classmethod
    def from_positions(cls, rows: Indices, columns: Indices, shape: tuple[int, int]) -> Pattern:
        """Sort positions and drop repeated ones."""
        keys = np.unique(rows.astype(np.int64) * max(shape[1], 1) + columns)
        sorted_rows, sorted_columns = keys // max(shape[1], 1), keys % max(shape[1], 1)
        counts = np.bincount(sorted_rows, minlength=shape[0])
        indptr = np.concatenate((np.zeros(1, dtype=np.intp), np.cumsum(counts)))
        return cls(shape, sorted_rows, sorted_columns, indptr.astype(np.intp))

    @property
    def nnz(self) -> int:
        """Number of positions."""
        return int(self.rows.size)

    @property
    def keys(self) -> Indices:
        """(nnz,) positions as single numbers, increasing: row * columns + column."""
        return self.rows * self.shape[1] + self.columns

    @property
    def is_dense(self) -> bool:
        """Whether a dense array is the better form for such a matrix."""
        size = self.shape[0] * self.shape[1]
        return size <= _DENSE_SIZE or self.nnz > _DENSE_FRACTION * size

    def union(self, other: Pattern) -> Pattern:
        """Return the positions of both."""
        rows = np.concatenate((self.rows, other.rows))
        columns = np.concatenate((self.columns, other.columns))
        return Pattern.from_positions(rows, columns, self.shape)

    def matrix(self, values: Vector) -> Any:
        """Put values (nnz,) at the positions: a dense array or a csr_array."""
        if self.is_dense:
            dense = np.zeros(self.shape)
            dense[self.rows, self.columns] = values
            return dense
        return csr(values, self.columns, self.indptr, self.shape)


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of columns that are perturbed together, and the entries that each group gives."""

    columns: tuple[Indices, ...]
    entries: tuple[Indices, ...]
    """Positions within the pattern's entries."""

    def __len__(self) -> int:
        """Return the number of groups: evaluations per point of the scheme."""
        return len(self.columns)


def column_groups(pattern: Pattern, wanted: Mask | None = None) -> Groups:
    """Colour the columns of the wanted rows; the better of the natural and the largest-first order.

    Parameters
    ----------
    pattern
        (m, n)
    wanted
        (m,) rows whose entries are asked for; None: all. Columns without such an entry are in no group.
    """
    m, n = pattern.shape
    used: Indices = np.arange(pattern.nnz)
    if wanted is not None:
        used = np.flatnonzero(wanted[pattern.rows])
    rows, columns = pattern.rows[used], pattern.columns[used]
    counts = np.bincount(columns, minlength=n)
    by_row = (_starts(np.bincount(rows, minlength=m)), columns)
    by_column = (_starts(counts), rows[np.argsort(columns, kind="stable")])
    active = np.flatnonzero(counts)
    natural = color_in_order(by_row, by_column, active)
    colors = natural
    fewest = int(np.bincount(rows, minlength=m).max(initial=0))
    if active.size and int(natural.max()) + 1 > fewest:
        largest_first = active[np.argsort(-counts[active], kind="stable")]
        other = color_in_order(by_row, by_column, largest_first)
        if int(other.max()) < int(natural.max()):
            colors = other
    order = np.argsort(colors[columns], kind="stable")
    limits = np.cumsum(np.bincount(colors[columns])) if active.size else np.zeros(0, np.intp)
    entries = np.split(used[order], limits[:-1]) if active.size else []
    members = [np.unique(pattern.columns[part]) for part in entries]
    return Groups(tuple(members), tuple(entries))


def symmetric_groups(pattern: Pattern) -> Groups:
    """Group the columns of a symmetric pattern so that each entry can be read at one of its two places.

    By the star colouring of its graph ([GMP05]), in the better of the natural and the largest-first order;
    it never needs more groups than :func:`column_groups`, whose groups let every entry be read at both.

    Parameters
    ----------
    pattern
        (n, n), symmetric, with a full diagonal.
    """
    n = pattern.shape[0]
    beside = pattern.rows != pattern.columns
    counts = np.bincount(pattern.rows[beside], minlength=n)
    graph = (_starts(counts), pattern.columns[beside])
    natural: Indices = np.arange(n)
    orders = (natural, np.argsort(-counts, kind="stable"))
    colors = min((star_color(graph, order) for order in orders), key=_last)
    plain = column_groups(pattern)
    if not n or len(plain) <= int(colors.max()) + 1:
        return plain
    # An entry can be read in row i when no other column of the row has the same colour.
    keys = pattern.rows * n + colors[pattern.columns]
    _, inverse, times = np.unique(keys, return_inverse=True, return_counts=True)
    readable = np.flatnonzero(times[inverse] == 1)
    used = colors[pattern.columns[readable]]
    order = np.argsort(used, kind="stable")
    limits = np.cumsum(np.bincount(used))[:-1]
    columns = np.split(np.argsort(colors, kind="stable"), np.cumsum(np.bincount(colors))[:-1])
    return Groups(tuple(columns), tuple(np.split(readable[order], limits)))


def _last(colors: Indices) -> int:
    return int(colors.max(initial=-1))


def _starts(counts: Any) -> Any:
    return np.concatenate((np.zeros(1, dtype=np.intp), np.cumsum(counts)))


def read_pattern(given: Any, shape: tuple[int, int], label: str) -> Pattern:
    """Bring what the user gave into a pattern.

    Parameters
    ----------
    given
        bool array, or a scipy.sparse matrix whose stored entries are the pattern, zeros included.

    Raises
    ------
    OptionError
        When its shape is wrong, or it is a dense array of numbers: the values of a Jacobian at one point
        have zeros that are none at others.
    """
    sparse = hasattr(given, "tocoo")
    array: Any = given.tocoo() if sparse else np.asarray(given)
    found = tuple(int(k) for k in array.shape)
    if found != shape:
        raise OptionError(f"{label} has shape {found}; shape {shape} is needed")
    if not sparse and array.dtype != np.bool_:
        raise OptionError(
            f"{label} is a dense array of {array.dtype}; a bool array or a scipy.sparse matrix is needed, "
            "true or stored where an entry can be nonzero at some point"
        )
    rows, columns = (array.row, array.col) if sparse else array.nonzero()
    return Pattern.from_positions(rows, columns, shape)
