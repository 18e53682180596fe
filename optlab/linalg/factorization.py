"""Symmetric indefinite factorization with inertia: one interface, several backends.

Factor a symmetric K (n, n) as  P K P' = L D L'  and report the inertia of K, which by
Sylvester's law is that of D.

A sparse K is given by its *lower triangle in CSC form with a full diagonal*
(:class:`LowerPattern`): the pattern once, the values as often as needed. A factorization that
breaks down is a value (``factor.ok`` is False), never an exception.

========== ===================================== ======================= ===============
backend    needs                                 method                  inertia
========== ===================================== ======================= ===============
dense      SciPy (always there)                  Bunch-Kaufman sytrf     yes
cholmod    scikit-sparse                         LDL' without pivoting   signs of D
qdldl      qdldl                                 LDL' without pivoting   signs of D
superlu    SciPy (always there)                  LU, diagonal pivots     if perm_r = perm_c
ssids      cmeel-spral                           LDL' threshold pivoting yes
========== ===================================== ======================= ===============

The backends without pivoting are meant for quasi-definite matrices [Vanderbei95], for which
every symmetric ordering has a factorization; on other indefinite matrices they may grow, so
callers check residuals (:mod:`optlab.linalg.kkt_system` does).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.arrays import BoolArray, FloatArray, Index32Array

__all__ = [
    "AbstractFactor",
    "AbstractSymbolic",
    "Inertia",
    "LowerPattern",
    "analyze",
    "available_backends",
    "is_available",
]


class Inertia(NamedTuple):
    """Numbers of positive, negative and zero eigenvalues."""

    pos: int
    neg: int
    zero: int


@dataclass(frozen=True, slots=True)
class LowerPattern:
    """Lower triangle of a symmetric matrix in CSC form.

    Attributes
    ----------
    n : int
        Order of the matrix.
    indptr, indices : (n + 1,) and (nnz,) int32
        Rows of a column ascend, so the first entry of every column is its diagonal.
    """

    n: int
    indptr: Index32Array
    indices: Index32Array

    @property
    def nnz(self) -> int:
        """Return the number of stored entries."""
        return int(self.indices.size)

    def full(self) -> sp.csr_array:
        """Return the pattern of both triangles by rows; the values mean nothing."""
        shape = (self.n, self.n)
        half = sp.csc_array((np.ones(self.nnz), self.indices, self.indptr), shape=shape)
        return sp.csr_array(half + half.T)

    def columns(self) -> Index32Array:
        """Return the column of every stored entry, (nnz,)."""
        return np.repeat(np.arange(self.n, dtype=np.int32), np.diff(self.indptr))

    @classmethod
    def of(cls, matrix: sp.csc_array) -> LowerPattern:
        """Take the pattern of a canonical lower-triangular CSC matrix with full diagonal."""
        indptr = matrix.indptr.astype(np.int32)
        indices = matrix.indices.astype(np.int32)
        n = int(matrix.shape[0])
        starts = indptr[:-1]
        if np.any(np.diff(indptr) < 1) or np.any(indices[starts] != np.arange(n)):
            msg = "the pattern must be lower triangular, sorted, with a stored diagonal"
            raise ValueError(msg)
        return cls(n, indptr, indices)


class AbstractFactor(ABC):
    """A numerical factorization of one symmetric matrix.

    Attributes
    ----------
    n : int
        Order of the matrix.
    ok : bool
        Whether ``solve`` may be used: every pivot is finite and nonzero.
    inertia : Inertia
        Of the factored matrix; ``Inertia(0, 0, n)`` when it is not known.
    """

    n: int
    ok: bool
    inertia: Inertia

    @abstractmethod
    def solve(self, b: FloatArray) -> FloatArray:
        """Return K^{-1} b for b of shape (n,) or (n, k); needs ``ok``."""

    @property
    def has_half(self) -> bool:
        """Whether there is :meth:`half_solve`."""
        return False

    def half_solve(self, b: FloatArray, rows: BoolArray) -> FloatArray:  # noqa: ARG002 - an optional capability
        """Return V with V'V = b'K^{-1}b for a positive definite K; needs ``has_half``.

        Parameters
        ----------
        b : (n, k)
        rows : (n,) bool
            Where b is not zero, and all that is coupled with it; V may leave out the others.

        Raises
        ------
        TypeError
            By a backend without ``has_half``.
        """
        raise TypeError(f"{type(self).__name__} has no half solve; ask has_half first")

    @abstractmethod
    def refactor(self, values: FloatArray) -> AbstractFactor:
        """Factor another matrix of the same pattern; the present factor stays valid."""

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return what the backend can say about itself: its name, fill, pivots."""
        return {}


class AbstractSymbolic(ABC):
    """The analysis of a pattern, to be factored with different values.

    Attributes
    ----------
    pattern : LowerPattern
    backend : str
    order : (n,) int32 or None
        Elimination order, where the backend tells it.
    """

    pattern: LowerPattern
    backend: str
    order: Index32Array | None = None

    @abstractmethod
    def factorize(self, values: FloatArray) -> AbstractFactor:
        """Factor the matrix with these values, (nnz,) in the order of the pattern."""


# Backend -> (module of optlab.linalg that implements it, the import it needs). The order is
# the order of preference for "auto".
_BACKENDS: dict[str, tuple[str, str]] = {
    "cholmod": ("backend_cholmod", "sksparse.cholmod"),
    "qdldl": ("backend_qdldl", "qdldl"),
    "superlu": ("backend_superlu", "scipy.sparse.linalg"),
    "ssids": ("backend_ssids", "cmeel"),
    "dense": ("dense", "scipy.linalg"),
}


@cache
def is_available(name: str) -> bool:
    """Say whether a backend can be used here; the answer is found once."""
    module, needs = _BACKENDS[name]
    if find_spec(needs.partition(".")[0]) is None:
        return False
    try:
        return bool(import_module(f"optlab.linalg.{module}").is_usable())
    except (ImportError, OSError):
        # A shared library that does not load counts as absent.
        return False


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that can be used here, best first."""
    return tuple(name for name in _BACKENDS if is_available(name))


def analyze(
    pattern: LowerPattern, backend: str = "auto", order: Index32Array | None = None
) -> AbstractSymbolic:
    """Analyse a sparse symmetric pattern for repeated factorization.

    Parameters
    ----------
    pattern : LowerPattern
    backend : str
        A name from :func:`available_backends`; "auto" takes CHOLMOD, qdldl or SuperLU, the
        first that is there.
    order : (n,) int or None
        An elimination order found before, for backends that take one (SSIDS).

    Raises
    ------
    LookupError
        The backend is unknown or not installed.
    """
    if backend == "auto":
        backend = next(name for name in _BACKENDS if is_available(name))
    if backend not in _BACKENDS or not is_available(backend):
        there = ", ".join(available_backends())
        msg = f"factorization backend {backend!r} is not available; here: {there}"
        raise LookupError(msg)
    module = import_module(f"optlab.linalg.{_BACKENDS[backend][0]}")
    arguments = (pattern,) if order is None or backend != "ssids" else (pattern, order)
    symbolic: AbstractSymbolic = module.Symbolic(*arguments)
    return symbolic


def inertia_from_pivots(d: FloatArray, zero_below: float) -> Inertia:
    """Count the signs of the pivots d (n,); |d| <= zero_below counts as zero."""
    pos = int(np.count_nonzero(d > zero_below))
    neg = int(np.count_nonzero(d < -zero_below))
    return Inertia(pos, neg, d.size - pos - neg)
