"""Random directions u in R^m whose entries are uncorrelated: E[u u'] = second_moment * I.

gaussian     independent standard normal entries
rademacher   independent signs
sphere       uniform on the unit sphere; second moment 1/m
orthogonal   as sphere, but orthogonal to one another within blocks of at most m (rows of a Haar matrix)
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from optlab.typing import Vector

__all__ = ["LAWS", "Law", "draw_directions", "length", "second_moment"]

Law = Literal["gaussian", "rademacher", "sphere", "orthogonal"]

LAWS: tuple[Law, ...] = ("gaussian", "rademacher", "sphere", "orthogonal")


def draw_directions(law: Law, count: int, m: int, rng: np.random.Generator) -> Vector:
    """Draw directions as rows, shape (count, m)."""
    if law == "rademacher":
        return np.asarray(rng.integers(0, 2, size=(count, m)) * 2.0 - 1.0, dtype=np.float64)
    if law == "orthogonal" and m:
        blocks = [_orthonormal(min(m, count - done), m, rng) for done in range(0, count, m)]
        return np.concatenate(blocks)
    directions = rng.standard_normal((count, m))
    if law == "sphere":
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions


def second_moment(law: Law, m: int) -> float:
    """Return E[u_i^2]."""
    return 1.0 if law in ("gaussian", "rademacher") else 1.0 / max(m, 1)


def length(law: Law, m: int) -> float:
    """Return the root mean square of the Euclidean length."""
    return float(np.sqrt(second_moment(law, m) * m)) or 1.0


def _orthonormal(count: int, m: int, rng: np.random.Generator) -> Vector:
    """Return ``count`` <= m orthonormal rows whose span is uniformly distributed.

    QR of a Gaussian matrix, the signs fixed by the diagonal of R ([Mez07], section 5).
    """
    q, r = np.linalg.qr(rng.standard_normal((m, count)))
    return np.asarray((q * np.where(np.diag(r) < 0.0, -1.0, 1.0)).T)
