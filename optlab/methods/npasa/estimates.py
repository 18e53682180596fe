"""Error estimators of the standard form (section 2 of the NPASA specification).

    E_m0(x, l, mu)^2 = |grad_x L|^2 - mu'r(x)              E_c(x)^2 = |h(x)|^2
    E_m1(x, l, mu)^2 = |grad_x L|^2 + |min(mu, -r(x))|^2   E_j^2 = E_mj^2 + E_c^2

Bound multipliers are eliminated: for the reduced gradient t = grad f + J'l + A'mu each component takes
the better of "multiplier |t_i|" and "multiplier zero", so that it adds min(t_i^2, |t_i| dist_i) to
E_m0^2 and min(|t_i|, dist_i)^2 to E_m1^2, dist_i being the distance to the bound that t_i pushes to.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.low_rank import LowRank
from optlab.methods.npasa.state import Estimate
from optlab.methods.pasa.iterate import multiplier_error
from optlab.methods.pasa.working_set import active_at

if TYPE_CHECKING:
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.methods.npasa.state import Workspace
    from optlab.methods.standard_form import StandardForm
    from optlab.typing import Vector

__all__ = ["acceptable", "estimate", "first_estimate", "least_squares_multipliers"]


def estimate(form: StandardForm, x: Vector, y: Vector, mu: Vector) -> Estimate:
    """Evaluate the estimators at (x, y, mu); rows with a multiplier of the wrong sign lose it."""
    poly = form.polyhedron
    gradient = form.gradient(x)
    reduced = np.asarray(gradient + form.jacobian(x).T @ y) if y.size else gradient
    rows = poly.rows_times(x)
    if mu.size:
        impossible = ((mu > 0.0) & np.isinf(poly.bu)) | ((mu < 0.0) & np.isinf(poly.bl))
        mu = np.where(impossible, 0.0, mu)
        reduced = reduced + poly.transpose_times(mu)
    h = form.h(x)
    return Estimate(
        x=x,
        y=y,
        mu=mu,
        reduced=reduced,
        Em0=_global_error(x, reduced, mu, rows, poly),
        Em1=multiplier_error(x, reduced, mu, rows, poly),
        Ec=float(np.linalg.norm(h)),
    )


def _global_error(
    x: Vector, reduced: Vector, mu: Vector, rows: Vector, poly: Polyhedron
) -> float:
    distance = np.where(reduced > 0.0, x - poly.lo, poly.hi - x)
    t = np.abs(reduced)
    total = float(np.sum(t * np.minimum(t, np.maximum(distance, 0.0))))
    if mu.size:
        slack = np.where(mu > 0.0, poly.bu - rows, rows - poly.bl)
        held = mu != 0.0
        total += float(np.abs(mu[held]) @ np.maximum(slack[held], 0.0))
    return math.sqrt(total)


MULTIPLIER_CAP = 1e3
"""Least-squares multipliers above it (scaled problem) say that J is nearly rank deficient at the
start; zero is the better start then (the same test and value as IPOPT's)."""


def least_squares_multipliers(
    work: Workspace, x: Vector, free: np.ndarray, active: np.ndarray
) -> tuple[Vector, Vector]:
    """Return (y, mu) that minimise |grad f + J'y + A'mu| on the free variables.

    One solve with W = I: its multipliers are those of the projection of -grad f on the null space.
    """
    form = work.form
    identity = LowRank(1.0, np.zeros((x.size, 0)), np.zeros((0, 0)))
    factor = work.faces.convexifier.kkt.factorize(identity, form.jacobian(x), 0.0, free, active)
    zero = np.zeros(active.size)
    _, y, mu = factor.solve(-form.gradient(x), np.zeros(form.mh), zero)
    if not np.all(np.isfinite(y)) or np.max(np.abs(y), initial=0.0) > MULTIPLIER_CAP:
        y = np.zeros(form.mh)
    if not np.all(np.isfinite(mu)) or np.max(np.abs(mu), initial=0.0) > MULTIPLIER_CAP:
        mu = zero
    return y, mu


def first_estimate(work: Workspace, x: Vector) -> Estimate:
    """Choose the better of zero and least-squares multipliers."""
    form = work.form
    first = estimate(form, x, np.zeros(form.mh), np.zeros(form.linear_rows.size))
    if form.mh:
        held = active_at(x, form.polyhedron.rows_times(x), form.polyhedron)
        guess = least_squares_multipliers(work, x, held.free, held.active_rows)
        second = estimate(form, x, *guess)
        if second.E1 < first.E1:
            first = second
    return first


def acceptable(point: Estimate, tol: float) -> bool:
    """Test E_m1 relative to the multipliers, as the shared checker does.

    For an iterate that phase two cannot improve any more: rounding in J'y is as large as |y| eps.
    """
    multipliers = np.concatenate((point.y, point.mu, point.reduced))
    scale = max(100.0, float(np.mean(np.abs(multipliers)))) / 100.0
    return point.Em1 <= tol * scale and point.Ec <= tol
