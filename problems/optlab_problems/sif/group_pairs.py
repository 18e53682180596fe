"""Outer products of group gradients: the part of the Hessian that comes from group functions.

For a nontrivial group with argument t, the Hessian of g(t(x)) has the term g''(t) grad t (grad t)'. The
pairs of entries of grad t that meet in an entry of the lower triangle are listed once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.typing import Indices
from optlab_problems.expressions.patterns import Pattern

__all__ = ["Pairs", "count_pairs", "list_pairs"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions of the two factors in the gradient data, and the entry's row, column and group."""

    first: Indices
    second: Indices
    rows: Indices
    columns: Indices
    groups: Indices


def count_pairs(gradients: Pattern) -> int:
    """Return how many pairs `list_pairs` would list."""
    lengths = np.bincount(gradients.rows, minlength=1).astype(np.int64)
    return int((lengths * (lengths + 1) // 2).sum())


def list_pairs(gradients: Pattern) -> Pairs:
    """List the pairs of all groups.

    Parameters
    ----------
    gradients
        Pattern of grad t, a row for every group; rows are sorted by column.
    """
    lengths = np.bincount(gradients.rows, minlength=gradients.shape[0])
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    first: list[Indices] = []
    second: list[Indices] = []
    for length in np.unique(lengths[lengths > 0]).tolist():
        low, high = np.tril_indices(length)
        base = starts[lengths == length][:, None]
        first.append((base + low).ravel())
        second.append((base + high).ravel())
    p = np.concatenate(first) if first else np.empty(0, dtype=np.intp)
    q = np.concatenate(second) if second else np.empty(0, dtype=np.intp)
    # Columns grow along a row, so the first factor has the larger column.
    return Pairs(p, q, gradients.columns[p], gradients.columns[q], gradients.rows[p])
