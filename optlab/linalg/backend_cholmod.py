"""LDL' without pivoting by CHOLMOD, through scikit-sparse 0.4 or 0.5.

The simplicial mode is asked for: the supernodal one is Cholesky only. Both APIs meet in
:func:`_analysis` and nowhere else.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from optlab.linalg.arrays import EPS
from optlab.linalg.backend_ssids import cancellation
from optlab.linalg.factorization import (
    AbstractFactor,
    AbstractSymbolic,
    Inertia,
    LowerPattern,
    inertia_from_pivots,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.arrays import BoolArray, FloatArray


# Part of the rows below which a copy without the decoupled ones pays.
FEW_ROWS = 0.8


def is_usable() -> bool:
    """Say whether scikit-sparse with an API known here is importable."""
    with warnings.catch_warnings(), cancellation():
        warnings.simplefilter("ignore")
        from sksparse import cholmod  # noqa: PLC0415 - optional dependency

    return hasattr(cholmod, "analyze") and hasattr(cholmod, "CholmodError")


def _analysis(matrix: sp.csc_array) -> Any:
    """Analyse the lower triangle with a fill-reducing ordering."""
    from sksparse import cholmod  # noqa: PLC0415 - optional dependency

    return cholmod.analyze(matrix, mode="simplicial", ordering_method="default")


class CholmodFactor(AbstractFactor):
    """L D L' of a permuted sparse matrix; each factor owns its numbers."""

    __slots__ = ("_handle", "_symbolic", "inertia", "n", "ok")

    def __init__(self, symbolic: Symbolic, values: FloatArray) -> None:
        from sksparse.cholmod import CholmodError  # noqa: PLC0415 - optional dependency

        self._symbolic = symbolic
        self.n = symbolic.pattern.n
        self.ok = False
        self.inertia = Inertia(0, 0, self.n)
        if self.n == 0:
            self.ok = True
            return
        matrix = symbolic.matrix
        matrix.data = values
        try:
            self._handle = symbolic.handle.cholesky(matrix)
            d = self._handle.D()
        except CholmodError:
            # A zero pivot. Not an error here: the caller regularises.
            return
        if np.isfinite(d).all():
            self.inertia = inertia_from_pivots(d, EPS * float(np.abs(values).max()))
            self.ok = bool(d.all())

    def solve(self, b: FloatArray) -> FloatArray:
        """Return K^{-1} b, b of shape (n,) or (n, k)."""
        if self.n == 0:
            return b.copy()
        x: FloatArray = self._handle.solve_A(b)
        return x

    @property
    def has_half(self) -> bool:
        """Whether L and D can be used one by one, and D is positive."""
        return hasattr(self._handle, "solve_L") and self.inertia.pos == self.n

    def half_solve(self, b: FloatArray, rows: BoolArray) -> FloatArray:
        """Return V = D^{-1/2} L^{-1} P b."""
        handle = self._handle
        d = handle.D()
        V: FloatArray = handle.solve_L(handle.apply_P(b), use_LDLt_decomposition=True)
        if np.count_nonzero(rows) < FEW_ROWS * rows.size:
            kept = rows[handle.P()]
            V, d = V[kept], d[kept]
        V /= np.sqrt(d)[:, None]
        return V

    def refactor(self, values: FloatArray) -> CholmodFactor:
        """Factor other values of the same pattern with the same ordering."""
        return CholmodFactor(self._symbolic, values)

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend's name."""
        return {"backend": "cholmod"}


class Symbolic(AbstractSymbolic):
    """CHOLMOD's analysis of a lower-triangular pattern."""

    backend = "cholmod"

    def __init__(self, pattern: LowerPattern) -> None:
        self.pattern = pattern
        ones = np.ones(pattern.nnz)
        self.matrix = sp.csc_array(
            (ones, pattern.indices, pattern.indptr), shape=(pattern.n, pattern.n)
        )
        self.handle: Any = None
        if pattern.n:
            self.handle = handle = _analysis(self.matrix)
            self.order = handle.P()

    def factorize(self, values: FloatArray) -> CholmodFactor:
        """Factor the matrix with these values."""
        return CholmodFactor(self, values)
