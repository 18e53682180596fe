"""KKT systems with few full rows: one small system for the multipliers.

    [ H  A' ] [ x ]   [ b ]          S = A H^{-1} A' + D,     S y = A H^{-1} b - c,
    [ A  -D ] [ y ] = [ c ]          x = H^{-1} (b - A'y)

Where H = W + sigma is sparse and positive definite on the free variables, and A is full, a factorization
of the whole matrix would work on all of A once for every row of its factor; S costs one product of
matrices. K then has the inertia (n, m, 0) if and only if S is positive definite; where either fails,
the caller takes the factorization of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lapack

from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.refinement import norm, refined_solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.arrays import BoolArray, FloatArray, IntArray
    from optlab.linalg.factorization import Inertia
    from optlab.linalg.kkt_sparse import SparseFaceFactor

__all__ = ["RangeSpaceFactor"]


class RangeSpaceFactor(AbstractFaceFactor):
    """Factor of K on a face from one of H and one of S.

    Parameters
    ----------
    inner : SparseFaceFactor
        Factor of H on the free variables, positive definite there.
    A : (ml, n)
        All rows.
    dual : (ml,)
        Diagonal of D.
    active : (ml,) bool
        Rows on the face.
    wanted : Inertia
        (free variables, active rows, 0).

    Attributes
    ----------
    trusted : bool
        Whether S is positive definite; nothing else may be used if not.
    """

    def __init__(
        self,
        inner: SparseFaceFactor,
        A: FloatArray,
        dual: FloatArray,
        active: BoolArray,
        wanted: Inertia,
    ) -> None:
        ml, n = A.shape
        self._sizes = (n, 0, ml)
        self._inner = inner
        self._rows: IntArray = np.flatnonzero(active)
        free = inner.alive
        # Rows of the equilibrated matrix: those of A times the scale of the variables, of norm one.
        rows = A[self._rows] * inner.scale
        rows[:, ~free] = 0.0
        size = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        self._row_scale = 1.0 / np.where(size > 0.0, size, 1.0)
        self._A = rows * self._row_scale[:, None]
        self._D = dual[self._rows] * self._row_scale**2
        S = self._A @ inner.apply_inverse(np.asfortranarray(self._A.T))
        S.reshape(-1)[:: self._rows.size + 1] += self._D
        # LAPACK takes no matrices of order zero.
        factor, info = lapack.dpotrf(S.T, lower=1) if S.size else (S, 0)
        self._S: FloatArray = factor
        self.trusted = info == 0
        self.inertia = wanted
        self.inertia_ok = self.trusted

    def _apply_inverse(self, v: FloatArray) -> FloatArray:
        n = self._sizes[0]
        x = self._inner.apply_inverse(v[:n])
        if not self._rows.size:
            return x
        y, _ = lapack.dpotrs(self._S, self._A @ x - v[n:], lower=1)
        x = x - self._inner.apply_inverse(self._A.T @ y)
        return np.concatenate((x, y))

    def _matvec(self, v: FloatArray) -> FloatArray:
        n = self._sizes[0]
        x, y = v[:n], v[n:]
        return np.concatenate(
            (self._inner.matvec(x) + self._A.T @ y, self._A @ x - self._D * y)
        )

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        n = self._sizes[0]
        scale = np.concatenate((self._inner.scale, self._row_scale))
        scaled = np.concatenate((b[:n], b[n + self._rows])) * scale
        x, residual = refined_solve(self._matvec, self._apply_inverse, scaled)
        self.residual = norm(residual) / (norm(scaled) or 1.0)
        x = np.where(
            np.concatenate((self._inner.alive, np.ones_like(self._rows, dtype=bool))), x, 0.0
        )
        solution = np.zeros_like(b)
        solution[:n] = x[:n] * self._inner.scale
        solution[n + self._rows] = x[n:] * self._row_scale
        return solution

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return those of the factor of H, and the order of S."""
        return {**self._inner.diagnostics, "range_space": float(self._rows.size)}
