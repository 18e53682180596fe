"""Check a value against a JSON Schema: the few keywords that the schemas of this package use.

The vocabulary is that of JSON Schema, draft 2020-12 (json-schema.org): ``$ref`` into ``$defs``, ``type``,
``enum``, ``const``, ``required``, ``properties``, ``additionalProperties``, ``items``, ``minimum``,
``exclusiveMinimum``, ``minLength``, ``pattern``. A schema with another keyword is a mistake of ours and is
refused when it is loaded, so that none can be ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["first_violation", "load_schema"]

_KNOWN = frozenset(
    {
        "$schema", "$id", "$defs", "$ref", "title", "description", "type", "enum", "const", "required",
        "properties", "additionalProperties", "items", "minimum", "exclusiveMinimum", "minLength", "pattern",
    }
)  # fmt: skip

_SHOWN = 40
"""Characters of a wrong value in a message."""


@cache
def load_schema(name: str) -> Mapping[str, Any]:
    """Read a schema that lies in this package.

    Raises
    ------
    ValueError
        When it uses a keyword that is not checked here.
    """
    text = resources.files("optlab.trust").joinpath(name).read_text(encoding="utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    unknown = sorted({k for part in _parts(schema) for k in part} - _KNOWN)
    if unknown:
        raise ValueError(f"{name} uses {unknown[0]!r}, which is not checked")
    return schema


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through a schema and all schemas in it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for part in inner:
        if isinstance(part, Mapping):
            yield from _parts(part)


def first_violation(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a value, with its place; None when nothing is.

    Examples
    --------
    >>> schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}
    >>> first_violation({"n": -1}, schema)
    'n is -1; a number >= 0 is needed'
    """
    return _check(value, schema, schema, "")


def _check(
    value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> str | None:
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].rpartition("/")[2]]
        return _check(value, target, root, place)
    wrong = _wrong_itself(value, schema)
    if wrong is not None:
        return f"{place or 'the report'} {wrong}"
    if isinstance(value, dict):
        return _check_members(value, schema, root, place)
    if isinstance(value, list) and "items" in schema:
        items = schema["items"]
        for i, item in enumerate(value):
            wrong = _check(item, items, root, f"{place}[{i}]")
            if wrong is not None:
                return wrong
    return None


def _check_members(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> str | None:
    for key in schema.get("required", ()):
        if key not in value:
            return f"{place or 'the report'} has no {key!r}"
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, item in value.items():
        part = properties.get(key, others)
        if part is False:
            return f"{place or 'the report'} has {_short(key)}, which is not known there"
        if part is not True:
            name = key if key.isidentifier() and key.isascii() else f"[{_short(key)}]"
            wrong = _check(item, part, root, f"{place}.{name}" if place else name)
            if wrong is not None:
                return wrong
    return None


def _wrong_itself(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Check what does not depend on the members of the value."""
    types = schema.get("type")
    if types is not None:
        types = [types] if isinstance(types, str) else types
        if not any(_is(value, name) for name in types):
            return f"is {_short(value)}; {' or '.join(types)} is needed"
    if "const" in schema and value != schema["const"]:
        return f"is {_short(value)}; {schema['const']!r} is needed"
    if "enum" in schema and value not in schema["enum"]:
        return f"is {_short(value)}; one of {', '.join(schema['enum'])} is needed"
    if _is(value, "number"):
        if value < schema.get("minimum", value):
            return f"is {_short(value)}; a number >= {schema['minimum']} is needed"
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            return f"is {_short(value)}; a number > {schema['exclusiveMinimum']} is needed"
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            return f"is {_short(value)}; a longer text is needed"
        if "pattern" in schema and re.search(schema["pattern"], value) is None:
            return f"is {_short(value)}; a text that matches {schema['pattern']} is needed"
    return None


def _is(value: Any, name: str) -> bool:
    """Whether a value has a type of JSON; true and false are no numbers, 1.0 is an integer."""
    if name == "null":
        return value is None
    if name == "boolean":
        return isinstance(value, bool)
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "integer":
        return _is(value, "number") and value == int(value)
    return isinstance(value, {"string": str, "array": list, "object": dict}[name])


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
