"""A rate for descent along random directions of a noisy objective, from a few searches at the start.

Searching the length of every step, which suits directions that are known well, fails here: the length that is best for
one sample along one random direction is much too long for the next one, and a sum of past directions is seldom a
direction of descent of the sample at hand. So the first steps search along what the rule makes of one estimate alone;
from then on

    rate = CAUTION * gain * median of the rates found,

with the rule's ``gain``, 1 - momentum where it adds up gradients, and the schedule's factor on it.
"""

from __future__ import annotations

import numpy as np

from optlab.methods.zeroth.state import Scene, State
from optlab.typing import Vector

__all__ = ["calibrated", "calibrates", "noted"]

SEARCHES = 10
"""Steps that search, at most; not more than a tenth of the run."""

CAUTION = 0.1
"""Share of the best rate along one direction for one sample. Of 0.1 and 0.2 the better one for five rules alike, by the
accuracy of networks 64-8-10 and 64-32-10 on digits, 25 November 2026."""


def calibrates(state: State, *, by_chance: bool) -> bool:
    """Say whether the rates that are found are to be remembered: for random directions and noisy values."""
    return state.scene.noisy and by_chance and not np.isfinite(state.base)


def noted(found: Vector, rate: float) -> Vector:
    """Add a rate that lowered the objective."""
    return np.append(found, rate)


def calibrated(found: Vector, steps: int, scene: Scene, gain: float) -> float:
    """Return the rate from now on; nan while more searches are wanted.

    Parameters
    ----------
    found
        Rates that lowered the objective so far.
    steps
        Steps done.
    """
    wanted = SEARCHES
    if scene.horizon is not None:
        wanted = max(1, min(SEARCHES, scene.horizon // 10))
    if steps < wanted or not found.size:
        return np.nan
    return float(CAUTION * gain * np.median(found))
