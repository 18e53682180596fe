"""How noisy a function's values are, measured by a difference table.

Values at points so near to one another that a smooth function is a line between them: whatever their differences of third
and higher order hold is noise. For independent errors of standard deviation s the mean square of the k-th differences is
s^2 (2k)! / (k!)^2 ([MW11], section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.typing import Vector

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["POINTS", "measured_noise", "noise_of_table"]

POINTS = 7
"""Values in a difference table."""

_SPACING = 1e-10
"""Distance of the points, relative to max(1, |x_j|)."""

_ORDERS = (3, 4, 5)
"""Of the differences that are looked at."""


def measured_noise(function: Callable[[Vector], Any], box: Problem, x: Vector) -> Vector:
    """Return the standard deviation of the error of each value, (k,); seven evaluations within the bounds.

    Parameters
    ----------
    function
        x -> (k,)
    box
        Whose bounds hold.
    x
        (n,)
    """
    up, down = box.ub - x, x - box.lb
    room = np.maximum(0.0, np.maximum(up, down)) / POINTS
    step = np.minimum(_SPACING * np.maximum(1.0, np.abs(x)), room) * np.where(
        up >= down, 1.0, -1.0
    )
    table = np.array(
        [np.asarray(function(x + k * step), dtype=np.float64) for k in range(POINTS)]
    )
    return noise_of_table(table)


def noise_of_table(table: Vector) -> Vector:
    """Return the standard deviation of the errors in each column of values on a line, (points, k) -> (k,)."""
    found: list[Vector] = []
    for order in _ORDERS:
        differences = np.diff(table, n=order, axis=0)
        found.append(np.sqrt((differences**2).mean(axis=0) / comb(2 * order, order)))
    return np.asarray(np.median(found, axis=0))
