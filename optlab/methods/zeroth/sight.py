"""What the values of an estimate tell beside the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.shifts import CoordinateShifts, DenseShifts

if TYPE_CHECKING:
    from optlab.core.shifts import AbstractShifts
    from optlab.typing import Mask, Vector

__all__ = ["Sight"]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the values of an estimate tell beside the gradient."""

    f: float
    """Objective at the point itself; nan when it was not evaluated."""

    slope: float
    """Standard deviation of the values at displaced points divided by the smoothing; nan when there are fewer than two."""

    @classmethod
    def of(cls, shifts: AbstractShifts, values: Vector, smoothing: float) -> Sight:
        """Sort values (k,) into those at the point and those beside it."""
        here = _zero_rows(shifts)
        finite = np.isfinite(values)
        there = values[~here & finite]
        at_point = values[here & finite]
        f = float(at_point.mean()) if at_point.size else math.nan
        return cls(f, float(np.std(there, ddof=1)) / smoothing if there.size > 1 else math.nan)


def _zero_rows(shifts: AbstractShifts) -> Mask:
    """Say which displacements are none, (k,)."""
    if isinstance(shifts, CoordinateShifts):
        return np.asarray(shifts.step == 0.0)
    if isinstance(shifts, DenseShifts):
        # The first entries decide almost always.
        zero = shifts.array[:, :1].ravel() == 0.0
        zero[zero] = ~shifts.array[zero].any(axis=1)
        return np.asarray(zero)
    return np.array([not shifts.rows(j, j + 1).any() for j in range(len(shifts))], dtype=bool)
