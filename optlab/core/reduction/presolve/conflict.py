"""Rows and bounds that contradict each other: a Farkas ray in the user's rows, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.core.reduction.presolve.rows import row_sums
from optlab.core.sparse import scipy_module

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.reduction.presolve.state import Working
    from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron
    from optlab.typing import Vector

__all__ = ["FEASIBLE", "contradiction", "described", "proven", "smallest_violation"]

_ROUNDING = 1e-12
"""Sums of this size, relative to their terms, are 0."""

FEASIBLE = 1e-6
"""A contradiction that a violation of this size resolves is left to the method and its tolerances:
HIMMELBJ of CUTEst asks for sums <= 0 of variables >= 1e-12."""

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
        None when rounding spoils the proof, or when the contradiction is smaller than what a solver
        calls feasible.
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
    z[np.abs(z) <= _ROUNDING * (abs(A).T @ np.abs(y))] = 0.0
    polyhedron = linalg.Polyhedron(A, cl, cu, problem.lb, problem.ub)
    if not polyhedron.proves_empty(y) or smallest_violation(polyhedron, y, z) <= FEASIBLE:
        return None
    ray = np.zeros(problem.m)
    ray[rows.numbers] = y
    return linalg.EmptyPolyhedronError(ray / np.abs(ray).max(), described(problem, ray, z))


def smallest_violation(polyhedron: Polyhedron, y: Vector, z: Vector) -> float:
    """Return a violation of a row or bound that every point has, by the ray's word.

    For every x, sum |y_i| violation_i + sum |z_j| violation_j is at least -(y'b + z'd) with b and d
    the sides that y and z belong to.
    """
    rows, bounds = y != 0.0, z != 0.0
    b = np.where(y > 0.0, polyhedron.bu, polyhedron.bl)[rows]
    d = np.where(z > 0.0, polyhedron.hi, polyhedron.lo)[bounds]
    gap = -float(y[rows] @ b + z[bounds] @ d)
    return gap / float(np.abs(y).sum() + np.abs(z).sum())


def described(problem: Problem, ray: Vector, z: Vector) -> str:
    """Name the sides that contradict each other.

    Parameters
    ----------
    ray
        (m,) multipliers of the rows.
    z
        (n,) multipliers of the bounds.
    """
    parts = [
        _side(
            _name(problem.constraint_names, "row", i),
            float(ray[i]),
            (float(problem.cl[i]), float(problem.cu[i])),
        )
        for i in np.flatnonzero(ray)[:_SHOWN].tolist()
    ]
    parts += [
        _side(
            _name(problem.variable_names, "variable", j),
            float(z[j]),
            (float(problem.lb[j]), float(problem.ub[j])),
        )
        for j in np.flatnonzero(z)[:_SHOWN].tolist()
    ]
    more = np.count_nonzero(ray) > _SHOWN or np.count_nonzero(z) > _SHOWN
    listed = ", ".join(parts) + (", ..." if more else "")
    if len(parts) == 1:
        return f"the linear constraints have no point: {listed} is a row without variables; remove it"
    return (
        f"the linear constraints have no common point: {listed} contradict each other (see .ray for "
        "the weights of the rows); loosen or remove one of them"
    )


def _name(names: tuple[str, ...] | None, kind: str, i: int) -> str:
    return f"{kind} {i}" if names is None else f"{kind} {names[i]!r}"


def _side(name: str, multiplier: float, sides: tuple[float, float]) -> str:
    low, high = sides
    return f"{name} <= {high:.12g}" if multiplier > 0.0 else f"{name} >= {low:.12g}"
