"""What PASA minimises: a smooth function over a polyhedron, with or without second derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from optlab.errors import EvaluationError
from optlab.linalg.low_rank import LowRank
from optlab.linalg.quasi_newton import DenseBFGS, LimitedMemoryBFGS
from optlab.methods.pasa.model import QuadraticModel

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["Curvature", "OracleObjective", "PolyhedralObjective", "guarded_value"]


class PolyhedralObjective(Protocol):
    """A smooth objective as the kernel sees it; every method may raise ``EvaluationError``."""

    def value(self, x: Vector) -> float:
        """Evaluate the objective."""

    def gradient(self, x: Vector) -> Vector:
        """Evaluate the gradient, shape (n,)."""

    def model(self, x: Vector) -> QuadraticModel:
        """Build the second-order model at ``x``."""

    def accept(self, x: Vector, x_new: Vector) -> None:
        """Learn from an accepted step (quasi-Newton update); no effect with exact Hessians."""

    def curvature_defect(self, x: Vector, s: Vector) -> Vector | None:
        """Evaluate h(x + s) - h(x) - J s, shape (mh,); None where there is no penalty block."""

    def polish(self, x: Vector) -> Vector:
        """Return a feasible point that is no worse and costs nothing (slack resets)."""


def guarded_value(objective: PolyhedralObjective, x: Vector) -> float:
    """Evaluate the objective; a failed evaluation at a trial point counts as +inf."""
    try:
        f = objective.value(x)
    except EvaluationError:
        return math.inf
    return f if math.isfinite(f) else math.inf


@dataclass(frozen=True, slots=True)
class HessianProduct:
    """Hess f at one point, known by its products."""

    oracle: Oracle
    x: Vector

    def __matmul__(self, v: Vector) -> Vector:
        """Evaluate Hess f(x) v."""
        return self.oracle.hprod(self.x, np.zeros(self.oracle.m), 1.0, v)


DENSE_SIZE = 400
"""Variables up to which all of the quasi-Newton matrix is kept. small.open, gradients only (2026-11): 62 of
62 solved with it, 60 with limited memory, 59 with symmetric rank-one updates made convex by reflection."""

PADDED_SIZE = 500
"""Variables with slacks up to which the zeros of the slacks are stored."""


@dataclass(slots=True)
class Curvature:
    """Source of W: the exact Hessian when the problem has one, damped BFGS otherwise.

    The quasi-Newton memory survives from one objective to the next (the augmented Lagrangians of
    successive multipliers share it): it models the Hessian of the Lagrangian, not of the penalty. Slacks,
    the last variables, enter the Lagrangian linearly; in a full matrix their part is zero.
    """

    exact: bool
    memory: DenseBFGS | LimitedMemoryBFGS | None = field(default=None)
    slacks: int = 0
    """Variables at the end that are slacks."""

    @classmethod
    def of(cls, oracle: Oracle, memory: int) -> Curvature:
        """Choose by what the problem offers; ``memory`` pairs are kept for many variables."""
        if oracle.problem.has_hessian:
            return cls(exact=True)
        slacks = int(oracle.problem.slack_rows.size)
        if oracle.n - slacks <= DENSE_SIZE:
            return cls(exact=False, memory=DenseBFGS(oracle.n - slacks), slacks=slacks)
        # Limited memory covers the slacks, too: without them COSHFUN M=200 (medium.open, 2026-11) went to
        # another, slower place, and nothing else was won.
        return cls(exact=False, memory=LimitedMemoryBFGS(oracle.n, memory))

    def update(self, s: Vector, change: Vector) -> None:
        """Store the pair (s, change of the Lagrangian's gradient along s)."""
        if self.memory is not None:
            n = self.memory.n
            self.memory.update(s[:n], change[:n])

    def quasi_newton(self) -> Any:
        """Return the current model of W: an array, a sparse array or a low-rank matrix."""
        assert self.memory is not None
        W = self.memory.matrix()
        n, k = self.memory.n, self.slacks
        if isinstance(W, LowRank) or not k:
            return W
        if n + k <= PADDED_SIZE:
            return np.pad(W, (0, k))
        starts = n * np.minimum(np.arange(n + k + 1), n)
        return csr_array((W.ravel(), np.tile(np.arange(n), n), starts), shape=(n + k, n + k))


@dataclass(slots=True)
class OracleObjective:
    """The problem's own objective, for ``method="pasa"``."""

    oracle: Oracle
    curvature: Curvature
    products: bool = False
    """Whether W is used through products only."""

    def value(self, x: Vector) -> float:
        """Evaluate f(x)."""
        return self.oracle.objective(x)

    def gradient(self, x: Vector) -> Vector:
        """Evaluate grad f(x)."""
        return self.oracle.gradient(x)

    def model(self, x: Vector) -> QuadraticModel:
        """Return g's + 1/2 s'Ws."""
        hessian: Any
        if self.products:
            hessian = HessianProduct(self.oracle, x)
        elif self.curvature.exact:
            hessian = self.oracle.hessian(x, np.zeros(self.oracle.m), 1.0)
        else:
            hessian = self.curvature.quasi_newton()
        return QuadraticModel(self.oracle.gradient(x), hessian)

    def accept(self, x: Vector, x_new: Vector) -> None:
        """Update the quasi-Newton memory."""
        if not (self.products or self.curvature.exact):
            change = self.oracle.gradient(x_new) - self.oracle.gradient(x)
            self.curvature.update(x_new - x, change)

    def curvature_defect(self, x: Vector, s: Vector) -> None:  # noqa: ARG002
        """There is no penalty block."""
        return

    def polish(self, x: Vector) -> Vector:
        """There are no slacks."""
        return x
