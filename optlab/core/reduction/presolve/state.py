"""The linear rows under reduction: what is left of them, the bounds, and what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.reduction.presolve.rows import EPS, Entries, LinearRows, row_sums

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.steps import Step
    from optlab.typing import Indices, Mask, Vector

__all__ = ["TINY", "Absorbed", "Activity", "Working", "limits"]

TINY = 1e-13
"""Largest violation, relative to max(1, |side|), that dropping a row may cause anywhere within the
bounds. Sums are trusted to within their rounding, which is computed."""

_NONE = 1e20
"""Sides of this size or more are none, as in the polyhedra of ``optlab.linalg``."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Rows that were merged into rows parallel to them: other = scale * kept."""

    kept: Indices
    other: Indices
    scale: Vector


@dataclass(frozen=True, slots=True)
class Activity:
    """Smallest and largest value of every row within the bounds, constants left out."""

    low: Vector
    """(k,) computed value, -inf possible."""

    high: Vector
    """(k,) computed value, inf possible."""

    error: Vector
    """(k,) bound on the rounding error of sums and sides."""

    size: Vector
    """(k,) sum of the magnitudes of the finite terms."""


@dataclass(slots=True)
class Working:
    """Rows lower <= A x <= upper over lb <= x <= ub, changed in place by the rules."""

    rows: LinearRows
    lb: Vector
    ub: Vector
    lower: Vector
    """(k,) sides without the rows' constants."""

    upper: Vector
    alive: Mask
    """(k,) rows that are still there."""

    left_alone: Mask
    """(k,) rows that contradict others by more than rounding and less than proves anything."""

    redundant: Mask
    """(k,) rows that hold wherever the bounds do; empty ones among them."""

    row: Indices
    """Entries of living rows at variables that are not fixed, sorted by row."""

    col: Indices
    value: Vector
    fixed_sum: Vector
    """(k,) part of the variables that are fixed."""

    fixed_size: Vector
    """(k,) the same with magnitudes."""

    fixed_count: Indices
    """(k,) how many they are."""

    steps: list[Step] = field(default_factory=list["Step"])
    absorbed: list[Absorbed] = field(default_factory=list[Absorbed])
    dropped: dict[str, int] = field(default_factory=dict[str, int])
    """Rows removed, by the rule that did it."""

    @classmethod
    def of(cls, problem: Problem, rows: LinearRows) -> Working:
        """Start from the problem as it is."""
        k = rows.size
        cl, cu = limits(problem.cl[rows.numbers], problem.cu[rows.numbers])
        lb, ub = limits(problem.lb, problem.ub)
        return cls(
            rows=rows,
            lb=lb,
            ub=ub,
            lower=cl - rows.constant,
            upper=cu - rows.constant,
            alive=np.ones(k, dtype=bool),
            left_alone=np.zeros(k, dtype=bool),
            redundant=np.zeros(k, dtype=bool),
            row=rows.owners(),
            col=rows.col,
            value=rows.value,
            fixed_sum=np.zeros(k),
            fixed_size=np.zeros(k),
            fixed_count=np.zeros(k, dtype=np.intp),
        )

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.lb.size

    def refresh(self) -> None:
        """Move fixed variables into ``fixed_sum``; forget the entries of rows that are gone."""
        fixed = (self.lb == self.ub)[self.col]
        if fixed.any():
            row, terms = self.row[fixed], self.value[fixed] * self.lb[self.col[fixed]]
            k = self.rows.size
            self.fixed_sum = self.fixed_sum + row_sums(row, terms, k)
            self.fixed_size = self.fixed_size + row_sums(row, np.abs(terms), k)
            self.fixed_count = self.fixed_count + np.bincount(row, minlength=k)
        keep = self.alive[self.row] & ~fixed
        if not keep.all():
            self.row, self.col, self.value = self.row[keep], self.col[keep], self.value[keep]

    def counts(self) -> Indices:
        """Return the number of entries left in every row, (k,)."""
        return np.bincount(self.row, minlength=self.rows.size)

    def activity(self, counts: Indices) -> Activity:
        """Bound all rows over the bounds."""
        k = self.rows.size
        at_lb, at_ub = self.value * self.lb[self.col], self.value * self.ub[self.col]
        reach = finite_size(self.lb) + finite_size(self.ub)
        size = self.fixed_size + row_sums(self.row, np.abs(self.value) * reach[self.col], k)
        sides = finite_size(self.lower) + finite_size(self.upper) + np.abs(self.rows.constant)
        terms = counts + self.fixed_count + 3
        return Activity(
            low=self.fixed_sum + row_sums(self.row, np.minimum(at_lb, at_ub), k),
            high=self.fixed_sum + row_sums(self.row, np.maximum(at_lb, at_ub), k),
            error=self.rows.noise + EPS * (terms * size + sides),
            size=size + sides,
        )

    def drop(self, rule: str, rows: Mask | Indices) -> None:
        """Remove rows and count them under the rule's name."""
        number = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else rows.size
        self.alive[rows] = False
        if number:
            self.dropped[rule] = self.dropped.get(rule, 0) + number

    def fixed_entries(self, rows: Indices) -> Entries:
        """Return the entries of rows at the variables that are fixed now."""
        owner, col, value = self.rows.entries(rows)
        fixed = (self.lb == self.ub)[col]
        return Entries(owner[fixed], col[fixed], value[fixed])


def limits(low: Vector, high: Vector) -> tuple[Vector, Vector]:
    """Return copies with infinities for sides of 1e20 and more."""
    return np.where(low <= -_NONE, -np.inf, low), np.where(high >= _NONE, np.inf, high)


def finite_size(side: Vector) -> Vector:
    """Return magnitudes, 0 for infinite sides."""
    size: Vector = np.abs(side)
    size[size == np.inf] = 0.0
    return size
