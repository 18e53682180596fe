"""Values as JSON knows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from optlab.typing import is_a

__all__ = ["plain"]


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
