"""Remove variables whose bounds coincide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.reduction.base import IDENTITY, AbstractReduction, Inverse, Multiplied
from optlab.core.reduction.pattern import Select

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Indices, Matrix, Vector

__all__ = ["FixedVariables"]


@dataclass(frozen=True, slots=True)
class FixedVariables(AbstractReduction):
    """Substitute the value of every variable with lb == ub.

    Their multipliers come back from stationarity, z_j = -(grad f + J'y)_j.
    """

    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Return the problem in the free variables.

        A problem whose variables are all fixed is returned as it is: there would be no variable
        left.
        """
        fixed = problem.lb == problem.ub
        if not fixed.any() or fixed.all():
            return problem, IDENTITY
        free = np.flatnonzero(~fixed)
        functions = _Restricted(problem, free)
        names = problem.variable_names
        changes: dict[str, Any] = {
            "objective": functions.objective,
            "x0": problem.x0[free],
            "lb": problem.lb[free],
            "ub": problem.ub[free],
            "variable_names": None if names is None else [names[j] for j in free],
        }
        if problem.has_gradient:
            changes["gradient"] = functions.gradient
        if problem.m:
            changes["constraints"] = functions.constraints
            if problem.has_jacobian:
                changes["jacobian"] = functions.jacobian
        if problem.has_hessian:
            changes["hessian"] = functions.hessian
        if problem.has_hprod:
            changes["hprod"] = functions.hprod
        return problem.replace(**changes), _FixedInverse(problem, free)


class _Restricted:
    """The problem's functions with the fixed variables filled in."""

    def __init__(self, problem: Problem, free: Indices) -> None:
        self._problem = problem
        self._free = free
        self._columns = Select(free)
        self._square = Select(free, free)

    def _full(self, x: Vector) -> Vector:
        full = self._problem.lb.copy()
        full[self._free] = x
        return full

    def objective(self, x: Vector) -> float:
        return self._problem.objective(self._full(x))

    def gradient(self, x: Vector) -> Vector:
        return self._problem.gradient(self._full(x))[self._free]

    def constraints(self, x: Vector) -> Vector:
        return self._problem.constraints(self._full(x))

    def jacobian(self, x: Vector) -> Matrix:
        return self._columns(self._problem.jacobian(self._full(x)))

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        return self._square(self._problem.hessian(self._full(x), y, sigma))

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        wide = np.zeros(self._problem.n)
        wide[self._free] = v
        return self._problem.hprod(self._full(x), y, sigma, wide)[self._free]


class _FixedInverse(Inverse):
    """Fill in the fixed variables and their multipliers."""

    def __init__(self, problem: Problem, free: Indices) -> None:
        self._problem = problem
        self._free = free
        self._fixed = np.flatnonzero(problem.lb == problem.ub)

    def point(self, x: Vector) -> Vector:
        """Insert the fixed values."""
        full = self._problem.lb.copy()
        full[self._free] = x
        return full

    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:
        """Insert the fixed values and, if exact, their multipliers (else 0)."""
        x = self.point(at.x)
        if at.z is None:
            return Multiplied(x, at.y, None)
        z = np.zeros(self._problem.n)
        z[self._free] = at.z
        if exact and self._problem.has_gradient:
            d = np.asarray(self._problem.gradient(x), dtype=np.float64)
            if at.y is not None and at.y.size:
                d = d + self._problem.jacobian(x).T @ at.y
            z[self._fixed] = -d[self._fixed]
        return Multiplied(x, at.y, z)

    def forward(self, at: Multiplied) -> Multiplied:
        """Drop the fixed variables."""
        z = None if at.z is None else at.z[self._free]
        return Multiplied(at.x[self._free], at.y, z)
