"""Arguments that name a problem file, its parameters and options; shared by the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab.core.plain import value
from optlab.core.problem_sources import load_problem
from optlab.errors import OptionError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from optlab.core.problem import Problem

__all__ = ["add_file", "existing", "pairs", "read_problem", "write_json"]


def add_file(parser: argparse.ArgumentParser) -> None:
    """Give a command FILE and --param."""
    parser.add_argument(
        "file", metavar="FILE", help="problem file, for example HS71.SIF or model.nl"
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="K=V",
        help="parameter of the file, for example N=1000; may be repeated",
    )


def existing(file: str) -> Path:
    """Return the path of a file.

    Raises
    ------
    FileNotFoundError
        When there is none.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {file!r}")
    return path


def read_problem(file: str | Path, params: Mapping[str, Any]) -> Problem:
    """Read a problem from a file that exists."""
    return load_problem(str(existing(str(file))), params)


def pairs(flag: str, texts: list[str]) -> dict[str, Any]:
    """Split K=V arguments; values become numbers, booleans or None where they look like it.

    Raises
    ------
    OptionError
        When an argument is not of that form.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, given = text.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"{flag} {text!r} is not of the form NAME=VALUE")
        found[key.strip()] = value(given.strip())
    return found


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write findings; numbers that are not finite have been made null."""
    text = json.dumps(content, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
