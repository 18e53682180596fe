"""The quadratic model that PASA's face phase minimises.

    m(s) = g's + 1/2 s'(W + sigma M)s + 1/2 |J s + h|^2_{1/D}

For a plain objective there is no second block (``J is None``). For the augmented Lagrangian
``f + lambda'h + q |h|^2`` the second block is the Gauss-Newton part of ``q |h|^2`` with
``D = 1/(2q)``; keeping it apart, as a block of the KKT matrix, is what keeps the linear systems well
scaled as ``q`` grows (section 5 of the project's NPASA specification). With ``D -> 0`` the minimiser
becomes the SQP step of phase two.

=========  ==========================================================
paper      code
=========  ==========================================================
g          ``gradient``: grad f + J'lambda
W          ``hessian``: Hessian of the Lagrangian, or its quasi-Newton model
h, J       ``residual``, ``jacobian``
1/(2q)     ``dual_regularization``
nu         multiplier estimate of the block, nu = (J s + h) / D
=========  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from optlab.typing import Vector

__all__ = ["QuadraticModel"]

_EMPTY = np.zeros(0)


@dataclass(frozen=True, slots=True)
class QuadraticModel:
    """Second-order model of an objective around a point."""

    gradient: Vector
    """(n,) gradient of everything but the penalty block."""

    hessian: Any
    """(n, n) array, sparse array or ``LowRank``."""

    jacobian: Any = None
    """(mh, n) array or sparse array of the penalty block, None without one."""

    residual: Vector = field(default_factory=lambda: _EMPTY)
    """(mh,) h at the expansion point."""

    dual_regularization: Vector | float = 0.0
    """D: 1/(2q) for penalty q, one for all rows or one for each, (mh,)."""

    shift: float = 0.0
    """sigma, in units of ``metric``."""

    metric: Vector | float = 1.0
    """(n,) diagonal that sigma multiplies: the size of the curvature at each variable."""

    convexified: float = 0.0
    """Largest curvature added to W to make the model convex on its face; 0: W as it is."""

    def value(self, s: Vector) -> float:
        """Evaluate m(s) - m(0)."""
        total = self.gradient @ s + 0.5 * (s @ (self.hessian @ s))
        if self.shift != 0.0:
            total += 0.5 * self.shift * (s @ (self.metric * s))
        if self.jacobian is not None:
            js = self.jacobian @ s
            total += float(np.sum(js * (0.5 * js + self.residual) / self.dual_regularization))
        return float(total)

    def slope(self, s: Vector) -> float:
        """Evaluate the derivative of m at 0 along s."""
        total = self.gradient @ s
        if self.jacobian is not None:
            total += (self.jacobian @ s) @ (self.residual / self.dual_regularization)
        return float(total)

    def partial_gradient(self, s: Vector, nu: Vector) -> Vector:
        """Evaluate g + (W + sigma M)s + J'nu, shape (n,)."""
        r = self.gradient + self.hessian @ s
        if self.shift != 0.0:
            r += self.shift * self.metric * s
        if self.jacobian is not None:
            r += self.jacobian.T @ nu
        return np.asarray(r)

    def penalty_residual(self, s: Vector, nu: Vector) -> Vector:
        """Evaluate h + J s - D nu, which vanishes at the minimiser; shape (mh,)."""
        if self.jacobian is None:
            return _EMPTY
        return np.asarray(
            self.residual + self.jacobian @ s - self.dual_regularization * nu, dtype=np.float64
        )
