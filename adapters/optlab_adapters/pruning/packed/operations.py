"""What happens between the layers of a packed network, in NumPy, named and configured as in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optlab_adapters.pruning.packed.layers import Window, patches

__all__ = ["OPERATIONS", "OPTIONS"]

Floats: TypeAlias = NDArray[np.float32]
Options: TypeAlias = Mapping[str, Any]


def _relu(x: Floats) -> Floats:
    return np.maximum(x, np.float32(0.0))


def _sign(x: Floats) -> Floats:
    return np.sign(x)


def _plus_sign(x: Floats) -> Floats:
    """Take signs, +1 at zero; by arithmetic, twenty times as fast as a choice."""
    signs: Floats = np.float32(2.0) * (x >= 0.0) - np.float32(1.0)
    return signs


def _clip(x: Floats, *, low: float, high: float) -> Floats:
    return np.clip(x, np.float32(low), np.float32(high))


def _add(x: Floats, y: Floats) -> Floats:
    return x + y


def _flatten(x: Floats, *, start: int, end: int) -> Floats:
    first, last = start % x.ndim, end % x.ndim
    flat: Floats = x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :])
    return flat


def _mean(x: Floats, *, axes: list[int], keep: bool) -> Floats:
    mean: Floats = x.mean(axis=tuple(axes), keepdims=keep)
    return mean


def _over_window(operation: np.ufunc, seen: Floats) -> Floats:
    """Reduce the window's axes; whole images at a time, which is faster than small axes."""
    out = seen[:, :, 0, 0].copy()
    for row, column in list(np.ndindex(*seen.shape[2:4]))[1:]:
        operation(out, seen[:, :, row, column], out=out)
    return out


def _max_pool(x: Floats, *, window: Window) -> Floats:
    return _over_window(np.maximum, patches(x, window, fill=-np.inf))


def _avg_pool(x: Floats, *, window: Window, padded: bool) -> Floats:
    """Average; ``padded`` says whether the padding counts."""
    total = _over_window(np.add, patches(x, window))
    if padded:
        return total / np.float32(window.kernel[0] * window.kernel[1])
    inside = patches(np.ones((1, 1, *x.shape[2:]), dtype=np.float32), window)
    return total / _over_window(np.add, inside)


def _adaptive_avg_pool(x: Floats, *, size: list[int]) -> Floats:
    """Average over size[0] x size[1] parts, which overlap where the size does not divide that of the image."""
    out = np.empty((*x.shape[:2], *size), dtype=np.float32)
    parts = [
        [slice(k * full // n, -(-(k + 1) * full // n)) for k in range(n)]
        for full, n in zip(x.shape[2:], size, strict=True)
    ]
    for i, rows in enumerate(parts[0]):
        for j, columns in enumerate(parts[1]):
            out[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3))
    return out


def _scale(x: Floats, *, factor: Floats, shift: Floats) -> Floats:
    """Multiply and shift channels, which are the second axis."""
    shape = (1, -1, *[1] * (x.ndim - 2))
    return x * factor.reshape(shape) + shift.reshape(shape)


OPERATIONS: dict[str, Callable[..., Floats]] = {
    "relu": _relu,
    "sign": _sign,
    "plus_sign": _plus_sign,
    "clip": _clip,
    "add": _add,
    "flatten": _flatten,
    "mean": _mean,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_avg_pool": _adaptive_avg_pool,
    "scale": _scale,
}
"""Operations by name; positional arguments are values of the network."""

OPTIONS: dict[str, dict[str, type]] = {
    "clip": {"low": float, "high": float},
    "flatten": {"start": int, "end": int},
    "mean": {"axes": list, "keep": bool},
    "max_pool": {"window": Window},
    "avg_pool": {"window": Window, "padded": bool},
    "adaptive_avg_pool": {"size": list},
    "scale": {"factor": np.ndarray, "shift": np.ndarray},
}
"""Options of the operations that have some."""
