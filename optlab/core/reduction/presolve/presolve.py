"""Presolve: smaller linear constraints with the same solutions and exact multipliers.

    minimize f(x)   subject to   lb <= x <= ub,   cl <= c(x) <= cu,   some rows c_i(x) = a_i'x + k_i

The rules, on the rows that are known to be linear and on the bounds, until nothing changes:

====================  ==========================================  =====================================
rule                  what happens                                multiplier of the row afterwards
====================  ==========================================  =====================================
empty row             dropped                                     0
row of one variable   becomes a bound, if it is the tighter one   that of the bound, divided by a_ij
redundant row         holds within the bounds: dropped            0
forcing row           holds at one corner only: variables fixed   the smallest that the fixed ones need
parallel rows         one is kept, with the tighter sides         that of the side that it gave
====================  ==========================================  =====================================

Variables whose bounds meet count as fixed; :class:`FixedVariables` removes them. Rules see only
bounds that the reduced problem has, so no row is dropped because of one that is not there any more.
See [AA95] and docs/presolve.md.

References
----------
.. [AA95] E. D. Andersen and K. D. Andersen, "Presolving in linear programming", Mathematical
   Programming 71 (1995) 221-245.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.reduction.base import IDENTITY, AbstractReduction, Inverse, Multiplied
from optlab.core.reduction.pattern import Select
from optlab.core.reduction.presolve.parallel import merge_parallel
from optlab.core.reduction.presolve.rows import LinearRows
from optlab.core.reduction.presolve.rules import settle
from optlab.core.reduction.presolve.state import Working, limits
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.state import Absorbed
    from optlab.core.reduction.presolve.steps import Step
    from optlab.typing import Indices, Matrix, Vector

__all__ = ["Presolve", "PresolveInverse", "PresolveSummary", "reduced"]

_logger = logging.getLogger("optlab")


@dataclass(frozen=True, slots=True)
class PresolveSummary:
    """What presolve found."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    """Rows removed, by rule: empty, singleton, redundant, forcing, duplicate."""

    bounds: int = 0
    """Bounds of variables that became tighter."""

    fixed: int = 0
    """Variables that became fixed; each has one or two of these bounds."""

    @property
    def removed(self) -> int:
        """Number of rows removed."""
        return sum(self.rows.values())

    def __str__(self) -> str:
        """Say it in one line."""
        if not self.removed:
            return "presolve found nothing to do"
        kinds = ", ".join(f"{number} {rule}" for rule, number in self.rows.items())
        return (
            f"presolve removed {_count(self.removed, 'row')} ({kinds}), "
            f"tightened {_count(self.bounds, 'bound')}, fixed {_count(self.fixed, 'variable')}"
        )


@dataclass(frozen=True, slots=True)
class Presolve(AbstractReduction):
    """Remove linear rows that are not needed and tighten bounds by rows of one variable."""

    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Return the problem with fewer rows; evaluates rows and Jacobian at clip(x0, lb, ub).

        Raises
        ------
        EmptyPolyhedronError
            When linear rows and bounds contradict each other; it names them and carries a ray
            (m,) in the problem's rows.
        EvaluationError
            When the problem's functions are an oracle's and cannot be evaluated there.
        """
        work = reduced(problem)
        if work is None or work.alive.all():
            return problem, IDENTITY
        kept = np.ones(problem.m, dtype=bool)
        kept[work.rows.numbers] = work.alive
        at = np.flatnonzero(kept)
        lb, ub = _moved(problem.lb, work.lb, 0), _moved(problem.ub, work.ub, 1)
        changes: dict[str, Any] = {"lb": lb, "ub": ub, **_row_changes(problem, work, at)}
        functions = _Fewer(problem, at)
        for verb in ("hessian", "hprod"):
            if getattr(problem, f"has_{verb}"):
                changes[verb] = getattr(functions, verb)
        if at.size:
            changes["constraints"] = functions.constraints
            changes["jacobian"] = functions.jacobian
        summary = PresolveSummary(
            dict(work.dropped),
            int(np.count_nonzero(lb != problem.lb) + np.count_nonzero(ub != problem.ub)),
            int(np.count_nonzero((lb == ub) & (problem.lb < problem.ub))),
        )
        _logger.info("%s", summary)
        return problem.replace(**changes), PresolveInverse(problem.m, work, at, summary)

    def summary(self, problem: Problem) -> PresolveSummary:
        """Say what :meth:`apply` would do."""
        _, inverse = self.apply(problem)
        return inverse.summary if isinstance(inverse, PresolveInverse) else PresolveSummary()


# Infinite sides and bounds are subtracted all the time; what is not a number compares as false.
@np.errstate(all="ignore")
def reduced(problem: Problem) -> Working | None:
    """Apply all rules until none finds anything; None when there is nothing to look at.

    Raises
    ------
    EmptyPolyhedronError
        When linear rows and bounds contradict each other.
    """
    if problem.linear is None or not problem.has_jacobian or not problem.linear.any():
        return None
    x = np.clip(problem.x0, problem.lb, problem.ub)
    rows = LinearRows.of(problem, np.flatnonzero(problem.linear), x)
    if not np.isfinite(rows.value).all() or not np.isfinite(rows.constant).all():
        return None
    work = Working.of(problem, rows)
    settle(work, problem)
    while merge_parallel(work, problem):
        settle(work, problem)
    return work


def _moved(old: Vector, new: Vector, side: int) -> Vector:
    """Return the new bounds, the old ones to the last bit where presolve left them."""
    same = limits(old, old)[side] == new
    return np.where(same, old, new)


def _row_changes(problem: Problem, work: Working, at: Indices) -> dict[str, Any]:
    """Return what changes about the rows apart from their functions."""
    rows = work.rows
    cl, cu = problem.cl.copy(), problem.cu.copy()
    old_low, old_high = limits(cl[rows.numbers], cu[rows.numbers])
    moved_low = work.lower != old_low - rows.constant
    moved_high = work.upper != old_high - rows.constant
    cl[rows.numbers[moved_low]] = (work.lower + rows.constant)[moved_low]
    cu[rows.numbers[moved_high]] = (work.upper + rows.constant)[moved_high]
    # Taking the constant away and adding it again may round; equal sides must stay equal.
    equal = work.lower == work.upper
    to_low = rows.numbers[equal & moved_high & ~moved_low]
    to_high = rows.numbers[equal & moved_low & ~moved_high]
    cu[to_low], cl[to_high] = cl[to_low], cu[to_high]
    moved = rows.numbers[moved_low | moved_high]
    cu[moved] = np.maximum(cl[moved], cu[moved])
    if not at.size:
        return dict.fromkeys(
            ("constraints", "jacobian", "linear", "constraint_names", "cl", "cu")
        )
    names = problem.constraint_names
    return {
        "cl": cl[at],
        "cu": cu[at],
        "linear": None if problem.linear is None else problem.linear[at],
        "constraint_names": None if names is None else [names[i] for i in at],
        "slack_rows": np.searchsorted(at, problem.slack_rows),
        "row_scale": None if problem.row_scale is None else problem.row_scale[at],
    }


class _Fewer:
    """The problem's functions with some rows only."""

    def __init__(self, problem: Problem, kept: Indices) -> None:
        self._problem = problem
        self._kept = kept
        self._select = Select(np.arange(problem.n), kept)

    def _weights(self, y: Vector) -> Vector:
        full = np.zeros(self._problem.m)
        full[self._kept] = y
        return full

    def constraints(self, x: Vector) -> Vector:
        return self._problem.constraints(x)[self._kept]

    def jacobian(self, x: Vector) -> Matrix:
        J: Any = self._problem.jacobian(x)
        if is_a(J, np.ndarray):
            return J[self._kept]  # type: ignore[no-any-return]
        return self._select(J)

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        return self._problem.hessian(x, self._weights(y), sigma)

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        return self._problem.hprod(x, self._weights(y), sigma, v)


class PresolveInverse(Inverse):
    """Give the rows that were removed their multipliers; points stay as they are.

    Parameters
    ----------
    m
        Rows of the problem before.
    work
        The end of the reduction.
    kept
        Numbers of the rows that are left.
    summary
        For people.
    """

    def __init__(self, m: int, work: Working, kept: Indices, summary: PresolveSummary) -> None:
        self.summary = summary
        self._m = m
        self._kept = kept
        self._rows: LinearRows = work.rows
        self._steps: list[Step] = work.steps
        self._absorbed: list[Absorbed] = work.absorbed
        self._alive = work.alive
        self._redundant = work.redundant

    def point(self, x: Vector) -> Vector:
        """Return x."""
        return x

    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:  # noqa: ARG002
        """Undo the steps, last to first; evaluates nothing.

        Stationarity keeps its residual; complementarity of a row that became a bound is measured
        in units of the row, min(|z/a|, |a| gap).
        """
        if at.y is None:
            return at
        full = np.zeros(self._m)
        full[self._kept] = at.y
        if at.z is None:
            return Multiplied(at.x, full, None)
        y, z = full[self._rows.numbers], at.z.copy()
        for step in reversed(self._steps):
            step.undo(y, z)
        full[self._rows.numbers] = y
        return Multiplied(at.x, full, z)

    def forward(self, at: Multiplied) -> Multiplied:
        """Move the multipliers of removed rows to the rows and bounds that took their place.

        A redundant row has none here. What an earlier problem left it says nothing about the bounds
        of its variables, which would all be taken for active.
        """
        if at.y is None:
            return at
        rows = self._rows
        y, z = at.y[rows.numbers], None if at.z is None else at.z.copy()
        y[self._redundant] = 0.0
        before = y.copy()
        for merge in self._absorbed:
            np.add.at(y, merge.kept, merge.scale * y[merge.other])
            y[merge.other] = 0.0
        y[~self._alive] = 0.0
        if z is not None:
            z += rows.transpose_times(before - y, z.size)
        full = at.y.copy()
        full[rows.numbers] = y
        return Multiplied(at.x, full[self._kept], z)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
