r"""Factors of neighbouring faces from one factorization, by bordering.

A factor of K on a face F is at hand. On a face G that differs from it in few constraints, the solution of
K_GG y = b is part of that of the bordered system

    [ K_FF  C ] [ y ]   [ b ]        a variable or row i of G \ F brings its column of K,
    [ C'    E ] [ w ] = [ d ]        one of F \ G the unit column e_i, which forces y_i = 0,

and the border costs one solve with the old factor for each column, once, and one small dense system:

    (E - C' K_FF^{-1} C) w = d - C' K_FF^{-1} b,     y = K_FF^{-1} (b - C w).

With k columns of the second kind Sylvester's law gives

    In(K_GG) = In(K_FF) + In(E - C' K_FF^{-1} C) - (k, k, 0).

This is how active-set methods for sparse quadratic programs change their faces (Gill, Murray, Saunders
and Wright, in Reliable Numerical Computation, 1990); every solve is refined against K_GG itself, so that
the border does not wear out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.dense import DenseFactor
from optlab.linalg.factorization import Inertia
from optlab.linalg.kkt_face import AbstractFaceFactor
from optlab.linalg.refinement import norm, refined_solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optlab.linalg.arrays import BoolArray, FloatArray, IntArray
    from optlab.linalg.kkt_pattern import FaceValues
    from optlab.linalg.kkt_sparse import SparseFaceFactor

__all__ = ["Border"]

# New columns at once, at least, from which on a new factorization is cheaper than so many solves; where
# a factorization costs many solves, this part of them.
NEW_COLUMNS = 8
NEW_PART = 0.5
# Columns of a border; beyond, the dense part of every solve is no longer small.
MAX_COLUMNS = 60
# Backward error of a solve with the regularised matrix above which the face is factored afresh. (That
# matrix, because where K is singular no factor has a small residual with K itself.)
ACCEPTED_ERROR = 1e-9
# A pivot of the small system below this is not told from zero: the face is factored afresh.
SMALLEST_PIVOT = 1e-9


class Border:
    """The columns that one factor has been bordered with so far.

    Parameters
    ----------
    base : SparseFaceFactor
        Factor of K on the face F.
    whole : FaceValues
        Equilibrated values of K with nothing left out.
    solves : float
        Solves that cost about as much as a factorization.
    """

    def __init__(
        self,
        base: SparseFaceFactor,
        whole: FaceValues,
        solves: float,
    ) -> None:
        self._new = max(NEW_COLUMNS, int(NEW_PART * solves))
        self._most = max(MAX_COLUMNS, 2 * self._new)
        self.base = base
        self._face = base.alive
        self._K = base.pattern.symmetric(whole.data)
        self.scale = whole.scale
        # The factor is that of another equilibration: B -> T B T with T = S_base / S_whole.
        self._between = np.where(self._face, base.scale / whole.scale, 0.0)
        primal, dual = base.regularisation
        self._diagonal = np.full(self.scale.size, primal)
        self._diagonal[base.sizes[0] :] = -dual
        inside = self._between[self._face]
        self._diagonal[self._face] /= inside * inside
        self._place: dict[int, int] = {}
        # K_FF^{-1} C by columns, and the products C' K_FF^{-1} C, both growing.
        self._Z = np.zeros((self.scale.size, 2 * self._most), order="F")
        self._gram = np.zeros((2 * self._most, 2 * self._most))

    def on_face(self, alive: BoolArray) -> tuple[IntArray, IntArray] | None:
        """Return what enters and what leaves on the way to a face; None if it is too much."""
        entering = np.flatnonzero(alive & ~self._face)
        leaving = np.flatnonzero(self._face & ~alive)
        wanted = [*entering.tolist(), *leaving.tolist()]
        new = [i for i in wanted if i not in self._place]
        room = self._Z.shape[1] - len(self._place)
        if len(wanted) > self._most or len(new) > min(self._new, room):
            return None
        for i in new:
            self._add(i)
        return entering, leaving

    def _add(self, i: int) -> None:
        """Solve for the column of an index."""
        if self._face[i]:
            rows, values = np.array([i]), np.ones(1)
        else:
            span = slice(self._K.indptr[i], self._K.indptr[i + 1])
            rows, values = self._K.indices[span], self._K.data[span]
            inside = self._face[rows]
            rows, values = rows[inside], values[inside]
        column = np.zeros(self.scale.size)
        column[rows] = values
        k = len(self._place)
        self._Z[:, k] = self.apply_inverse(column)
        self._gram[k, : k + 1] = self._gram[: k + 1, k] = values @ self._Z[rows, : k + 1]
        self._place[i] = k

    def apply_inverse(self, v: FloatArray) -> FloatArray:
        """Multiply by the inverse of the factored K_FF in the equilibration of the whole."""
        product: FloatArray = self._between * self.base.apply_inverse(self._between * v)
        return product

    def reduced(self, entering: IntArray, leaving: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return E - C' K_FF^{-1} C, (k, k), and K_FF^{-1} C, (order, k).

        E is K between the entering indices, with the factor's regularisation, and zero elsewhere.
        """
        places = [self._place[i] for i in (*entering.tolist(), *leaving.tolist())]
        small = -self._gram[np.ix_(places, places)]
        k = entering.size
        if k:
            small[:k, :k] += self._K[entering][:, entering].toarray()
            small[range(k), range(k)] += self._diagonal[entering]
        return small, self._Z[:, places]

    def regularised_matvec(self, v: FloatArray) -> FloatArray:
        """Multiply by the equilibrated K with the factor's regularisation."""
        product: FloatArray = self._K @ v + self._diagonal * v
        return product

    def matvec(self, v: FloatArray) -> FloatArray:
        """Multiply by the equilibrated K."""
        product: FloatArray = self._K @ v
        return product


class BorderedFaceFactor(AbstractFaceFactor):
    """Factor of K on a face, from the factor of a neighbouring one and a border.

    Parameters
    ----------
    border : Border
    change : (entering, leaving)
        As :meth:`Border.on_face` returns them.
    alive : (order,) bool
        The face.
    wanted : Inertia
    afresh : callable
        Makes a factorization of the face of its own, for solves that do not become accurate.
    """

    def __init__(
        self,
        border: Border,
        change: tuple[IntArray, IntArray],
        alive: BoolArray,
        wanted: Inertia,
        afresh: Callable[[], AbstractFaceFactor],
    ) -> None:
        self._border, self._alive, self._afresh = border, alive, afresh
        self._sizes = border.base.sizes
        self._entering, self._leaving = change
        self._instead: AbstractFaceFactor | None = None
        small, self._Z = border.reduced(self._entering, self._leaving)
        self._small = DenseFactor(small)
        k, outer, inner = self._leaving.size, border.base.inertia, self._small.inertia
        self.inertia = Inertia(
            outer.pos + inner.pos - k, outer.neg + inner.neg - k, outer.zero + inner.zero
        )
        self.trusted = self._small.ok and self._small.smallest_pivot > SMALLEST_PIVOT
        self.inertia_ok = self.trusted and self.inertia == wanted

    def _apply_inverse(self, v: FloatArray) -> FloatArray:
        v = v.copy()
        k = self._entering.size
        d = np.zeros(k + self._leaving.size)
        d[:k] = v[self._entering]
        v[self._leaving] = 0.0
        y = self._border.apply_inverse(v)
        # C'y: rows of K at what enters, entries of y at what leaves.
        if k:
            d[:k] -= self._border.matvec(y)[self._entering]
        d[k:] -= y[self._leaving]
        w = self._small.solve(d)
        y -= self._Z @ w
        y[self._entering] = w[:k]
        y[self._leaving] = 0.0
        return y

    def _matvec(self, v: FloatArray) -> FloatArray:
        return np.where(self._alive, self._border.matvec(v), 0.0)

    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        scale = self._border.scale
        scaled = np.where(self._alive, b * scale, 0.0)
        if self._instead is None and not self._is_accurate(scaled):
            self._instead = self._afresh()
        if self._instead is not None:
            x = self._instead._solve_stacked(b)
            self.residual = self._instead.residual
            return x
        x, residual = refined_solve(self._matvec, self._apply_inverse, scaled)
        self.residual = norm(residual) / (norm(scaled) or 1.0)
        return scale * x

    def _is_accurate(self, b: FloatArray) -> bool:
        y = self._apply_inverse(b)
        residual = np.where(self._alive, b - self._border.regularised_matvec(y), 0.0)
        return norm(residual) <= ACCEPTED_ERROR * (norm(b) + norm(y))

    @property
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend and the number of columns."""
        return {"backend": "bordered", "columns": float(self._Z.shape[1])}
