"""Cholesky's factorization of a full positive definite H = W + sigma on the free variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import blas, lapack

if TYPE_CHECKING:
    from collections.abc import Mapping

    import scipy.sparse as sp

    from optlab.linalg.arrays import BoolArray, FloatArray

__all__ = ["DenseDefiniteFactor"]

# Added to the unit diagonal of the equilibrated matrix, as in the sparse factorization.
REGULARISATION = 1e-10


class DenseDefiniteFactor:
    """Factor of S H S + rho on a face, S = diag(H)^(-1/2).

    Parameters
    ----------
    W : (n, n) array or csr_array
    sigma : float or (n,)
        Added to its diagonal.
    free : (n,) bool

    Attributes
    ----------
    alive : (n,) bool
        The free variables.
    scale : (n,)
        Diagonal of S, zero at fixed variables.
    inertia_ok, trusted : bool
        Whether H is positive definite.
    """

    inverse_diagonal: FloatArray | None = None
    has_half = True

    def __init__(
        self, W: FloatArray | sp.csr_array, sigma: float | FloatArray, free: BoolArray
    ) -> None:
        self.alive = free
        self._face = free.nonzero()[0]
        H = W if isinstance(W, np.ndarray) else W.toarray()
        H = H.copy() if self._face.size == free.size else H[self._face[:, None], self._face]
        diagonal = H.reshape(-1)[:: H.shape[0] + 1]
        diagonal += np.broadcast_to(sigma, free.shape)[self._face]
        self.inertia_ok = bool(np.all(diagonal > 0.0))
        scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
        H *= scale
        H *= scale[:, None]
        self._H = H
        self.scale = np.zeros(free.size)
        self.scale[self._face] = scale
        if self.inertia_ok and H.size:
            shifted = H.copy()
            shifted.reshape(-1)[:: H.shape[0] + 1] += REGULARISATION
            # The transpose of a symmetric array is itself in Fortran's order.
            self._L, info = lapack.dpotrf(shifted.T, lower=1, overwrite_a=1)
            self.inertia_ok = info == 0
        self.trusted = self.inertia_ok

    def matvec(self, v: FloatArray) -> FloatArray:
        """Multiply by the equilibrated, unregularised H."""
        product = np.zeros_like(v)
        product[self._face] = self._H @ v[self._face]
        return product

    def apply_inverse(self, v: FloatArray) -> FloatArray:
        """Multiply by the inverse of the equilibrated, regularised H, without refinement."""
        product = np.zeros_like(v)
        if self._face.size:
            product[self._face] = lapack.dpotrs(self._L, v[self._face], lower=1)[0]
        return product

    def half_inverse(self, B: FloatArray) -> FloatArray:
        """Return V = L^{-1} B on the face, so that V'V = B'H^{-1}B; B is (n, k)."""
        every = self._face.size == B.shape[0]
        V: FloatArray = blas.dtrsm(1.0, self._L, B if every else B[self._face], lower=1)
        return V

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend and the regularisation."""
        return {"backend": "cholesky", "primal_regularisation": REGULARISATION}
