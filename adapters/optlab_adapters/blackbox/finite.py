"""Which points were simulated: those whose outputs are all finite."""

from __future__ import annotations

import numpy as np

from optlab.typing import Mask, Vector

__all__ = ["finite_rows"]


def finite_rows(values: Vector) -> Mask:
    """Return (k,), true where a row of (k, m) numbers is finite."""
    found: Mask = np.asarray(np.isfinite(values).all(axis=1))
    return found
