"""States of methods as plain arrays and JSON, and back.

A state is a frozen record: a dataclass whose fields are arrays, numbers, strings, None, enums of optlab, tuples, dicts
with names as keys, and further records. Nothing else can be packed, and nothing is executed in unpacking: the classes
that may come out are those that the method names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np

from optlab.core.status import PointStatus, StopReason
from optlab.errors import ResumeError
from optlab.typing import is_a

__all__ = ["Arrays", "pack", "unpack"]

Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]]

_ENUMS = {cls.__name__: cls for cls in (StopReason, PointStatus)}


def pack(value: Any, arrays: Arrays, where: str = "state") -> Any:
    """Return a value as JSON; its arrays are put into ``arrays`` by the path that leads to them.

    Raises
    ------
    TypeError
        When there is something in it that is none of the kinds above; names the path.

    Examples
    --------
    >>> arrays = {}
    >>> pack({"m": np.ones(2), "k": 3, "f": math.inf}, arrays)
    {'dict': {'m': {'array': 'state.m'}, 'k': 3, 'f': {'float': 'inf'}}}
    >>> unpack(_, arrays)
    {'m': array([1., 1.]), 'k': 3, 'f': inf}
    """
    if value is None or is_a(value, bool, str):
        return value
    if is_a(value, np.bool_):
        return bool(value)
    if is_a(value, int, np.integer) and not is_a(value, bool):
        return int(value)
    if is_a(value, float, np.floating):
        number = float(value)
        return number if math.isfinite(number) else {"float": repr(number)}
    if is_a(value, np.ndarray):
        arrays[where] = np.ascontiguousarray(value)
        return {"array": where}
    if is_a(value, *_ENUMS.values()):
        return {"enum": [type(value).__name__, value.name]}
    if is_a(value, tuple):
        parts = [pack(part, arrays, f"{where}.{i}") for i, part in enumerate(value)]
        return {"tuple": parts}
    if is_a(value, Mapping):
        return {"dict": {str(k): pack(v, arrays, f"{where}.{k}") for k, v in value.items()}}
    if is_dataclass(value) and not is_a(value, type):
        named = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        packed = {k: pack(v, arrays, f"{where}.{k}") for k, v in named.items()}
        return {"record": type(value).__name__, "fields": packed}
    raise TypeError(f"{where} is a {type(value).__name__}, which cannot be stored")


def unpack(packed: Any, arrays: Arrays, records: tuple[type, ...] = ()) -> Any:
    """Return the value that was packed.

    Parameters
    ----------
    packed
        As :func:`pack` returned it.
    arrays
        What it put there.
    records
        The dataclasses that may occur.

    Raises
    ------
    ResumeError
        When something does not fit.
    """
    if not is_a(packed, dict):
        return packed
    try:
        return _unpacked(packed, arrays, records)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResumeError(
            f"a checkpoint has an entry that cannot be read: {error!r}"
        ) from error


def _unpacked(packed: dict[str, Any], arrays: Arrays, records: tuple[type, ...]) -> Any:
    if "float" in packed:
        return float(packed["float"])
    if "array" in packed:
        return arrays[packed["array"]]
    if "enum" in packed:
        kind, name = packed["enum"]
        return _ENUMS[kind][name]
    if "tuple" in packed:
        return tuple(unpack(part, arrays, records) for part in packed["tuple"])
    if "dict" in packed:
        return {k: unpack(v, arrays, records) for k, v in packed["dict"].items()}
    known = {cls.__name__: cls for cls in records}
    values = {k: unpack(v, arrays, records) for k, v in packed["fields"].items()}
    return known[packed["record"]](**values)
