"""What the problem is made of: rows and variables that play no part, and sizes far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.trust.inspection.findings import Finding, Severity, listed
from optlab.trust.inspection.sample import row_names, variable_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optlab.core.problem import Problem
    from optlab.trust.inspection.sample import Sample
    from optlab.typing import Vector

__all__ = ["empty", "fixed_and_free", "scaling"]

_RANGE = 1e6
"""Ratio of largest to smallest that is accepted."""

_FAR = 1e3
"""What is this many times larger or smaller than the median is named."""


def fixed_and_free(problem: Problem) -> Iterator[Finding]:
    """Name variables whose bounds meet and rows without sides."""
    fixed = variable_names(problem, problem.lb == problem.ub)
    if fixed:
        yield Finding(
            Severity.NOTE,
            "fixed-variable",
            f"the bounds of {listed(fixed)} are equal",
            fixed,
            "nothing has to be done; fixed variables are removed before a solve",
        )
    free = row_names(problem, (problem.cl == -np.inf) & (problem.cu == np.inf))
    if free:
        yield Finding(
            Severity.NOTE,
            "free-row",
            f"{listed(free)} may have any value: neither side is finite",
            free,
            "give it a side, or remove it: it is evaluated for nothing",
        )


def empty(problem: Problem, first: Sample, second: Sample) -> Iterator[Finding]:
    """Name rows and variables whose derivatives are all zero at both points."""
    rows = row_names(problem, (first.row_sizes == 0.0) & (second.row_sizes == 0.0))
    if rows:
        yield Finding(
            Severity.WARNING,
            "empty-row",
            f"{listed(rows)} depends on no variable, as far as two points tell",
            rows,
            "remove it, or see whether a term is missing or a derivative is wrong",
        )
    silent = np.ones(problem.n, dtype=bool)
    for sample in (first, second):
        silent &= (sample.gradient == 0.0) & (sample.column_sizes == 0.0)
    columns = variable_names(problem, silent & (problem.lb < problem.ub))
    if columns:
        yield Finding(
            Severity.WARNING,
            "empty-column",
            f"{listed(columns)} occurs neither in the objective nor in a constraint, as far as two "
            "points tell",
            columns,
            "remove it, fix it, or see whether a term is missing: any of its values is as good as "
            "another",
        )


def scaling(problem: Problem, sample: Sample) -> Iterator[Finding]:
    """Compare the sizes of the gradient's entries, the Jacobian's rows and its columns."""
    yield from _apart(
        "scaled-gradient",
        "entries of the gradient",
        np.abs(sample.gradient),
        variable_names(problem, np.arange(problem.n)),
        "change the units of these variables so that a step of 1 means about the same for all",
    )
    yield from _apart(
        "scaled-rows",
        "rows of the Jacobian",
        sample.row_sizes,
        row_names(problem, np.arange(problem.m)),
        "multiply these rows by constants so that their gradients are about as large as the others",
    )
    yield from _apart(
        "scaled-columns",
        "columns of the Jacobian",
        sample.column_sizes,
        variable_names(problem, np.arange(problem.n)),
        "change the units of these variables so that a step of 1 means about the same for all",
    )


def _apart(
    kind: str, label: str, sizes: Vector, names: tuple[str, ...], advice: str
) -> Iterator[Finding]:
    there = sizes > 0.0
    low, high = sizes[there].min(initial=np.inf), sizes.max(initial=0.0)
    if not there.any() or high <= _RANGE * low:
        return
    logs = np.abs(np.log(np.where(there, sizes, 1.0)) - np.median(np.log(sizes[there])))
    far = there & (logs > np.log(_FAR))
    worst_first = np.argsort(-np.where(far, logs, -1.0), kind="stable")[: np.count_nonzero(far)]
    where = tuple(names[i] for i in worst_first.tolist())
    yield Finding(
        Severity.WARNING,
        kind,
        f"at the start point the {label} reach from {low:.1e} to {high:.1e}; far from the median: "
        f"{listed(f'{names[i]} ({sizes[i]:.1e})' for i in worst_first.tolist())}",
        where,
        advice,
    )
