"""Projection onto a polyhedron, by a semismooth Newton method on the dual.

    min 1/2 |x - y|^2   subject to   bl <= A x <= bu,   lo <= x <= hi.

With multipliers lam of the rows, the minimiser of the Lagrangian over the box is

    x(lam) = min(max(lo, y - A'lam), hi),

and the negative dual function (:mod:`optlab.kernels.line_minimum`) is convex and piecewise
quadratic. It is minimised by :mod:`optlab.linalg.dual_newton`; a projection near the last one
costs one solve with the factorization of the last face.

References: [HZ16] for the dual and the warm start; semismooth Newton with an exact line search
in place of [HZ16]'s sparse reconstruction and coordinate ascent (docs/decisions/0002, 0006).

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

from optlab.errors import ProblemError
from optlab.linalg.account import PROJECTION, TimeAccount
from optlab.linalg.arrays import EPS
from optlab.linalg.dual_newton import DualNewton, DualSolution
from optlab.linalg.farkas import proposed_ray
from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron
from optlab.linalg.scaled_rows import ScaledRows

if TYPE_CHECKING:
    import numpy.typing as npt
    import scipy.sparse as sp

    from optlab.linalg.arrays import BoolArray, FloatArray

__all__ = [
    "EmptyPolyhedronError",
    "Polyhedron",
    "Projection",
    "ProjectionStatus",
    "Projector",
    "project",
]


# Passes of a projection onto a face; more than two only where rows depend on each other.
MAX_PASSES = 30


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
    account : TimeAccount or None
        Where the time of projections goes; None: an account of its own.

    Notes
    -----
    The result of :meth:`project` does not depend on earlier calls beyond rounding; its cost
    does. The last face and its factorization are kept, and the first thing tried for a new
    point is the projection onto that face: one solve.
    """

    def __init__(self, polyhedron: Polyhedron, account: TimeAccount | None = None) -> None:
        self.polyhedron = polyhedron
        self._account = TimeAccount() if account is None else account
        self._refuse_impossible_zero_rows()
        A = polyhedron.A
        self._rows = None if A is None else ScaledRows(polyhedron, A)
        self._last: DualSolution | None = None
        self._known_inhabited = False

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
        return 0 if self._rows is None else self._rows.gram.factorizations

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
        if self._rows is None:
            return self._clip(y)
        self._account.enter(PROJECTION)
        try:
            self._last = s = DualNewton(self._rows, y, self._last).run()
            if not s.accurate and not self._known_inhabited:
                self._prove_inhabited()
        finally:
            self._account.leave()
        status = ProjectionStatus.OPTIMAL if s.accurate else ProjectionStatus.INACCURATE
        lam = s.lam * self._rows.scale
        return Projection(s.x.copy(), lam, s.z, s.rows, s.free, status, s.solves)

    def _prove_inhabited(self) -> None:
        """Ask a linear program whether the point that was not found exists; raise if it does not."""
        ray = proposed_ray(self.polyhedron)
        if ray is not None and self.polyhedron.proves_empty(ray):
            raise EmptyPolyhedronError(ray / np.abs(ray).max())
        self._known_inhabited = True

    def _clip(self, y: FloatArray) -> Projection:
        """Project on bounds alone: nothing to solve."""
        p = self.polyhedron
        x = np.minimum(np.maximum(y, p.lo), p.hi)
        free = (x > p.lo) & (x < p.hi)
        none = np.zeros(0)
        return Projection(x, none, y - x, none.astype(bool), free, ProjectionStatus.OPTIMAL, 0)

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
        p = self._rows
        if p is None or not active.any():
            return d, np.zeros(self.polyhedron.ml)
        self._account.enter(PROJECTION)
        try:
            return self._on_face(p, d, free, active)
        finally:
            self._account.leave()

    @staticmethod
    def _on_face(
        p: ScaledRows, d: FloatArray, free: BoolArray, active: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        lam = np.zeros(active.size)
        solve = p.gram.on_face(free, active)
        # The second pass removes the rounding that the first leaves in the row space
        # ("twice is enough", [GLR05]); rows that depend on each other on this face are
        # damped, and take more.
        tiny = 10.0 * EPS * float(np.abs(d).max(initial=0.0))
        for k in range(MAX_PASSES):
            residual = np.where(active, p.A @ d, 0.0)
            if k >= 2 and float(np.abs(residual).max(initial=0.0)) <= tiny:
                break
            step = solve(residual)
            lam += step
            d -= np.where(free, p.AT @ step, 0.0)
        return d, lam * p.scale
