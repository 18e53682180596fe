"""Give every nonlinear inequality a bounded slack variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.reduction.base import IDENTITY, AbstractReduction, Inverse, Multiplied
from optlab.core.reduction.pattern import AppendColumns, Pad

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Indices, Matrix, Vector

__all__ = ["Slacks"]


@dataclass(frozen=True, slots=True)
class Slacks(AbstractReduction):
    """Turn each nonlinear row with cl < cu into c_i(x) - s_i = 0, cl_i <= s_i <= cu_i.

    Linear rows stay as they are. The variables become (x, s). A slack starts at the projection of
    c_i(x0) onto its bounds, moved inside by ``interior`` of the distance to them.
    """

    interior: float = 0.0
    """Share of the width (or, for one bound, of max(1, |bound|)) that a start value keeps from
    its bounds; 0 starts at the projection."""

    def apply(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Return the problem with slacks; evaluates the rows at the start point.

        Raises
        ------
        EvaluationError
            When the problem's functions are an oracle's and the rows cannot be evaluated there.
        """
        linear = np.zeros(problem.m, dtype=bool) if problem.linear is None else problem.linear
        rows = np.flatnonzero(~linear & (problem.cl < problem.cu))
        if not rows.size:
            return problem, IDENTITY
        lo, hi = problem.cl[rows], problem.cu[rows]
        start = np.asarray(problem.constraints(problem.x0), dtype=np.float64)[rows]
        functions = _WithSlacks(problem, rows)
        cl, cu = problem.cl.copy(), problem.cu.copy()
        cl[rows] = 0.0
        cu[rows] = 0.0
        changes: dict[str, Any] = {
            "objective": functions.objective,
            "constraints": functions.constraints,
            "x0": np.concatenate((problem.x0, self._start(start, lo, hi))),
            "lb": np.concatenate((problem.lb, lo)),
            "ub": np.concatenate((problem.ub, hi)),
            "cl": cl,
            "cu": cu,
            "linear": linear,
            "variable_names": None,
            "slack_rows": rows,
        }
        for verb in ("gradient", "jacobian", "hessian", "hprod"):
            if getattr(problem, f"has_{verb}"):
                changes[verb] = getattr(functions, verb)
        return problem.replace(**changes), _SlackInverse(problem, rows)

    def _start(self, c: Vector, lo: Vector, hi: Vector) -> Vector:
        """Project the rows' values onto the (shrunk) bounds."""
        width = hi - lo
        low_margin = np.where(np.isfinite(width), width, np.maximum(1.0, np.abs(lo)))
        high_margin = np.where(np.isfinite(width), width, np.maximum(1.0, np.abs(hi)))
        # The margin of a missing bound is infinite, and 0 * inf is not a number.
        low = lo + self.interior * np.where(np.isfinite(lo), low_margin, 0.0)
        high = hi - self.interior * np.where(np.isfinite(hi), high_margin, 0.0)
        middle = 0.5 * (low + high)
        empty = low > high
        return np.clip(c, np.where(empty, middle, low), np.where(empty, middle, high))


class _WithSlacks:
    """The problem's functions of (x, s)."""

    def __init__(self, problem: Problem, rows: Indices) -> None:
        self._problem = problem
        self._n = problem.n
        self._rows = rows
        self._jacobian = AppendColumns(rows)
        self._hessian = Pad(rows.size)

    def objective(self, w: Vector) -> float:
        return self._problem.objective(w[: self._n])

    def gradient(self, w: Vector) -> Vector:
        g = np.zeros(w.size)
        g[: self._n] = self._problem.gradient(w[: self._n])
        return g

    def constraints(self, w: Vector) -> Vector:
        c: Vector = np.array(self._problem.constraints(w[: self._n]), dtype=np.float64)
        c[self._rows] -= w[self._n :]
        return c

    def jacobian(self, w: Vector) -> Matrix:
        return self._jacobian(self._problem.jacobian(w[: self._n]))

    def hessian(self, w: Vector, y: Vector, sigma: float) -> Matrix:
        return self._hessian(self._problem.hessian(w[: self._n], y, sigma))

    def hprod(self, w: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        product = np.zeros(w.size)
        n = self._n
        product[:n] = self._problem.hprod(w[:n], y, sigma, v[:n])
        return product


class _SlackInverse(Inverse):
    """Drop the slacks; a row's multiplier is already that of the user's row."""

    def __init__(self, problem: Problem, rows: Indices) -> None:
        self._problem = problem
        self._rows = rows

    def point(self, x: Vector) -> Vector:
        """Drop the slacks."""
        return x[: self._problem.n]

    def back(self, at: Multiplied, *, exact: bool) -> Multiplied:  # noqa: ARG002
        """Drop the slacks and the multipliers of their bounds."""
        n = self._problem.n
        return Multiplied(at.x[:n], at.y, None if at.z is None else at.z[:n])

    def forward(self, at: Multiplied) -> Multiplied:
        """Put the slacks at the projection of the rows, their bound multipliers at y."""
        c = np.asarray(self._problem.constraints(at.x), dtype=np.float64)[self._rows]
        s = np.clip(c, self._problem.cl[self._rows], self._problem.cu[self._rows])
        z = None
        if at.z is not None:
            # Stationarity in s is -y_i + z_i = 0.
            of_slacks = np.zeros(s.size) if at.y is None else at.y[self._rows]
            z = np.concatenate((at.z, of_slacks))
        return Multiplied(np.concatenate((at.x, s)), at.y, z)
