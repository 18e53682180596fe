"""Which displacement suits values with errors, and how large the errors are.

A difference quotient over h of values with independent errors of standard deviation s has the mean square error

    forward   (c h / 2)^2 + 2 s^2 / h^2          least at h = (8 s^2 / c^2)^(1/4)
    central   (c h^2 / 6)^2 + s^2 / (2 h^2)      least at h = (3 s / c)^(1/3)

where c bounds the second (forward) or third (central) derivative along the direction ([MW12]).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optlab.core.derivatives.noise import POINTS, noise_of_table
from optlab.core.shifts import DenseShifts
from optlab.methods.zeroth.estimators.space import Space
from optlab.typing import Vector

__all__ = ["NoisePlan", "best_step", "noise_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePlan:
    """The points that tell how noisy the values are."""

    shifts: DenseShifts
    """Displacements along a line, so short that a smooth function hardly bends over them."""

    combine: Callable[[Vector], float]
    """Values (k,) -> standard deviation of their errors; nan when too few are finite."""

    @property
    def queries(self) -> int:
        """Exact number of evaluations."""
        return len(self.shifts)


def best_step(noise: float, curvature: float, *, central: bool) -> float:
    """Return the length of a displacement that balances noise against curvature."""
    if central:
        return float((3.0 * noise / curvature) ** (1.0 / 3.0))
    return float((8.0 * noise**2 / curvature**2) ** 0.25)


def noise_plan(space: Space, spacing: float, rng: np.random.Generator) -> NoisePlan:
    """Plan a difference table on a random line through the point ([MW11]).

    Parameters
    ----------
    space
        What may be displaced.
    spacing
        Distance of neighbouring points, in units of the scale. Values that are rounded to single precision need more
        than double precision would, so it must not be as small as possible.
    rng
        Draws the direction.
    """
    direction = rng.standard_normal(space.size)
    direction /= np.linalg.norm(direction) or 1.0
    ahead = np.where(direction > 0.0, space.up, space.down)
    behind = np.where(direction > 0.0, space.down, space.up)
    step = spacing * space.scale * direction
    # Every variable goes where it has more room; the points stay on a line, equally spaced.
    step = np.where(ahead >= behind, step, -step)
    room = np.maximum(ahead, behind) / POINTS
    step = np.clip(step, -room, room)
    table = np.arange(POINTS)[:, np.newaxis] * step
    return NoisePlan(shifts=DenseShifts(space.lift(space.cut(table))), combine=_noise)


def _noise(values: Vector) -> float:
    """Return the noise of a table, not below the rounding of its values."""
    if not np.all(np.isfinite(values)):
        return float("nan")
    rounding = np.finfo(np.float64).eps * float(np.abs(values).max())
    return max(float(noise_of_table(values[:, np.newaxis])[0]), rounding)
