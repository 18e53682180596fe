"""The problem at two points: its start point within the bounds, and one near it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.core.problem import Problem
    from optlab.typing import Indices, Mask, Vector

__all__ = ["Sample", "near", "row_names", "variable_names"]

_SEED = 20210712
"""Fixed, so that the same problem always gives the same findings."""

_DISTANCE = 1e-2
"""From the start point to the second one, relative to max(1, |x_j|)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Values and derivatives at one point."""

    x: Vector
    """(n,)"""

    gradient: Vector
    """(n,)"""

    rows: Vector
    """(m,) values of the constraints."""

    jacobian: Any
    """(m, n) csr_array without explicit zeros."""

    @classmethod
    def at(cls, oracle: Oracle, x: Vector) -> Sample:
        """Evaluate everything that is of first order.

        Raises
        ------
        EvaluationError
            When something cannot be evaluated there.
        """
        oracle.objective(x)
        if not oracle.m:
            nothing = sp.csr_array((0, oracle.n))
            return cls(x, oracle.gradient(x), np.zeros(0), nothing)
        J = sp.csr_array(oracle.jacobian(x), copy=True)
        J.eliminate_zeros()
        return cls(x, oracle.gradient(x), oracle.constraints(x), J)

    @property
    def row_sizes(self) -> Vector:
        """Largest magnitude in every row of the Jacobian, (m,)."""
        return _largest(self.jacobian, 1)

    @property
    def column_sizes(self) -> Vector:
        """Largest magnitude in every column of the Jacobian, (n,)."""
        return _largest(self.jacobian, 0)


def near(problem: Problem, x: Vector) -> Vector:
    """Return a point near x within the bounds, (n,)."""
    away = np.random.default_rng(_SEED).uniform(-1.0, 1.0, problem.n)
    return np.clip(x + _DISTANCE * away * np.maximum(1.0, np.abs(x)), problem.lb, problem.ub)


def row_names(problem: Problem, which: Mask | Indices) -> tuple[str, ...]:
    """Name rows, given by a mask (m,) or by their numbers."""
    return _names(problem.constraint_names, "row", which)


def variable_names(problem: Problem, which: Mask | Indices) -> tuple[str, ...]:
    """Name variables, given by a mask (n,) or by their numbers."""
    return _names(problem.variable_names, "x", which)


def _names(names: tuple[str, ...] | None, kind: str, which: Any) -> tuple[str, ...]:
    at = np.asarray(which)
    numbers = np.flatnonzero(at) if at.dtype == np.bool_ else at
    return tuple(f"{kind}[{i}]" if names is None else names[i] for i in numbers.tolist())


def _largest(matrix: Any, axis: int) -> Vector:
    sizes = np.zeros(matrix.shape[1 - axis])
    if 0 in matrix.shape:
        return sizes
    return np.asarray(abs(matrix).max(axis=axis).toarray(), dtype=np.float64).reshape(-1)
