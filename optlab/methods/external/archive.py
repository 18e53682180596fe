"""The points that a run has evaluated, and what those next to its answer say: how far apart, and how steep.

The gradient at the answer x is estimated from the 2n nearest points x_j by least squares,

    f_j ~ a + g'(x_j - x),

and the residuals of these 2n + 1 equations in n + 1 unknowns give the standard error: of the noise of the values and of
the curvature that a plane leaves out alike.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["Archive"]

_KEPT = 1000
"""Points kept, the latest, per n + 1."""


class Archive:
    """Points and their values.

    Parameters
    ----------
    oracle
        For its bounds.
    unit
        Length that counts as 1, per variable, shape (n,).
    """

    __slots__ = ("_found", "_oracle", "_unit")

    def __init__(self, oracle: Oracle, unit: Vector) -> None:
        self._oracle, self._unit = oracle, unit
        self._found: deque[tuple[Vector, float]] = deque(maxlen=_KEPT * (oracle.n + 1))

    def add(self, x: Vector, f: float) -> None:
        """Keep a point."""
        self._found.append((x, f))

    def radius(self, x: Vector) -> float:
        """Return the distance of the farthest of the 2n points nearest to x, in units, max-norm; nan without any."""
        _, _, distance = self._nearest(x)
        return float(distance[-1]) if distance.size else np.nan

    def steepness(self, x: Vector) -> tuple[float, float]:
        """Estimate |P(x - g) - x|, P onto the bounds, and the standard error of g; nan where points do not tell.

        Both are Euclidean norms.
        """
        free = self._oracle.lb < self._oracle.ub
        points, values, _ = self._nearest(x)
        steps = points[:, free] - x[free]
        k, n = steps.shape
        if n == 0:
            return 0.0, 0.0
        size = np.max(np.abs(steps), axis=0, initial=0.0)
        if k <= n + 1 or not size.all():
            return np.nan, np.nan
        design = np.column_stack([np.ones(k), steps / size])
        fitted, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
        if rank <= n:
            return np.nan, np.nan
        variance = float(np.sum((values - design @ fitted) ** 2)) / (k - n - 1)
        spread = np.diag(np.linalg.inv(design.T @ design))[1:] / size**2
        gradient = np.zeros(x.size)
        gradient[free] = fitted[1:] / size
        projected = np.clip(x - gradient, self._oracle.lb, self._oracle.ub) - x
        return float(np.linalg.norm(projected)), float(np.sqrt(variance * spread.sum()))

    def _nearest(self, x: Vector) -> tuple[Vector, Vector, Vector]:
        """Return the 2n + 1 points nearest to x, itself among them, with values and distances, ascending."""
        distinct = {point.tobytes(): (point, f) for point, f in self._found}.values()
        points = np.array([point for point, _ in distinct]).reshape(-1, x.size)
        values = np.array([f for _, f in distinct])
        distance = np.max(np.abs(points - x) / self._unit, axis=1, initial=0.0)
        order = np.argsort(distance, kind="stable")[: 2 * x.size + 1]
        return points[order], values[order], distance[order]
