"""The start point: whether all is defined there, how far it is from bounds and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.trust.inspection.findings import Finding, Severity, listed
from optlab.trust.inspection.sample import row_names, variable_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optlab.core.problem import Problem
    from optlab.errors import EvaluationError
    from optlab.trust.inspection.sample import Sample

__all__ = ["infeasible", "outside", "undefined"]

_FEASIBLE = 1e-6
"""A violation of this size is none, relative to max(1, |side|)."""


def undefined(problem: Problem, error: EvaluationError) -> Finding:
    """Say what cannot be evaluated at the start point, naming the rows where that is known."""
    where: tuple[str, ...] = ()
    if error.function == "constraints" and not isinstance(error.cause, BaseException):
        values = np.asarray(problem.constraints(error.x), dtype=np.float64)
        where = row_names(problem, ~np.isfinite(values))
    rows = f", in {listed(where)}" if where else ""
    return Finding(
        Severity.ERROR,
        "undefined-start",
        f"at the start point {error}{rows}",
        where,
        "choose a start point where every function is defined, or bounds that keep variables "
        "away from where it is not",
    )


def outside(problem: Problem) -> Iterator[Finding]:
    """Say how far the start point lies outside the bounds; solves begin at the nearest point inside."""
    excess = np.maximum(problem.lb - problem.x0, problem.x0 - problem.ub)
    if (excess > 0.0).any():
        worst = int(np.argmax(excess))
        names = variable_names(problem, excess > 0.0)
        yield Finding(
            Severity.NOTE,
            "start-outside-bounds",
            f"the start point violates bounds of {listed(names)}, most by {excess[worst]:.3g} "
            f"({variable_names(problem, np.array([worst]))[0]})",
            names,
            "solves move it to the nearest point within the bounds; give one there to begin "
            "where you mean to",
        )


def infeasible(problem: Problem, sample: Sample) -> Iterator[Finding]:
    """Say which rows the start point violates, and how much."""
    low, high = problem.cl, problem.cu
    excess = np.maximum(low - sample.rows, sample.rows - high)
    side = np.where(low - sample.rows > sample.rows - high, low, high)
    violated = excess > _FEASIBLE * np.maximum(1.0, np.where(np.isfinite(side), abs(side), 0.0))
    if violated.any():
        worst = int(np.argmax(excess))
        names = row_names(problem, violated)
        yield Finding(
            Severity.NOTE,
            "infeasible-start",
            f"the start point violates {listed(names)}, most by {excess[worst]:.3g} "
            f"({row_names(problem, np.array([worst]))[0]})",
            names,
            "nothing has to be done; a feasible start point often saves iterations",
        )
