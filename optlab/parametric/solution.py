"""The map from changes of a problem's data to changes of its solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optlab.parametric.activity import DEFAULT_ACTIVITY_TOL, ActiveSet, classified
from optlab.parametric.degenerate import steepest
from optlab.parametric.face import Face
from optlab.parametric.one_sided import one_sided
from optlab.parametric.perturbation import Change
from optlab.parametric.point import Point
from optlab.parametric.regularity import DRIFT, Regularity, examined
from optlab.parametric.step import Step
from optlab.typing import Vector

__all__ = ["Solution", "solution_map"]


@dataclass(frozen=True)
class Solution:
    """The map from changes of the data to changes of a solution, at one solution.

    What does not depend on the choice of parameters; :func:`solution_map` makes it.
    """

    face: Face
    """With the active set on which the linear map is taken."""

    active: ActiveSet
    """The classification, weakly active constraints included."""

    regularity: Regularity

    tol: float
    """Below which a multiplier and a gap count as zero, relative."""

    @property
    def point(self) -> Point:
        """The solution."""
        return self.face.point

    @property
    def weakly_active(self) -> tuple[str, ...]:
        """Rows and bounds that are active with a multiplier not told from zero, in words."""
        return self.active.weak_labels(self.point.problem)

    @property
    def issues(self) -> tuple[str, ...]:
        """Everything that keeps the solution from being differentiable, in words; empty: nothing."""
        found = []
        weak = self.weakly_active
        if weak:
            held = "held" if self.face.active.any_weak else "released"
            found.append(
                f"weakly active: {', '.join(weak)}; dx and the adjoint take them as {held}, directional() "
                "decides for each direction"
            )
        if not self.regularity.independent:
            found.append(
                "the active constraints have dependent gradients (LICQ fails): multipliers are not unique, "
                "dy, dz and df are one choice, and only changes that keep the constraints consistent have a "
                "dx; directional() chooses the multipliers for each direction"
            )
        if self.regularity.singular:
            found.append(
                "the Hessian of the Lagrangian is singular along the active constraints: the solution is "
                "not isolated, or moves infinitely fast; derivatives are of least norm, or nan where there "
                "is none"
            )
        elif not self.regularity.second_order:
            found.append(
                "the Hessian of the Lagrangian is not positive definite along the active constraints: the "
                "derivatives are those of a KKT point that need not be a minimizer"
            )
        if self.regularity.drift > DRIFT:
            found.append(
                f"the KKT matrix changes by {self.regularity.drift:.0%} within the error of the point, and dx "
                "with it: solve with a smaller tol; where that does not help, the matrix is singular at the "
                "exact solution"
            )
        return tuple(found)

    def directional(self, change: Change, at: Callable[[Vector], Change] | None = None) -> Step:
        """Return the one-sided derivative along a change of the data.

        Parameters
        ----------
        change
            At the multipliers of the point.
        at
            ``at(y)`` is the change with grad_x L taken at other multipliers, for points where they are
            not unique; None where that is not known.
        """
        if not self.regularity.independent:
            return self._among_multipliers(change, at)
        return (
            one_sided(self.face, change) if self.active.any_weak else self.face.forward(change)
        )

    def _among_multipliers(self, change: Change, at: Callable[[Vector], Change] | None) -> Step:
        if at is not None:
            return steepest(self.point, self.active, change, at, self.tol)
        step = self.face.forward(change)
        if step.exists and not self.active.any_weak:
            return step
        words = (
            "multipliers are not unique, and which of them counts along this direction cannot be told "
            "without the derivatives of grad f + J'y for other y: give a family in place of a Perturbation"
        )
        return Step.missing((step.x.size, step.y.size), words)

    def adjoint(
        self, vx: Vector, vy: Vector | None = None, vz: Vector | None = None, vf: float = 0.0
    ) -> tuple[Change, float]:
        """Return weights w with w'change = vx'dx + vy'dy + vz'dz + vf df, and the relative residual."""
        n, m = self.point.problem.n, self.point.problem.m
        vy = np.zeros(m) if vy is None else vy
        vz = np.zeros(n) if vz is None else vz
        return self.face.adjoint(vx, vy, vz, vf)


def solution_map(point: Point, tol: float = DEFAULT_ACTIVITY_TOL) -> Solution:
    """Classify, factor and examine at a point.

    Weakly active constraints are held unless that makes the system singular and releasing them does not.
    """
    active = classified(point, tol)
    face, regularity = examined(Face(point, active))
    if active.any_weak and not regularity.independent:
        freed, alone = examined(Face(point, active.released()))
        if alone.independent:
            return Solution(freed, active, replace(alone, independent=False), tol)
    return Solution(face, active, regularity, tol)
