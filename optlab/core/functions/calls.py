"""Users' functions as SciPy calls them: with their ``args``, on a copy of x, values remembered once.

The copy is what lets a function write into its argument. The memory is of one point: what is asked for to learn
the number of rows, or by a gradient that comes together with the value, is not evaluated again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optlab.errors import EvaluationError, OptlabError, ProblemError
from optlab.typing import Vector, is_a

__all__ = ["Call", "Remembered", "applied", "first_value", "number", "tuple_of", "with_args"]

Call = Callable[[Any], Any]
"""A function of x alone."""


def tuple_of(label: str, args: Any) -> tuple[Any, ...]:
    """Read ``args``: a tuple, or one argument by itself, as SciPy does."""
    if isinstance(args, list):
        raise ProblemError(f"{label} is a list; a tuple of further arguments is needed")
    return tuple(args) if is_a(args, tuple) else (args,)


def with_args(function: Callable[..., Any], args: tuple[Any, ...]) -> Call:
    """Bind the further arguments; x is copied for every call."""
    if args:
        return lambda x: function(x.copy(), *args)
    return lambda x: function(x.copy())


def applied(function: Callable[..., Any], args: tuple[Any, ...], x: Any) -> Any:
    """Call the function with x as it is, for providers, whose arrays cannot be written to."""
    return function(x, *args)


class Remembered:
    """A function that is not called again at the point where it was called last."""

    __slots__ = ("_function", "_last")

    def __init__(self, function: Call) -> None:
        self._function = function
        self._last: tuple[Any, Any] = (None, None)

    def __call__(self, x: Vector) -> Any:
        """Return the value at x."""
        key = x.tobytes()
        known, value = (
            self._last
        )  # point and value in one read: threads may evaluate at the same time
        if known != key:
            value = self._function(x)
            self._last = (key, value)
        return value


def first_value(label: str, function: Call, x: Vector) -> Any:
    """Evaluate a function at the start; what it raises names it.

    Raises
    ------
    EvaluationError
        With the function's own exception as the cause.
    """
    try:
        return function(x)
    except OptlabError:
        raise
    except Exception as error:
        raise EvaluationError(label, x, error) from error


def number(label: str, raw: Any) -> Any:
    """Return a function's value as a number, real or complex; arrays of one entry count as one.

    Raises
    ------
    ProblemError
        When it is something else.
    """
    if type(raw) is float or is_a(raw, np.floating):
        return raw
    value: Any = np.asarray(raw)
    if value.size != 1 or value.dtype == object:
        what = f"shape {value.shape}" if value.dtype != object else f"a {type(raw).__name__}"
        raise ProblemError(f"{label} returned {what}; one number is needed")
    return value.reshape(())[()]
