"""The linear rows of a problem as triplets, with their constants and what rounding may hide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optlab.typing import is_a

if TYPE_CHECKING:
    from typing import Any

    from optlab.core.problem import Problem
    from optlab.typing import Indices, Vector

__all__ = ["EPS", "Entries", "LinearRows", "row_sums"]

EPS = float(np.finfo(np.float64).eps)


class Entries(NamedTuple):
    """Entries of some rows; ``owner`` is the position of each entry's row in the list asked for."""

    owner: Indices
    col: Indices
    value: Vector


@dataclass(frozen=True, slots=True)
class LinearRows:
    """The rows c_i(x) = a_i'x + constant_i, i in ``numbers``; k rows, their nonzeros sorted by row."""

    numbers: Indices
    """(k,) numbers of the rows in the problem, increasing."""

    start: Indices
    """(k + 1,) where the entries of each row begin."""

    col: Indices
    """(nnz,)"""

    value: Vector
    """(nnz,) not zero."""

    constant: Vector
    """(k,)"""

    noise: Vector
    """(k,) bound on the rounding error in the constant."""

    @classmethod
    def of(cls, problem: Problem, numbers: Indices, x: Vector) -> LinearRows:
        """Take the rows from Jacobian and values at x.

        Parameters
        ----------
        numbers
            (k,) numbers of the rows that are known to be linear.
        x
            (n,) any point where the rows can be evaluated.
        """
        counts, col, value = _part(problem.jacobian(x), numbers)
        row = np.repeat(np.arange(numbers.size), counts)
        terms = value * x[col]
        c = np.asarray(problem.constraints(x), dtype=np.float64)[numbers]
        constant = c - row_sums(row, terms, numbers.size)
        size = np.abs(c) + row_sums(row, np.abs(terms), numbers.size)
        noise = EPS * (counts + 2) * size
        # A constant of the size of rounding is almost always an absent one.
        none = np.abs(constant) <= noise
        constant = np.where(none, 0.0, constant)
        start = np.concatenate(([0], np.cumsum(counts)))
        return cls(numbers, start, col, value, constant, np.where(none, 0.0, noise))

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.numbers.size

    def owners(self) -> Indices:
        """Return the row of every entry, (nnz,)."""
        return np.repeat(np.arange(self.size), np.diff(self.start))

    def entries(self, rows: Indices) -> Entries:
        """Return the entries of some rows, given by their positions here; repetitions allowed."""
        counts = self.start[rows + 1] - self.start[rows]
        owner = np.repeat(np.arange(rows.size), counts)
        at = np.arange(owner.size) + np.repeat(
            self.start[rows] - np.cumsum(counts) + counts, counts
        )
        return Entries(owner, self.col[at], self.value[at])

    def transpose_times(self, y: Vector, n: int) -> Vector:
        """Return A'y, (n,), for y (k,)."""
        return row_sums(self.col, self.value * np.repeat(y, np.diff(self.start)), n)


def row_sums(row: Indices, terms: Vector, size: int) -> Vector:
    """Sum the terms of each row, (size,)."""
    # bincount gives integers for no entries at all.
    return np.asarray(np.bincount(row, weights=terms, minlength=size), dtype=np.float64)


def _part(J: Any, numbers: Indices) -> tuple[Indices, Indices, Vector]:
    """Return entries per row, columns and values of some rows, without explicit zeros."""
    if is_a(J, np.ndarray):
        part: Vector = J[numbers]
        row, col = np.nonzero(part)
        return np.bincount(row, minlength=numbers.size), col, part[row, col]
    counts: Indices = np.diff(J.indptr).astype(np.intp)[numbers]
    begin = J.indptr[numbers].astype(np.intp)
    at = np.arange(int(counts.sum())) + np.repeat(begin - np.cumsum(counts) + counts, counts)
    col, value = J.indices[at].astype(np.intp), J.data[at]
    there = value != 0.0
    if not there.all():
        row = np.repeat(np.arange(numbers.size), counts)[there]
        counts, col, value = np.bincount(row, minlength=numbers.size), col[there], value[there]
    return counts, col, value
