"""Projection onto a polyhedron, by a semismooth Newton method on the dual.

    min 1/2 |x - y|^2   subject to   bl <= A x <= bu,   lo <= x <= hi.

With multipliers lam of the rows, the minimiser of the Lagrangian over the box is

    x(lam) = min(max(lo, y - A'lam), hi),

and the negative dual function phi (:mod:`optlab.kernels.line_minimum`) is convex, piecewise
quadratic, with gradient b(lam) - A x(lam), where b_i = bu_i if lam_i > 0 and bl_i if lam_i < 0.
One iteration:

1. F = {j : lo_j < x_j < hi_j}, W = {equalities, lam_i != 0, or row i violated};
2. solve A_WF A_WF' d = (A x - b)_W;
3. lam += t d with the exact minimiser t of phi along d.

References: [HZ16] for the dual and the warm start; semismooth Newton with an exact line search
in place of [HZ16]'s sparse reconstruction and coordinate ascent (docs/decisions/0002).

=============== ==============================================
here            in [HZ16]
=============== ==============================================
``lam``         -lambda (their Lagrangian has lambda'(b - Ax))
``rows``        active rows: equalities and lambda_i != 0
``free``        F
=============== ==============================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from optlab.errors import ProblemError
from optlab.kernels.line_minimum import DualLine, line_minimum
from optlab.linalg.arrays import EPS
from optlab.linalg.gram import AbstractGramSolver, gram_solver
from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron

if TYPE_CHECKING:
    import numpy.typing as npt

    from optlab.linalg.arrays import BoolArray, FloatArray

__all__ = [
    "EmptyPolyhedronError",
    "Polyhedron",
    "Projection",
    "ProjectionStatus",
    "Projector",
    "project",
]

# Relative feasibility of rows (with unit norm) that ends the iteration.
FEASIBILITY = 1e-12
# Beyond it, a correction of x on the face is worth its two products with A.
POLISHED = 1e-14
# Row errors, relative to |x| and |y|, up to which correcting x on the face is a matter of
# rounding and leaves x optimal.
ROUNDING = 1e-9
# Steps without a tenth gained that end the iteration.
PATIENCE = 30
# Rows that phi does not let move as the equations say are taken out and the rest is solved
# again, at most so many times.
ROUNDS = 4
# Components of a ray below this fraction of the largest are taken for rounding.
RAY_DUST = 1e-9
# Relative addition to the diagonal of inconsistent face equations.
DAMPING = 1e-2


class ProjectionStatus(Enum):
    """How a projection ended."""

    OPTIMAL = "optimal"
    INACCURATE = "inaccurate"


@dataclass(frozen=True, slots=True)
class Projection:
    """The projection x of y, with x - y + A'lam + z = 0.

    Attributes
    ----------
    x : (n,)
    row_multipliers : (ml,)
        lam: positive at an active bu, negative at an active bl, zero elsewhere.
    bound_multipliers : (n,)
        z, with the same signs for hi and lo; exactly zero at free variables.
    active : (ml,) bool
        Equality rows and rows with a nonzero multiplier.
    free : (n,) bool
        lo < x < hi.
    status : ProjectionStatus
    iterations : int
        Linear systems solved.
    """

    x: FloatArray
    row_multipliers: FloatArray
    bound_multipliers: FloatArray
    active: BoolArray
    free: BoolArray
    status: ProjectionStatus
    iterations: int


def project(
    x: npt.ArrayLike,
    A: FloatArray | sp.sparray | None = None,
    bl: npt.ArrayLike | None = None,
    bu: npt.ArrayLike | None = None,
    lo: npt.ArrayLike | None = None,
    hi: npt.ArrayLike | None = None,
) -> FloatArray:
    """Return the point of {bl <= A z <= bu, lo <= z <= hi} that is nearest to x.

    Parameters
    ----------
    x : (n,)
        The point to project.
    A : (m, n) array or scipy sparse array, or None
    bl, bu : (m,), number or None
        Limits of the rows; None or infinite for none.
    lo, hi : (n,), number or None
        Limits of the variables; None or infinite for none.

    Returns
    -------
    (n,) array
        Feasible to 1e-12 relative.

    Raises
    ------
    ProblemError
        The data contradict each other in shape or hold NaN.
    EmptyPolyhedronError
        No point is feasible; ``.ray`` is the proof.

    Examples
    --------
    >>> import numpy as np
    >>> project([2.0, 1.0], A=np.array([[1.0, 1.0]]), bu=1.0, lo=0.0)
    array([1., 0.])
    """
    y = np.array(x, dtype=np.float64)
    n = y.size
    low = np.full(n, -np.inf) if lo is None else np.broadcast_to(np.asarray(lo, float), (n,))
    return Projector(Polyhedron(A, bl, bu, low, hi)).project(y).x


class Projector:
    """Projection onto one polyhedron, warm-started from call to call.

    Parameters
    ----------
    polyhedron : Polyhedron

    Notes
    -----
    The result of :meth:`project` does not depend on earlier calls beyond rounding; its cost
    does. The last face and its factorization are kept, and the first thing tried for a new
    point is the projection onto that face: one solve.
    """

    def __init__(self, polyhedron: Polyhedron) -> None:
        self.polyhedron = p = polyhedron
        used = (p.row_norms > 0.0) & (np.isfinite(p.bl) | np.isfinite(p.bu))
        self._refuse_impossible_zero_rows()
        self._used = used
        self._scale = 1.0 / np.where(p.row_norms > 0.0, p.row_norms, 1.0)
        self._lam = np.zeros(p.ml)
        self._gram: AbstractGramSolver | None = None
        if p.A is None:
            return
        # From here on rows have unit norm, and multipliers belong to those rows.
        self._bl, self._bu = p.bl * self._scale, p.bu * self._scale
        A = p.A
        if isinstance(A, np.ndarray) or A.shape[0] * A.shape[1] <= 40_000:
            dense = A if isinstance(A, np.ndarray) else A.toarray()
            self._A: FloatArray | sp.csr_array = dense * self._scale[:, None]
        else:
            spread = np.repeat(self._scale, np.diff(A.indptr))
            self._A = sp.csr_array((A.data * spread, A.indices, A.indptr), shape=A.shape)
        self._AT = self._A.T
        self._gram = gram_solver(self._A)
        self._equality = (p.bl == p.bu) & used
        # Signs that a multiplier may have: none towards a side that is not there.
        self._lam_min = np.where(np.isfinite(p.bl) & used, -np.inf, 0.0)
        self._lam_max = np.where(np.isfinite(p.bu) & used, np.inf, 0.0)
        self._face: tuple[BoolArray, BoolArray] | None = None

    def _refuse_impossible_zero_rows(self) -> None:
        """Raise for a row of zeros without bl <= 0 <= bu; its unit vector is the ray."""
        p = self.polyhedron
        zero = p.row_norms == 0.0
        if zero.any():
            ray = np.where(zero & (p.bu < 0.0), 1.0, 0.0) - np.where(
                zero & (p.bl > 0.0), 1.0, 0.0
            )
            if ray.any():
                raise EmptyPolyhedronError(ray)

    @property
    def factorizations(self) -> int:
        """Return how many faces have been factored so far."""
        return 0 if self._gram is None else self._gram.factorizations

    def project(self, y: FloatArray) -> Projection:
        """Project y (n,).

        Raises
        ------
        ProblemError
            y has the wrong shape or is not finite.
        EmptyPolyhedronError
            The polyhedron is empty; found at the first projection if ever.
        """
        p = self.polyhedron
        if y.shape != (p.n,) or not (
            math.isfinite(float(y.dot(y))) or bool(np.isfinite(y).all())
        ):
            msg = f"y must be {p.n} finite numbers; given: shape {y.shape}, or NaN or infinite"
            raise ProblemError(msg)
        if self._gram is None:
            x = np.minimum(np.maximum(y, p.lo), p.hi)
            free = (x > p.lo) & (x < p.hi)
            none = np.zeros(0, dtype=bool)
            return Projection(x, np.zeros(0), y - x, none, free, ProjectionStatus.OPTIMAL, 0)
        return _DualNewton(self, y).run()

    def face_projection(
        self, v: FloatArray, free: BoolArray, active: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Project v on the null space of a face's constraints.

        Parameters
        ----------
        v : (n,)
        free : (n,) bool
            Variables that may move.
        active : (ml,) bool
            Rows held.

        Returns
        -------
        d : (n,)
            The nearest vector with A_active d = 0 and d_fixed = 0.
        lam : (ml,)
            Least-squares multipliers: on free variables v = d + A'lam; zero at other rows.
        """
        d = np.where(free, v, 0.0)
        lam = np.zeros(self.polyhedron.ml)
        if self._gram is None or not active.any():
            return d, lam
        rows = active & self._used
        solve = self._gram.on_face(free, rows)
        # The second pass removes the rounding that the first leaves in the row space
        # ("twice is enough", [GLR05]) and the error of the regularisation.
        for _ in range(2):
            step = solve(np.where(rows, self._A @ d, 0.0))
            lam += step
            d -= np.where(free, self._AT @ step, 0.0)
        return d, lam * self._scale


class _DualNewton:
    """One projection: the iteration of the module's docstring; rows have unit norm here."""

    def __init__(self, projector: Projector, y: FloatArray) -> None:
        self._p = projector
        self._lo, self._hi = projector.polyhedron.lo, projector.polyhedron.hi
        self._y = y
        self._solves = 0
        self._y_norm = math.sqrt(float(y.dot(y)))
        self._evaluate(self._start())

    def _start(self) -> FloatArray:
        """Solve for the multipliers on the last face; the first guess without one is zero."""
        p = self._p
        if p._face is None:
            return np.zeros(p.polyhedron.ml)
        free, rows = p._face
        lam = p._lam
        if not rows.any():
            return np.zeros_like(lam)
        # x on that face for lam = 0: free variables at y, the others where they were.
        x = np.where(free, self._y, p._x)
        target = np.where(lam > 0.0, p._bu, p._bl)
        target = np.where(p._equality, p._bl, target)
        r = np.where(rows, p._A @ x - np.where(rows, target, 0.0), 0.0)
        guess = p._gram.on_face(free, rows)(r)
        self._solves += 1
        return np.minimum(np.maximum(guess, p._lam_min), p._lam_max)

    def _evaluate(self, lam: FloatArray) -> None:
        """Compute x(lam), the residual A x - b(lam) and the sets F and W."""
        p = self._p
        self.lam = lam
        self.u = self._y - p._AT @ lam
        self.x = np.minimum(np.maximum(self.u, self._lo), self._hi)
        self.r = self._row_errors(self.x)
        self.error = float(np.abs(self.r).max())
        size = math.sqrt(float(self.x.dot(self.x)))
        self.tolerance = FEASIBILITY * size + 16.0 * EPS * (size + self._y_norm)
        self.free = (self.u > self._lo) & (self.u < self._hi)
        self.rows = p._equality | (lam != 0.0) | (np.abs(self.r) > self.tolerance)

    def _row_errors(self, x: FloatArray) -> FloatArray:
        """Return A x - b(lam): distances to the side lam stands on, violations where lam = 0."""
        p, lam = self._p, self.lam
        Ax = p._A @ x
        nearest = np.minimum(np.maximum(Ax, p._bl), p._bu)
        target = np.where(lam > 0.0, p._bu, np.where(lam < 0.0, p._bl, nearest))
        return np.where(p._used, Ax - target, 0.0)

    def run(self) -> Projection:
        """Iterate until the residual is small or stops falling, or a ray proves emptiness."""
        best, since = math.inf, 0
        status = ProjectionStatus.OPTIMAL
        while self.error > self.tolerance:
            best, since = (self.error, 0) if self.error < 0.9 * best else (best, since + 1)
            if since >= PATIENCE or not self._iterate():
                status = ProjectionStatus.INACCURATE
                break
        return self._finish(status)

    def _iterate(self) -> bool:
        """Take one Newton step; return False when phi falls no more along its direction."""
        moves = []
        for damping in (0.0, DAMPING):
            d = self._descent(damping)
            moves += [self._search(v) for v in (d, *self._stop_at_zero(d, damping))]
            if damping or not self._is_inconsistent(d):
                break
            self._raise_if_ray(d)
        falling = [move for move in moves if move is not None]
        if not falling:
            return False
        self._evaluate(min(falling, key=lambda move: move[1])[0])
        return True

    def _is_inconsistent(self, d: FloatArray) -> bool:
        """Say whether the face equations for d contradict each other.

        Then d is dominated by the null space of A_F', that is eps d'd and not d'A_F A_F'd
        makes up most of d'r. It may be a ray; if not, its steps end at the first breakpoint,
        too short to make progress in the other components, and a damped one may do better.
        """
        w = np.where(self.free, self._p._AT @ d, 0.0)
        return w.dot(w) < 0.5 * float(d.dot(np.where(d != 0.0, self.r, 0.0)))

    def _descent(self, damping: float) -> FloatArray:
        """Solve the face equations; leave out rows that phi does not let move that way.

        A violated row with lam_i = 0 must move towards the side it violates. Leaving the
        others out keeps d'r > 0, so d stays a direction of descent.
        """
        p = self._p
        rows = self.rows
        at_zero = ~p._equality & (self.lam == 0.0)
        for round_ in range(ROUNDS):
            r = np.where(rows, self.r, 0.0)
            d = p._gram.on_face(self.free, rows, damping)(r)
            self._solves += 1
            wrong = at_zero & (d * r < 0.0)
            if not wrong.any():
                break
            if round_ == ROUNDS - 1:
                d = np.where(wrong, 0.0, d)
            rows = rows & ~wrong
        return d

    def _stop_at_zero(self, d: FloatArray, damping: float) -> list[FloatArray]:
        """Re-solve with the multipliers that would change sign going to zero and no further.

        The straight line along d is stopped by the first of them. Neither direction is always
        better, so the caller lets phi decide. Returns an empty list if d changes no sign.
        """
        p = self._p
        stopped = np.zeros(d.size, dtype=bool)
        bent = d
        for _ in range(ROUNDS):
            crossing = ~p._equality & ~stopped & (self.lam * (self.lam + bent) < 0.0)
            if not crossing.any():
                break
            stopped |= crossing
            given = np.where(stopped, -self.lam, 0.0)
            rest = self.rows & ~stopped
            pushed = p._A @ np.where(self.free, p._AT @ given, 0.0)
            r = np.where(rest, self.r - pushed, 0.0)
            bent = given + p._gram.on_face(self.free, rest, damping)(r)
            self._solves += 1
        return [np.where(stopped, -self.lam, bent)] if stopped.any() else []

    def _raise_if_ray(self, d: FloatArray) -> None:
        """Raise if d proves emptiness, as found or after one step of inverse iteration.

        Where the face equations are inconsistent, the regularised solution is dominated by the
        null space of A_F', along which only breakpoints can stop phi from falling. Solving
        once more with d on the right suppresses the other components by as much again.
        """
        p = self._p
        for _ in range(2):
            d = d / np.abs(d).max()
            ray = d * p._scale
            # Components that are rounding would meet absent sides.
            ray[np.abs(d) <= RAY_DUST] = 0.0
            if p.polyhedron.proves_empty(ray):
                raise EmptyPolyhedronError(ray / np.abs(ray).max())
            d = p._gram.on_face(self.free, d != 0.0)(d)
            self._solves += 1

    def _search(self, d: FloatArray) -> tuple[FloatArray, float] | None:
        """Minimise phi along d; return the new lam and phi there, None without a descent."""
        p = self._p
        w = p._AT @ d
        t = line_minimum(DualLine(self.u, w, self._lo, self._hi, self.lam, d, p._bl, p._bu))
        if t == math.inf:
            self._raise_if_ray(d)
        if not 0.0 < t < math.inf:
            return None
        lam = self.lam + t * d
        # The row that stopped the search, and any that met zero with it, are exactly zero.
        at_kink = ~p._equality & (np.abs(lam) <= 4.0 * EPS * np.abs(self.lam))
        lam[at_kink] = 0.0
        lam = np.minimum(np.maximum(lam, p._lam_min), p._lam_max)
        u = self.u - t * w
        x = np.minimum(np.maximum(u, self._lo), self._hi)
        side = np.where(lam > 0.0, p._bu, np.where(lam < 0.0, p._bl, 0.0))
        gap = x - self._y
        phi = float(side.dot(lam)) - float((self._y - u).dot(x)) - 0.5 * float(gap.dot(gap))
        return lam, phi

    def _finish(self, status: ProjectionStatus) -> Projection:
        """Remove the last rounding from A x on the face; remember the face for the next call."""
        p = self._p
        x, free = self.x, self.free
        rows = p._equality | (self.lam != 0.0)
        size = math.sqrt(float(x.dot(x)))
        if self.error > POLISHED * size and rows.any():
            step = p._AT @ p._gram.on_face(free, rows)(np.where(rows, self.r, 0.0))
            better = np.minimum(np.maximum(x - np.where(free, step, 0.0), self._lo), self._hi)
            error = float(np.abs(self._row_errors(better)).max())
            if error < self.error:
                x = better
                if error <= self.tolerance and self.error <= ROUNDING * (size + self._y_norm):
                    status = ProjectionStatus.OPTIMAL
        p._lam, p._face, p._x = self.lam, (free, rows), x
        z = np.where(free, 0.0, self.u - x)
        return Projection(x, self.lam * p._scale, z, rows, free, status, self._solves)
