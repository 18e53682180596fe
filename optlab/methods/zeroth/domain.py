"""Where the iterates may lie: bounds and linear rows, as a record that can be stored.

    Omega = { lb <= x <= ub,  bl <= A x <= bu }

The projection in the norm |v|_w^2 = sum w_j v_j^2 is the Euclidean one in the variables sqrt(w_j) x_j.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.errors import CapabilityError
from optlab.linalg.projection import Polyhedron, Projector
from optlab.typing import Indices, Vector

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle

__all__ = ["Domain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Bounds and linear rows."""

    lb: Vector
    """(n,)"""

    ub: Vector
    """(n,)"""

    A: Vector
    """(m, n), dense; no rows where there are only bounds."""

    bl: Vector
    """(m,)"""

    bu: Vector
    """(m,)"""

    @classmethod
    def of(cls, oracle: Oracle) -> Domain:
        """Read bounds and rows of a problem; evaluates the rows, never the objective.

        Raises
        ------
        CapabilityError
            When a row is not linear.
        """
        if not bool(np.all(oracle.linear)):
            raise CapabilityError(
                f"{int((~oracle.linear).sum())} of {oracle.m} rows are not known to be linear, and the method takes "
                "linear ones only; pass linear=... to optlab.Problem when they are"
            )
        if oracle.m == 0:
            nothing = np.zeros(0)
            A = np.zeros((0, oracle.n))
            return cls(lb=oracle.lb, ub=oracle.ub, A=A, bl=nothing, bu=nothing)
        x = np.clip(oracle.x0, oracle.lb, oracle.ub)
        A = _matrix(oracle, x)
        constant = np.array(oracle.constraints(x)) - A @ x
        return cls(
            lb=oracle.lb, ub=oracle.ub, A=A, bl=oracle.cl - constant, bu=oracle.cu - constant
        )

    @property
    def has_rows(self) -> bool:
        """Whether there is more than bounds."""
        return bool(self.A.shape[0])

    @property
    def free(self) -> Indices | None:
        """Variables that can move, None when all can."""
        fixed = self.lb == self.ub
        return np.flatnonzero(~fixed) if fixed.any() else None

    @property
    def width(self) -> Vector:
        """The distances of the bounds, (n,); inf where one is missing."""
        return self.ub - self.lb

    def project(self, y: Vector, weights: Vector | None = None) -> Vector:
        """Return the point of the set nearest to y, (n,).

        Parameters
        ----------
        y
            (n,)
        weights
            (n,) w > 0 of the norm; None: ones.
        """
        if not self.has_rows:
            # Between bounds every diagonal norm has the same projection.
            return np.clip(y, self.lb, self.ub)
        root = np.ones(y.size) if weights is None else np.sqrt(weights)
        scaled = Polyhedron(self.A / root, self.bl, self.bu, self.lb * root, self.ub * root)
        x = Projector(scaled).project(y * root).x / root
        return np.clip(x, self.lb, self.ub)

    def stationarity(self, x: Vector, gradient: Vector) -> float:
        """Return |P(x - g) - x|, Euclidean: the norm of the gradient where nothing is in its way."""
        return float(np.linalg.norm(self.project(x - gradient) - x))

    def violation(self, x: Vector) -> float:
        """Return the largest violation of a bound or row, at least 0."""
        return Polyhedron(
            self.A if self.has_rows else None, self.bl, self.bu, self.lb, self.ub
        ).violation(x)


def _matrix(oracle: Oracle, x: Vector) -> Vector:
    """Return the matrix of linear rows; from their values at n + 1 points without a Jacobian."""
    if oracle.has_jacobian:
        jacobian: Any = oracle.jacobian(x)
        return np.array(jacobian if isinstance(jacobian, np.ndarray) else jacobian.toarray())
    base = np.array(oracle.constraints(x))
    # Steps of 1 lose nothing: the rows are affine.
    columns = [np.array(oracle.constraints(x + e)) - base for e in np.eye(oracle.n)]
    return np.array(columns).T
