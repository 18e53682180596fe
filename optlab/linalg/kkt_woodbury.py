"""Woodbury's formula around a sparse KKT factorization, for a Hessian of diagonal plus low rank.

A low-rank W = diag(d) + V S V' (S = diag of +-1, k columns) enters by

    K^{-1} b = K0^{-1} b - Z C^{-1} Z'b,   Z = K0^{-1} V,   C = S + V'Z,

with K0 the matrix for diag(d) alone, and the two ways to eliminate from [[K0, V], [V', -S]] give

    In(K) = In(K0) + In(-C) - In(-S).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg

from optlab.linalg.arrays import EPS
from optlab.linalg.factorization import Inertia
from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.refinement import norm, refined_solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optlab.linalg.arrays import FloatArray
    from optlab.linalg.kkt_sparse import SparseFaceFactor
    from optlab.linalg.low_rank import LowRank

__all__ = ["LowRankFaceFactor"]


class LowRankFaceFactor(AbstractFaceFactor):
    """Woodbury's formula around a :class:`SparseFaceFactor` for the diagonal part of W."""

    def __init__(self, base: SparseFaceFactor, W: LowRank, wanted: Inertia) -> None:
        self._base, self._sizes = base, base._sizes
        V, signs = W.signed_factor()
        scale = base.scale
        self._V = np.zeros((scale.size, V.shape[1]))
        self._V[: W.n] = V * scale[: W.n, None]
        self._signs = signs
        self._Z = np.zeros_like(self._V)
        for j, column in enumerate(self._V.T):
            self._Z[:, j], _ = base._refine(column)
        C = np.diag(signs) + self._V.T @ self._Z
        C = 0.5 * (C + C.T)
        values = np.asarray(np.linalg.eigvalsh(C) if signs.size else signs, dtype=np.float64)
        threshold = EPS * signs.size * norm(values)
        negative = int(np.count_nonzero(values < -threshold))
        zero = int(np.count_nonzero(np.abs(values) <= threshold))
        positive = signs.size - negative - zero
        inner = base.inertia
        # In(-C) swaps the signs of C, In(-S) those of S.
        self.inertia = Inertia(
            inner.pos + negative - int(np.count_nonzero(signs < 0.0)),
            inner.neg + positive - int(np.count_nonzero(signs > 0.0)),
            inner.zero + zero,
        )
        self.inertia_ok = self.inertia == wanted
        self._solve_small = _small_inverse(C) if zero == 0 else None

    def _apply_inverse(self, v: FloatArray) -> FloatArray:
        x = self._base.apply_inverse(v)
        if self._solve_small is None or not self._signs.size:
            return x
        correction: FloatArray = x - self._Z @ self._solve_small(self._Z.T @ v)
        return correction

    def _matvec(self, v: FloatArray) -> FloatArray:
        product: FloatArray = self._base.matvec(v) + self._V @ (self._signs * (self._V.T @ v))
        return product

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        scale = self._base.scale
        b = b * scale
        x, residual = refined_solve(self._matvec, self._apply_inverse, b)
        self.residual = norm(residual) / (norm(b) or 1.0)
        return scale * x

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return those of the factor for the diagonal part, and the rank added to it."""
        return {**self._base.diagnostics, "rank": float(self._signs.size)}


def _small_inverse(C: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return v -> C^{-1} v for a symmetric (k, k) matrix."""
    lu = scipy.linalg.lu_factor(C, check_finite=False)

    def solve(v: FloatArray) -> FloatArray:
        x: FloatArray = scipy.linalg.lu_solve(lu, v, check_finite=False)
        return x

    return solve
