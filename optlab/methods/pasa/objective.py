"""What PASA minimises: a smooth function over a polyhedron, with or without second derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from optlab.errors import EvaluationError
from optlab.linalg.quasi_newton import LimitedMemoryBFGS
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


@dataclass(slots=True)
class Curvature:
    """Source of W: the exact Hessian when the problem has one, damped L-BFGS otherwise.

    The quasi-Newton memory survives from one objective to the next (the augmented Lagrangians of
    successive multipliers share it): it models the Hessian of the Lagrangian, not of the penalty.
    """

    exact: bool
    memory: LimitedMemoryBFGS | None = field(default=None)

    @classmethod
    def of(cls, oracle: Oracle, memory: int) -> Curvature:
        """Choose by what the problem offers; ``memory`` pairs are kept without a Hessian."""
        if oracle.problem.has_hessian:
            return cls(exact=True)
        return cls(exact=False, memory=LimitedMemoryBFGS(oracle.n, memory))

    def update(self, s: Vector, change: Vector) -> None:
        """Store the pair (s, change of the Lagrangian's gradient along s)."""
        if self.memory is not None:
            self.memory.update(s, change)

    def quasi_newton(self) -> Any:
        """Return the current low-rank model of W."""
        assert self.memory is not None
        return self.memory.matrix()


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
