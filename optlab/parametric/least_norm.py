"""Solutions of singular KKT systems: least residual, and least norm among those.

    min |S x'|  over the minimisers x of  |S^-1 (K x - b)|,     S K S equilibrated, x = S x'

by an eigendecomposition where the system is small, which costs ten times a factorization; and else by
refining what a factorization with a shifted diagonal gives [Eisenstat83], which comes near it. Both are for the
rare case: systems that were found to be singular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg

from optlab.linalg.factorization import Inertia
from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.refinement import norm, refined_solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.arrays import BoolArray, FloatArray

__all__ = ["LEAST_NORM_ORDER", "LeastNormFactor", "ShiftedFactor"]

LEAST_NORM_ORDER = 1000
"""Largest order: a second of work."""

SHIFT = 1e-8
"""Added to the equilibrated diagonal of the variables: sqrt(eps), so that neither the error of the shift nor
rounding takes more than half the digits before refinement."""

_ZERO = 1e-10
"""Eigenvalues of the equilibrated matrix below it count as zero, as for the factorizations."""


class LeastNormFactor(AbstractFaceFactor):
    """Eigendecomposition of K on a face.

    Parameters
    ----------
    K : (n + m, n + m)
        With zeros off the face.
    scale : (n + m,)
        The diagonal of S.
    alive : (n + m,) bool
        Free variables and active rows.
    n : int
    """

    def __init__(self, K: FloatArray, scale: FloatArray, alive: BoolArray, n: int) -> None:
        self._at = np.flatnonzero(alive)
        self._sizes = (n, 0, scale.size - n)
        self._scale = scale[self._at]
        scaled = self._scale[:, None] * K[np.ix_(self._at, self._at)] * self._scale
        self._values, self._vectors = linalg.eigh(scaled)
        keep = np.abs(self._values) > _ZERO
        self._inverse = np.where(keep, 1.0 / np.where(keep, self._values, 1.0), 0.0)
        positive = int(np.count_nonzero(self._values > _ZERO))
        negative = int(np.count_nonzero(self._values < -_ZERO))
        self.inertia = Inertia(positive, negative, self._at.size - positive - negative)
        self.inertia_ok = False

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        scaled = self._scale * b[self._at]
        weights = self._vectors.T @ scaled
        left = np.where(self._inverse == 0.0, weights, 0.0)
        size = float(np.linalg.norm(scaled))
        self.residual = float(np.linalg.norm(left)) / size if size else 0.0
        x = np.zeros_like(b)
        x[self._at] = self._scale * (self._vectors @ (self._inverse * weights))
        return x

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend and the number of eigenvalues that count as zero."""
        return {"backend": "eigenvalues", "zeros": float(self.inertia.zero)}


class ShiftedFactor(AbstractFaceFactor):
    """A factor of K with a shifted diagonal, refined against K itself.

    Parameters
    ----------
    K : (n + m, n + m) csr_array
        With zeros off the face.
    scale : (n + m,)
        The diagonal of S.
    shifted : AbstractFaceFactor
    n : int
    """

    def __init__(self, K: Any, scale: FloatArray, shifted: AbstractFaceFactor, n: int) -> None:
        self._K, self._scale, self._shifted = K, scale, shifted
        self._sizes = (n, 0, scale.size - n)
        self.inertia, self.inertia_ok = shifted.inertia, False

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        scale, n = self._scale, self._sizes[0]

        def near(v: FloatArray) -> FloatArray:
            dx, _, dy = self._shifted.solve(v[:n] / scale[:n], None, v[n:] / scale[n:])
            return np.concatenate((dx, dy)) / scale

        scaled = scale * b
        x, left = refined_solve(lambda v: scale * (self._K @ (scale * v)), near, scaled)
        size = norm(scaled)
        self.residual = norm(left) / size if size else 0.0
        return scale * x

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return those of the shifted factor."""
        return self._shifted.diagnostics
