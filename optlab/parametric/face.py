"""The KKT system of an active set: how the solution follows its data, and the adjoint of that.

With F the free variables, B those at a bound and A the active rows, the derivative of the KKT conditions
([Fiacco83], chapter 3) is

    [ W_FF  J_AF' ] [dx_F]   [ -dg_F - W_FB db         ]
    [ J_AF    0   ] [dy_A] = [  ds_A - dc_A - J_AB db  ],     dx_B = db,
                                                            dz_B = -(dg + W dx + J_A'dy_A)_B

for changes dg of grad_x L, dc of the rows, ds of their active sides and db of the active bounds. One
factorization serves all; a direction costs a solve, and so does the adjoint, for any number of parameters.

The optimal value changes by df + y'(dc - ds) - z'db (envelope theorem).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import scipy_module
from optlab.linalg.kkt_system import KKTSystem
from optlab.parametric.perturbation import Change
from optlab.parametric.step import CONSISTENT, Step

if TYPE_CHECKING:
    from optlab.linalg.kkt_face import AbstractFaceFactor
    from optlab.parametric.activity import ActiveSet
    from optlab.parametric.point import Point
    from optlab.typing import Mask, Vector

__all__ = ["Face"]

_NO_SOLUTION = (
    "the KKT system has no solution for this change: its matrix is singular and the change leaves "
    "its range"
)


class Face:
    """The factored KKT matrix of a point on an active set, weakly active constraints included.

    Attributes
    ----------
    point : Point
    active : ActiveSet
    free : (n,) bool
    held : (m,) bool
        The rows A.
    factor : AbstractFaceFactor
        The one given, for singular systems (:mod:`optlab.parametric.least_norm`), or the usual one.
    """

    def __init__(
        self, point: Point, active: ActiveSet, factor: AbstractFaceFactor | None = None
    ) -> None:
        self.point, self.active = point, active
        self.free: Mask = active.bounds == 0.0
        self.held: Mask = active.rows != 0.0
        self.factor = self.refactored(point.W) if factor is None else factor

    def refactored(self, W: Any) -> AbstractFaceFactor:
        """Factor the KKT matrix of this face with another Hessian (n, n)."""
        problem = self.point.problem
        J: Any = self.point.J if problem.m else None
        system = KKTSystem(problem.n, 0, J, W)
        return system.factorize(W, None, 0.0, self.free, self.held)

    def matrix(self) -> Any:
        """Return K, (n + m, n + m) csr_array, with zeros off the face."""
        sparse = scipy_module("sparse")
        J, W = sparse.csr_array(self.point.J), sparse.csr_array(self.point.W)
        K = sparse.block_array([[W, J.T], [J, None]], format="csr")
        mask = sparse.diags_array(np.concatenate((self.free, self.held)).astype(np.float64))
        return mask @ K @ mask

    def forward(self, change: Change) -> Step:
        """Return the step of the solution for a change of the data."""
        point, J = self.point, self.point.J
        db, ds = self.side_rates(self.active, change)
        dx, _, dy = self.factor.solve(
            -change.gradient - point.W @ db, None, ds - change.constraints - J @ db
        )
        residual = self.factor.residual
        f = (
            change.objective
            + float(np.where(self.held, point.y, 0.0) @ (change.constraints - ds))
            - float(point.z @ db)
        )
        if residual > CONSISTENT:
            return Step.missing((dx.size, dy.size), _NO_SOLUTION, f=f, residual=residual)
        dx = np.where(self.free, dx, db)
        dz = np.where(self.free, 0.0, -(change.gradient + point.W @ dx + J.T @ dy))
        return Step(dx, dy, dz, f, residual)

    def adjoint(self, vx: Vector, vy: Vector, vz: Vector, vf: float) -> tuple[Change, float]:
        """Return the weights w with w'change = vx'dx + vy'dy + vz'dz + vf df, and the residual.

        Parameters
        ----------
        vx, vz
            (n,)
        vy
            (m,)
        """
        point, J = self.point, self.point.J
        vz = np.where(self.free, 0.0, vz)
        wx = vx - point.W @ vz
        free_part, _, rows_part = self.factor.solve(wx, None, vy - J @ vz)
        residual = self.factor.residual
        at_bound = wx - point.W @ free_part - J.T @ rows_part
        bounds = np.where(self.free, 0.0, at_bound) - vf * np.where(self.free, 0.0, point.z)
        rows = rows_part - vf * np.where(self.held, point.y, 0.0)
        weights = Change(
            gradient=-(free_part + vz),
            constraints=-rows,
            objective=vf,
            lb=np.where(self.active.bounds < 0.0, bounds, 0.0),
            ub=np.where(self.active.bounds > 0.0, bounds, 0.0),
            cl=np.where(self.active.rows < 0.0, rows, 0.0),
            cu=np.where(self.active.rows > 0.0, rows, 0.0),
        )
        return weights, residual

    @staticmethod
    def side_rates(active: ActiveSet, change: Change) -> tuple[Vector, Vector]:
        """Return the rates of the active bounds (n,) and row sides (m,), zero where none is active."""

        def chosen(sides: Vector, low: Vector, up: Vector) -> Vector:
            return np.where(sides < 0.0, low, np.where(sides > 0.0, up, 0.0))

        return (
            chosen(active.bounds, change.lb, change.ub),
            chosen(active.rows, change.cl, change.cu),
        )
