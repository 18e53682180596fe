"""The sparse path of :mod:`optlab.linalg.kkt_system`: quasi-definite LDL' and its rescue.

The equilibrated face matrix S K S is factored with rho added to its primal and delta
subtracted from its dual diagonal. Where W is positive definite that is quasi-definite and has
an LDL' factorization for every ordering; where W is not, LDL' without pivoting still gives the
inertia by Sylvester's law unless its elements grow. Growth is measured, not guessed: one
solve with a known solution gives the backward error of the factorization, and a poor one
leads up the ladder

    (1e-10, 1e-9)  ->  (1e-8, 1e-7)  ->  a factorization with pivoting

whose last rung is dense Bunch-Kaufman for small orders, SSIDS where installed, and otherwise
LDL' with (1e-6, 1e-6). Every solve is refined against the unregularised matrix.

A neighbouring face of the same matrix is served by bordering the last factor
(:mod:`optlab.linalg.kkt_bordered`), a low-rank W by Woodbury's formula
(:mod:`optlab.linalg.kkt_woodbury`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from optlab.linalg.factorization import Inertia
from optlab.linalg.kkt_analysis import HEAVY, LADDER, TRUSTED_BACKWARD_ERROR, Analysis
from optlab.linalg.kkt_bordered import Border, BorderedFaceFactor
from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.kkt_pattern import FaceValues, KKTPattern, csr_pattern, stored_values
from optlab.linalg.kkt_woodbury import LowRankFaceFactor
from optlab.linalg.low_rank import LowRank
from optlab.linalg.refinement import norm, refined_solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optlab.linalg.arrays import BoolArray, FloatArray
    from optlab.linalg.factorization import AbstractFactor


# Residual (relative to b) above which a solve asks for the next rung.
ACCEPTED_RESIDUAL = 1e-6


class SparseKKT:
    """Sparse K for changing values and faces.

    Parameters
    ----------
    n, mh : int
    A : (ml, n) array, csr_array or None
    known : list of Analysis
        Of an earlier system, which must not be used any more.

    Attributes
    ----------
    borders : bool
        Whether neighbouring faces may be served by bordering the last factor.
    """

    def __init__(
        self,
        n: int,
        mh: int,
        A: FloatArray | sp.csr_array | None,
        known: Sequence[Analysis] = (),
    ) -> None:
        self._A = csr_pattern(A, n)
        self._sizes = (n, mh, int(self._A.shape[0]))
        self.analyses = [a for a in known if a.pattern.adopt(self._A, mh)]
        self._last: _Factored | None = None
        self.borders = True

    def factorize(
        self,
        W: FloatArray | sp.csr_array | LowRank,
        J: FloatArray | sp.csr_array | None,
        dual_h: float | FloatArray,
        free: BoolArray,
        active: BoolArray,
        sigma: float | FloatArray,
    ) -> AbstractFaceFactor:
        """Assemble and factor; climb the ladder until the factorization is trusted.

        ``dual_h`` may also have shape (mh + ml,): its tail is then subtracted from the diagonal of
        the rows of A.
        """
        n, mh, _ = self._sizes
        low_rank = W if isinstance(W, LowRank) else None
        hessian = None if low_rank is not None else W
        jacobian = J if mh else None
        analysis = self.analysis(hessian, jacobian)
        shift = sigma if low_rank is None else sigma + np.asarray(low_rank.diagonal)
        alive = np.ones(analysis.pattern.lower.n, dtype=bool)
        alive[:n] = free
        alive[n + mh :] = active
        dual = np.zeros(mh + self._sizes[2])
        dual[: dual.size if np.size(dual_h) == dual.size else mh] = dual_h
        n_free = int(np.count_nonzero(alive[:n]))
        wanted = Inertia(n_free, int(np.count_nonzero(alive)) - n_free, 0)
        entries = Entries(stored_values(hessian), stored_values(jacobian), shift, dual)

        def factorize() -> SparseFaceFactor:
            values = analysis.pattern.assemble(*entries, alive)
            factor = SparseFaceFactor(analysis, values, self._sizes, wanted)
            self._last = _Factored(analysis, entries, factor)
            return factor

        if low_rank is not None:
            return LowRankFaceFactor(factorize(), low_rank, wanted)
        known = self._last
        same = known is not None and known.analysis is analysis and self.borders
        if known is not None and same and known.entries.same(entries):
            bordered = known.neighbour(alive, wanted, factorize)
            if bordered is not None:
                return bordered
        return factorize()

    def is_heavy(
        self, hessian: FloatArray | sp.csr_array, jacobian: FloatArray | sp.csr_array | None
    ) -> bool:
        """Whether the columns of a factor with these patterns have many entries."""
        analysis = self.analysis(hessian, jacobian if self._sizes[1] else None)
        analysis.symbolic(pivoting=False)
        return analysis.mean_column > HEAVY

    def analysis(
        self,
        hessian: FloatArray | sp.csr_array | None,
        jacobian: FloatArray | sp.csr_array | None = None,
    ) -> Analysis:
        """Return the analysis for these patterns; keep the last two (true and low-rank W)."""
        for analysis in self.analyses:
            if analysis.pattern.fits(hessian, jacobian):
                return analysis
        analysis = Analysis(KKTPattern(hessian, jacobian, self._A))
        self.analyses = [analysis, *self.analyses[:1]]
        return analysis


class Entries(NamedTuple):
    """The numbers that K is made of, before any of it is left out."""

    hessian: FloatArray
    jacobian: FloatArray
    shift: float | FloatArray
    dual: FloatArray

    def same(self, other: Entries) -> bool:
        """Compare number by number: cheap beside anything else that is done with them."""
        return all(map(np.array_equal, self, other))


class _Factored:
    """The last factorization, and the border that serves the faces around it."""

    def __init__(self, analysis: Analysis, entries: Entries, factor: SparseFaceFactor) -> None:
        self.analysis, self.entries, self._factor = analysis, entries, factor
        self._border: Border | None = None

    def neighbour(
        self, alive: BoolArray, wanted: Inertia, afresh: Callable[[], AbstractFaceFactor]
    ) -> AbstractFaceFactor | None:
        """Return a factor of another face of the same K; None where bordering does not serve."""
        factor = self._factor
        if not factor.trusted:
            return None
        if np.array_equal(alive, factor.alive):
            return factor
        if self._border is None:
            everything = np.ones(alive.size, dtype=bool)
            whole = self.analysis.pattern.assemble(*self.entries, everything)
            self._border = Border(factor, whole, self.analysis.mean_column / 2)
        change = self._border.on_face(alive)
        if change is None:
            return None
        bordered = BorderedFaceFactor(self._border, change, alive, wanted, afresh)
        return bordered if bordered.trusted else None


class SparseFaceFactor(AbstractFaceFactor):
    """LDL' of the equilibrated and regularised K on one face."""

    def __init__(
        self,
        analysis: Analysis,
        values: FaceValues,
        sizes: tuple[int, int, int],
        wanted: Inertia,
    ) -> None:
        self._analysis, self._values, self._sizes = analysis, values, sizes
        self._wanted = wanted
        self._matrix = analysis.pattern.symmetric(values.data)
        self._rungs = analysis.rungs()
        self._factor: AbstractFactor
        self.backward_error = np.inf
        while not self._climb():
            pass

    def _climb(self) -> bool:
        """Factor on the next rung; return whether to stay there."""
        position = self._rungs.pop(0)
        rung = LADDER[position]
        symbolic = self._analysis.symbolic(rung.pivoting)
        if symbolic is None:
            return False
        pattern, n = self._analysis.pattern, self._sizes[0]
        data = self._values.data.copy()
        data[pattern.diagonal_at[:n]] += rung.primal
        data[pattern.diagonal_at[n:]] -= rung.dual
        self._factor, self._rung = symbolic.factorize(data), rung
        self._read_inertia()
        self.backward_error = self._measure(data)
        if self.backward_error <= TRUSTED_BACKWARD_ERROR:
            self._analysis.first_rung = position
            return True
        return not self._rungs

    def _read_inertia(self) -> None:
        """Subtract the diagonal +-1 of fixed variables and inactive rows from the inertia."""
        n = self._sizes[0]
        fixed = n - self._wanted.pos
        inactive = self._values.alive.size - n - self._wanted.neg
        whole = self._factor.inertia
        known = whole.zero < whole.pos + whole.neg or whole.zero == 0
        if self._factor.ok and known:
            self.inertia = Inertia(whole.pos - fixed, whole.neg - inactive, whole.zero)
        else:
            self.inertia = Inertia(0, 0, self._wanted.pos + self._wanted.neg)
        self.inertia_ok = self.inertia == self._wanted

    def _measure(self, data: FloatArray) -> float:
        """Return the normwise backward error of one solve with the regularised matrix."""
        if not self._factor.ok:
            return np.inf
        probe = self._analysis.probe
        matrix = self._analysis.pattern.symmetric(data)
        b = matrix @ probe
        x = self._factor.solve(b)
        residual = b - matrix @ x
        error = norm(residual) / (norm(x) + norm(b))
        return error if np.isfinite(error) else np.inf

    @property
    def trusted(self) -> bool:
        """Whether the factorization is accurate and its inertia known."""
        known = sum(self.inertia) == sum(self._wanted) and self.inertia.zero == 0
        return known and self.backward_error <= TRUSTED_BACKWARD_ERROR

    @property
    def pattern(self) -> KKTPattern:
        """Return the pattern of K."""
        return self._analysis.pattern

    @property
    def alive(self) -> BoolArray:
        """Return the rows of K on the face, (order,)."""
        return self._values.alive

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Return (n, mh, ml)."""
        return self._sizes

    @property
    def regularisation(self) -> tuple[float, float]:
        """Return what stands on the diagonal for variables and is subtracted for rows."""
        return self._rung.primal, self._rung.dual

    def matvec(self, v: FloatArray) -> FloatArray:
        """Multiply by the equilibrated, unregularised K."""
        product: FloatArray = self._matrix @ v
        return product

    def apply_inverse(self, v: FloatArray) -> FloatArray:
        """Multiply by the inverse of the equilibrated, regularised K, without refinement."""
        return self._factor.solve(v)

    @property
    def inverse_diagonal(self) -> FloatArray | None:
        """Return the inverse of the equilibrated, regularised K where that is diagonal, (order,)."""
        order = self.alive.size
        return self.apply_inverse(np.ones(order)) if self.pattern.lower.nnz == order else None

    @property
    def has_half(self) -> bool:
        """Whether there is :meth:`half_inverse`."""
        return self._factor.has_half

    def half_inverse(self, B: FloatArray) -> FloatArray:
        """Return V with V'V = B'K^{-1}B for the equilibrated, regularised K if that is positive definite.

        B is (order, k), its rows off the face zero; V may have fewer rows.
        """
        return self._factor.half_solve(B, self.alive)

    @property
    def scale(self) -> FloatArray:
        """Return the diagonal of S, zero off the face."""
        return np.where(self._values.alive, self._values.scale, 0.0)

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        scale = self.scale
        x, self.residual = self._refine(b * scale)
        return scale * x

    def _refine(self, b: FloatArray) -> tuple[FloatArray, float]:
        """Refine; while that fails and the system is not merely inconsistent, climb."""
        size = norm(b)
        if size == 0.0:
            return np.zeros_like(b), 0.0
        best, best_error = np.zeros_like(b), np.inf
        while True:
            if self._factor.ok:
                x, residual = refined_solve(self.matvec, self.apply_inverse, b)
                error = norm(residual) / size
                if error < best_error:
                    best, best_error = x, error
                if error <= ACCEPTED_RESIDUAL or self._is_least(residual):
                    break
            if not self._rungs:
                break
            self._climb()
        return best, best_error

    def _is_least(self, residual: FloatArray) -> bool:
        """K r = 0 at a residual that no correction can reduce: the rows contradict b."""
        return norm(self.matvec(residual)) <= 1e-3 * norm(residual)

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend, the regularisation and the measured backward error."""
        return {
            **self._factor.diagnostics,
            "primal_regularisation": self._rung.primal,
            "dual_regularisation": self._rung.dual,
            "backward_error": self.backward_error,
            "fill_ratio": self._analysis.fill_ratio,
        }
