"""A rate for descent on a noisy objective or on samples, from a few searches at the start.

Searching the length of every step suits exact objectives. Here it fails: a length that is best for one sample is too long
for the others, along a sum of past gradients it may be so by any factor, and along random directions it leads nowhere. So
the first steps try the same rates r_1 > r_2 > ..., each along what the rule makes of one estimate d_k alone, on the sample
that comes next and not on the one that d_k was made of. What counts is the
average, in which the last searches weigh most,

    r* = argmin over i of  sum_k MEMORY^(K-k) [ F(x_k - r_i d_k; b_{k+1}) - F(x_k; b_{k+1}) ],

and those that tell little, on a plateau or along an unlucky direction, weigh little. From then on the rate is the
schedule times

    (1 - c)(1 + c) r*              for gradients known well
    CAUTION (1 - c)(1 + c) r*      along random directions, whose errors add up over many steps

with c the momentum of rules that add up gradients, 0 for others: their steps are 1 / (1 - c) times as long in the end, and stable
up to 1 + c times the length [Pol64]. Should the rate turn out too long, :mod:`optlab.methods.zeroth.guard` halves it.

Tried and lost, 25 November 2026, seven networks on digits and Fashion-MNIST: (1 + c)/2 times the lower quartile of rates that
are best each for the sample of its own direction, which ended at the accuracy of guessing for batches of 16 and 32.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optlab.methods.zeroth.state import State
from optlab.typing import Vector

__all__ = ["calibrated", "learned", "wants_rates"]

SEARCHES = 10
"""Steps that search, at most; not more than a tenth of the run."""

SHIFT = 100.0
"""All candidates are divided by it where even the shortest is not short enough."""

MEMORY = 0.7
"""Discount of the searches so far when one is added: curvature tends to rise when a run sets out."""

CAUTION = 0.2
"""Share of the best rate along one random direction."""


def wants_rates(state: State) -> bool:
    """Say whether rates are still being looked for that are to be kept."""
    return state.scene.noisy and not np.isfinite(state.base)


def learned(state: State, rates: Vector, rises: Vector) -> tuple[State, int | None]:
    """Add what a search has found; returns the best candidate so far, None when none lowers the objective.

    Parameters
    ----------
    state
        In a step that searches.
    rates
        (p,) the candidates, the longest first.
    rises
        (p,) values there, less the value at the point; nan where one of the two failed.
    """
    there = np.isfinite(rises)
    if not there.any():
        return state, None
    # What cannot be evaluated is as bad as the worst that can.
    added = np.where(there, rises, max(0.0, float(rises[there].max())))
    sums = added if state.tried.size == 0 else MEMORY * state.rises + added
    best = int(sums.argmin())
    lower = bool(sums[best] < 0.0)
    if state.k + 1 >= SEARCHES and (not lower or best == rates.size - 1):
        return replace(state, tried=rates / SHIFT, rises=np.zeros(rates.size)), None
    return replace(state, tried=rates, rises=sums), best if lower else None


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
    horizon = state.scene.horizon
    wanted = SEARCHES if horizon is None else max(1, min(SEARCHES, horizon // 10))
    if state.k + 1 < wanted or not np.any(state.rises < 0.0):
        return np.nan
    caution = CAUTION if by_chance else 1.0
    return caution * (1.0 - carry**2) * _lowest(state.tried, state.rises)


def _lowest(rates: Vector, rises: Vector) -> float:
    """Return the rate at the lowest point of the parabola through the lowest sum and its neighbours, over log rates."""
    best = int(rises.argmin())
    if best in (0, rates.size - 1):
        return float(rates[best])
    left, here, right = rises[best - 1 : best + 2]
    bend = left + right - 2.0 * here
    share = 0.5 * (left - right) / bend if bend > 0.0 else 0.0
    return float(rates[best] * (rates[best + 1] / rates[best]) ** share)
