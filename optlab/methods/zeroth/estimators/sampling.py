"""Choosing coordinates at random such that sums over the chosen ones stay unbiased.

A sum over all coordinates, sum_i a_i, is estimated by sum over the drawn ones of w_i a_i with

    w_i = 1 / (m p_i)    m draws with replacement, coordinate i with probability p_i each time
    w_i = 1 / pi_i       exactly m different coordinates, i among them with probability pi_i ([HT52])

Without replacement the coordinates that are always drawn cost nothing in accuracy, so that is the default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.typing import Indices, Vector

__all__ = ["Draw", "draw_coordinates", "inclusion"]


@dataclass(frozen=True, slots=True)
class Draw:
    """Coordinates that were drawn."""

    place: Indices
    """(m,) positions among the candidates, in increasing order."""

    weight: Vector
    """(m,) w_i."""

    replacement: bool = False


def draw_coordinates(
    importance: Vector, count: int, rng: np.random.Generator, *, replacement: bool = False
) -> Draw:
    """Draw ``count`` coordinates.

    Parameters
    ----------
    importance
        (n,) positive, in any unit.
    count
        Number of draws; without replacement at most n.
    rng
        Source of randomness.
    replacement
        Whether a coordinate may be drawn twice.
    """
    if replacement:
        p = importance / importance.sum()
        place = np.sort(rng.choice(p.size, size=count, p=p))
        return Draw(place, 1.0 / (count * p[place]), replacement=True)
    chance = inclusion(importance, count)
    place = _systematic(chance, count, rng)
    return Draw(place, 1.0 / chance[place])


def inclusion(importance: Vector, count: int) -> Vector:
    """Return chances pi_i = min(1, c importance_i) that sum to ``count`` <= n, shape (n,)."""
    order = np.argsort(-importance)
    falling = importance[order]
    rest = np.cumsum(falling[::-1])[::-1]
    # With the k most important certain, c = (count - k) / (sum of the others).
    left = count - np.arange(falling.size)
    certain = int(np.argmax(left * falling <= rest * (1.0 + 1e-12)))
    chance = np.ones(importance.size)
    if certain < count:
        others = order[certain:]
        chance[others] = np.minimum(1.0, (count - certain) * importance[others] / rest[certain])
    return chance


def _systematic(chance: Vector, count: int, rng: np.random.Generator) -> Indices:
    """Draw exactly ``count`` different positions with the given chances.

    The chances are laid end to end in random order on a line of length ``count``; one random offset and whole steps
    from it hit each position with its chance, and none twice as no chance exceeds 1.
    """
    order = rng.permutation(chance.size)
    ends = np.cumsum(chance[order])
    ends *= count / ends[-1]
    hits = np.searchsorted(ends, rng.random() + np.arange(count), side="right")
    return np.asarray(np.sort(order[np.minimum(hits, chance.size - 1)]))
