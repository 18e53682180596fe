"""LDL' without pivoting by QDLDL (the factorization of the OSQP solver), a plain wheel.

qdldl wants the upper triangle in CSC form, which is the lower one in CSR form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

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
    """Say whether qdldl is importable."""
    import qdldl  # noqa: PLC0415 - optional dependency

    return hasattr(qdldl, "Solver")


class QdldlFactor(AbstractFactor):
    """L D L' of a permuted sparse matrix."""

    __slots__ = ("_handle", "_symbolic", "inertia", "n", "ok")

    def __init__(self, symbolic: Symbolic, values: FloatArray) -> None:
        self._symbolic = symbolic
        self.n = symbolic.pattern.n
        self.ok = False
        self.inertia = Inertia(0, 0, self.n)
        self._handle = symbolic.numeric(values)
        if self._handle is None:
            return
        _, d, _ = self._handle.factors()
        if np.isfinite(d).all():
            self.inertia = inertia_from_pivots(d, EPS * float(np.abs(values).max()))
            self.ok = bool(d.all())

    def solve(self, b: FloatArray) -> FloatArray:
        """Return K^{-1} b, b of shape (n,) or (n, k)."""
        if b.ndim == 1:
            x: FloatArray = self._handle.solve(b)
            return x
        columns = [self._handle.solve(np.ascontiguousarray(column)) for column in b.T]
        return np.stack(columns, axis=1) if columns else b.copy()

    def refactor(self, values: FloatArray) -> QdldlFactor:
        """Factor other values of the same pattern."""
        return QdldlFactor(self._symbolic, values)

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend's name."""
        return {"backend": "qdldl"}


class Symbolic(AbstractSymbolic):
    """The pattern as qdldl wants it; its analysis is part of the first factorization."""

    backend = "qdldl"

    def __init__(self, pattern: LowerPattern) -> None:
        self.pattern = pattern
        shape = (pattern.n, pattern.n)
        numbered = sp.csc_array(
            (np.arange(pattern.nnz), pattern.indices, pattern.indptr), shape=shape
        ).tocsr()
        self._order = numbered.data
        self._upper = sp.csc_matrix(
            (np.ones(pattern.nnz), numbered.indices, numbered.indptr), shape=shape
        )

    def numeric(self, values: FloatArray) -> Any:
        """Return a fresh solver object, or None after a zero pivot.

        qdldl offers no way to copy an analysis, and updating in place would change factors
        that callers still hold; its ordering costs about as much as its factorization.
        """
        import qdldl  # noqa: PLC0415 - optional dependency

        self._upper.data = values[self._order]
        try:
            return qdldl.Solver(self._upper, upper=True)
        except (RuntimeError, ValueError):
            return None

    def factorize(self, values: FloatArray) -> QdldlFactor:
        """Factor the matrix with these values."""
        return QdldlFactor(self, values)
