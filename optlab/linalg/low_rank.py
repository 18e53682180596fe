"""Symmetric matrices of the form diagonal plus low rank, as quasi-Newton methods give them.

W = diag(d) + U M U',    U (n, k),  M (k, k) symmetric,  k << n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.arrays import EPS

if TYPE_CHECKING:
    from optlab.linalg.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class LowRank:
    """W = diag(diagonal) + U M U'.

    Attributes
    ----------
    diagonal : float or (n,)
        A number stands for that multiple of the identity.
    U : (n, k)
    M : (k, k)
        Symmetric; it may be indefinite and it may be singular.
    """

    diagonal: float | FloatArray
    U: FloatArray
    M: FloatArray

    @property
    def n(self) -> int:
        """Return the order of W."""
        return int(self.U.shape[0])

    def diagonal_vector(self) -> FloatArray:
        """Return d as an array (n,)."""
        return np.broadcast_to(np.asarray(self.diagonal, dtype=np.float64), (self.n,))

    def matvec(self, v: FloatArray) -> FloatArray:
        """Return W v, (n,)."""
        product: FloatArray = self.diagonal * v + self.U @ (self.M @ (self.U.T @ v))
        return product

    def __matmul__(self, v: FloatArray) -> FloatArray:
        """Return W v, (n,), so that models need not know which form W has."""
        return self.matvec(v)

    def dense(self) -> FloatArray:
        """Return W as an array (n, n)."""
        W: FloatArray = self.U @ self.M @ self.U.T
        W += W.T
        W *= 0.5
        W.ravel()[:: self.n + 1] += self.diagonal
        return W

    def signed_factor(self) -> tuple[FloatArray, FloatArray]:
        """Return V (n, r) and signs (r,) of +-1 with U M U' = V diag(signs) V'.

        The eigenvalues of M that are zero to rounding are left out. The columns of U are
        normalised first so that "zero" does not depend on their scaling.
        """
        norms = np.sqrt(np.einsum("ij,ij->j", self.U, self.U))
        safe = np.where(norms > 0.0, norms, 1.0)
        values, vectors = np.linalg.eigh(self.M * norms * norms[:, None])
        size = np.abs(values)
        keep = size > EPS * size.max(initial=0.0)
        V = (self.U / safe) @ (vectors[:, keep] * np.sqrt(size[keep]))
        return V, np.sign(values[keep])
