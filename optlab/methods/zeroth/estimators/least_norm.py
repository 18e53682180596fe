"""The smallest gradient that explains all measured slopes: what orthogonal directions are combined by.

With V the (q, m) displacements and d the slopes, V+ d is the solution of V g = d of least norm, or of least squares where there
are more slopes than variables; for orthonormal rows it is V' d, the projection of the gradient onto their span. A
uniformly distributed span of dimension r holds the share r / m of the squared gradient, so that

    g = (m / r) V+ d      is unbiased, with  E|g - grad|^2 = (m - r) / r |grad|^2    (uniform span)
    g = V+ d              estimates the projection                                 (span given)

From r = m on both are the gradient itself. The projection matrix P of a uniform span has, for any a,

    E[P a a' P] = r [(m (r + 1) - 2) a a' + (m - r) |a|^2 I] / ((m - 1) m (m + 2))

from which the variance of each entry of g is taken.
"""

from __future__ import annotations

import numpy as np

from optlab.methods.zeroth.estimators.differences import AbstractDesign, Averages
from optlab.methods.zeroth.estimators.directions import Bundle, Differences
from optlab.typing import Vector

__all__ = ["LeastNorm"]

_RANK = 1e-10
"""Singular values below this share of the largest count as 0: directions that bounds have made dependent."""


class LeastNorm(AbstractDesign):
    """Least-norm combination.

    Parameters
    ----------
    bundle
        The points.
    basis
        (m, r) orthonormal columns: the directions are combinations of them, and what is estimated is the projection of the
        gradient onto their span. None: all of R^m, the gradient itself.
    """

    def __init__(self, bundle: Bundle, basis: Vector | None = None) -> None:
        self.bundle, self.basis, self.shifts = bundle, basis, bundle.shifts

    def estimate(self, values: Averages) -> tuple[Vector, float, float]:
        """Solve for the gradient."""
        space, found = self.bundle.space, self.bundle.differences(values)
        if not found.slope.size:
            return np.zeros(space.n), float("nan"), found.f
        rows = found.direction if self.basis is None else found.direction @ self.basis
        inverse, rank = self._inverse(rows)
        shrunk = inverse @ found.slope
        # A variable without room adds a direction that nothing can be learned about.
        m = rows.shape[1] if self.basis is not None else int(np.count_nonzero(space.movable))
        factor = m / rank if rank else 0.0
        solution = factor * shrunk
        back = _Back(space.scale, self.basis)
        noise = _value_error(back(factor * inverse), found)
        seen = float((back(solution) ** 2).sum()) - noise
        length = float(solution @ solution) - _value_error(factor * inverse, found)
        squared = noise + _span_error(seen, length * back.square, rank, m)
        if not found.has_noise and rows.shape[0] > rank:
            rest = found.slope - rows @ shrunk
            spread = float(rest @ rest) / (rows.shape[0] - rank)
            squared += spread * float((back(inverse) ** 2).sum())
        return space.lift(back(solution)), float(np.sqrt(squared)), found.f

    def _inverse(self, rows: Vector) -> tuple[Vector, int]:
        """Return the pseudo-inverse and the rank."""
        q, m = rows.shape
        if q <= m and not self.bundle.is_cut:
            return rows.T, q
        left, values, right = np.linalg.svd(rows, full_matrices=False)
        rank = int(np.count_nonzero(values > _RANK * values.max(initial=0.0)))
        return (right[:rank].T / values[:rank]) @ left[:, :rank].T, rank


class _Back:
    """From the coordinates of the directions, R^r, to the gradient of the displaced variables, R^m."""

    def __init__(self, scale: Vector, basis: Vector | None) -> None:
        self.scale, self.basis = scale, basis
        spread = 1.0 / scale**2
        if basis is not None:
            spread = (basis**2).sum(axis=1) * spread
        self.square = float(spread.sum())
        """Squared Frobenius norm of the map."""

    def __call__(self, part: Vector) -> Vector:
        """Map vectors (r,) or columns (r, k)."""
        whole = part if self.basis is None else self.basis @ part
        return np.asarray((whole.T / self.scale).T)


def _span_error(seen: float, length: float, rank: int, m: int) -> float:
    """Return the squared error of knowing slopes in a uniform span only.

    Parameters
    ----------
    seen
        Squared norm of the estimate, less its noise.
    length
        The same in the coordinates of the directions, times the squared norm of the map from there.
    rank
        Dimension of the span.
    m
        Of the space around it.
    """
    if rank in (0, m):
        return 0.0
    isotropic = m * (m - rank) / (rank * (m - 1) * (m + 2))
    along = (m - rank) / rank - m * isotropic
    whole = isotropic * (rank / m) * length
    return max(0.0, along * (seen - whole) / (1.0 + along) + whole)


def _value_error(matrix: Vector, found: Differences) -> float:
    """Return the squared error of ``matrix @ slopes`` that comes from errors of the values."""
    own = float(((matrix**2) @ found.variance).sum())
    return own + found.base_variance * float(((matrix @ found.shared) ** 2).sum())
