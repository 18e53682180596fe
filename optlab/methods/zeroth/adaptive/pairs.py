"""Two points along every variable, within the bounds, and the parabolas through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab.core.shifts import CoordinateShifts

if TYPE_CHECKING:
    from optlab.methods.zeroth.state import Scene
    from optlab.typing import Vector

__all__ = ["ROOM", "coordinate_pairs", "pair_steps", "parabolas"]

ROOM = 0.25
"""Longest displacement in units of the distance of the bounds."""


def pair_steps(scene: Scene, x: Vector, size: Vector) -> tuple[Vector, Vector]:
    """Return h and -h for every free variable, or h and 2h away from a bound that is nearer than h; (m,) each.

    Parameters
    ----------
    scene, x
        The bounds, and the point between them.
    size
        (m,) wanted h.
    """
    free, domain = scene.free, scene.domain
    up, down = (domain.ub - x)[free], (x - domain.lb)[free]
    h = np.minimum(size, ROOM * (up + down))
    central = (up >= h) & (down >= h)
    away = np.where(up >= down, h, -h)
    return np.where(central, h, away), np.where(central, -h, 2.0 * away)


def coordinate_pairs(
    scene: Scene, here: int, first: Vector, second: Vector
) -> CoordinateShifts:
    """Ask for the point itself so many times, then for the first points, then for the second ones."""
    free = scene.free
    index = np.concatenate([np.repeat(free[:1], here), free, free])
    return CoordinateShifts(scene.n, index, np.concatenate([np.zeros(here), first, second]))


def parabolas(a: Vector, b: Vector, at_a: Vector, at_b: Vector) -> tuple[Vector, Vector]:
    """Return slope and curvature at 0 of the parabolas through (0, 0), (a, at_a), (b, at_b).

    One missing value leaves a straight line; two leave nothing, which counts as flat.
    """
    g = (at_a * b**2 - at_b * a**2) / (a * b * (b - a))
    c = 2.0 * (at_a * b - at_b * a) / (a * b * (a - b))
    line = np.where(np.isfinite(at_a), at_a / a, at_b / b)
    g = np.where(np.isfinite(g), g, np.where(np.isfinite(line), line, 0.0))
    return g, np.where(np.isfinite(c), c, 0.0)
