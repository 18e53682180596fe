"""Minimise a convex model over the polyhedron by an interior-point method.

    minimize m(s)   subject to   lo <= x + s <= hi,   bl <= A (x + s) <= bu

The active-set methods of :mod:`optlab.methods.pasa.face` are fast where few constraints change, and
may need a factorization for each change where many do. The central path
(:mod:`optlab.linalg.interior_point`) takes ten to twenty factorizations whatever happens; where it ends
says which constraints are active, so that one or two Newton steps on that face finish the work exactly.

One step solves, with Theta_x and Theta_s the stiffness of bounds and rows (equalities: infinite),

    [ W + sigma M + Theta_x   J'    A'         ] [ dx   ]   [ r_x             ]
    [ J                      -D                ] [ dnu  ] = [ r_nu            ]
    [ A                            -Theta_s^-1 ] [ dlam ]   [ r_p + r_s/Theta_s ]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.interior_point import (
    AbstractCentralSystem,
    Box,
    average_complementarity,
    follow_central_path,
)
from optlab.methods.pasa.working_set import WorkingSet

if TYPE_CHECKING:
    from optlab.linalg.kkt_system import FaceFactor, KKTSystem
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.methods.pasa.model import QuadraticModel
    from optlab.typing import Vector

__all__ = ["CentralPath", "CentralPoint"]

REDUCTIONS = (1e-4, 1e-8)
"""Average complementarity, relative to the start's, at which the active constraints are guessed: first
roughly, which mostly does, then to the accuracy that degenerate models need."""

MAX_STEPS = 40

FAR_AWAY = 1e4
"""Step, relative to 1 + |x| (max-norm), beyond which the model is taken as not bounded below."""


@dataclass(frozen=True, slots=True)
class CentralPoint:
    """Where the central path ended, nearly optimal and inside the polyhedron."""

    step: Vector
    """(n,)"""

    block_multipliers: Vector
    """(mh,) nu."""

    row_multipliers: Vector
    """(ml,)"""

    held: WorkingSet
    """Constraints that are probably active."""


class CentralPath:
    """The central path of a model, followed as far as is asked.

    Parameters
    ----------
    model
        Convex: its face matrix without any inequality has the right inertia.
    x
        Point of the polyhedron that the model is made at, (n,).
    polyhedron, kkt
        The feasible set and the factorizations of its face matrices.
    """

    def __init__(
        self, model: QuadraticModel, x: Vector, polyhedron: Polyhedron, kkt: KKTSystem
    ) -> None:
        poly, rows = polyhedron, polyhedron.rows_times(x)
        size = 1.0 + float(np.mean(np.abs(x)))
        pull = max(1e-4, float(np.mean(np.abs(model.gradient))))
        self._step = Box.around(np.zeros(x.size), poly.lo - x, poly.hi - x, size, pull)
        ahead = poly.rows_times(self._step.v) if rows.size else rows
        self._change = Box.around(ahead, poly.bl - rows, poly.bu - rows, size, pull)
        longest = FAR_AWAY * (1.0 + float(np.max(np.abs(x), initial=0.0)))
        self._system = _ModelSystem(model, poly, kkt, longest)
        self._start = average_complementarity(self._step, self._change)

    def follow(self, reduction: float) -> CentralPoint | None:
        """Go on until the average complementarity is ``reduction`` times the start's; None: in vain."""
        system, step, change = self._system, self._step, self._change
        target = reduction * self._start
        if not follow_central_path(system, step, change, target, MAX_STEPS) <= target:
            return None
        bounds = np.where(step.fixed, np.int8(2), step.held)
        held = WorkingSet(bounds, np.where(change.fixed, np.int8(2), change.held))
        return CentralPoint(step.v, system.nu, system.lam, held)


class _ModelSystem(AbstractCentralSystem):
    """The Newton equations of the module's docstring."""

    def __init__(
        self, model: QuadraticModel, polyhedron: Polyhedron, kkt: KKTSystem, longest: float
    ) -> None:
        self._longest = longest
        self._model, self._polyhedron, self._kkt = model, polyhedron, kkt
        self.nu = np.zeros(model.residual.size)
        self.lam = np.zeros(polyhedron.bl.size)
        self._dnu, self._dlam = self.nu, self.lam
        self._factor: FaceFactor

    def factorize(self, x: Box, s: Box) -> bool:
        if np.max(np.abs(x.v), initial=0.0) > self._longest:
            return False
        model = self._model
        self._x, self._s = x, s
        limited = s.fixed | s.has_low | s.has_high
        stiffness = np.where(limited & ~s.fixed, s.stiffness, 1.0)
        self._S = np.where(s.fixed | ~limited, 0.0, 1.0 / stiffness)
        dual = np.concatenate(
            (np.broadcast_to(model.dual_regularization, self.nu.shape), self._S)
        )
        self._factor = self._kkt.factorize(
            model.hessian,
            model.jacobian,
            dual,
            ~x.fixed,
            limited,
            sigma=model.shift * model.metric + x.stiffness,
        )
        return self._factor.inertia_ok

    def solve(
        self,
        target: float,
        cross_x: tuple[Vector, Vector],
        cross_s: tuple[Vector, Vector],
    ) -> tuple[Vector, Vector]:
        model, x, s = self._model, self._x, self._s
        r_x = -model.partial_gradient(x.v, self.nu) + x.pull(target, cross_x)
        r_p, r_s = s.v, self.lam
        if self.lam.size:
            r_x -= self._polyhedron.transpose_times(self.lam)
            r_p = s.v - self._polyhedron.rows_times(x.v)
            r_s = self.lam + s.pull(target, cross_s)
        r_nu = -model.penalty_residual(x.v, self.nu)
        dx, self._dnu, self._dlam = self._factor.solve(r_x, r_nu, r_p + self._S * r_s)
        return dx, self._S * (r_s + self._dlam)

    def move(self, t: float) -> None:
        self.nu = self.nu + t * self._dnu
        self.lam = self.lam + t * self._dlam
