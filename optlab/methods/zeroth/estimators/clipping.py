"""Moments of entries of random directions that bounds have cut.

A displaced entry is v = min(max(u, -b), a) with room a above and b below, both in units of the step. For a forward
difference E[v] is not 0 and E[v^2] is less than E[u^2]; weighting by (v - E[v]) / var(v) instead of u keeps the estimate
unbiased for linear functions when the entries are independent. In a pair s, -s the difference has the entries

    v = sign(u) (min(|u|, a) + min(|u|, b)) / 2,    E[v] = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.typing import Vector

__all__ = ["Moments", "normal_moments", "sign_moments"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Of cut entries, each shape (m,)."""

    mean: Vector
    """E[v] of a single displacement."""

    variance: Vector
    """var(v) of a single displacement."""

    pair: Vector
    """var(v) of half the difference of a pair."""


def sign_moments(a: Vector, b: Vector) -> Moments:
    """Return the moments of cut Rademacher entries."""
    a, b = np.minimum(a, 1.0), np.minimum(b, 1.0)
    square = ((a + b) / 2.0) ** 2
    return Moments((a - b) / 2.0, square, square)


def normal_moments(a: Vector, b: Vector) -> Moments:
    """Return the moments of cut standard normal entries (censored normal law)."""
    mean = (_first(a) - _first(b)) / 2.0
    up, down, mixed = _product(a, a), _product(b, b), _product(a, b)
    return Moments(mean, (up + down) / 2.0 - mean**2, (up + down + 2.0 * mixed) / 4.0)


def _first(c: Vector) -> Vector:
    """Return E[min(|u|, c)]."""
    return 2.0 * (_density(np.zeros_like(c)) - _density(c)) + 2.0 * _times(c, _tail(c))


def _product(a: Vector, b: Vector) -> Vector:
    """Return E[min(|u|, a) min(|u|, b)], piecewise over |u| below a, between, and above b."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    below = 2.0 * (0.5 - _tail(a) - _times(a, _density(a)))
    between = 2.0 * _times(a, _density(a) - _density(b))
    above = 2.0 * _times(a, _times(b, _tail(b)))
    return below + between + above


def _density(c: Vector) -> Vector:
    return np.asarray(np.exp(-0.5 * c**2) / np.sqrt(2.0 * np.pi))


def _tail(c: Vector) -> Vector:
    """Return P[u > c]."""
    from scipy.special import ndtr  # noqa: PLC0415 - needed only where bounds cut

    return np.asarray(ndtr(-c))


def _times(c: Vector, decaying: Vector) -> Vector:
    """Return a product whose second factor wins at infinity."""
    return np.where(np.isfinite(c), c, 0.0) * decaying
