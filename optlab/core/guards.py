"""What an oracle does with values: guard them, copy them, remember them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.sparse import as_matrix
from optlab.errors import EvaluationError, OptlabError, ProblemError
from optlab.typing import Vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.core.problem import Problem
    from optlab.typing import Matrix

__all__ = [
    "FLOAT",
    "NOTHING",
    "Incumbent",
    "Recent",
    "finite_matrix",
    "finite_number",
    "finite_vector",
    "guarded",
    "immutable",
    "largest_violation",
    "row_weights",
]

FLOAT = np.dtype(np.float64)

NOTHING: Vector = np.zeros(0)
"""No numbers at all, read-only."""
NOTHING.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Incumbent:
    """A point where the objective and all rows are known."""

    x: Vector
    """(n,), read-only."""

    f: float
    c: Vector
    """(m,), read-only."""

    violation: float
    """Largest violation of a bound or row; 0 when it is at most the tolerance ``ctol``."""


class Recent:
    """The two most recent points of one verb, keyed on the bytes of the point."""

    __slots__ = ("key", "old_key", "old_value", "value")

    def __init__(self) -> None:
        self.key: Any = None
        self.old_key: Any = None
        self.value: Any = None
        self.old_value: Any = None

    def put(self, key: Any, value: Any) -> None:
        """Remember a value at a new point, forget the older one."""
        self.old_key = self.key
        self.old_value = self.value
        self.key = key
        self.value = value

    def swap(self) -> Any:
        """Make the older point the newer one and return its value."""
        self.key, self.old_key = self.old_key, self.key
        self.value, self.old_value = self.old_value, self.value
        return self.value

    def find(self, key: Any) -> Any:
        """Return the value at a point, None when it is not remembered."""
        if key == self.key:
            return self.value
        return self.old_value if key == self.old_key else None


def guarded(verb: str, function: Callable[..., Any], x: Any, *more: Any) -> Any:
    """Call a function of the problem.

    Raises
    ------
    EvaluationError
        When it raises anything of its own; names the function and x.
    """
    try:
        return function(x, *more)
    except (BudgetSpent, OptlabError):
        raise
    except Exception as error:
        raise EvaluationError(verb, x.real, error) from error


def immutable(data: bytes) -> Vector:
    """Wrap bytes as a vector that nobody can write to."""
    return np.frombuffer(data) if data else NOTHING


def row_weights(y: Vector, m: int) -> Vector:
    """Check the row weights of a Hessian; return an immutable copy.

    Raises
    ------
    ProblemError
        When they have the wrong shape or type.
    """
    if y.shape != (m,) or y.dtype != FLOAT:
        raise ProblemError(
            f"row weights have shape {y.shape} and dtype {y.dtype}; shape ({m},) and "
            "float64 are needed"
        )
    return immutable(y.tobytes())


def largest_violation(problem: Problem, x: Vector, c: Vector, *, bounds: bool) -> float:
    """Return the largest violation of a row or, if there are ``bounds``, of a bound; at least 0."""
    worst = 0.0
    if problem.m:
        worst = max(worst, float((problem.cl - c).max()), float((c - problem.cu).max()))
    if bounds:
        worst = max(worst, float((problem.lb - x).max()), float((x - problem.ub).max()))
    return worst


def finite_number(verb: str, raw: Any, x: Vector) -> float:
    """Bring a function's value into a finite float.

    Raises
    ------
    EvaluationError
        When it is no number or not finite.
    """
    try:
        value = float(raw)
    except (TypeError, ValueError) as error:
        raise EvaluationError(verb, x, error) from error
    if not math.isfinite(value):
        raise EvaluationError(verb, x, f"is {value}")
    return value


def finite_vector(
    verb: str, raw: Any, shape: tuple[int, ...], x: Vector, *, copy: bool
) -> Vector:
    """Bring a function's value into a read-only float64 vector of the right shape, all finite.

    Raises
    ------
    EvaluationError
        When it is no array of numbers or has an entry that is not finite.
    ProblemError
        When it has another shape.
    """
    if copy or type(raw) is not np.ndarray or raw.dtype != FLOAT:
        try:
            value: Vector = np.array(raw, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise EvaluationError(verb, x, error) from error
    else:
        value = raw
    if value.shape != shape:
        raise ProblemError(f"{verb}(x) has shape {value.shape}; shape {shape} is needed")
    _check_finite(verb, value, x)
    value.flags.writeable = False
    return value


def finite_matrix(
    verb: str, raw: Any, shape: tuple[int, int], x: Vector, *, copy: bool, like: Any
) -> Matrix:
    """Bring a function's value into a dense array or csr_array of the right shape, all finite.

    Parameters
    ----------
    like
        What an earlier call returned, to recognise an unchanged sparsity pattern.

    Raises
    ------
    EvaluationError
        When it is no matrix of numbers or has an entry that is not finite.
    ProblemError
        When it has another shape.
    """
    try:
        matrix, data = as_matrix(raw, copy=copy, like=like)
    except (TypeError, ValueError) as error:
        raise EvaluationError(verb, x, error) from error
    if matrix.shape != shape:
        raise ProblemError(f"{verb} has shape {matrix.shape}; shape {shape} is needed")
    _check_finite(verb, data, x)
    return matrix


def _check_finite(verb: str, data: Vector, x: Vector) -> None:
    # One BLAS call decides almost always; the exact test only runs when it overflows.
    if not math.isfinite(data.dot(data)) and not np.isfinite(data).all():
        i = int(np.flatnonzero(~np.isfinite(data))[0])
        raise EvaluationError(verb, x, f"has entry {i} equal to {data[i]}")
