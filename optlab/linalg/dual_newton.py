"""The semismooth Newton iteration behind :mod:`optlab.linalg.projection`.

One projection of y on {bl <= A x <= bu, lo <= x <= hi} with rows of unit norm:

1. x = clip(y - A'lam, lo, hi); F = {j : lo_j < x_j < hi_j};
   W = {equalities, lam_i != 0, or row i violated};
2. solve A_WF A_WF' d = (A x - b)_W, where b_i is the side that lam_i stands on or row i violates;
3. lam += d if that reduces the error tenfold; else lam += t d with the exact minimiser t of the
   dual function along d (:mod:`optlab.kernels.line_minimum`).

The face equations of step 2 may contradict each other far from the solution; several
directions are then tried and the dual function decides between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optlab.kernels.line_minimum import DualLine, line_minimum
from optlab.linalg.arrays import EPS
from optlab.linalg.interior_point import interior_multipliers
from optlab.linalg.polyhedron import EmptyPolyhedronError

if TYPE_CHECKING:
    from optlab.linalg.arrays import BoolArray, FloatArray
    from optlab.linalg.scaled_rows import ScaledRows

# Relative feasibility of rows (with unit norm) that ends the iteration.
FEASIBILITY = 1e-12
# Beyond it, a correction of x on the face is worth its two products with A.
POLISHED = 1e-14
# Row errors, relative to |x| and |y|, up to which correcting x on the face is a matter of
# rounding and leaves x optimal.
ROUNDING = 1e-9
# Steps without a tenth gained, and steps altogether, after which the interior-point method is
# asked for a better start; the second time the iteration ends.
PATIENCE = 25
MAX_STEPS = 100
# Rows that phi does not let move as the equations say are taken out and the rest is solved
# again, at most so many times.
ROUNDS = 4
# Components of a ray below this fraction of the largest are taken for rounding.
RAY_DUST = 1e-9
# Damping of inconsistent face equations (whose rows have unit norm): the first, its range, and
# how it changes after line searches that end beyond LONG or before SHORT.
DAMPING, DAMPING_MIN, DAMPING_MAX = 1e-2, 1e-10, 1e4
LONG, DAMP_LESS = 0.7, 0.1
SHORT, DAMP_MORE = 0.1, 5.0
# Steps without progress after which rays are looked for.
RAY_CHECK = 8


@dataclass(frozen=True, slots=True)
class DualSolution:
    """Where an iteration ended; the start of the next.

    Attributes
    ----------
    x : (n,)
    lam : (ml,)
        Multipliers of the scaled rows.
    z : (n,)
        Multipliers of the bounds; zero at free variables.
    free : (n,) bool
    rows : (ml,) bool
        Equalities and rows with a nonzero multiplier.
    accurate : bool
    solves : int
        Linear systems solved.
    """

    x: FloatArray
    lam: FloatArray
    z: FloatArray
    free: BoolArray
    rows: BoolArray
    accurate: bool
    solves: int


@dataclass(frozen=True, slots=True)
class DualPoint:
    """The dual and its derivatives at lam.

    Attributes
    ----------
    lam : (ml,)
    u, x : (n,)
        y - A'lam, and that clipped to the bounds.
    r : (ml,)
        A x - b(lam): the distance to the side that lam_i stands on, the violation if lam_i = 0.
    error, tolerance : float
        The largest |r_i|, and where it is small enough.
    """

    lam: FloatArray
    u: FloatArray
    x: FloatArray
    r: FloatArray
    error: float
    tolerance: float


class Move(NamedTuple):
    """Where a line search ended: the new lam, phi there, and the multiple of the direction."""

    lam: FloatArray
    phi: float
    t: float


class DualNewton:
    """One projection: the iteration of the module's docstring.

    Parameters
    ----------
    rows : ScaledRows
    y : (n,)
        The point to project.
    last : DualSolution or None
        The end of an earlier projection; its face is tried first.
    """

    def __init__(self, rows: ScaledRows, y: FloatArray, last: DualSolution | None) -> None:
        self._p = rows
        self._y = y
        self._solves = 0
        self._damping = 0.0
        self._y_norm = math.sqrt(float(y.dot(y)))
        self._move_to(self._evaluate(self._start(last)))

    def run(self) -> DualSolution:
        """Iterate until the error is small or stops falling, or a ray proves emptiness.

        Raises
        ------
        EmptyPolyhedronError
        """
        best, since, steps = math.inf, 0, 0
        accurate, rescued = True, False
        while self._at.error > self._at.tolerance:
            error = self._at.error
            best, since = (error, 0) if error < 0.9 * best else (best, since + 1)
            if since % RAY_CHECK == RAY_CHECK - 1:
                self._look_for_ray()
            steps += 1
            if since >= PATIENCE or steps > MAX_STEPS or not self._iterate():
                self._look_for_ray()
                if rescued or not self._restart_inside():
                    accurate = False
                    break
                rescued, best, since, steps = True, math.inf, 0, 0
        return self._finish(accurate)

    def _start(self, last: DualSolution | None) -> FloatArray:
        """Solve for the multipliers on the last face; without one the first guess is zero."""
        p = self._p
        if last is None or not last.rows.any():
            return np.zeros(p.bl.size)
        # x on that face for the last lam: free variables move with y, the others stay. The
        # system is for the change of lam, so that its error is relative to the change of y.
        lam = last.lam
        x = np.where(last.free, self._y - p.AT @ lam, last.x)
        side = np.where(p.equality | (lam < 0.0), p.bl, p.bu)
        r = np.where(last.rows, p.A @ x - np.where(last.rows, side, 0.0), 0.0)
        guess = lam + p.gram.on_face(last.free, last.rows)(r)
        self._solves += 1
        if EPS * np.abs(guess).max() > ROUNDING * (self._y_norm + math.sqrt(x.dot(x))):
            # The face of the last point contradicts itself for this one.
            return last.lam
        start: FloatArray = np.minimum(np.maximum(guess, p.lam_min), p.lam_max)
        return start

    def _evaluate(self, lam: FloatArray) -> DualPoint:
        """Compute x(lam) and the residual."""
        p = self._p
        u = self._y - p.AT @ lam
        x = np.minimum(np.maximum(u, p.lo), p.hi)
        r = self._row_errors(x, lam)
        size = math.sqrt(x.dot(x))
        tolerance = FEASIBILITY * size + 16.0 * EPS * (size + self._y_norm)
        return DualPoint(lam, u, x, r, float(np.abs(r).max()), tolerance)

    def _row_errors(self, x: FloatArray, lam: FloatArray) -> FloatArray:
        """Return A x - b(lam)."""
        p = self._p
        Ax = p.A @ x
        b = np.minimum(np.maximum(Ax, p.bl), p.bu)
        if lam.any():
            b = np.where(lam > 0.0, p.bu, np.where(lam < 0.0, p.bl, b))
        return np.where(p.used, Ax - b, 0.0)

    def _move_to(self, point: DualPoint) -> None:
        """Make a point the iterate, and find its sets F and W."""
        p = self._p
        self._at = point
        self._free = (point.u > p.lo) & (point.u < p.hi)
        self._rows = p.equality | (point.lam != 0.0) | (np.abs(point.r) > point.tolerance)

    def _iterate(self) -> bool:
        """Take one Newton step; return False when phi falls no more along its directions."""
        falling: list[Move] = []
        if not self._damping:
            d = self._descent()
            consistent = not self._is_inconsistent(d)
            if consistent and self._take_whole(d):
                return True
            falling = self._search_all(d)
            if not consistent:
                self._raise_if_ray(d)
            if not consistent or max((move.t for move in falling), default=0.0) < SHORT:
                self._damping = DAMPING
        if self._damping:
            damped = self._search_all(self._descent())
            self._adapt_damping(max((move.t for move in damped), default=0.0))
            falling += damped
        if not falling:
            return False
        self._move_to(self._evaluate(min(falling, key=lambda move: move.phi).lam))
        return True

    def _search_all(self, d: FloatArray) -> list[Move]:
        """Search along d and along its variants; leave out what phi does not fall along."""
        moves = (self._search(v) for v in (d, *self._stop_at_zero(d)))
        return [move for move in moves if move is not None]

    def _adapt_damping(self, t: float) -> None:
        """Damp less after a long step t, more after a short one; end at none at all.

        Levenberg and Marquardt's rule: a step of about one or more says that the model was
        trusted too little, a tiny one that it is of no use at this distance.
        """
        if t > LONG:
            self._damping *= DAMP_LESS
        elif t < SHORT:
            more = DAMP_MORE if t > SHORT * SHORT else DAMP_MORE * DAMP_MORE
            self._damping = min(self._damping * more, DAMPING_MAX)
        if self._damping < DAMPING_MIN:
            self._damping = 0.0

    def _take_whole(self, d: FloatArray) -> bool:
        """Move to lam + d if that reduces the error tenfold, as it does near the solution.

        It saves the line search; that it cannot cycle follows from the error's fall.
        """
        p = self._p
        lam = np.minimum(np.maximum(self._at.lam + d, p.lam_min), p.lam_max)
        point = self._evaluate(lam)
        if not point.error <= 0.1 * self._at.error:
            return False
        self._move_to(point)
        return True

    def _descent(self) -> FloatArray:
        """Solve the face equations; leave out rows that phi does not let move that way.

        A violated row with lam_i = 0 must move towards the side it violates. Leaving the
        others out keeps d'r > 0, so d stays a direction of descent.
        """
        p = self._p
        rows = self._rows
        at_zero = ~p.equality & (self._at.lam == 0.0)
        for round_ in range(ROUNDS):
            r = np.where(rows, self._at.r, 0.0)
            d = p.gram.on_face(self._free, rows, self._damping)(r)
            self._solves += 1
            wrong = at_zero & (d * r < 0.0)
            if not wrong.any():
                break
            if round_ == ROUNDS - 1:
                d = np.where(wrong, 0.0, d)
            rows = rows & ~wrong
        return d

    def _stop_at_zero(self, d: FloatArray) -> list[FloatArray]:
        """Re-solve with the multipliers that would change sign going to zero and no further.

        The straight line along d is stopped by the first of them. Neither direction is always
        better, so the caller lets phi decide. Returns an empty list if d changes no sign.
        """
        p, lam = self._p, self._at.lam
        stopped = np.zeros(d.size, dtype=bool)
        bent = d
        for _ in range(ROUNDS):
            crossing = ~p.equality & ~stopped & (lam * (lam + bent) < 0.0)
            if not crossing.any():
                break
            stopped |= crossing
            given = np.where(stopped, -lam, 0.0)
            rest = self._rows & ~stopped
            pushed = p.A @ np.where(self._free, p.AT @ given, 0.0)
            r = np.where(rest, self._at.r - pushed, 0.0)
            bent = given + p.gram.on_face(self._free, rest, self._damping)(r)
            self._solves += 1
        return [np.where(stopped, -lam, bent)] if stopped.any() else []

    def _is_inconsistent(self, d: FloatArray) -> bool:
        """Say whether the face equations for d contradict each other.

        Then d is dominated by the null space of A_F', that is eps d'd and not d'A_F A_F'd
        makes up most of d'r. It may be a ray; if not, its steps end at the first breakpoint,
        too short to make progress in the other components, and a damped one may do better.
        """
        w = np.where(self._free, self._p.AT @ d, 0.0)
        return bool(w.dot(w) < 0.5 * d.dot(np.where(d != 0.0, self._at.r, 0.0)))

    def _restart_inside(self) -> bool:
        """Move to the multipliers of the interior-point method; return False if it failed."""
        lam = interior_multipliers(self._p, self._y)
        if lam is None:
            return False
        lam = np.minimum(np.maximum(lam, self._p.lam_min), self._p.lam_max)
        self._damping = 0.0
        self._move_to(self._evaluate(lam))
        return True

    def _look_for_ray(self) -> None:
        """Try the directions that are rays where the error cannot be reduced any more."""
        self._damping = 0.0
        self._raise_if_ray(self._descent())
        self._raise_if_ray(self._at.r)

    def _raise_if_ray(self, d: FloatArray) -> None:
        """Raise if d proves emptiness, as found or after one step of inverse iteration.

        Where the face equations are inconsistent, the regularised solution is dominated by the
        null space of A_F', along which only breakpoints can stop phi from falling. Solving
        once more with d on the right suppresses the other components by as much again.
        """
        p = self._p
        for _ in range(2):
            d = d / np.abs(d).max()
            ray = d * p.scale
            # Components that are rounding would meet absent sides.
            ray[np.abs(d) <= RAY_DUST] = 0.0
            if p.polyhedron.proves_empty(ray):
                raise EmptyPolyhedronError(ray / np.abs(ray).max())
            d = p.gram.on_face(self._free, d != 0.0)(d)
            self._solves += 1

    def _search(self, d: FloatArray) -> Move | None:
        """Minimise phi along d; return the new lam and phi there, None without a descent."""
        p, at = self._p, self._at
        w = p.AT @ d
        t = line_minimum(DualLine(at.u, w, p.lo, p.hi, at.lam, d, p.bl, p.bu))
        if t == math.inf:
            self._raise_if_ray(d)
        if not 0.0 < t < math.inf:
            return None
        lam = at.lam + t * d
        # The row that stopped the search, and any that met zero with it, are exactly zero.
        lam[~p.equality & (np.abs(lam) <= 4.0 * EPS * np.abs(at.lam))] = 0.0
        lam = np.minimum(np.maximum(lam, p.lam_min), p.lam_max)
        u = at.u - t * w
        x = np.minimum(np.maximum(u, p.lo), p.hi)
        side = np.where(lam > 0.0, p.bu, np.where(lam < 0.0, p.bl, 0.0))
        gap = x - self._y
        phi = float(side.dot(lam) - (self._y - u).dot(x) - 0.5 * gap.dot(gap))
        return Move(lam, phi, t)

    def _finish(self, accurate: bool) -> DualSolution:
        """Remove the last rounding from A x on the face."""
        p, at, free = self._p, self._at, self._free
        x = at.x
        rows = p.equality | (at.lam != 0.0)
        size = math.sqrt(x.dot(x))
        if at.error > POLISHED * size and rows.any():
            step = p.AT @ p.gram.on_face(free, rows)(np.where(rows, at.r, 0.0))
            better = np.minimum(np.maximum(x - np.where(free, step, 0.0), p.lo), p.hi)
            error = float(np.abs(self._row_errors(better, at.lam)).max())
            if error < at.error:
                x = better
                rounding = at.error <= ROUNDING * (size + self._y_norm)
                accurate = accurate or (rounding and error <= at.tolerance)
        z = np.where(free, 0.0, at.u - x)
        return DualSolution(x, at.lam, z, free, rows, accurate, self._solves)
