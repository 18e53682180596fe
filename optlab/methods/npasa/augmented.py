"""The augmented Lagrangian of the standard form, as an objective for PASA.

    L_q(x, lambda) = weight f(x) + lambda'h(x) + q |h(x)|^2                    (phase one)

With ``weight = 0``, ``lambda = 0`` it is the feasibility objective ``q |h|^2`` of the infeasibility
test. Its Newton system keeps the Gauss-Newton part ``2q J'J`` as a block (see
:mod:`optlab.methods.pasa.model`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.methods.pasa.model import QuadraticModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optlab.methods.pasa.objective import Curvature
    from optlab.methods.standard_form import StandardForm
    from optlab.typing import Vector

__all__ = ["AugmentedLagrangian", "SlackRows"]


@dataclass(frozen=True, slots=True)
class SlackRows:
    """The rows h_i = c_i(x) - s_i and the columns of their slacks."""

    rows: NDArray[np.intp]
    """(ns,) positions within h."""

    columns: NDArray[np.intp]
    """(ns,) positions within x."""

    @classmethod
    def of(cls, form: StandardForm) -> SlackRows:
        """Find the slacks that the reduction has put behind the variables."""
        rows = form.oracle.problem.slack_rows
        columns = np.arange(form.n - rows.size, form.n)
        return cls(np.searchsorted(form.nonlinear.rows, rows), columns)


@dataclass(slots=True)
class AugmentedLagrangian:
    """L_q at fixed multipliers and penalty."""

    form: StandardForm
    curvature: Curvature
    slacks: SlackRows
    multipliers: Vector
    penalty: Vector | float
    """q, one for all rows or one for each, (mh,)."""

    weight: float = 1.0
    """Of f."""

    def value(self, x: Vector) -> float:
        """Evaluate L_q(x, lambda)."""
        h = self.form.h(x)
        f = self.weight * self.form.objective(x) if self.weight else 0.0
        return f + float(h @ (self.multipliers + self.penalty * h))

    def gradient(self, x: Vector) -> Vector:
        """Evaluate grad f + J'(lambda + 2q h), shape (n,)."""
        y = self.multipliers + 2.0 * self.penalty * self.form.h(x)
        return self._lagrangian_gradient(x, y)

    def _lagrangian_gradient(self, x: Vector, y: Vector) -> Vector:
        pull = self.form.jacobian(x).T @ y
        return np.asarray(self.weight * self.form.gradient(x) + pull if self.weight else pull)

    def model(self, x: Vector) -> QuadraticModel:
        """Return the Newton model with W at the first-order multipliers lambda + 2q h."""
        h = self.form.h(x)
        if self.curvature.exact:
            y = self.multipliers + 2.0 * self.penalty * h
            hessian = self.form.hessian(x, y, self.weight)
        else:
            hessian = self.curvature.quasi_newton()
        return QuadraticModel(
            gradient=self._lagrangian_gradient(x, self.multipliers),
            hessian=hessian,
            jacobian=self.form.jacobian(x),
            residual=h,
            dual_regularization=0.5 / self.penalty,
        )

    def accept(self, x: Vector, x_new: Vector) -> None:
        """Feed the change of the Lagrangian's gradient at the new multipliers to L-BFGS."""
        if self.curvature.exact:
            return
        y = self.multipliers + 2.0 * self.penalty * self.form.h(x_new)
        change = self._lagrangian_gradient(x_new, y) - self._lagrangian_gradient(x, y)
        self.curvature.update(x_new - x, change)

    def curvature_defect(self, x: Vector, s: Vector) -> Vector:
        """Evaluate h(x + s) - h(x) - J(x) s, shape (mh,)."""
        return np.asarray(self.form.h(x + s) - self.form.h(x) - self.form.jacobian(x) @ s)

    def polish(self, x: Vector) -> Vector:
        """Reset every slack to its minimiser of L_q for the given x: a step that costs nothing.

        In s_i the function lambda_i (c_i - s_i) + q (c_i - s_i)^2 has its minimum at
        c_i + lambda_i / (2 q), clipped to the slack's bounds.
        """
        slacks = self.slacks
        if slacks.rows.size == 0:
            return x
        shift = self.form.h(x)[slacks.rows]
        shift += (self.multipliers / (2.0 * self.penalty))[slacks.rows]
        target = x[slacks.columns] + shift
        lo, hi = self.form.polyhedron.lo, self.form.polyhedron.hi
        reset = x.copy()
        reset[slacks.columns] = np.clip(target, lo[slacks.columns], hi[slacks.columns])
        return reset
