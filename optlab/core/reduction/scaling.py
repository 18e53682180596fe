"""Scale the objective, the rows and, if wanted, the variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.reduction.base import IDENTITY, AbstractReduction, Inverse, Multiplied
from optlab.core.reduction.pattern import Scale
from optlab.core.sparse import row_max

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Matrix, Vector

__all__ = ["GradientScaling", "Scaling"]


@dataclass(frozen=True, slots=True)
class GradientScaling(AbstractReduction):
    """Factors from gradients at the start point, min(1, largest / |gradient|), as in [WB06].

    One factor for the objective and one for each row; variables keep theirs. Nothing is scaled up.
    """

    largest: float = 100.0
    """Max-norm of a gradient above which its function is scaled down to this."""

    floor: float = 1e-8
    """Smallest factor."""

    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Return the scaled problem; evaluates gradient and Jacobian at the start point.

        Raises
        ------
        EvaluationError
            When the problem's functions are an oracle's and cannot be evaluated there.
        """
        x = problem.x0
        g = np.asarray(problem.gradient(x), dtype=np.float64)
        objective = float(self._factor(np.array([np.abs(g).max(initial=0.0)]))[0])
        rows = np.ones(problem.m)
        if problem.m:
            rows = self._factor(row_max(problem.jacobian(x)))
        return Scaling(objective, rows).apply(problem)

    def _factor(self, norm: Vector) -> Vector:
        return np.maximum(self.floor, self.largest / np.maximum(norm, self.largest))


@dataclass(frozen=True, slots=True)
class Scaling(AbstractReduction):
    """Given factors: objective * f(D x'), rows * c(D x') with x = D x'.

    With sf the objective's factor, r the rows' and D the variables', multipliers come back as
    y = r y' / sf and z = D^-1 z' / sf.
    """

    objective: float
    rows: Vector
    """(m,) positive."""

    variables: Vector | None = None
    """(n,) positive diagonal of D, or None for ones."""

    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Return the scaled problem."""
        r, d = self.rows, self.variables
        if self.objective == 1.0 and bool((r == 1.0).all()) and d is None:
            return problem, IDENTITY
        functions = _Scaled(problem, self)
        changes: dict[str, Any] = {"objective": functions.objective}
        if problem.m:
            changes.update(
                constraints=functions.constraints,
                cl=problem.cl * r,
                cu=problem.cu * r,
                row_scale=r if problem.row_scale is None else r * problem.row_scale,
            )
        if d is not None:
            changes.update(x0=problem.x0 / d, lb=problem.lb / d, ub=problem.ub / d)
        for verb in ("gradient", "jacobian", "hessian", "hprod"):
            if getattr(problem, f"has_{verb}") and (problem.m or verb != "jacobian"):
                changes[verb] = getattr(functions, verb)
        return problem.replace(**changes), _ScalingInverse(self)


class _Scaled:
    """The problem's functions, scaled."""

    def __init__(self, problem: Problem, factors: Scaling) -> None:
        self._problem = problem
        self._sf = factors.objective
        self._r = factors.rows
        self._d = factors.variables
        self._jacobian = Scale(factors.rows, factors.variables)
        self._hessian = None if self._d is None else Scale(self._d, self._d)

    def _x(self, x: Vector) -> Vector:
        return x if self._d is None else x * self._d

    def objective(self, x: Vector) -> float:
        return self._sf * self._problem.objective(self._x(x))

    def gradient(self, x: Vector) -> Vector:
        g = self._sf * np.asarray(self._problem.gradient(self._x(x)))
        return g if self._d is None else g * self._d

    def constraints(self, x: Vector) -> Vector:
        return self._r * np.asarray(self._problem.constraints(self._x(x)))

    def jacobian(self, x: Vector) -> Matrix:
        return self._jacobian(self._problem.jacobian(self._x(x)))

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        H = self._problem.hessian(self._x(x), y * self._r, sigma * self._sf)
        return H if self._hessian is None else self._hessian(H)

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        product = self._problem.hprod(self._x(x), y * self._r, sigma * self._sf, self._x(v))
        return product if self._d is None else np.asarray(product) * self._d


class _ScalingInverse(Inverse):
    """Undo the factors."""

    def __init__(self, factors: Scaling) -> None:
        self._factors = factors

    def point(self, x: Vector) -> Vector:
        """Return D x'."""
        d = self._factors.variables
        return x if d is None else x * d

    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:  # noqa: ARG002
        """Return D x', r y' / sf, D^-1 z' / sf."""
        sf, r, d = self._factors.objective, self._factors.rows, self._factors.variables
        y = None if at.y is None else at.y * r / sf
        z = None if at.z is None else at.z / sf
        if z is not None and d is not None:
            z = z / d
        return Multiplied(self.point(at.x), y, z)

    def forward(self, at: Multiplied) -> Multiplied:
        """Return D^-1 x, sf y / r, sf D z."""
        sf, r, d = self._factors.objective, self._factors.rows, self._factors.variables
        y = None if at.y is None else sf * at.y / r
        z = None if at.z is None else sf * at.z
        if d is None:
            return Multiplied(at.x, y, z)
        return Multiplied(at.x / d, y, None if z is None else z * d)

    def objective(self, f: float) -> float:
        """Return f' / sf."""
        return f / self._factors.objective
