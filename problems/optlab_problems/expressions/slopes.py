"""First and second derivatives of every operation with respect to its operands.

Functions take the operands and the value of the operation, in this order, as arrays. An operation that is
not listed (comparisons, floor, ...) is piecewise constant. At a kink one of the slopes is taken.
"""

# ruff: noqa: ARG005  every function takes the same arguments
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["FIRST", "SECOND", "active_positions"]

Slope = Callable[..., Any]

_LN10 = float(np.log(10.0))


def active_positions(operation: str) -> tuple[int, ...]:
    """Return the operands that the value depends on smoothly."""
    return tuple(FIRST.get(operation, ()))


def _times(factor: Any, power: Any) -> Any:
    """Multiply so that a vanishing factor wins over an infinite power: (x**1)'' = 0, also at 0."""
    return np.where(factor == 0.0, 0.0, factor * power)


def _log_times(value: Any, base: Any, degree: int = 1) -> Any:
    """Return value * log(base)**degree, whose limit at base = 0 is 0 for positive exponents."""
    return np.where((base == 0.0) & (value == 0.0), 0.0, value * np.log(base) ** degree)


def _pow_mixed(a: Any, b: Any, v: Any) -> Any:  # noqa: ARG001
    return a ** (b - 1.0) + _log_times(_times(b, a ** (b - 1.0)), a)


def _square_sum(a: Any, b: Any) -> Any:
    return a * a + b * b


FIRST: Mapping[str, Mapping[int, Slope]] = {
    "add": {0: lambda a, b, v: 1.0, 1: lambda a, b, v: 1.0},
    "sub": {0: lambda a, b, v: 1.0, 1: lambda a, b, v: -1.0},
    "neg": {0: lambda a, v: -1.0},
    "mul": {0: lambda a, b, v: b, 1: lambda a, b, v: a},
    "div": {0: lambda a, b, v: 1.0 / b, 1: lambda a, b, v: -v / b},
    "pow": {
        0: lambda a, b, v: _times(b, a ** (b - 1.0)),
        1: lambda a, b, v: _log_times(v, a),
    },
    "mod": {0: lambda a, b, v: 1.0, 1: lambda a, b, v: -np.trunc(a / b)},
    "atan2": {
        0: lambda a, b, v: b / _square_sum(a, b),
        1: lambda a, b, v: -a / _square_sum(a, b),
    },
    "min": {0: lambda a, b, v: a <= b, 1: lambda a, b, v: a > b},
    "max": {0: lambda a, b, v: a >= b, 1: lambda a, b, v: a < b},
    "abs": {0: lambda a, v: np.where(a < 0.0, -1.0, 1.0)},
    "choose": {1: lambda c, a, b, v: c != 0.0, 2: lambda c, a, b, v: c == 0.0},
    "sqrt": {0: lambda a, v: 0.5 / v},
    "exp": {0: lambda a, v: v},
    "log": {0: lambda a, v: 1.0 / a},
    "log10": {0: lambda a, v: 1.0 / (_LN10 * a)},
    "sin": {0: lambda a, v: np.cos(a)},
    "cos": {0: lambda a, v: -np.sin(a)},
    "tan": {0: lambda a, v: 1.0 + v * v},
    "asin": {0: lambda a, v: 1.0 / np.sqrt(1.0 - a * a)},
    "acos": {0: lambda a, v: -1.0 / np.sqrt(1.0 - a * a)},
    "atan": {0: lambda a, v: 1.0 / (1.0 + a * a)},
    "sinh": {0: lambda a, v: np.cosh(a)},
    "cosh": {0: lambda a, v: np.sinh(a)},
    "tanh": {0: lambda a, v: 1.0 - v * v},
    "asinh": {0: lambda a, v: 1.0 / np.sqrt(1.0 + a * a)},
    "acosh": {0: lambda a, v: 1.0 / (np.sqrt(a - 1.0) * np.sqrt(a + 1.0))},
    "atanh": {0: lambda a, v: 1.0 / (1.0 - a * a)},
}
"""Operation -> position of an operand -> derivative with respect to it."""

SECOND: Mapping[str, Mapping[tuple[int, int], Slope]] = {
    "mul": {(0, 1): lambda a, b, v: 1.0},
    "div": {(0, 1): lambda a, b, v: -1.0 / (b * b), (1, 1): lambda a, b, v: 2.0 * v / (b * b)},
    "pow": {
        (0, 0): lambda a, b, v: _times(b * (b - 1.0), a ** (b - 2.0)),
        (0, 1): _pow_mixed,
        (1, 1): lambda a, b, v: _log_times(v, a, 2),
    },
    "atan2": {
        (0, 0): lambda a, b, v: -2.0 * a * b / _square_sum(a, b) ** 2,
        (0, 1): lambda a, b, v: (a - b) * (a + b) / _square_sum(a, b) ** 2,
        (1, 1): lambda a, b, v: 2.0 * a * b / _square_sum(a, b) ** 2,
    },
    "sqrt": {(0, 0): lambda a, v: -0.25 / (a * v)},
    "exp": {(0, 0): lambda a, v: v},
    "log": {(0, 0): lambda a, v: -1.0 / (a * a)},
    "log10": {(0, 0): lambda a, v: -1.0 / (_LN10 * a * a)},
    "sin": {(0, 0): lambda a, v: -v},
    "cos": {(0, 0): lambda a, v: -v},
    "tan": {(0, 0): lambda a, v: 2.0 * v * (1.0 + v * v)},
    "asin": {(0, 0): lambda a, v: a / (1.0 - a * a) ** 1.5},
    "acos": {(0, 0): lambda a, v: -a / (1.0 - a * a) ** 1.5},
    "atan": {(0, 0): lambda a, v: -2.0 * a / (1.0 + a * a) ** 2},
    "sinh": {(0, 0): lambda a, v: v},
    "cosh": {(0, 0): lambda a, v: v},
    "tanh": {(0, 0): lambda a, v: -2.0 * v * (1.0 - v * v)},
    "asinh": {(0, 0): lambda a, v: -a / (1.0 + a * a) ** 1.5},
    "acosh": {(0, 0): lambda a, v: -a / ((a - 1.0) * (a + 1.0)) ** 1.5},
    "atanh": {(0, 0): lambda a, v: 2.0 * a / (1.0 - a * a) ** 2},
}
"""Operation -> pair of positions -> second derivative; pairs that are not listed vanish."""
