"""NPASA's standard form: nonlinear equalities over a polyhedron.

    minimize f(x)   subject to   h(x) = 0,   x in Omega = { lo <= x <= hi,  bl <= A x <= bu }

The reductions before it (slacks) have turned every nonlinear row into an equality; here the rows of
``c`` are split into ``h`` (nonlinear) and ``A`` (linear, constants moved into ``bl``, ``bu``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from optlab.errors import EvaluationError
from optlab.linalg.polyhedron import Polyhedron

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["RowSlice", "StandardForm"]

ASIDE = 1e-3
"""Relative distance of a second point at which a gradient is looked at."""


@dataclass(slots=True)
class RowSlice:
    """A fixed subset of the rows of a matrix whose sparsity pattern never changes."""

    rows: NDArray[np.intp]
    everything: bool
    _indptr: Any = None
    _picked: Any = None
    _indices: Any = None
    _pattern: Any = None
    _last: tuple[Any, Any] = (None, None)

    def __call__(self, matrix: Any) -> Any:
        """Return ``matrix[rows]`` without searching the pattern, or building it, again."""
        if self.everything:
            return matrix
        if isinstance(matrix, np.ndarray):
            return matrix[self.rows]
        if self._last[0] is matrix:
            return self._last[1]
        if self._pattern is not matrix.indices:
            self._analyse(matrix)
        shape = (self.rows.size, matrix.shape[1])
        data = matrix.data[self._picked]
        sliced = csr_array((data, self._indices, self._indptr), shape=shape)
        self._last = (matrix, sliced)
        return sliced

    def _analyse(self, matrix: Any) -> None:
        counts = np.diff(matrix.indptr)[self.rows]
        self._indptr = np.concatenate(([0], np.cumsum(counts))).astype(matrix.indptr.dtype)
        starts = np.repeat(matrix.indptr[:-1][self.rows] - self._indptr[:-1], counts)
        self._picked = starts + np.arange(self._indptr[-1])
        self._indices = matrix.indices[self._picked]
        self._pattern = matrix.indices


@dataclass(slots=True)
class StandardForm:
    """The problem as NPASA sees it; evaluations go through the oracle and its cache."""

    oracle: Oracle
    polyhedron: Polyhedron
    nonlinear: RowSlice
    linear_rows: NDArray[np.intp]
    right_hand_side: Vector
    """(mh,) common value of cl and cu on the nonlinear rows."""

    @classmethod
    def of(cls, oracle: Oracle) -> StandardForm:
        """Split the rows of ``oracle``'s problem; evaluates c and J once, at its start point."""
        linear = np.asarray(oracle.linear, dtype=bool)
        rows, linear_rows = np.flatnonzero(~linear), np.flatnonzero(linear)
        form = RowSlice(rows, everything=not linear.any())
        polyhedron = cls._polyhedron(oracle, linear_rows)
        return cls(oracle, polyhedron, form, linear_rows, oracle.cl[rows])

    @staticmethod
    def _polyhedron(oracle: Oracle, linear_rows: NDArray[np.intp]) -> Polyhedron:
        if linear_rows.size == 0:
            nothing = np.zeros(0)
            return Polyhedron(None, nothing, nothing, oracle.lb, oracle.ub)
        x0 = np.clip(oracle.x0, oracle.lb, oracle.ub)
        jacobian = oracle.jacobian(x0)
        A = RowSlice(linear_rows, everything=linear_rows.size == oracle.m)(jacobian)
        constant = oracle.constraints(x0)[linear_rows] - A @ x0
        return Polyhedron(
            A,
            oracle.cl[linear_rows] - constant,
            oracle.cu[linear_rows] - constant,
            oracle.lb,
            oracle.ub,
        )

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.oracle.n

    @property
    def mh(self) -> int:
        """Number of nonlinear equalities."""
        return self.right_hand_side.size

    def objective(self, x: Vector) -> float:
        """Evaluate f(x)."""
        return self.oracle.objective(x)

    def gradient(self, x: Vector) -> Vector:
        """Evaluate grad f(x), shape (n,)."""
        return self.oracle.gradient(x)

    def has_no_objective(self, x: Vector) -> bool:
        """Whether the gradient vanishes at ``x`` and at a point beside it, as a constant's does."""
        if self.gradient(x).any():
            return False
        beside = np.clip(x + ASIDE * (1.0 + np.abs(x)), self.polyhedron.lo, self.polyhedron.hi)
        try:
            return not self.gradient(beside).any()
        except EvaluationError:
            return False

    def h(self, x: Vector) -> Vector:
        """Evaluate h(x), shape (mh,)."""
        return np.asarray(
            self.oracle.constraints(x)[self.nonlinear.rows] - self.right_hand_side
        )

    def jacobian(self, x: Vector) -> Any:
        """Evaluate the Jacobian of h, (mh, n) dense or sparse."""
        return self.nonlinear(self.oracle.jacobian(x))

    def hessian(self, x: Vector, y: Vector, weight: float = 1.0) -> Any:
        """Evaluate weight * Hess f + sum_i y_i Hess h_i."""
        full = np.zeros(self.oracle.m)
        full[self.nonlinear.rows] = y
        return self.oracle.hessian(x, full, weight)

    def split(self, y: Vector) -> tuple[Vector, Vector]:
        """Split multipliers in the problem's row order: those of h, those of the rows of A."""
        return y[self.nonlinear.rows], y[self.linear_rows]

    def multipliers(self, y: Vector, row_multipliers: Vector) -> Vector:
        """Merge the multipliers of h and of the rows of A in the problem's row order."""
        merged = np.zeros(self.oracle.m)
        merged[self.nonlinear.rows] = y
        merged[self.linear_rows] = row_multipliers
        return merged
