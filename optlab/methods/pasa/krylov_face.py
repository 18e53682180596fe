"""Minimise the quadratic model over the polyhedron with Hessian-vector products only.

Truncated conjugate gradients in the null space of the face (one projection with the factor of A A' a
product) replace the factorization of :mod:`optlab.methods.pasa.face`. A direction of negative curvature
p gets the step |g'p| / |p'Wp|, the length that the absolute value of its curvature suggests. Steps that
leave the polyhedron are truncated at the first constraints met, or clipped where there are bounds alone
and the model value is lower; the constraints met are held and the minimisation goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.krylov import CGEnd, projected_cg
from optlab.methods.pasa.face import FaceStep
from optlab.methods.pasa.working_set import step_to_boundary

if TYPE_CHECKING:
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.linalg.projection import Projector
    from optlab.methods.pasa.model import QuadraticModel
    from optlab.methods.pasa.working_set import WorkingSet
    from optlab.typing import Vector

__all__ = ["KrylovFaceSolver"]

FORCING = 0.1
"""Largest relative residual of the truncated iteration; it falls with the square root of the gradient
for superlinear convergence (Dembo, Eisenstat and Steihaug, SIAM J. Numer. Anal. 19, 1982)."""


@dataclass(slots=True)
class KrylovFaceSolver:
    """Matrix-free model minimiser over one polyhedron."""

    polyhedron: Polyhedron
    projector: Projector
    max_changes: int
    max_products: int
    """Hessian-vector products in one run of conjugate gradients."""

    def minimize(
        self, model: QuadraticModel, x: Vector, held: WorkingSet, mu: Vector
    ) -> FaceStep:
        """Minimise ``model`` over ``{s : x + s in polyhedron}``, approximately.

        Parameters and result are those of :meth:`optlab.methods.pasa.face.FaceSolver.minimize`; no
        factor is returned.
        """
        held = self._binding(model, held)
        s = np.zeros(x.size)
        added, solved, changes = 0.0, False, 0
        forcing = min(FORCING, float(np.linalg.norm(model.gradient)) ** 0.5)
        for changes in range(self.max_changes + 1):  # noqa: B007 - counted for the report
            d, curvature = self._direction(model, s, held, forcing)
            added = max(added, curvature)
            y = x + s
            rows = (self.polyhedron.rows_times(y), self.polyhedron.rows_times(d))
            blocking = step_to_boundary(y, d, rows, held, self.polyhedron)
            if blocking.size > 1.0:
                s = s + d
                solved = True
                break
            truncated = s + blocking.size * d
            clipped = np.clip(y + d, self.polyhedron.lo, self.polyhedron.hi) - x
            if not mu.size and model.value(clipped) < model.value(truncated):
                s, held = clipped, held.with_added(blocking.beyond)
            else:
                s, held = truncated, held.with_added(blocking.first)
        residual = -model.partial_gradient(s, model.residual)
        _, multipliers = self.projector.face_projection(residual, held.free, held.active_rows)
        return FaceStep(s, model.residual, multipliers, held, added, None, solved, changes)

    def _binding(self, model: QuadraticModel, held: WorkingSet) -> WorkingSet:
        """Release the constraints whose least-squares multipliers have the wrong sign."""
        g = model.partial_gradient(np.zeros(held.bounds.size), model.residual)
        _, mu = self.projector.face_projection(-g, held.free, held.active_rows)
        t = g + self.polyhedron.transpose_times(mu) if mu.size else g
        side, rows = held.bounds, held.rows
        return held.without(
            ((side == -1) & (t < 0.0)) | ((side == 1) & (t > 0.0)),
            ((rows == -1) & (mu > 0.0)) | ((rows == 1) & (mu < 0.0)),
        )

    def _direction(
        self, model: QuadraticModel, s: Vector, held: WorkingSet, forcing: float
    ) -> tuple[Vector, float]:
        """Return a descent direction of the model at s and the curvature it had reflected."""
        free, active = held.free, held.active_rows

        def project(v: Vector) -> Vector:
            return self.projector.face_projection(v, free, active)[0]

        g = model.partial_gradient(s, model.residual)
        end = projected_cg(
            lambda v: np.asarray(model.hessian @ v),
            g,
            project,
            rtol=forcing,
            max_iter=self.max_products,
        )
        p = end.curvature_direction
        if end.end is not CGEnd.NEGATIVE_CURVATURE or p is None:
            return end.step, 0.0
        curvature = float(p @ (model.hessian @ p))
        downhill = abs(float(g @ p)) / max(abs(curvature), 1e-16 * float(p @ p))
        return end.step + downhill * p, 2.0 * abs(curvature) / float(p @ p)
