"""How a user names methods with options: ``npasa,ipopt,slow=npasa[max_inner=50]`` or a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from optlab.bench.plan import DERIVATIVES, Derivatives, MethodSpec
from optlab.core.options import build_method
from optlab.core.plain import value
from optlab.errors import OptionError, ParseError, UnknownMethodError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_methods", "parse_methods", "read_method_file"]

_ITEM = re.compile(
    r"\s*(?:(?P<label>[\w.+-]+)\s*=\s*)?(?P<method>[\w.+-]+)\s*(?:\[(?P<options>[^\[\]]*)\])?\s*"
)


def parse_methods(text: str) -> list[MethodSpec]:
    """Read a comma-separated list of methods.

    An item is ``METHOD``, ``METHOD[OPTION=VALUE,...]`` or ``LABEL=METHOD[...]``. The label shown in
    tables is the item as written when none is given. ``derivatives`` among the options belongs to
    the benchmark, which then hides the Hessian (``gradients``) or all derivatives (``functions``).

    Raises
    ------
    OptionError
        Says which item cannot be read.

    Examples
    --------
    >>> [m.label for m in parse_methods("npasa, fast=npasa[tol=1e-3], ipopt")]
    ['npasa', 'fast', 'ipopt']
    """
    specs = []
    for item in _split(text):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise OptionError(
                f"{item.strip()!r} in --methods is not METHOD, METHOD[OPTION=VALUE,...] or "
                "LABEL=METHOD[...]"
            )
        pairs = dict(_pair(item, part) for part in _filled(match["options"]))
        specs.append(_spec(match["label"] or item.strip(), match["method"], pairs))
    return specs


def read_method_file(path: Path) -> list[MethodSpec]:
    """Read methods from a TOML file: a table per label.

        [npasa-gradients]
        method = "npasa"             # the label when left out
        derivatives = "gradients"    # exact (default), gradients, functions
        [npasa-gradients.options]
        tol = 1e-8

    Raises
    ------
    ParseError
        Names file and reason.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParseError(str(error), path) from error
    specs = []
    for label, given in tables.items():
        if not isinstance(given, dict):
            raise ParseError(f"{label} is not a table [{label}] with method and options", path)
        table = cast("dict[str, Any]", given)
        unknown = sorted(set(table) - {"method", "derivatives", "options"})
        if unknown:
            raise ParseError(
                f"[{label}] has {unknown[0]!r}; known are method, derivatives and a table options",
                path,
            )
        options = dict(table.get("options", {}))
        if "derivatives" in table:
            options["derivatives"] = table["derivatives"]
        specs.append(_spec(label, str(table.get("method", label)), options))
    return specs


def check_methods(specs: list[MethodSpec], tol: float) -> None:
    """Refuse unknown methods and options before anything runs.

    A method whose package is missing passes: that is an outcome of its runs.

    Raises
    ------
    UnknownMethodError, OptionError
        With the nearest names.
    """
    for spec in specs:
        if spec.method == "auto":
            if spec.options:
                raise UnknownMethodError(
                    "'auto' takes no options; name the method that they are for"
                )
            continue
        try:
            build_method(spec.method, tol, spec.options)
        except ImportError:
            continue


def _spec(label: str, method: str, options: Mapping[str, Any]) -> MethodSpec:
    """Take what belongs to the benchmark out of the options."""
    own = dict(options)
    level = own.pop("derivatives", None)
    if level is not None and level not in DERIVATIVES:
        raise OptionError(
            f"derivatives of {label!r} is {level!r}; one of {', '.join(DERIVATIVES)} is needed"
        )
    return MethodSpec(label, method, own, cast("Derivatives | None", level))


def _split(text: str) -> list[str]:
    """Split at the commas outside brackets; empty items are left out."""
    items, depth, item = [], 0, ""
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += letter
    return [item for item in (*items, item) if item.strip()]


def _filled(options: str | None) -> list[str]:
    return [part for part in (options or "").split(",") if part.strip()]


def _pair(item: str, text: str) -> tuple[str, Any]:
    key, equals, given = text.partition("=")
    if not equals or not key.strip():
        raise OptionError(
            f"{text.strip()!r} in {item.strip()!r} is not of the form OPTION=VALUE"
        )
    return key.strip(), value(given.strip())
