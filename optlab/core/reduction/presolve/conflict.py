"""Rows and bounds that contradict each other: a Farkas ray in the user's rows, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.core.reduction.presolve.rows import row_sums
from optlab.core.sparse import scipy_module

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.state import Working
    from optlab.linalg.polyhedron import EmptyPolyhedronError
    from optlab.typing import Vector

__all__ = ["contradiction", "proven"]

_ROUNDING = 1e-12
"""Sums of this size, relative to their terms, are 0."""

_SHOWN = 6
"""Rows and bounds named in a message."""


def contradiction(
    work: Working, problem: Problem, row: int, sign: float
) -> EmptyPolyhedronError | None:
    """Turn a row that cannot hold within the bounds into a proof for the user's rows and bounds.

    Parameters
    ----------
    row
        Position in ``work.rows``.
    sign
        1 when its smallest activity exceeds its upper side, -1 when its largest is below the lower.

    Returns
    -------
    EmptyPolyhedronError or None
        None when rounding spoils the proof.
    """
    y = np.zeros(work.rows.size)
    y[row] = sign
    return proven(work, problem, y)


def proven(work: Working, problem: Problem, y: Vector) -> EmptyPolyhedronError | None:
    """Map a ray of the present rows to the user's rows and check it there.

    A Farkas ray is a multiplier of the problem without an objective: A'y + z = 0 with the signs
    of the sides that contradict each other. So it maps back like any multiplier.

    Parameters
    ----------
    y
        (k,) multipliers of the present rows; changed in place.
    """
    # Only here: the polyhedra need scipy.sparse, which problems without contradictions do not.
    from optlab.linalg import polyhedron as linalg  # noqa: PLC0415

    rows = work.rows
    z = -rows.transpose_times(y, work.n)
    size = row_sums(
        rows.col, np.abs(rows.value) * np.repeat(np.abs(y), np.diff(rows.start)), work.n
    )
    z[np.abs(z) <= _ROUNDING * size] = 0.0
    for step in reversed(work.steps):
        step.undo(y, z)
    A = scipy_module("sparse").csr_array(
        (rows.value, rows.col, rows.start), shape=(rows.size, work.n)
    )
    cl, cu = problem.cl[rows.numbers] - rows.constant, problem.cu[rows.numbers] - rows.constant
    polyhedron = linalg.Polyhedron(A, cl, cu, problem.lb, problem.ub)
    if not polyhedron.proves_empty(y):
        return None
    ray = np.zeros(problem.m)
    ray[rows.numbers] = y
    z[np.abs(z) <= _ROUNDING * (abs(A).T @ np.abs(y))] = 0.0
    return linalg.EmptyPolyhedronError(ray / np.abs(ray).max(), _message(problem, ray, z))


def _message(problem: Problem, ray: Vector, z: Vector) -> str:
    """Name the sides that contradict each other."""
    parts = [
        _side(_name(problem.constraint_names, "row", i), ray[i], problem.cl[i], problem.cu[i])
        for i in np.flatnonzero(ray)[:_SHOWN]
    ]
    parts += [
        _side(_name(problem.variable_names, "variable", j), z[j], problem.lb[j], problem.ub[j])
        for j in np.flatnonzero(z)[:_SHOWN]
    ]
    more = np.count_nonzero(ray) > _SHOWN or np.count_nonzero(z) > _SHOWN
    return (
        "the linear constraints have no common point: "
        + ", ".join(parts)
        + (", ..." if more else "")
        + " contradict each other (see .ray for the weights of the rows); loosen or remove one of "
        "them"
    )


def _name(names: tuple[str, ...] | None, kind: str, i: int) -> str:
    return f"{kind} {i}" if names is None else f"{kind} {names[i]!r}"


def _side(name: str, multiplier: float, low: float, high: float) -> str:
    return f"{name} <= {high:.12g}" if multiplier > 0.0 else f"{name} >= {low:.12g}"
