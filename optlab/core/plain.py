"""Values as JSON knows them, and as people type them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from optlab.typing import is_a

__all__ = ["plain", "value"]


def plain(value: Any) -> Any:
    """Turn arrays, NumPy scalars, enums and containers into lists, dicts, numbers and strings.

    nan and inf, which JSON cannot express, become None; anything unknown becomes its text.
    """
    if is_a(value, np.ndarray, np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_a(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if is_a(value, list, tuple):
        return [plain(item) for item in value]
    return getattr(value, "name", str(value))


def value(text: str) -> Any:
    """Read a number, true, false or none; anything else is text.

    Examples
    --------
    >>> value("3"), value("1e-3"), value("true"), value("bfgs")
    (3, 0.001, True, 'bfgs')
    """
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
