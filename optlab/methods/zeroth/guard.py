"""A way back for runs whose rate was found, not given: what looked right at the start may be too long later.

Losses of samples rise and fall by chance; that a run goes astray shows in their moving average. Where it has risen above its
lowest value by more than LOST of all that had been gained, and by more than CLEAR standard deviations of one loss, the run
returns to the point of the lowest average with half the rate.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from optlab.methods.zeroth.state import Haven

if TYPE_CHECKING:
    from optlab.methods.zeroth.state import State

__all__ = ["FORGETTING", "averaged", "is_astray", "remembered"]

FORGETTING = 0.1
"""Share of a new value in the moving averages of noisy values."""

SETTLED = 10
"""Steps until the averages say something."""

LOST, CLEAR = 0.5, 4.0
"""See above. The average of independent values has a standard deviation of 0.23 of theirs: the lowest and the highest of ten
thousand averages are 1.8 deviations of a value apart, and the least deviation measured in that time is half of the true one."""


def averaged(state: State, f: float) -> State:
    """Take a value at the point into the moving averages."""
    if math.isnan(state.mean_f):
        return replace(state, mean_f=f)
    if not math.isfinite(f):
        return state
    error = f - state.mean_f
    square = state.square_f + FORGETTING * (error**2 - state.square_f)
    return replace(state, mean_f=state.mean_f + FORGETTING * error, square_f=square)


def is_astray(state: State, f: float) -> bool:
    """Say whether a run should go back to where its average was lowest."""
    haven = state.haven
    if haven is None:
        return False
    lost, gained = state.mean_f - haven.f, haven.start - haven.f
    return not math.isfinite(f) or lost > max(LOST * gained, CLEAR * haven.deviation)


def remembered(state: State) -> State:
    """Keep the point where the average is lowest, and how much values differ when the run is calm."""
    haven, deviation = state.haven, math.sqrt(state.square_f)
    if state.k < SETTLED:
        return state
    if haven is None:
        at = Haven(x=state.x, f=state.mean_f, start=state.mean_f, deviation=deviation)
        return replace(state, haven=at)
    haven = replace(haven, deviation=min(deviation, haven.deviation))
    if state.mean_f <= haven.f:
        haven = replace(haven, x=state.x, f=state.mean_f)
    return replace(state, haven=haven)
