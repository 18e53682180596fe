"""Bounds in SciPy's forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.errors import ProblemError

__all__ = ["read_bounds"]


def read_bounds(bounds: Any) -> tuple[Any, Any]:
    """Split bounds into lower and upper ones.

    Parameters
    ----------
    bounds
        None; an object with ``lb`` and ``ub`` (``keep_feasible`` is always the case here); or pairs
        (low, high), one per variable, in which None means none.

    Raises
    ------
    ProblemError
        When they are neither.
    """
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return _any_size(bounds.lb), _any_size(bounds.ub)
    try:
        pairs = [(_side(low, -np.inf), _side(high, np.inf)) for low, high in bounds]
    except (TypeError, ValueError) as error:
        raise ProblemError(
            "bounds must be pairs (low, high), one per variable, or an object with lb and ub"
        ) from error
    return [low for low, _ in pairs], [high for _, high in pairs]


def _any_size(side: Any) -> Any:
    """Return one side; Bounds(0, inf) holds arrays of one entry, which stand for any number of variables."""
    return np.reshape(side, ()) if np.size(side) == 1 else side


def _side(value: Any, none: float) -> float:
    """Return a side as a number; arrays of one entry count as one."""
    return none if value is None else float(np.asarray(value, dtype=np.float64).reshape(()))
