"""A Farkas ray by linear programming, for polyhedra on which the projection's own search fails.

    minimize sum(p + q)   subject to   bl <= A x + p - q <= bu,   lo <= x <= hi,   p, q >= 0

with the rows divided by their norms. The optimum is positive if and only if the polyhedron is empty, and
the multipliers of the rows are then a Farkas ray. HiGHS solves it; what it returns is proposed, not
believed: the caller checks the ray by products with A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from optlab.linalg.arrays import FloatArray
    from optlab.linalg.polyhedron import Polyhedron

__all__ = ["proposed_ray"]

# Multipliers below this times the largest are the linear program's tolerance.
DUST = 1e-9


def proposed_ray(polyhedron: Polyhedron) -> FloatArray | None:
    """Return the multipliers (ml,) of the elastic linear program, None where it was not solved.

    Positive where A x wants to exceed bu, negative where it wants to fall below bl, in units of the rows
    as they are given.
    """
    from scipy.optimize import linprog  # noqa: PLC0415 - its import costs more than most solves

    p = polyhedron
    if p.A is None:
        return None
    norms = np.where(p.row_norms > 0.0, p.row_norms, 1.0)
    A = sp.csr_array(sp.diags_array(1.0 / norms) @ sp.csr_array(p.A))
    above, below = np.flatnonzero(np.isfinite(p.bu)), np.flatnonzero(np.isfinite(p.bl))
    identity = sp.eye_array(p.ml, format="csr")
    nothing = sp.csr_array((p.ml, p.ml))
    rows = sp.vstack(
        (
            sp.hstack((A, nothing, -identity)).tocsr()[above],
            sp.hstack((-A, -identity, nothing)).tocsr()[below],
        )
    )
    sides = np.concatenate(((p.bu / norms)[above], -(p.bl / norms)[below]))
    cost = np.concatenate((np.zeros(p.n), np.ones(2 * p.ml)))
    low = np.concatenate((p.lo, np.zeros(2 * p.ml)))
    high = np.concatenate((p.hi, np.full(2 * p.ml, np.inf)))
    found = linprog(cost, A_ub=rows, b_ub=sides, bounds=np.column_stack((low, high)))
    if found.status != 0:
        return None
    pull = -np.asarray(found.ineqlin.marginals, dtype=np.float64)
    ray = np.zeros(p.ml)
    ray[above] += pull[: above.size]
    ray[below] -= pull[above.size :]
    ray[np.abs(ray) <= DUST * np.max(np.abs(ray), initial=0.0)] = 0.0
    return ray / norms
