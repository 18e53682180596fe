"""Dense symmetric indefinite factorization: LAPACK's Bunch-Kaufman with inertia.

    S K S = L B L',   S diagonal, row maxima of |S K S| near one,   B = blocks of order 1 and 2.

S is a congruence, so the inertia is that of K; after it no entry exceeds one, and a pivot can
be called zero by an absolute threshold even when the rows of K differ by many orders.

References: [BK77] Bunch and Kaufman; [Ruiz01] for S; LAPACK ``dsytrf``, ``dsytrs``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lapack

from optlab.linalg.arrays import EPS
from optlab.linalg.factorization import (
    AbstractFactor,
    AbstractSymbolic,
    Inertia,
    LowerPattern,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.arrays import FloatArray


# Equilibration: passes at most, and the ratio of row maxima that asks for another.
MAX_PASSES = 6
WIDE = 1e4


def is_usable() -> bool:
    """SciPy is always there."""
    return True


@cache
def _workspace(n: int) -> int:
    """Return LAPACK's preferred workspace for order n; the query costs more than a solve."""
    return int(lapack.dsytrf_lwork(n, lower=1)[0])


class DenseFactor(AbstractFactor):
    """Bunch-Kaufman factorization of a dense symmetric matrix.

    Parameters
    ----------
    K : (n, n)
        Symmetric; both triangles are read. Not kept and not changed.
    shift : (n,) or None
        Added to the diagonal of the scaled matrix: the matrix factored is
        K + diag(shift / scale**2).

    Attributes
    ----------
    scale : (n,)
        Diagonal of S.
    smallest_pivot : float
        Smallest magnitude of a pivot of the scaled matrix; inf if n = 0.
    """

    __slots__ = ("_ldl", "_pivots", "inertia", "n", "ok", "scale", "smallest_pivot")

    def __init__(self, K: FloatArray, shift: FloatArray | None = None) -> None:
        n = K.shape[0]
        self.n = n
        self.ok = n == 0
        self.smallest_pivot = math.inf
        self.inertia = Inertia(0, 0, n)
        self.scale = largest = np.abs(K).max(axis=0, initial=0.0)
        if n == 0 or not math.isfinite(largest.dot(largest)):
            # Overflow of the sum of squares: entries beyond 1e154 are not numbers to work with.
            return
        scaled = self._equilibrate(K, largest)
        if shift is not None:
            scaled.reshape(-1)[:: n + 1] += shift
        # The transpose of a C-ordered symmetric matrix is itself in Fortran's order.
        self._ldl, self._pivots, info = lapack.dsytrf(
            scaled.T, lower=1, lwork=_workspace(n), overwrite_a=1
        )
        self.inertia = self._count()
        self.ok = info == 0 and self.smallest_pivot > 0.0

    def _equilibrate(self, K: FloatArray, largest: FloatArray) -> FloatArray:
        """Return S K S; ``largest`` are the maxima of the rows of |K|, (n,).

        One pass takes row maxima of ratio q to maxima in [q^(-1/2), 1]; wide ranges need a few.
        """
        scaled = K
        for k in range(MAX_PASSES):
            if np.count_nonzero(largest) < self.n:
                largest[largest == 0.0] = 1.0
            scale = 1.0 / np.sqrt(largest)
            scaled = scaled * scale
            scaled *= scale[:, None]
            self.scale = self.scale * scale if k else scale
            if largest.max() <= WIDE * largest.min():
                break
            largest = np.abs(scaled).max(axis=0)
        return scaled

    def _count(self) -> Inertia:
        """Read the inertia from the blocks of B: a 2x2 block of [BK77] has one of each sign.

        The pivots go through a Python list because reductions of short arrays cost more in
        NumPy's call than in the loop.
        """
        n = self.n
        threshold = n * EPS
        d = self._ldl.diagonal()
        single = self._pivots > 0
        pairs = 0
        if np.count_nonzero(single) < n:
            # Rows of 2x2 blocks come in consecutive pairs; the first of each has the coupling.
            first = (~single).nonzero()[0][::2]
            coupling = np.abs(self._ldl[first + 1, first])
            pairs = int(np.count_nonzero(coupling > threshold))
            d = d[single]
            self.smallest_pivot = float(coupling.min())
        smallest = min(map(abs, d.tolist()), default=math.inf)
        self.smallest_pivot = min(self.smallest_pivot, smallest)
        pos = int(np.count_nonzero(d > threshold)) + pairs
        neg = int(np.count_nonzero(d < -threshold)) + pairs
        return Inertia(pos, neg, n - pos - neg)

    def solve(self, b: FloatArray) -> FloatArray:
        """Return K^{-1} b, b of shape (n,) or (n, k)."""
        if self.n == 0:
            return b.copy()
        scale = self.scale if b.ndim == 1 else self.scale[:, None]
        x, _ = lapack.dsytrs(self._ldl, self._pivots, b * scale, lower=1, overwrite_b=1)
        x *= scale
        solution: FloatArray = x
        return solution

    def refactor(self, values: FloatArray) -> DenseFactor:
        """Factor another matrix, (n, n)."""
        return DenseFactor(values)

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend's name and the smallest pivot of the scaled matrix."""
        return {"backend": "dense", "smallest_pivot": self.smallest_pivot}


class Symbolic(AbstractSymbolic):
    """Dense factorization of a matrix given by the values of a sparse pattern."""

    backend = "dense"

    def __init__(self, pattern: LowerPattern) -> None:
        self.pattern = pattern
        self._columns = pattern.columns()

    def factorize(self, values: FloatArray) -> AbstractFactor:
        """Scatter the values into both triangles and factor."""
        return _ScatteredFactor(self, values)

    def dense(self, values: FloatArray) -> FloatArray:
        """Return the full matrix (n, n)."""
        K = np.zeros((self.pattern.n, self.pattern.n))
        K[self.pattern.indices, self._columns] = values
        K[self._columns, self.pattern.indices] = values
        return K


class _ScatteredFactor(DenseFactor):
    """A dense factor that is refactored from the values of a sparse pattern."""

    __slots__ = ("_symbolic",)

    def __init__(self, symbolic: Symbolic, values: FloatArray) -> None:
        super().__init__(symbolic.dense(values))
        self._symbolic = symbolic

    def refactor(self, values: FloatArray) -> _ScatteredFactor:
        return _ScatteredFactor(self._symbolic, values)
