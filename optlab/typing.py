"""Array types that cross function boundaries.

Shapes are written in docstrings or, where cheap, as ``Float64[Vector, " n"]`` of jaxtyping.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Indices", "Mask", "Matrix", "SparseMatrix", "Vector", "is_a"]

Vector: TypeAlias = NDArray[np.float64]
"""float64 array; one-dimensional unless a shape says otherwise."""

Mask: TypeAlias = NDArray[np.bool_]
"""bool array."""

Indices: TypeAlias = NDArray[np.intp]
"""Array of positions."""


class SparseMatrix(Protocol):
    """What optlab uses of ``scipy.sparse.csr_array``; scipy itself is imported only when met."""

    data: Vector
    indices: NDArray[Any]
    indptr: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        ...

    @property
    def nnz(self) -> int:
        """Number of stored entries, explicit zeros included."""
        ...

    @property
    def T(self) -> Any:  # noqa: N802 - scipy's name
        """The transpose, which shares memory."""
        ...

    def __matmul__(self, other: Any, /) -> Any:
        """Multiply from the left."""
        ...

    def toarray(self) -> Vector:
        """Return a dense copy."""
        ...


Matrix: TypeAlias = Vector | SparseMatrix
"""Dense (k, n) float64 array or canonical csr_array."""


def is_a(value: object, *kinds: type) -> bool:
    """Call isinstance without telling a type checker.

    isinstance narrows a value of unknown type to a generic type with unknown parameters, which
    strict checkers then complain about at every use; after this the value stays ``Any``.
    """
    return isinstance(value, kinds)
