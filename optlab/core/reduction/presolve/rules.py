"""The rules of presolve that look at one row at a time, all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.core.reduction.presolve.conflict import contradiction
from optlab.core.reduction.presolve.rows import Entries
from optlab.core.reduction.presolve.state import TINY, finite_size
from optlab.core.reduction.presolve.steps import Forcing, Tightened

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.state import Activity, Working
    from optlab.typing import Indices, Mask, Vector

__all__ = ["settle"]

_ROUNDS = (6, 40)
"""Fewest and most passes over the rows; chains of rows that become singletons one after the other may
be longer, and then stay as rows."""

_WORK = 1_000_000
"""Entries looked at in all passes together, between these two: some 50 ms."""

_CONTRADICTS = 1e-10
"""Violation, relative to the magnitudes summed, above which a row is tried as a contradiction; the
proof asks for the same."""

_HUGE = 1e18
"""Bounds of this size are left to their rows: from 1e20 on a bound means none."""


def settle(work: Working, problem: Problem) -> None:
    """Apply the rules until nothing changes.

    Raises
    ------
    EmptyPolyhedronError
        When rows and bounds contradict each other, with a ray that proves it.
    """
    rounds = int(np.clip(_WORK // max(1, work.row.size), *_ROUNDS))
    for _ in range(rounds):
        work.refresh()
        counts = work.counts()
        activity = work.activity(counts)
        _check(work, problem, activity)
        _drop_redundant(work, activity, counts)
        forced = _force(work, activity, counts)
        if not (_tighten(work, problem, counts) or forced):
            return


def _check(work: Working, problem: Problem, activity: Activity) -> None:
    """Stop at a row that no point within the bounds satisfies; try the one that fails by most."""
    too_high, too_low = activity.low - work.upper, work.lower - activity.high
    excess = np.maximum(too_high, too_low)
    bad = work.alive & ~work.left_alone & (excess > _CONTRADICTS * activity.size)
    if not bad.any():
        return
    worst = int(np.argmax(np.where(bad, excess, -np.inf)))
    sign = 1.0 if too_high[worst] > too_low[worst] else -1.0
    error = contradiction(work, problem, worst, sign)
    if error is not None:
        raise error
    work.left_alone |= bad


def _drop_redundant(work: Working, activity: Activity, counts: Indices) -> None:
    """Drop rows that hold everywhere within the bounds; their multipliers are 0."""
    low = activity.low - activity.error >= work.lower - TINY * np.maximum(
        1.0, finite_size(work.lower)
    )
    high = activity.high + activity.error <= work.upper + TINY * np.maximum(
        1.0, finite_size(work.upper)
    )
    # A side that is not there is never violated, however large the rounding.
    low |= np.isneginf(work.lower)
    high |= np.isposinf(work.upper)
    found = work.alive & ~work.left_alone & low & high
    if found.any():
        work.redundant |= found
        work.drop("empty", found & (counts == 0))
        work.drop("redundant", found & (counts > 0))


def _force(work: Working, activity: Activity, counts: Indices) -> bool:
    """Fix the variables of rows whose extreme activity is their side."""
    candidates = work.alive & ~work.left_alone & (counts > 1)
    gap_up = np.abs(work.upper - activity.low)
    gap_low = np.abs(activity.high - work.lower)
    slack = np.minimum(gap_up, gap_low) + activity.error
    rows = np.flatnonzero(candidates & (slack <= 1e-3))
    if not rows.size:
        return False
    smallest = np.full(counts.size, np.inf)
    np.minimum.at(smallest, work.row, np.abs(work.value))
    # By the slack and the rounding no variable can move further than a rounding error.
    rows = rows[slack[rows] <= TINY * smallest[rows]]
    rows = _disjoint(work, rows)
    if not rows.size:
        return False
    _fix(work, rows, gap_up[rows] <= gap_low[rows])
    return True


def _disjoint(work: Working, rows: Indices) -> Indices:
    """Keep the rows that share no variable with an earlier one; the others wait for a round."""
    chosen = np.zeros(work.rows.size, dtype=bool)
    chosen[rows] = True
    mine = chosen[work.row]
    row, col = work.row[mine], work.col[mine]
    claim = np.full(work.n, work.rows.size)
    np.minimum.at(claim, col, row)
    lost = row[claim[col] != row]
    chosen[lost] = False
    return np.flatnonzero(chosen)


def _fix(work: Working, rows: Indices, upper: Mask) -> None:
    """Fix the free variables of forcing rows and drop the rows."""
    others = work.fixed_entries(rows)
    at = np.full(work.rows.size, -1)
    at[rows] = np.arange(rows.size)
    mine = at[work.row] >= 0
    free = Entries(at[work.row[mine]], work.col[mine], work.value[mine])
    work.steps.append(Forcing(rows, upper, free, others))
    to_low = (free.value > 0.0) == upper[free.owner]
    low, high = free.col[to_low], free.col[~to_low]
    work.ub[low] = work.lb[low]
    work.lb[high] = work.ub[high]
    work.drop("forcing", rows)


def _tighten(work: Working, problem: Problem, counts: Indices) -> bool:
    """Turn rows with one variable into bounds; say whether a bound moved."""
    single = work.alive & ~work.left_alone & (counts == 1)
    # A variable that was fixed in this round is not free any more: next round.
    free = work.lb < work.ub
    at = np.flatnonzero(single[work.row] & free[work.col])
    if not at.size:
        return False
    at = at[~_huge(work, work.row[at], work.value[at])]
    if not at.size:
        return False
    row, col, value = work.row[at], work.col[at], work.value[at]
    low = (work.lower[row] - work.fixed_sum[row]) / value
    high = (work.upper[row] - work.fixed_sum[row]) / value
    # Adding 0.0 turns -0.0 into 0.0.
    low, high = np.where(value > 0.0, low, high) + 0.0, np.where(value > 0.0, high, low) + 0.0
    below = _best(col, low, work.lb)
    above = _best(col, -high, -work.ub)
    lb, ub = work.lb.copy(), work.ub.copy()
    lb[col[below]], ub[col[above]] = low[below], high[above]
    crossed = lb[col] - ub[col] > TINY * np.maximum(1.0, np.abs(finite_size(ub[col])))
    if crossed.any():
        _crossing(
            work, problem, (row, col, value), (below, above), int(np.flatnonzero(crossed)[0])
        )
        work.left_alone[row[crossed]] = True
        return True
    work.steps.append(_step(work, (row, col, value), below, above))
    _meet(work, lb, ub, col)
    work.lb, work.ub = lb, ub
    work.drop("singleton", row)
    return bool(below.size or above.size)


def _huge(work: Working, row: Indices, value: Vector) -> Mask:
    """Mark rows with finite sides that would become bounds as good as infinite."""
    largest = np.maximum(finite_size(work.lower[row]), finite_size(work.upper[row]))
    return (largest + np.abs(work.fixed_sum[row])) / np.abs(value) >= _HUGE


def _best(col: Indices, bound: Vector, old: Vector) -> Indices:
    """Return positions of the largest bound of each variable, where it beats the old one."""
    better = bound - old[col] > TINY * np.maximum(1.0, finite_size(old[col]))
    at = np.flatnonzero(better)
    order = at[np.lexsort((bound[at], col[at]))]
    if not order.size:
        return order
    last = np.append(col[order][1:] != col[order][:-1], True)
    best: Indices = order[last]
    return best


def _step(
    work: Working, singles: tuple[Indices, Indices, Vector], below: Indices, above: Indices
) -> Tightened:
    """Record which rows give which bounds."""
    row, col, value = singles
    at = np.concatenate((below, above))
    low = np.arange(at.size) < below.size
    return Tightened(col[at], row[at], value[at], low, work.fixed_entries(row[at]))


def _meet(work: Working, lb: Vector, ub: Vector, col: Indices) -> None:
    """Fix variables whose new bounds meet up to rounding; a bound that stayed wins."""
    moved = (lb[col] != work.lb[col]) | (ub[col] != work.ub[col])
    gap = np.abs(ub[col] - lb[col])
    near = col[moved & (gap <= TINY * np.maximum(1.0, finite_size(ub[col])))]
    if near.size:
        value = np.where(ub[near] == work.ub[near], ub[near], lb[near])
        lb[near] = value
        ub[near] = value


def _crossing(
    work: Working,
    problem: Problem,
    singles: tuple[Indices, Indices, Vector],
    best: tuple[Indices, Indices],
    where: int,
) -> None:
    """Raise if two rows ask for bounds of one variable that leave no value between them."""
    row, col, value = singles
    below, above = best
    lower = below[col[below] == col[where]]
    upper = above[col[above] == col[where]]
    if not lower.size:
        return
    work.steps.append(_step(work, singles, np.zeros(0, dtype=np.intp), upper))
    i = int(lower[0])
    error = contradiction(work, problem, int(row[i]), -float(np.sign(value[i])))
    work.steps.pop()
    if error is not None:
        raise error
