"""Points as text for other programs, and their answers as numbers.

A template is text in which ``{{name}}`` stands for a variable and ``{{name:10.4e}}`` for a variable in a format of Python.
Nothing but names of variables is understood between the braces, and nothing is evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from optlab.errors import OptionError
from optlab.typing import Vector
from optlab_adapters.blackbox.failures import RunError

__all__ = [
    "READERS",
    "check_template",
    "fill",
    "names_of",
    "read_json",
    "read_numbers",
    "reader",
]

_PLACE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*(?::([^{}]*))?\}\}")

_SHOWN = 200
"""Characters of an answer that are shown in messages."""

Reader = Callable[[str], Any]


def names_of(names: Sequence[str], n: int) -> Sequence[str]:
    """Return the names of n variables: those given, or x0, x1, ...

    Raises
    ------
    RunError
        When as many are not given.
    """
    if not names:
        return [f"x{i}" for i in range(n)]
    if len(names) != n:
        raise RunError(f"has {len(names)} names of variables and was given {n} variables")
    return names


def fill(template: str, values: dict[str, float]) -> str:
    """Put numbers into a template, with all their digits where it gives no format.

    Raises
    ------
    RunError
        When the template names something else.
    """

    def number(match: re.Match[str]) -> str:
        name, form = match.group(1), match.group(2)
        if name not in values:
            raise RunError(f"has {match.group(0)} in a template; known are {', '.join(values)}")
        return repr(values[name]) if form is None else format(values[name], form)

    return _PLACE.sub(number, template)


def check_template(template: str) -> bool:
    """Return whether a template has a place for a number.

    Raises
    ------
    OptionError
        When a format is none.
    """
    for match in _PLACE.finditer(template):
        form = match.group(2)
        try:
            format(0.0, form or "")
        except ValueError as error:
            raise OptionError(f"{match.group(0)} in a template: {error}") from error
    return _PLACE.search(template) is not None


def read_numbers(text: str) -> Vector:
    """Read all numbers of a text, separated by white space, commas or semicolons; Fortran's 1.0D-3 too.

    Raises
    ------
    RunError
        When something else is there, or nothing.
    """
    words = re.split(r"[\s,;]+", text.strip())
    try:
        numbers = np.array([float(re.sub("[dD]", "e", word)) for word in words])
    except ValueError:
        raise RunError(f"answered {_short(text)}, which is not numbers alone") from None
    return numbers[0] if numbers.size == 1 else numbers


def read_json(text: str) -> Any:
    """Read a number or an array in JSON, or an object with one of them as its only entry or under ``y``.

    Raises
    ------
    RunError
        When there is something else.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RunError(f"answered {_short(text)}, which is not JSON: {error}") from None
    if isinstance(found, dict):
        found = found.get("y", next(iter(found.values())) if len(found) == 1 else None)
    return found


READERS: dict[str, Reader] = {"json": read_json, "numbers": read_numbers}


def reader(read: str | Reader) -> Reader:
    """Return a function that reads an answer, and calls everything that is not numbers a failed run.

    Raises
    ------
    OptionError
        By this function, when there is no such reader.
    RunError
        By the returned function.
    """
    if isinstance(read, str):
        if read not in READERS:
            raise OptionError(
                f"read is {read!r}; 'json', 'numbers' or a function of the text is needed"
            )
        read = READERS[read]
    function = read

    def checked(text: str) -> Vector:
        found = function(text)
        try:
            numbers = np.array(found, dtype=np.float64)
        except (TypeError, ValueError):
            raise RunError(f"answered {_short(text)}; numbers are needed") from None
        if numbers.ndim > 2 or found is None or isinstance(found, bool):
            raise RunError(f"answered {_short(text)}; a number or a list of numbers is needed")
        return numbers

    return checked


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + " ...")
