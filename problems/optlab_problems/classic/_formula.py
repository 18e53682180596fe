"""Problems written as formulas: one function each for the objective and the constraint rows.

The same formula evaluates plain numbers (objective and constraints) and `Jet` values (gradient,
Jacobian, Hessian), so the derivatives cannot disagree with the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from optlab import Problem
from optlab.typing import Vector
from optlab_problems.classic._jet import jet_of, variables

Number = Any
"""A float or a `Jet`: formulas are written once for both."""

INF = float("inf")


@dataclass(frozen=True)
class Formula:
    """A small problem, min f(x) s.t. cl <= c(x) <= cu, lb <= x <= ub, as published.

    Parameters
    ----------
    objective, rows
        Functions of the list of variables; ``rows`` returns the m constraint values.
    x0
        The published starting point.
    cl, cu, lb, ub
        Bounds; a single number holds for all; None means no bound on that side.
    linear
        For each row whether it is affine; empty means none is.
    """

    name: str
    objective: Callable[[Sequence[Number]], Number]
    x0: tuple[float, ...]
    rows: Callable[[Sequence[Number]], list[Number]] | None = None
    cl: tuple[float, ...] | float | None = None
    cu: tuple[float, ...] | float | None = None
    lb: tuple[float, ...] | float | None = None
    ub: tuple[float, ...] | float | None = None
    linear: tuple[bool, ...] = ()

    def problem(self) -> Problem:
        """Return the `optlab.Problem` with exact first and second derivatives, dense."""
        m = len(self._call_rows(self.x0))
        return Problem(
            objective=self._value,
            gradient=self._gradient,
            hessian=self._hessian,
            x0=self.x0,
            lb=self.lb,
            ub=self.ub,
            constraints=self._row_values if m else None,
            jacobian=self._jacobian if m else None,
            cl=_row_side(self.cl, m, -INF),
            cu=_row_side(self.cu, m, INF),
            linear=np.array(self.linear or (False,) * m) if m else None,
            name=self.name,
        )

    def _value(self, x: Float64[Vector, " n"]) -> float:
        return float(self.objective(x.tolist()))

    def _gradient(self, x: Float64[Vector, " n"]) -> Float64[Vector, " n"]:
        return jet_of(self.objective(variables(x)), x.size).gradient

    def _row_values(self, x: Float64[Vector, " n"]) -> Float64[Vector, " m"]:
        return np.array(self._call_rows(x.tolist()), dtype=np.float64)

    def _jacobian(self, x: Float64[Vector, " n"]) -> Float64[Vector, "m n"]:
        return np.array([jet_of(row, x.size).gradient for row in self._call_rows(variables(x))])

    def _hessian(
        self, x: Float64[Vector, " n"], y: Float64[Vector, " m"], sigma: float
    ) -> Float64[Vector, "n n"]:
        at = variables(x)
        total = sigma * jet_of(self.objective(at), x.size).hessian
        if self.rows is not None:
            for weight, row in zip(y.tolist(), self._call_rows(at), strict=True):
                total = total + weight * jet_of(row, x.size).hessian
        return total

    def _call_rows(self, x: Sequence[Number]) -> list[Number]:
        return [] if self.rows is None else self.rows(x)


def _row_side(
    given: tuple[float, ...] | float | None, m: int, missing: float
) -> Float64[Vector, " m"] | None:
    """Return one side of the row bounds, full length, or None when there are no rows."""
    if m == 0:
        return None
    return np.array(np.broadcast_to(missing if given is None else given, m), dtype=np.float64)
