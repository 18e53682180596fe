"""Rows that are multiples of each other on the variables that are not fixed: keep one of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.reduction.presolve.conflict import proven
from optlab.core.reduction.presolve.rows import EPS, row_sums
from optlab.core.reduction.presolve.state import TINY, Absorbed, finite_size
from optlab.core.reduction.presolve.steps import Merged

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.state import Working
    from optlab.typing import Indices, Mask, Vector

__all__ = ["merge_parallel"]

_SEED = 271828
"""Of the weights that tell rows apart; the answer does not depend on it, every match is verified."""

_SAME = 8.0 * EPS
"""Relative difference of coefficients that rounding may cause."""


@dataclass(slots=True)
class _Group:
    """Kept rows and the rows parallel to them, one pair a position; sides in units of kept rows."""

    kept: Indices
    other: Indices
    scale: Vector
    low: Vector
    high: Vector

    def without(self, rows: Mask) -> _Group:
        """Leave out the pairs whose kept row is marked."""
        keep = ~rows[self.kept]
        return _Group(
            self.kept[keep], self.other[keep], self.scale[keep], self.low[keep], self.high[keep]
        )


def merge_parallel(work: Working, problem: Problem) -> bool:
    """Merge parallel rows; the kept one gets the tighter sides. Say whether there were any.

    Raises
    ------
    EmptyPolyhedronError
        When two parallel rows contradict each other, with a ray that proves it.
    """
    work.refresh()
    pairs = _pairs(work)
    if pairs is None:
        return False
    group = _group(work, *pairs)
    lower, upper = _tightest(work, group)
    crossed = lower - upper > TINY * np.maximum(1.0, finite_size(upper))
    if crossed.any():
        _contradict(work, problem, group, int(np.flatnonzero(crossed)[0]))
        # More than rounding, less than a proof: these rows stay as they are.
        work.left_alone |= crossed
        group = group.without(crossed)
        lower, upper = _tightest(work, group)
    if not group.kept.size:
        return False
    work.steps.append(_step(work, group, lower, upper))
    meet = np.abs(upper - lower) <= TINY * np.maximum(1.0, finite_size(upper))
    changed = (lower != work.lower) | (upper != work.upper)
    # An equality keeps its value whichever side rounding has moved.
    value = np.where(upper == work.upper, upper, lower)
    lower = np.where(meet & changed, value, lower)
    upper = np.where(meet & changed, value, upper)
    work.lower, work.upper = lower, upper
    work.absorbed.append(Absorbed(group.kept, group.other, group.scale))
    work.drop("duplicate", group.other)
    return True


def _pairs(work: Working) -> tuple[Indices, Indices, Vector] | None:
    """Return kept rows, rows parallel to them and the ratio of the two."""
    counts = work.counts()
    rows = np.flatnonzero(work.alive & ~work.left_alone & (counts > 1))
    if rows.size < 2:
        return None
    # Rows with the same variables have the same sum of their weights; most rows are alone in that.
    weights = np.random.default_rng(_SEED).uniform(1.0, 2.0, (2, work.n))
    pattern = row_sums(work.row, weights[0][work.col], work.rows.size)
    rows = _repeated(rows, pattern)
    if not rows.size:
        return None
    first = np.cumsum(counts) - counts
    # And multiples of one row have the same sum of weighted ratios to their first coefficient.
    content, size = _contents(work, first, counts, weights[1])
    rows = rows[np.lexsort((rows, content[rows], pattern[rows], counts[rows]))]
    below, above = rows[:-1], rows[1:]
    near = (
        (pattern[above] == pattern[below])
        & (counts[above] == counts[below])
        & (np.abs(content[above] - content[below]) <= 1e-12 * size[above])
    )
    if not near.any():
        return None
    leader = np.maximum.accumulate(np.where(np.append(False, near), 0, np.arange(rows.size)))
    second = np.flatnonzero(np.append(False, near))
    kept, other = rows[leader[second]], rows[second]
    scale = work.value[first[other]] / work.value[first[kept]]
    same = _verify(work, first, counts, (kept, other, scale))
    return (kept[same], other[same], scale[same]) if same.any() else None


def _repeated(rows: Indices, pattern: Vector) -> Indices:
    """Return the rows whose pattern another one has, too."""
    rows = rows[np.argsort(pattern[rows])]
    same = pattern[rows[1:]] == pattern[rows[:-1]]
    shared: Mask = np.append(False, same) | np.append(same, False)
    return rows[shared]


def _contents(
    work: Working, first: Indices, counts: Indices, weights: Vector
) -> tuple[Vector, Vector]:
    """Return weighted sums of the rows' ratios to their first coefficients, and their sizes."""
    ratio = work.value / work.value[np.repeat(first, counts)]
    k = work.rows.size
    content = row_sums(work.row, weights[work.col] * ratio, k)
    return content, row_sums(work.row, np.abs(ratio), k)


def _verify(
    work: Working, first: Indices, counts: Indices, pairs: tuple[Indices, Indices, Vector]
) -> Mask:
    """Compare the rows of each pair entry by entry."""
    kept, other, scale = pairs
    length = counts[kept]
    owner = np.repeat(np.arange(kept.size), length)
    within = np.arange(owner.size) - np.repeat(np.cumsum(length) - length, length)
    a, b = first[kept][owner] + within, first[other][owner] + within
    expected = scale[owner] * work.value[a]
    differ = (work.col[a] != work.col[b]) | (
        np.abs(work.value[b] - expected) > _SAME * np.abs(expected)
    )
    same: Mask = np.bincount(owner, weights=differ, minlength=kept.size) == 0
    return same


def _group(work: Working, kept: Indices, other: Indices, scale: Vector) -> _Group:
    """Express the sides of the other rows in units of the kept ones."""
    shift = work.fixed_sum[other]
    a, b = (work.lower[other] - shift) / scale, (work.upper[other] - shift) / scale
    back = work.fixed_sum[kept]
    low, high = np.where(scale > 0.0, a, b) + back, np.where(scale > 0.0, b, a) + back
    return _Group(kept, other, scale, low, high)


def _tightest(work: Working, group: _Group) -> tuple[Vector, Vector]:
    """Return the sides of all rows after the merge."""
    lower, upper = work.lower.copy(), work.upper.copy()
    tighter = group.low - lower[group.kept] > TINY * np.maximum(
        1.0, finite_size(lower[group.kept])
    )
    np.maximum.at(lower, group.kept[tighter], group.low[tighter])
    tighter = upper[group.kept] - group.high > TINY * np.maximum(
        1.0, finite_size(upper[group.kept])
    )
    np.minimum.at(upper, group.kept[tighter], group.high[tighter])
    return lower, upper


def _step(work: Working, group: _Group, lower: Vector, upper: Vector) -> Merged:
    """Record which rows give the new sides."""
    kept = group.kept
    gives_low = (lower[kept] != work.lower[kept]) & (group.low == lower[kept])
    gives_high = (upper[kept] != work.upper[kept]) & (group.high == upper[kept])
    at = np.concatenate((_first_of(kept, gives_low), _first_of(kept, gives_high)))
    low = np.arange(at.size) < np.unique(kept[gives_low]).size
    return Merged(
        kept[at],
        group.other[at],
        group.scale[at],
        low,
        work.fixed_entries(kept[at]),
        work.fixed_entries(group.other[at]),
    )


def _first_of(kept: Indices, marked: Mask) -> Indices:
    """Return one marked position for every kept row that has one."""
    at = np.flatnonzero(marked)
    return at[np.unique(kept[at], return_index=True)[1]]


def _contradict(work: Working, problem: Problem, group: _Group, row: int) -> None:
    """Raise if the sides of the rows merged into ``row`` leave no value between them."""
    mine = np.flatnonzero(group.kept == row)
    low, high = mine[np.argmax(group.low[mine])], mine[np.argmin(group.high[mine])]
    y = np.zeros(work.rows.size)
    if group.low[low] > work.lower[row]:
        y[group.other[low]] -= 1.0 / group.scale[low]
    else:
        y[row] -= 1.0
    if group.high[high] < work.upper[row]:
        y[group.other[high]] += 1.0 / group.scale[high]
    else:
        y[row] += 1.0
    error = proven(work, problem, y)
    if error is not None:
        raise error
