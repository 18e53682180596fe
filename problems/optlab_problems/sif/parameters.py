"""Integer and real parameters: their tables, their arithmetic, and names with indices.

[SIF92]_ section 2.2.3. A card such as `` R* C  A  B`` becomes a closure over the tables once; loops then
only call closures.

.. [SIF92] A. R. Conn, N. I. M. Gould, Ph. L. Toint, *LANCELOT*, Springer 1992, chapter 7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from optlab_problems.sif.cards import Card, to_number
from optlab_problems.sif.errors import fail

__all__ = ["Action", "Parameters", "assignment", "is_assignment", "name_template"]

Action = Callable[[], None]
Name = Callable[[], str]


@dataclass(slots=True)
class Parameters:
    """Values of integer and real parameters at this moment of the reading."""

    integers: dict[str, int] = field(default_factory=dict)
    reals: dict[str, float] = field(default_factory=dict)

    def integer(self, name: str) -> int:
        """Return an integer parameter; a plain number stands for itself."""
        try:
            return self.integers[name]
        except KeyError:
            return _literal_integer(name)

    def real(self, name: str) -> float:
        """Return a real parameter."""
        try:
            return self.reals[name]
        except KeyError:
            fail(f"real parameter {name!r} has no value yet")


def _literal_integer(name: str) -> int:
    try:
        return int(name)
    except ValueError:
        fail(f"integer parameter {name!r} has no value yet")


def name_template(parameters: Parameters, text: str) -> Name:
    """Return a function that expands an array name such as ``X(I,J)`` with the indices of now.

    ``X(I,J)`` with I = 3, J = 4 is ``X3,4``; an empty index is left out; a name without brackets is
    its own expansion (section 2.1.1).

    Parameters
    ----------
    parameters
        The tables.
    text
        The field.
    """
    opening = text.find("(")
    if opening < 0:
        return lambda: text
    prefix, inside = text[:opening], text[opening + 1 :]
    closing = inside.find(")")
    if closing >= 0:
        inside = inside[:closing]
    indices = [part.strip() for part in inside.split(",") if part.strip()]
    integers, integer = parameters.integers, parameters.integer
    if not indices:
        return lambda: prefix
    if len(indices) == 1:
        only = indices[0]

        def expand_one() -> str:
            try:
                return f"{prefix}{integers[only]}"
            except KeyError:
                return f"{prefix}{integer(only)}"

        return expand_one
    if len(indices) == 2:
        first, second = indices

        def expand_two() -> str:
            try:
                return f"{prefix}{integers[first]},{integers[second]}"
            except KeyError:
                return f"{prefix}{integer(first)},{integer(second)}"

        return expand_two
    return lambda: prefix + ",".join([str(integer(index)) for index in indices])


def is_assignment(card: Card) -> bool:
    """Tell whether a card of the data part sets a parameter."""
    return card.code in _CODES


def assignment(parameters: Parameters, card: Card) -> Action:
    """Compile a card that sets a parameter.

    Parameters
    ----------
    parameters
        The tables.
    card
        A card for which `is_assignment` holds.
    """
    if not card.name2.strip():
        fail("field 2 (columns 5-14) must name the parameter that is set")
    kind, operation = card.code[0], card.code[1]
    if kind == "I":
        return _integer_assignment(parameters, card, operation)
    array = kind == "A"
    return _real_assignment(parameters, card, operation, array=array)


_CODES = {
    *("I" + op for op in "ERASMD=+-*/"),
    *("R" + op for op in "EIASMDF=+-*/("),
    *("A" + op for op in "EIASMDF=+-*/("),
}


def _integer_assignment(parameters: Parameters, card: Card, operation: str) -> Action:
    table, integer = parameters.integers, parameters.integer
    name, left, right = card.name2, card.name3, card.name5
    if operation == "E":
        value = _whole(card.value4)
        return partial(table.__setitem__, name, value)
    if operation == "R":
        # "nearest integer (closer to zero)": Fortran's INT.
        return lambda: table.__setitem__(name, _truncated(parameters.real(left)))
    if operation in "ASMD":
        compute = _INTEGER_WITH_VALUE[operation]
        value = _whole(card.value4)
        return lambda: table.__setitem__(name, compute(integer(left), value))
    if operation == "=":
        return lambda: table.__setitem__(name, integer(left))
    combine = _INTEGER_PAIR[operation]
    return lambda: table.__setitem__(name, combine(integer(left), integer(right)))


def _real_assignment(
    parameters: Parameters, card: Card, operation: str, *, array: bool
) -> Action:
    table, real = parameters.reals, parameters.real
    if array:
        target: Name = name_template(parameters, card.name2)
        left: Name = name_template(parameters, card.name3)
        right: Name = name_template(parameters, card.name5)
    else:
        target, left, right = (
            partial(str, text) for text in (card.name2, card.name3, card.name5)
        )
    if operation == "E":
        value = to_number(card.value4)
        return lambda: table.__setitem__(target(), value)
    if operation == "I":
        source = card.name3
        return lambda: table.__setitem__(target(), float(parameters.integer(source)))
    if operation == "F":
        constant = _apply(card.name3, to_number(card.value4))
        return lambda: table.__setitem__(target(), constant)
    if operation == "(":
        function = card.name3
        return lambda: table.__setitem__(target(), _apply(function, real(right())))
    if operation in "ASMD":
        compute = _REAL_WITH_VALUE[operation]
        value = to_number(card.value4)
        return lambda: table.__setitem__(target(), compute(real(left()), value))
    if operation == "=":
        return lambda: table.__setitem__(target(), real(left()))
    combine = _REAL_PAIR[operation]
    return lambda: table.__setitem__(target(), combine(real(left()), real(right())))


def _whole(text: str) -> int:
    value = to_number(text)
    if not math.isfinite(value):
        fail(f"an integer is needed in columns 25-36, not {text!r}")
    # Integers past 2^53 would lose digits as floats.
    digits = text.strip()
    return _bounded(int(digits) if digits.lstrip("+-").isdigit() else int(value))


def _truncated(value: float) -> int:
    if not math.isfinite(value):
        fail(f"a real parameter that is {value} cannot become an integer")
    return _bounded(int(value))


def _divide_integers(a: int, b: int) -> int:
    if b == 0:
        fail("division of an integer parameter by zero")
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient


def _divide(a: float, b: float) -> float:
    if b == 0.0:
        fail("division of a real parameter by zero")
    return a / b


_INTEGER_WITH_VALUE: dict[str, Callable[[int, int], int]] = {
    "A": lambda p, v: _bounded(p + v),
    "S": lambda p, v: _bounded(v - p),
    "M": lambda p, v: _bounded(p * v),
    "D": lambda p, v: _divide_integers(v, p),
}
_INTEGER_PAIR: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: _bounded(a + b),
    "-": lambda a, b: _bounded(a - b),
    "*": lambda a, b: _bounded(a * b),
    "/": _divide_integers,
}
_REAL_WITH_VALUE: dict[str, Callable[[float, float], float]] = {
    "A": lambda p, v: p + v,
    "S": lambda p, v: v - p,
    "M": lambda p, v: p * v,
    "D": lambda p, v: _divide(v, p),
}
_REAL_PAIR: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
}


_LARGEST_INTEGER = 10**18


def _bounded(value: int) -> int:
    # Repeated squaring in a loop would otherwise build integers of any length.
    if not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        fail("an integer parameter goes beyond 10^18")
    return value


_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "SQRT": math.sqrt,
    "EXP": math.exp,
    "LOG": math.log,
    "LOG10": math.log10,
    "SIN": math.sin,
    "COS": math.cos,
    "TAN": math.tan,
    "ARCSIN": math.asin,
    "ARCCOS": math.acos,
    "ARCTAN": math.atan,
    "HYPSIN": math.sinh,
    "HYPCOS": math.cosh,
    "HYPTAN": math.tanh,
}


def _apply(name: str, argument: float) -> float:
    function = _FUNCTIONS.get(name.strip().upper())
    if function is None:
        fail(f"function {name!r} is not one of {', '.join(_FUNCTIONS)}")
    try:
        return function(argument)
    except (ValueError, OverflowError):
        fail(f"{name.strip()}({argument!r}) is not defined or too large")
