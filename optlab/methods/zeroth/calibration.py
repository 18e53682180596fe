"""A rate for descent on a noisy objective or on samples, from a few searches at the start.

Searching the length of every step suits exact objectives. Here it fails: a length that is best for one sample is too long
for the others, along a sum of past gradients it may be so by any factor, and along random directions it leads nowhere. So the
first steps search along what the rule makes of one estimate alone, and from then on the rate is a fixed one times the
schedule. With c the momentum of rules that add up gradients, 0 for others, and r the rates found,

    (1 + c) / 2 * lower quartile of r        for gradients known well: twice 1 / L at most on a quadratic, where the rates
                                             of exact searches alternate such that 1/r_1 + 1/r_2 tends to L + l; gradient
                                             descent is stable below (1 + c) 2 / L [Aka59, Pol64]
    CAUTION * (1 - c) * median of r          along random directions, whose errors add up over many steps
"""

from __future__ import annotations

import numpy as np

from optlab.methods.zeroth.state import State

__all__ = ["calibrated", "wants_rates"]

SEARCHES = 10
"""Steps that search, at most; not more than a tenth of the run."""

CAUTION = 0.1
"""Share of the best rate along one random direction for one sample. Of 0.1 and 0.2 the better one for five rules alike,
by the accuracy of networks 64-8-10 and 64-32-10 on digits, 25 November 2026."""


def wants_rates(state: State) -> bool:
    """Say whether rates are still being looked for that are to be kept."""
    return state.scene.noisy and not np.isfinite(state.base)


def calibrated(state: State, carry: float, *, by_chance: bool) -> float:
    """Return the rate for the rest of the run; nan while more searches are wanted.

    Parameters
    ----------
    state
        At the end of a step.
    carry
        Of the rule: the momentum with which it adds up gradients.
    by_chance
        Whether directions are random.
    """
    found, horizon = state.found, state.scene.horizon
    wanted = SEARCHES if horizon is None else max(1, min(SEARCHES, horizon // 10))
    if state.k + 1 < wanted or not found.size:
        return np.nan
    if by_chance:
        return float(CAUTION * (1.0 - carry) * np.median(found))
    return float(0.5 * (1.0 + carry) * np.quantile(found, 0.25))
