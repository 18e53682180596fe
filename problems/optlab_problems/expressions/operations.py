"""The arithmetic of compiled expressions: one operation, two implementations.

``SCALAR`` works on Python floats and is total: where Fortran would give Inf or NaN, so do these, and
nothing raises. ``VECTOR`` works on NumPy arrays (or a mixture with floats) elementwise, with the same
results; the caller silences floating-point warnings.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

__all__ = ["SCALAR", "VECTOR"]

_NAN, _INF = math.nan, math.inf


def _divide(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        if a == 0.0 or math.isnan(a):
            return _NAN
        return math.copysign(_INF, a) * math.copysign(1.0, b)


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        odd = b == math.floor(b) and math.fmod(b, 2.0) != 0.0
        return -_INF if a < 0.0 and odd else _INF
    except ValueError:
        return _INF if a == 0.0 else _NAN


def _total(
    function: Callable[[float], float], overflow: float = _INF
) -> Callable[[float], float]:
    """Make a function of math total: NaN outside its domain, ``overflow`` where it is too large."""

    def evaluate(a: float) -> float:
        try:
            return function(a)
        except ValueError:
            return _NAN
        except OverflowError:
            return overflow

    return evaluate


def _log(a: float) -> float:
    if a > 0.0:
        return math.log(a)
    return -_INF if a == 0.0 else _NAN


def _log10(a: float) -> float:
    if a > 0.0:
        return math.log10(a)
    return -_INF if a == 0.0 else _NAN


def _sinh(a: float) -> float:
    try:
        return math.sinh(a)
    except OverflowError:
        return math.copysign(_INF, a)


def _atanh(a: float) -> float:
    if abs(a) == 1.0:
        return math.copysign(_INF, a)
    try:
        return math.atanh(a)
    except ValueError:
        return _NAN


def _floor(a: float) -> float:
    return float(math.floor(a)) if math.isfinite(a) else a


def _ceil(a: float) -> float:
    return float(math.ceil(a)) if math.isfinite(a) else a


def _mod(a: float, b: float) -> float:
    # Fortran's MOD keeps the sign of its first argument, as C's fmod does.
    try:
        return math.fmod(a, b)
    except ValueError:
        return _NAN


def _truncate(a: float) -> float:
    return float(math.trunc(a)) if math.isfinite(a) else a


def _nearest(a: float) -> float:
    # Fortran's NINT rounds halves away from zero.
    return math.copysign(math.floor(abs(a) + 0.5), a) if math.isfinite(a) else a


def _sign(a: float, b: float) -> float:
    return math.copysign(a, b)


def _choose(condition: bool, a: Any, b: Any) -> Any:
    return a if condition else b


def _minimum(a: float, b: float) -> float:
    return b if b < a or math.isnan(b) else a


def _maximum(a: float, b: float) -> float:
    return b if b > a or math.isnan(b) else a


def _single(a: float) -> float:
    return float(np.float32(a))


def _special(ufunc: Callable[[Any], Any]) -> Callable[[float], float]:
    return lambda a: float(ufunc(a))


def _nearest_array(a: Any) -> Any:
    return np.copysign(np.floor(np.abs(a) + 0.5), a)


SCALAR: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "div": _divide, "pow": _power, "mod": _mod, "atan2": math.atan2, "sign": _sign,
    "min": _minimum, "max": _maximum, "abs": abs, "trunc": _truncate, "nint": _nearest,
    "sqrt": _total(math.sqrt), "exp": _total(math.exp), "log": _log, "log10": _log10,
    "sin": _total(math.sin), "cos": _total(math.cos), "tan": _total(math.tan),
    "asin": _total(math.asin), "acos": _total(math.acos), "atan": math.atan,
    "sinh": _sinh, "cosh": _total(math.cosh), "tanh": math.tanh,
    "asinh": math.asinh, "acosh": _total(math.acosh), "atanh": _atanh,
    "floor": _floor, "ceil": _ceil,
    "erf": math.erf, "erfc": math.erfc, "gamma": _special(special.gamma),
    "loggamma": _special(special.gammaln), "single": _single,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
    "and": lambda a, b: bool(a and b), "or": lambda a, b: bool(a or b), "not": operator.not_,
    "choose": _choose,
}  # fmt: skip

# operator.mul on arrays calls the ufunc with less overhead than naming it for a float operand.
VECTOR: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "div": np.divide, "pow": np.power, "mod": np.fmod, "atan2": np.arctan2,
    "sign": np.copysign, "min": np.minimum, "max": np.maximum, "abs": np.abs,
    "trunc": np.trunc, "nint": _nearest_array, "sqrt": np.sqrt, "exp": np.exp, "log": np.log,
    "log10": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "floor": np.floor, "ceil": np.ceil,
    "erf": special.erf, "erfc": special.erfc, "gamma": special.gamma,
    "loggamma": special.gammaln,
    "single": lambda a: np.asarray(a, dtype=np.float32).astype(np.float64),
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not, "choose": np.where,
}  # fmt: skip
