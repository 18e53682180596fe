"""The dense path of :mod:`optlab.linalg.kkt_system`: LAPACK on the submatrix of the face.

Systems of ten to thirty rows are the common case here, and at that size the cost is the number
of NumPy calls: this module keeps them few and touches no sparse object unless it is given one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.dense import DenseFactor
from optlab.linalg.factorization import Inertia
from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.low_rank import LowRank
from optlab.linalg.refinement import BACKWARD_ERROR, norm, refined_solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    import scipy.sparse as sp

    from optlab.linalg.arrays import BoolArray, FloatArray, IntArray

# A pivot of the equilibrated matrix below the first number is a sign of dependent rows; the
# matrix is then factored again with the second one subtracted from the diagonal of all rows.
# 1e-8 = sqrt(eps): what is inconsistent in the right-hand side is divided by it, so that
# neither this quotient nor the regularisation's error takes more than half the digits.
SUSPICIOUS_PIVOT = 1e-10
DUAL_REGULARISATION = 1e-8


class DenseKKT:
    """Dense K for changing values and faces.

    Parameters
    ----------
    n, mh : int
    A : (ml, n) array, csr_array or None
    """

    def __init__(self, n: int, mh: int, A: FloatArray | sp.csr_array | None) -> None:
        ml = 0 if A is None else int(A.shape[0])
        self._sizes = (n, mh, ml)
        order = n + mh + ml
        self._always = np.ones(mh, dtype=bool)
        self._template = np.zeros((order, order))
        if A is not None and ml:
            rows = A if isinstance(A, np.ndarray) else A.toarray()
            self._template[n + mh :, :n] = rows
            self._template[:n, n + mh :] = rows.T

    def factorize(
        self,
        W: FloatArray | sp.csr_array | LowRank,
        J: FloatArray | sp.csr_array | None,
        dual_h: float | FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray,
    ) -> DenseFaceFactor:
        """Assemble K, take the rows of the face, factor.

        ``dual_h`` may also have shape (mh + ml,): its tail is then subtracted from the diagonal of
        the rows of A.
        """
        n, mh, ml = self._sizes
        K = self._template.copy()
        order = n + mh + ml
        K[:n, :n] = W if isinstance(W, np.ndarray) else _densify(W)
        diagonal = K.reshape(-1)[:: order + 1]
        if np.any(sigma):
            diagonal[:n] += sigma
        if mh and J is not None:
            rows = J if isinstance(J, np.ndarray) else J.toarray()
            K[n : n + mh, :n] = rows
            K[:n, n : n + mh] = rows.T
        dual = np.size(dual_h) if np.ndim(dual_h) else mh
        diagonal[n : n + dual] = np.negative(dual_h)
        n_free = int(np.count_nonzero(free))
        n_active = int(np.count_nonzero(active))
        face: IntArray | None = None
        if n_free < n or n_active < ml:
            face = np.concatenate((free, self._always, active)).nonzero()[0]
            K = K[face[:, None], face]
        return DenseFaceFactor(K, face, self._sizes, (n_free, mh + n_active))


def _densify(W: sp.csr_array | LowRank) -> FloatArray:
    dense: FloatArray = W.dense() if isinstance(W, LowRank) else W.toarray()
    return dense


class DenseFaceFactor(AbstractFaceFactor):
    """Bunch-Kaufman factor of K on a face.

    Parameters
    ----------
    K : (n_free + mh + n_active, same)
    face : array of int or None
        Positions of the rows of K among all n + mh + ml; None for all.
    sizes : (n, mh, ml)
    wanted : (positive, negative)
        The eigenvalue counts that ``inertia_ok`` stands for.
    """

    __slots__ = ("_K", "_face", "_factor", "_regularised", "_sizes")

    def __init__(
        self,
        K: FloatArray,
        face: IntArray | None,
        sizes: tuple[int, int, int],
        wanted: tuple[int, int],
    ) -> None:
        self._K, self._face, self._sizes = K, face, sizes
        pos, neg = wanted
        factor = DenseFactor(K)
        self._regularised = neg > 0 and factor.smallest_pivot < SUSPICIOUS_PIVOT
        if self._regularised:
            shift = np.zeros(pos + neg)
            shift[pos:] = -DUAL_REGULARISATION
            factor = DenseFactor(K, shift)
        self._factor = factor
        self.inertia = factor.inertia
        self.inertia_ok = factor.ok and factor.inertia == Inertia(pos, neg, 0)

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        face = self._face
        if face is None:
            return self._solve_face(b)
        x = np.zeros_like(b)
        x[face] = self._solve_face(b[face])
        return x

    def _solve_face(self, b: FloatArray) -> FloatArray:
        factor, K = self._factor, self._K
        if not factor.ok or b.size == 0:
            self.residual = 0.0 if b.size == 0 else 1.0
            return np.zeros_like(b)
        scale = factor.scale
        b_scaled = b * scale
        size = norm(b_scaled)
        if size == 0.0:
            self.residual = 0.0
            return np.zeros_like(b)
        x = factor.solve(b)
        residual = (b - K @ x) * scale
        # NaN fails the test and goes on to the careful route.
        if not norm(residual) <= BACKWARD_ERROR * (norm(x / scale) + size):
            x_scaled, residual = refined_solve(
                lambda v: scale * (K @ (scale * v)),
                lambda r: factor.solve(r / scale) / scale,
                b_scaled,
            )
            x = scale * x_scaled
        self.residual = norm(residual) / size
        return x

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend, whether rows were regularised, the smallest pivot."""
        return {
            "backend": "dense",
            "dual_regularisation": DUAL_REGULARISATION if self._regularised else 0.0,
            "smallest_pivot": self._factor.smallest_pivot,
        }
