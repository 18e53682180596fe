"""The rows of a polyhedron as the projection's iterations use them: with unit norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from optlab.linalg.gram import AbstractGramSolver, gram_solver

if TYPE_CHECKING:
    from optlab.linalg.arrays import FloatArray
    from optlab.linalg.polyhedron import Polyhedron

# A CSR matrix with at most this many entries, zeros included, is kept as an array.
DENSE_ENTRIES = 40_000


class ScaledRows:
    """The rows of a polyhedron with unit norm, and what the iteration needs of them.

    Attributes
    ----------
    A : (ml, n) array or csr_array
    AT : its transpose
    bl, bu, scale : (ml,)
        Row i is ``scale[i]`` times the polyhedron's; so is its multiplier when mapped back.
    used : (ml,) bool
        Rows that restrict anything: nonzero, with a limit.
    equality : (ml,) bool
    lam_min, lam_max : (ml,)
        Signs that a multiplier may have: none towards a side that is not there.
    """

    def __init__(self, polyhedron: Polyhedron, A: FloatArray | sp.csr_array) -> None:
        self.polyhedron = p = polyhedron
        self.used = (p.row_norms > 0.0) & (np.isfinite(p.bl) | np.isfinite(p.bu))
        self.scale = 1.0 / np.where(p.row_norms > 0.0, p.row_norms, 1.0)
        self.bl, self.bu = p.bl * self.scale, p.bu * self.scale
        self.lo, self.hi = p.lo, p.hi
        self.A: FloatArray | sp.csr_array
        if isinstance(A, np.ndarray):
            self.A = A * self.scale[:, None]
        elif A.shape[0] * A.shape[1] <= DENSE_ENTRIES:
            self.A = A.toarray() * self.scale[:, None]
        else:
            spread = np.repeat(self.scale, np.diff(A.indptr))
            self.A = sp.csr_array((A.data * spread, A.indices, A.indptr), shape=A.shape)
        self.AT = self.A.T
        self.gram: AbstractGramSolver = gram_solver(self.A)
        self.equality = (p.bl == p.bu) & self.used
        self.lam_min = np.where(np.isfinite(p.bl) & self.used, -np.inf, 0.0)
        self.lam_max = np.where(np.isfinite(p.bu) & self.used, np.inf, 0.0)
