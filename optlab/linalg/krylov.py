"""Truncated conjugate gradients on a face: Newton directions from Hessian-vector products.

    min g's + 1/2 s'H s   subject to   A_active s = 0,  s_fixed = 0,  |s| <= radius

by CG in the null space of the face's constraints [GHN01], where P v projects on it. The
iteration ends at the trust radius or at a direction of nonpositive curvature ([Steihaug83]),
which is returned, not followed: what to do with it is the caller's business.

========================= =====================
here                      in [GHN01]
========================= =====================
``residual``              r = g + H s
``projected``             g+ = P r
========================= =====================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.arrays import EPS
from optlab.linalg.refinement import norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.linalg.arrays import FloatArray

__all__ = ["CGEnd", "TruncatedCG", "projected_cg"]

# Curvature p'Hp / p'p below this fraction of the largest seen counts as none.
FLAT = 1e-14


class CGEnd(Enum):
    """Why the iteration stopped."""

    SOLVED = "solved"
    NEGATIVE_CURVATURE = "negative curvature"
    BOUNDARY = "boundary"
    MAX_ITER = "max_iter"


@dataclass(frozen=True, slots=True)
class TruncatedCG:
    """Result of :func:`projected_cg`.

    Attributes
    ----------
    step : (n,)
        On the face, with g's <= 0; zero if the first direction had no positive curvature.
    curvature_direction : (n,) or None
        A direction p on the face with p'Hp <= 0 and g'p <= 0, if one was met.
    end : CGEnd
    iterations : int
        Products with H.
    residual : float
        |P (g + H s)| relative to |P g|.
    """

    step: FloatArray
    curvature_direction: FloatArray | None
    end: CGEnd
    iterations: int
    residual: float


def projected_cg(
    hprod: Callable[[FloatArray], FloatArray],
    g: FloatArray,
    project: Callable[[FloatArray], FloatArray],
    *,
    rtol: float = 0.1,
    max_iter: int | None = None,
    radius: float = math.inf,
) -> TruncatedCG:
    """Minimise a quadratic on a face, approximately.

    Parameters
    ----------
    hprod : callable
        v -> H v, (n,) to (n,), called with vectors of the face.
    g : (n,)
        Gradient.
    project : callable
        v -> P v, for example ``lambda v: projector.face_projection(v, free, active)[0]``; any
        symmetric operator onto the face that is positive definite there works, which is how
        a preconditioner enters.
    rtol : float
        Stop when the projected residual is this fraction of the projected gradient.
    max_iter : int or None
        None stands for n.
    radius : float
        Bound on |s|; infinite for none.
    """
    s = np.zeros_like(g)
    residual = g.copy()
    projected = project(residual)
    rho = start = float(residual.dot(projected))
    # A projection at the level of rounding is no direction.
    if not (start > 0.0 and norm(projected) > 10.0 * EPS * norm(residual)):
        return TruncatedCG(s, None, CGEnd.SOLVED, 0, 0.0)
    p = -projected
    largest_curvature = 0.0
    for k in range(1, (max_iter or g.size) + 1):
        Hp = hprod(p)
        pp, pHp = float(p.dot(p)), float(p.dot(Hp))
        largest_curvature = max(largest_curvature, abs(pHp) / pp)
        if not pHp > FLAT * largest_curvature * pp:
            end = CGEnd.NEGATIVE_CURVATURE
            return TruncatedCG(s, p, end, k, math.sqrt(rho / start))
        alpha = rho / pHp
        trial = s + alpha * p
        if math.sqrt(trial.dot(trial)) >= radius:
            t = _to_boundary(s, p, radius)
            return TruncatedCG(s + t * p, None, CGEnd.BOUNDARY, k, math.sqrt(rho / start))
        s = trial
        residual = residual + alpha * Hp
        projected = project(residual)
        rho_new = float(residual.dot(projected))
        if not rho_new > rtol * rtol * start:
            return TruncatedCG(s, None, CGEnd.SOLVED, k, math.sqrt(max(rho_new, 0.0) / start))
        p = -projected + (rho_new / rho) * p
        rho = rho_new
    return TruncatedCG(s, None, CGEnd.MAX_ITER, k, math.sqrt(rho / start))


def _to_boundary(s: FloatArray, p: FloatArray, radius: float) -> float:
    """Return t >= 0 with |s + t p| = radius."""
    a, b, c = float(p.dot(p)), float(s.dot(p)), float(s.dot(s)) - radius * radius
    return (-b + math.sqrt(max(b * b - a * c, 0.0))) / a
