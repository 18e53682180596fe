"""SuperLU in symmetric mode: the sparse fallback that SciPy always brings.

With a symmetric ordering and no preference for off-diagonal pivots, P K P' = L U. When no row
was exchanged (perm_r = perm_c), U = D L', so the signs of diag(U) give the inertia.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from optlab.linalg.arrays import EPS
from optlab.linalg.factorization import (
    AbstractFactor,
    AbstractSymbolic,
    Inertia,
    LowerPattern,
    inertia_from_pivots,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.arrays import FloatArray


def is_usable() -> bool:
    """SciPy is always there."""
    return True


class SuperLUFactor(AbstractFactor):
    """LU of a symmetric matrix with diagonal pivots where possible."""

    __slots__ = ("_handle", "_symbolic", "inertia", "n", "ok")

    def __init__(self, symbolic: Symbolic, values: FloatArray) -> None:
        self._symbolic = symbolic
        self.n = symbolic.pattern.n
        self.ok = False
        self.inertia = Inertia(0, 0, self.n)
        if self.n == 0:
            self.ok = True
            return
        if not np.isfinite(values).all():
            return
        try:
            self._handle = splu(
                symbolic.full(values),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError:
            # "Factor is exactly singular".
            return
        d = self._handle.U.diagonal()
        self.ok = bool(np.isfinite(d).all() and d.all())
        if self.ok and np.array_equal(self._handle.perm_r, self._handle.perm_c):
            self.inertia = inertia_from_pivots(d, EPS * float(np.abs(values).max()))

    def solve(self, b: FloatArray) -> FloatArray:
        """Return K^{-1} b, b of shape (n,) or (n, k)."""
        if self.n == 0 or b.size == 0:
            return b.copy()
        x: FloatArray = self._handle.solve(b)
        return x

    def refactor(self, values: FloatArray) -> SuperLUFactor:
        """Factor other values of the same pattern."""
        return SuperLUFactor(self._symbolic, values)

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend's name and the fill."""
        fill = float(self._handle.L.nnz) if self.ok and self.n else 0.0
        return {"backend": "superlu", "factor_nnz": fill}


class Symbolic(AbstractSymbolic):
    """The map from a lower triangle to the full matrix that SuperLU reads."""

    backend = "superlu"

    def __init__(self, pattern: LowerPattern) -> None:
        self.pattern = pattern
        shape = (pattern.n, pattern.n)
        # Number the entries from one, because zero would vanish in the sum.
        lower = sp.csc_array(
            (np.arange(1, pattern.nnz + 1), pattern.indices, pattern.indptr), shape=shape
        )
        both = (lower + sp.tril(lower, -1).T).tocsc()
        both.sort_indices()
        self._source = both.data - 1
        self._full = sp.csc_array((np.ones(both.nnz), both.indices, both.indptr), shape=shape)

    def full(self, values: FloatArray) -> sp.csc_array:
        """Return the matrix with both triangles."""
        self._full.data = values[self._source]
        return self._full

    def factorize(self, values: FloatArray) -> SuperLUFactor:
        """Factor the matrix with these values."""
        return SuperLUFactor(self, values)
