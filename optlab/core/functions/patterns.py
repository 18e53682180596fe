"""Matrices that users' functions return, brought to a form that stays: dense, or one sparsity pattern.

SciPy takes any matrix at any point; here a pattern must not depend on x. The first matrix decides. Later ones
are put into its pattern: an entry that is missing is zero, and one that lies outside widens the pattern from
then on, which costs a new analysis but no digit. The first call decides between dense and sparse as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from optlab.core.sparse import csr, scipy_module, with_data
from optlab.errors import ProblemError
from optlab.typing import Indices, Matrix, Vector, is_a

__all__ = ["FixedPattern", "WeightedSum", "stacked", "vector_of"]

_LOG = logging.getLogger("optlab")


class FixedPattern:
    """Brings the values of one function into one form.

    Parameters
    ----------
    label
        The function, for messages.
    shape
        (k, n) that is needed.
    """

    __slots__ = ("_form", "_template", "label", "shape")

    def __init__(self, label: str, shape: tuple[int, int]) -> None:
        self.label = label
        self.shape = shape
        self._form = ""
        self._template: Any = None

    def __call__(self, raw: Any) -> Matrix:
        """Return the matrix as an array, or as a csr_array with the known pattern.

        Raises
        ------
        ProblemError
            When it has another shape, or is no matrix of numbers.
        """
        sparse = hasattr(raw, "tocsr")
        if not sparse:
            raw = self._array(raw)
        if tuple(raw.shape) != self.shape:
            raise ProblemError(
                f"{self.label} returned shape {tuple(raw.shape)}; shape {self.shape} is needed"
            )
        if not self._form:
            self._form = "sparse" if sparse else "dense"
        if self._form == "dense":
            dense: Vector = np.asarray(raw.toarray() if sparse else raw, dtype=np.float64)
            return dense
        fitted: Matrix = self._fitted(_canonical(raw))
        return fitted

    def _array(self, raw: Any) -> Any:
        """Read a dense value: a vector is a single row or column, a linear operator its matrix."""
        if hasattr(raw, "matmat"):
            raw = raw @ np.eye(raw.shape[1])
        try:
            array: Any = np.asarray(raw, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ProblemError(
                f"{self.label} returned a {type(raw).__name__} that is no matrix of numbers: {error}"
            ) from error
        # One row may come as a vector, and so may one column; a matrix is never reshaped.
        if array.ndim < 2 and 1 in self.shape and array.size == self.shape[0] * self.shape[1]:
            return array.reshape(self.shape)
        return array

    def _fitted(self, matrix: Any) -> Any:
        """Put canonical values into the known pattern."""
        known = self._template
        if known is None:
            known = csr(matrix.data, matrix.indices.copy(), matrix.indptr.copy(), self.shape)
            self._template = known
            return known
        if _same(matrix, known):
            return with_data(known, matrix.data)
        at, new = positions(known), positions(matrix)
        outside = ~np.isin(new, at) & (matrix.data != 0.0)
        if outside.any():
            _LOG.info(
                "%s has %d entries outside the sparsity pattern of its first calls, (%d, %d) among them; "
                "the pattern is wider from now on",
                self.label, int(outside.sum()), *divmod(int(new[outside][0]), max(self.shape[1], 1)),
            )  # fmt: skip
            at = np.union1d(at, new[outside])
            self._template = known = _from_positions(at, self.shape)
        inside = np.isin(new, at)
        data = np.zeros(at.size)
        data[np.searchsorted(at, new[inside])] = matrix.data[inside]
        return with_data(known, data)


class WeightedSum:
    """sum_k w_k M_k of matrices of one shape, each with a pattern that seldom changes.

    Parameters
    ----------
    n
        Their order.
    """

    __slots__ = ("_parts", "_places", "_template", "n")

    def __init__(self, n: int) -> None:
        self.n = n
        self._parts: list[Any] = []
        self._places: list[Indices] = []
        self._template: Any = None

    def __call__(self, weighted: Sequence[tuple[float, Matrix]]) -> Matrix:
        """Return the sum: dense when a part is, else sparse with the union of the patterns."""
        if any(is_a(matrix, np.ndarray) for _, matrix in weighted):
            total = np.zeros((self.n, self.n))
            for weight, matrix in weighted:
                part: Any = matrix
                total += weight * (part if is_a(part, np.ndarray) else part.toarray())
            return total
        parts: list[Any] = [matrix for _, matrix in weighted]
        same = len(parts) == len(self._parts)
        if not same or any(
            new.indices is not old.indices for new, old in zip(parts, self._parts, strict=True)
        ):
            self._analyse(parts)
        data = np.zeros(self._template.nnz)
        for (weight, _), part, place in zip(weighted, parts, self._places, strict=True):
            data[place] += weight * part.data
        return with_data(self._template, data)  # type: ignore[no-any-return]

    def _analyse(self, parts: list[Any]) -> None:
        at = [positions(part) for part in parts]
        every = np.unique(np.concatenate(at)) if at else np.zeros(0, dtype=np.int64)
        self._template = _from_positions(every, (self.n, self.n))
        self._places = [np.searchsorted(every, one) for one in at]
        self._parts = parts


def stacked(n: int) -> Callable[[Sequence[Matrix]], Matrix]:
    """Make a function that puts matrices of n columns one below the other.

    The index arrays of its sparse results are the same objects as long as those of the parts are.
    """
    known: list[Any] = [[], None]

    def stack(parts: Sequence[Any]) -> Matrix:
        if len(parts) == 1:
            return parts[0]  # type: ignore[no-any-return]
        if all(is_a(part, np.ndarray) for part in parts):
            return np.concatenate(parts)
        rows = [
            _canonical(part, zeros=True) if is_a(part, np.ndarray) else part for part in parts
        ]
        indices = [
            part.indices for part, given in zip(rows, parts, strict=True) if part is given
        ]
        data = np.concatenate([part.data for part in rows])
        if known[1] is None or [id(k) for k in known[0]] != [id(k) for k in indices]:
            starts = np.cumsum([0, *(part.nnz for part in rows)])
            indptr = np.concatenate(
                (
                    [0],
                    *(
                        part.indptr[1:] + start
                        for part, start in zip(rows, starts[:-1], strict=True)
                    ),
                )
            )
            together = np.concatenate([part.indices for part in rows])
            shape = (sum(int(part.shape[0]) for part in rows), n)
            known[:] = [indices, csr(data, together, indptr, shape)]
        return with_data(known[1], data)  # type: ignore[no-any-return]

    return stack


def positions(matrix: Any) -> Indices:
    """Give every entry of a csr_array one number: row * columns + column."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    found: Indices = rows * matrix.shape[1] + matrix.indices
    return found


def _same(matrix: Any, known: Any) -> bool:
    """Whether two csr_arrays have the same pattern."""
    return (
        matrix.nnz == known.nnz
        and np.array_equal(matrix.indices, known.indices)
        and np.array_equal(matrix.indptr, known.indptr)
    )


def _canonical(raw: Any, *, zeros: bool = False) -> Any:
    """Return a csr_array with sorted indices and no entry twice.

    Parameters
    ----------
    zeros
        Whether a dense array keeps its zeros as entries.
    """
    if zeros:
        k, n = int(raw.shape[0]), int(raw.shape[1])
        return csr(raw.ravel(), np.tile(np.arange(n), k), np.arange(k + 1) * n, (k, n))
    matrix = scipy_module("sparse").csr_array(raw, dtype=np.float64)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _from_positions(at: Indices, shape: tuple[int, int]) -> Any:
    """Make an empty csr_array with entries at the given positions, increasing."""
    rows, columns = np.divmod(at, max(shape[1], 1))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=shape[0]))))
    return csr(np.zeros(at.size), columns, indptr, shape)


def vector_of(label: str, raw: Any, size: int) -> Vector:
    """Bring a function's value into a vector of the right size; numbers count as one entry."""
    value: Any = np.atleast_1d(np.asarray(raw))
    if value.shape != (size,):
        raise ProblemError(f"{label} returned shape {np.shape(raw)}; shape ({size},) is needed")
    return value  # type: ignore[no-any-return]
