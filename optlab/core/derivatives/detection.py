"""Which entries of a derivative can be nonzero, found from values near a point."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from optlab.core.derivatives.compression import Pattern
from optlab.core.derivatives.estimates import moved_together
from optlab.core.derivatives.options import stencil
from optlab.typing import Indices, Vector

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["DETECTION_SIZE", "SEED", "Values", "detected_pattern", "nonzeros"]

Values: TypeAlias = Callable[[Vector], Vector | None]
"""A vector function; None where it cannot be evaluated."""

SEED = 20210712
"""Of the random points; fixed, so that the same problem always gives the same pattern."""

DETECTION_SIZE = 64
"""Up to this many entries a dense pattern is taken as it is: looking would cost more than it saves."""

_SPREAD = 1e-2
"""Distance of the random points from the start, relative to max(1, |x_j|): far enough from the zeros
that start points like to have."""

_DETECTION_STEP = 1e-3
"""Relative step of the differences that look for entries. Long, because only "does it change at all"
is asked."""

_NOISE_FACTOR = 8.0
"""Changes below this many times the user's noise are none."""


def detected_pattern(values: Values, box: Problem, near: Vector, noise: float) -> Pattern:
    """Find the positions that are nonzero at random points near a given one.

    Two points, a third when they disagree. A column whose differences cannot be evaluated counts as full.

    Parameters
    ----------
    values
        The function whose derivative is asked for.
    box
        Whose bounds hold.
    near
        (n,)
    noise
        Relative error of the values.
    """
    rng = np.random.default_rng(SEED)
    found: list[Pattern] = []
    for _ in range(3):
        away = rng.uniform(-1.0, 1.0, box.n) * _SPREAD * np.maximum(1.0, np.abs(near))
        x = np.clip(near + away, box.lb, box.ub)
        found.append(nonzeros(values, box, x, noise))
        if len(found) == 2 and found[0].union(found[1]).nnz == found[0].nnz == found[1].nnz:
            break
    pattern = found[0]
    for other in found[1:]:
        pattern = pattern.union(other)
    return pattern


def nonzeros(values: Values, box: Problem, x: Vector, noise: float) -> Pattern:
    """Find the positions that are nonzero at x, by a difference along every variable."""
    points = stencil(x, box.lb, box.ub, "2-point", _DETECTION_STEP)
    noisy = noise > np.finfo(np.float64).eps
    rows: list[Indices] = []
    columns: list[Indices] = []
    base = values(x)
    size = box.m if base is None else base.size
    for j in range(box.n):
        if points.offsets[0][j] == 0.0:
            continue
        at = moved_together(x, points.offsets[0], np.array([j]))
        c = None if base is None else values(at)
        if base is None or c is None:
            hit = np.arange(size)
        else:
            change = np.abs(c - base)
            scale = np.maximum(np.abs(c), np.abs(base))
            limit = _NOISE_FACTOR * noise * scale if noisy else 0.0
            hit = np.flatnonzero(~(change <= limit))  # nan counts as a change
        rows.append(hit)
        columns.append(np.full(hit.size, j))
    nothing: Indices = np.zeros(0, dtype=np.intp)
    return Pattern.from_positions(
        np.concatenate((nothing, *rows)), np.concatenate((nothing, *columns)), (size, box.n)
    )
