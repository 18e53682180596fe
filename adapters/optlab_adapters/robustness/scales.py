"""Scales on which accuracies are compared, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from optlab.typing import Vector

__all__ = ["NEAREST", "SCALES", "AccuracyScale"]

NEAREST = 1e-4
"""How near to 0 or 1 an accuracy counts: there the scales are infinite, and test sets of some ten thousand see no finer."""


@dataclass(frozen=True)
class AccuracyScale:
    """A rising function of accuracy and its inverse."""

    forward: Callable[[Vector], Vector]
    back: Callable[[Vector], Vector]


def _inside(accuracy: Vector) -> Vector:
    return np.clip(accuracy, NEAREST, 1 - NEAREST)


SCALES = {
    "logit": AccuracyScale(lambda p: special.logit(_inside(p)), special.expit),
    "probit": AccuracyScale(lambda p: special.ndtri(_inside(p)), special.ndtr),
    "linear": AccuracyScale(lambda p: p, lambda t: t),
}
