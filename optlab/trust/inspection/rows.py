"""The rows against each other and against the bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from optlab.core.probe import still_linear
from optlab.core.reduction.presolve import reduced
from optlab.core.reduction.presolve.conflict import FEASIBLE, described, smallest_violation
from optlab.core.reduction.presolve.rows import LinearRows
from optlab.linalg.farkas import proposed_ray
from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron
from optlab.trust.inspection.findings import Finding, Severity, listed
from optlab.trust.inspection.sample import row_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optlab.core.oracle import Oracle
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.state import Working
    from optlab.trust.inspection.sample import Sample
    from optlab.typing import Indices, Vector

__all__ = ["RANK_ENTRIES", "conflicts", "dependent", "nonlinear", "superfluous"]

RANK_ENTRIES = 1_000_000
"""Largest number of rows times columns that a rank is computed for."""

_RANK = 1e-10
"""Pivots of this size, relative to the largest, are zero; the rows have norm 1."""

_WEIGHT = 1e-6
"""Weights in a combination of this size, relative to the largest, are rounding."""


def nonlinear(
    problem: Problem, oracle: Oracle, first: Sample, second: Sample
) -> Iterator[Finding]:
    """Name rows that are said to be linear and are not."""
    if problem.linear is None or not problem.linear.any():
        return
    wrong = problem.linear & ~still_linear(oracle, first.x, second.x)
    names = row_names(problem, wrong)
    if names:
        yield Finding(
            Severity.ERROR,
            "not-linear",
            f"{listed(names)} is declared linear, but values and gradients at two points differ "
            "from those of an affine function",
            names,
            "declare it as nonlinear, or leave 'linear' away to have linear rows found",
        )


def conflicts(problem: Problem) -> tuple[Finding | None, Working | None]:
    """Look for linear rows and bounds without a common point; return also what presolve made of them."""
    try:
        work = reduced(problem)
        if work is not None:
            _refuse_empty(problem, work.rows.numbers)
    except EmptyPolyhedronError as error:
        where = row_names(problem, error.ray != 0.0)
        advice = "loosen or remove one of them; no point satisfies all"
        return Finding(Severity.ERROR, "conflict", str(error), where, advice), None
    return None, work


def _refuse_empty(problem: Problem, numbers: Indices) -> None:
    """Ask a linear program for a contradiction that takes several rows, and check its proof.

    Raises
    ------
    EmptyPolyhedronError
        When there is one, with a ray (m,).
    """
    x = np.clip(problem.x0, problem.lb, problem.ub)
    rows = LinearRows.of(problem, numbers, x)
    A = sp.csr_array((rows.value, rows.col, rows.start), shape=(rows.size, problem.n))
    sides = problem.cl[numbers] - rows.constant, problem.cu[numbers] - rows.constant
    polyhedron = Polyhedron(A, *sides, problem.lb, problem.ub)
    y = proposed_ray(polyhedron)
    if y is None or not polyhedron.proves_empty(y):
        return
    z = -polyhedron.transpose_times(y)
    z[np.abs(z) <= _RANK * (abs(A).T @ np.abs(y))] = 0.0
    if smallest_violation(polyhedron, y, z) > FEASIBLE:
        ray = np.zeros(problem.m)
        ray[numbers] = y / np.abs(y).max()
        raise EmptyPolyhedronError(ray, described(problem, ray, z))


def superfluous(problem: Problem, work: Working) -> Iterator[Finding]:
    """Name rows that hold within the bounds anyway, and rows parallel to others."""
    numbers = work.rows.numbers
    filled = np.diff(work.rows.start) > 0
    sided = np.isfinite(problem.cl[numbers]) | np.isfinite(problem.cu[numbers])
    names = row_names(problem, numbers[work.redundant & filled & sided])
    if names:
        yield Finding(
            Severity.NOTE,
            "redundant-row",
            f"{listed(names)} holds wherever the bounds hold, those from rows of one variable "
            "included",
            names,
            "remove it, or see whether its sides are what you mean; presolve drops it",
        )
    pairs = [
        pair
        for merge in work.absorbed
        for pair in zip(merge.kept.tolist(), merge.other.tolist(), strict=True)
    ]
    if pairs:
        twins = [row_names(problem, numbers[list(pair)]) for pair in pairs]
        yield Finding(
            Severity.WARNING,
            "parallel-rows",
            "one row is a multiple of the other, fixed variables left out: "
            + listed(f"{kept} and {other}" for kept, other in twins),
            tuple(dict.fromkeys(name for twin in twins for name in twin)),
            "keep one of them, with the tighter sides, or see whether a row was entered twice",
        )


def dependent(problem: Problem, sample: Sample) -> Iterator[Finding]:
    """Name equations whose gradients depend on each other at the start point."""
    equations = np.flatnonzero((problem.cl == problem.cu) & (sample.row_sizes > 0.0))
    free = problem.lb < problem.ub
    J = sample.jacobian[equations][:, np.flatnonzero(free)].toarray()
    norms = np.linalg.norm(J, axis=1)
    numbers, J = equations[norms > 0.0], J[norms > 0.0] / norms[norms > 0.0, None]
    weights = _combination(J)
    if weights is None:
        return
    rank, involved = weights
    names = row_names(problem, numbers[involved])
    yield Finding(
        Severity.WARNING,
        "dependent-rows",
        f"at the start point the gradients of the {numbers.size} equations have rank {rank}; "
        f"combinations of {listed(names)} vanish",
        names,
        "remove equations that follow from the others, or start elsewhere: multipliers are not "
        "unique where this lasts",
    )


def _combination(J: Vector) -> tuple[int, Vector] | None:
    """Return the rank and the rows (bool, (m,)) of vanishing combinations; None when there is none.

    From J' P = Q R: the rows after the rank are R11^-1 R12 times those before.
    """
    m = J.shape[0]
    if not m:
        return None
    R, order = scipy.linalg.qr(J.T, mode="r", pivoting=True)
    pivots = np.abs(np.diag(R))
    rank = int(np.count_nonzero(pivots > _RANK * pivots.max(initial=0.0)))
    if rank == m:
        return None
    involved = np.zeros(m, dtype=bool)
    involved[order[rank:]] = True
    weights = scipy.linalg.solve_triangular(R[:rank, :rank], R[:rank, rank:])
    large = (np.abs(weights) > _WEIGHT).any(axis=1)
    involved[order[:rank][large]] = True
    return rank, involved
