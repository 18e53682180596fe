"""KKT systems on a face: the matrix that every Newton step of the active-set methods solves.

    K = [[ W + sigma I,  J',  A' ],        free variables      (n)
         [ J,           -D,   0  ],        nonlinear rows      (mh), D = diag(dual_h) >= 0
         [ A,            0,   0  ]]        rows working set    (ml)

restricted to the free variables and the active rows of A. K has exactly n_free positive and
mh + n_active negative eigenvalues if and only if W + sigma I + J'D^{-1}J (in the limit D -> 0:
W + sigma I on the null space of J) is positive definite on the null space of A, and the rows
are independent; dependent rows are given a tiny negative diagonal and count as negative.

Three paths, chosen by :class:`KKTSystem`, the first two once:

* dense, :mod:`optlab.linalg.kkt_dense`: small or nearly full systems, LAPACK on the submatrix;
* sparse, :mod:`optlab.linalg.kkt_sparse`: one pattern for all faces, analysed once, in which
  fixed variables and inactive rows keep a diagonal of +-1;
* by a small system for the multipliers, :mod:`optlab.linalg.kkt_range_space`, where that is the shorter way.

W may be an array, a ``scipy.sparse.csr_array`` with both triangles, or
:class:`~optlab.linalg.low_rank.LowRank`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from optlab.linalg.account import FACTORIZATION, TimeAccount
from optlab.linalg.kkt_dense import DenseKKT
from optlab.linalg.kkt_face import AbstractFaceFactor as FaceFactor
from optlab.linalg.kkt_range_space import RangeSpaceKKT
from optlab.linalg.kkt_sparse import SparseKKT
from optlab.linalg.low_rank import LowRank
from optlab.linalg.structure import Structure

if TYPE_CHECKING:
    import scipy.sparse as sp

    from optlab.linalg.arrays import BoolArray, FloatArray

__all__ = ["FaceFactor", "KKTSystem", "LowRank", "MatrixLike"]

MatrixLike: TypeAlias = "FloatArray | sp.csr_array | LowRank"

# Up to this order LAPACK beats the sparse path, whose cost per call is about 0.3 ms before it
# does any arithmetic (benchmarks/linalg_backends.py).
DENSE_ORDER = 80
# A pattern fuller than this has a full factor; the dense path is then faster at any size that
# fits into memory.
DENSE_FRACTION = 0.2
DENSE_ORDER_MAX = 8000
# Up to this order no other way is faster than the two above.
SMALL_ORDER = 400

# Convexification: the first sigma relative to the largest entry of W, its growth, and where
# to give up (1e-4, 10 and 1e20 * 1e-4 are those of [WB06], section 3.1, with the first made
# relative).
SIGMA_START = 1e-4
SIGMA_GROWTH = 10.0
SIGMA_TRIES = 20


class KKTSystem:
    """Factorizations of K for changing values and faces.

    Parameters
    ----------
    n, mh : int
        Number of variables and of nonlinear rows.
    A : (ml, n) array or csr_array, or None
        Linear rows; constant.
    hessian_pattern, jacobian : array, csr_array, LowRank or None
        Examples whose patterns ``factorize`` should expect; None means diagonal and empty.
        Other patterns are accepted later and cost a new analysis.
    structure : Structure or None
        Of an earlier system with perhaps the same patterns; it is left empty.

    Attributes
    ----------
    account : TimeAccount
        Where the time of factorizations and solves goes; set it to share one.
    """

    def __init__(
        self,
        n: int,
        mh: int,
        A: FloatArray | sp.csr_array | None,
        hessian_pattern: MatrixLike | None = None,
        jacobian: FloatArray | sp.csr_array | None = None,
        structure: Structure | None = None,
    ) -> None:
        self.n, self.mh = n, mh
        self.account = TimeAccount()
        self._A = A
        self._dense: DenseKKT | None = None
        self.ml = 0 if A is None else int(A.shape[0])
        order = n + mh + self.ml
        entries = 2 * (_nnz(A) + _nnz(jacobian)) + _nnz(hessian_pattern) + order
        full = entries >= DENSE_FRACTION * order * order
        self.is_dense = order <= DENSE_ORDER or (full and order <= DENSE_ORDER_MAX)
        known = () if structure is None else structure.take()
        self._path: DenseKKT | SparseKKT
        if self.is_dense:
            self._path = DenseKKT(n, mh, A)
        else:
            self._path = SparseKKT(n, mh, A, [a for a in known if a.pattern.lower.n == order])
        self._range_space: RangeSpaceKKT | None = None
        if order > SMALL_ORDER and not mh and A is not None and RangeSpaceKKT.suits(A):
            variables = [a for a in known if a.pattern.lower.n == n]
            self._range_space = RangeSpaceKKT(A, variables)

    def structure(self) -> Structure:
        """Hand over what has been analysed; this system must not be used afterwards."""
        analyses = [] if self._range_space is None else [*self._range_space.analyses]
        if isinstance(self._path, SparseKKT):
            analyses += self._path.analyses
        return Structure(analyses)

    def factorize(
        self,
        W: MatrixLike,
        J: FloatArray | sp.csr_array | None,
        dual_h: float | FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray = 0.0,
    ) -> FaceFactor:
        """Factor K on a face.

        Parameters
        ----------
        W : (n, n)
            Symmetric; see the module's docstring for its forms.
        J : (mh, n), or None if mh = 0
        dual_h : float, (mh,) or (mh + ml,)
            Diagonal of D, >= 0; its tail, if any, belongs to the rows of A.
        free : (n,) bool
            Variables that are not fixed.
        active : (ml,) bool
            Rows of A in the working set.
        sigma : float or (n,)
            Added to the diagonal of W.

        Returns
        -------
        FaceFactor
            Look at ``inertia_ok`` before trusting that the solution is a descent direction.
        """
        self.account.enter(FACTORIZATION)
        try:
            factor = self._shorter_way(W, J, dual_h, free, active, sigma)
        finally:
            self.account.leave()
        factor.account = self.account
        return factor

    def _shorter_way(
        self,
        W: MatrixLike,
        J: FloatArray | sp.csr_array | None,
        dual_h: float | FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray,
    ) -> FaceFactor:
        by_rows = self._range_space
        if by_rows is not None and self._eliminates(W):
            dual = np.asarray(dual_h) if np.ndim(dual_h) else np.zeros(self.ml)
            found = by_rows.factorize(W, dual, free, active, sigma)
            if found is not None:
                return found
        return self._path.factorize(W, J, dual_h, free, active, sigma)

    def factorize_full(
        self,
        W: FloatArray,
        J: FloatArray | sp.csr_array | None,
        dual_h: float | FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray = 0.0,
    ) -> FaceFactor:
        """Factor K on a face on the dense path whatever the patterns: for a W that fills it.

        Parameters and result are those of :meth:`factorize`.
        """
        if self._dense is None:
            self._dense = DenseKKT(self.n, self.mh, self._A)
        return self._timed(self._dense, W, J, dual_h, free, active, sigma)

    def _timed(self, path: DenseKKT | SparseKKT, *arguments: Any) -> FaceFactor:
        account = self.account
        account.enter(FACTORIZATION)
        try:
            factor = path.factorize(*arguments)
        finally:
            account.leave()
        factor.account = account
        return factor

    def _eliminates(self, W: MatrixLike) -> bool:
        """Whether eliminating the variables first is the shorter way."""
        if self._range_space is None or isinstance(W, LowRank):
            return False
        path = self._path
        return self._range_space.pays(W, path if isinstance(path, SparseKKT) else None)

    def is_heavy(self, W: MatrixLike, J: FloatArray | sp.csr_array | None) -> bool:
        """Whether a factorization costs as much as many solves: the factor is nearly full."""
        if isinstance(W, LowRank):
            return False
        if self._eliminates(W):
            return True
        return isinstance(self._path, SparseKKT) and self._path.is_heavy(W, J)

    def factorize_convex(
        self,
        W: MatrixLike,
        J: FloatArray | sp.csr_array | None,
        dual_h: float | FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma0: float = 0.0,
    ) -> tuple[FaceFactor, float]:
        """Raise sigma from sigma0 until K has the inertia of a convex problem.

        Parameters
        ----------
        W, J, dual_h, free, active
            As for :meth:`factorize`.
        sigma0 : float
            Tried first. The next is the larger of ten times it and 1e-4 max|W|; then each is
            ten times the last.

        Returns
        -------
        factor, sigma
            ``factor.inertia_ok`` is False only if twenty values were not enough, which means
            that W is not finite.
        """
        sigma = sigma0
        factor = self.factorize(W, J, dual_h, free, active, sigma)
        scale = 0.0
        for _ in range(SIGMA_TRIES):
            if factor.inertia_ok:
                break
            scale = scale or SIGMA_START * (_largest_entry(W) or 1.0)
            sigma = max(SIGMA_GROWTH * sigma, scale)
            factor = self.factorize(W, J, dual_h, free, active, sigma)
        return factor, sigma


def _nnz(matrix: MatrixLike | None) -> int:
    if matrix is None:
        return 0
    if isinstance(matrix, LowRank):
        return matrix.n
    return int(matrix.size if isinstance(matrix, np.ndarray) else matrix.nnz)


def _largest_entry(W: MatrixLike) -> float:
    """Return max |W_ij|; for a low-rank W its diagonal part, which bounds the curvature scale."""
    if isinstance(W, LowRank):
        return float(np.abs(W.diagonal).max(initial=0.0))
    values = W if isinstance(W, np.ndarray) else W.data
    return float(np.abs(values).max(initial=0.0))
