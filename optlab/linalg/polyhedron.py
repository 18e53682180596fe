"""Polyhedra {x : bl <= A x <= bu, lo <= x <= hi} and proofs that they are empty.

Farkas' lemma: the polyhedron is empty if and only if there is a ``ray`` r (ml,) with

    sum_i max over b_i in [bl_i, bu_i] of r_i b_i  <  min over lo <= x <= hi of r'A x,

because a feasible x would lie between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from optlab.errors import ProblemError

if TYPE_CHECKING:
    import numpy.typing as npt

    from optlab.linalg.arrays import FloatArray

__all__ = ["EmptyPolyhedronError", "Polyhedron"]

# Bounds of this size or more mean "none", as in CUTEst and most solvers.
INFINITE = 1e20
# A ray proves emptiness if the two sides of Farkas' inequality differ by more than this times
# the sum of the magnitudes of their terms, and entries of A'r that should vanish do so relative
# to |A|'|r|: well above rounding, well below any tolerance a user would call feasible.
RAY_TOLERANCE = 1e-10


class EmptyPolyhedronError(ProblemError):
    """No point satisfies the linear constraints.

    Parameters
    ----------
    ray
        (ml,)
    message
        What contradicts what, by name; None names the rows of the ray by number.

    Attributes
    ----------
    ray : (ml,)
        Farkas certificate; verified before the error was raised.
    """

    def __init__(self, ray: FloatArray, message: str | None = None) -> None:
        if message is None:
            rows = np.flatnonzero(ray)
            shown = ", ".join(str(i) for i in rows[:5]) + (", ..." if rows.size > 5 else "")
            message = (
                f"the polyhedron bl <= A x <= bu, lo <= x <= hi is empty: rows {shown} contradict "
                "each other or the bounds (see .ray); loosen or remove one of them"
            )
        super().__init__(message)
        self.ray = ray


class Polyhedron:
    """The set bl <= A x <= bu, lo <= x <= hi.

    Parameters
    ----------
    A : (ml, n) array, scipy sparse array, or None
        None stands for no rows.
    bl, bu : (ml,) or None
        None stands for no limit. Magnitudes of 1e20 or more do, too.
    lo, hi : (n,) or None
        Likewise.

    Raises
    ------
    ProblemError
        Shapes disagree, a number is NaN, or a lower limit exceeds its upper limit.
    """

    def __init__(
        self,
        A: FloatArray | sp.sparray | None,
        bl: npt.ArrayLike | None = None,
        bu: npt.ArrayLike | None = None,
        lo: npt.ArrayLike | None = None,
        hi: npt.ArrayLike | None = None,
    ) -> None:
        given = next((np.asarray(v).size for v in (lo, hi) if v is not None and np.ndim(v)), 0)
        n = int(A.shape[1]) if A is not None else given
        ml = int(A.shape[0]) if A is not None else 0
        self.A: FloatArray | sp.csr_array | None = None
        if A is not None and ml:
            self.A = _matrix(A)
        self.n, self.ml = n, ml
        self.lo = _limit("lo", lo, n, -np.inf)
        self.hi = _limit("hi", hi, n, np.inf)
        self.bl = _limit("bl", bl, ml, -np.inf)
        self.bu = _limit("bu", bu, ml, np.inf)
        _ordered("lo", self.lo, "hi", self.hi)
        _ordered("bl", self.bl, "bu", self.bu)
        # The transpose of a CSR array is a view; making it at every product is not free.
        self._AT = None if self.A is None else self.A.T
        self.row_norms = self._row_norms()

    def _row_norms(self) -> FloatArray:
        """Return the Euclidean norms of the rows, (ml,)."""
        if self.A is None:
            return np.zeros(0)
        if isinstance(self.A, np.ndarray):
            return np.asarray(np.sqrt(np.einsum("ij,ij->i", self.A, self.A)))
        squares = sp.csr_array((self.A.data**2, self.A.indices, self.A.indptr), self.A.shape)
        norms: FloatArray = np.sqrt(squares @ np.ones(self.n))
        return norms

    def rows_times(self, v: FloatArray) -> FloatArray:
        """Return A v, (ml,)."""
        if self.A is None:
            return np.zeros(0)
        product: FloatArray = self.A @ v
        return product

    def transpose_times(self, u: FloatArray) -> FloatArray:
        """Return A'u, (n,)."""
        if self._AT is None:
            return np.zeros(self.n)
        product: FloatArray = self._AT @ u
        return product

    def violation(self, x: FloatArray) -> float:
        """Return the largest violation of a row or a bound, in their own units."""
        worst = 0.0
        for value, low, high in (
            (x, self.lo, self.hi), (self.rows_times(x), self.bl, self.bu),
        ):  # fmt: skip
            excess = np.maximum(low - value, value - high)
            worst = max(worst, float(excess.max(initial=0.0)))
        return worst

    def proves_empty(self, ray: FloatArray, tolerance: float = RAY_TOLERANCE) -> bool:
        """Check Farkas' inequality for a ray (ml,); see the module's docstring.

        Only products with A enter, no factorization: the check does not trust whatever found
        the ray.
        """
        used = ray != 0.0
        limit = np.where(ray > 0.0, self.bu, self.bl)[used]
        if not used.any() or not np.isfinite(limit).all() or not np.isfinite(ray).all():
            return False
        w = self.transpose_times(ray)
        size = abs(self.A).T @ np.abs(ray) if self.A is not None else np.zeros(self.n)
        w = np.where(np.abs(w) <= tolerance * size, 0.0, w)
        corner = np.where(w > 0.0, self.lo, self.hi)
        moving = w != 0.0
        if not np.isfinite(corner[moving]).all():
            return False
        terms_rows = ray[used] * limit
        terms_box = w[moving] * corner[moving]
        magnitude = np.abs(terms_rows).sum() + np.abs(terms_box).sum()
        gap = terms_rows.sum() - terms_box.sum()
        return bool(gap < -tolerance * magnitude)


def _matrix(A: FloatArray | sp.sparray) -> FloatArray | sp.csr_array:
    if not sp.issparse(A):
        dense = np.ascontiguousarray(A, dtype=np.float64)
        if dense.ndim != 2 or not np.isfinite(dense).all():
            msg = f"A must be a matrix of finite numbers; given: shape {dense.shape}"
            raise ProblemError(msg)
        return dense
    rows = sp.csr_array(A, dtype=np.float64)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    if not np.isfinite(rows.data).all():
        raise ProblemError("A must hold finite numbers only")
    return rows


def _limit(name: str, value: npt.ArrayLike | None, size: int, default: float) -> FloatArray:
    """Return a limit as a fresh array (size,), infinite where it means nothing."""
    if value is None:
        return np.full(size, default)
    limit = np.array(value, dtype=np.float64)
    if limit.ndim == 0:
        limit = np.full(size, float(limit))
    if limit.shape != (size,):
        msg = f"{name} has shape {limit.shape}, needed: ({size},) to match A"
        raise ProblemError(msg)
    if np.isnan(limit).any():
        msg = f"{name} has NaN at {np.flatnonzero(np.isnan(limit))[:5].tolist()}"
        raise ProblemError(msg)
    limit[limit >= INFINITE] = np.inf
    limit[limit <= -INFINITE] = -np.inf
    return limit


def _ordered(name_low: str, low: FloatArray, name_high: str, high: FloatArray) -> None:
    """Refuse crossed limits, and those that no finite number satisfies."""
    wrong = (low > high) | (low == np.inf) | (high == -np.inf)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        msg = (
            f"{name_low}[{i}] = {low[i]:g} and {name_high}[{i}] = {high[i]:g} leave no value; "
            f"give {name_low} <= {name_high}"
        )
        raise ProblemError(msg)
