"""``optlab check FILE``: look for mistakes in a problem before solving it."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import optlab
from optlab.cli.codes import NO, YES
from optlab.cli.files import add_file, existing, pairs, write_json

if TYPE_CHECKING:
    import argparse

__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    check = commands.add_parser("check", help="look for mistakes in a problem file")
    check.set_defaults(run=_check)
    add_file(check)
    choice = check.add_mutually_exclusive_group()
    choice.add_argument(
        "--derivatives", action="store_true", default=None,
        help="compare derivatives with differences, however many variables there are",
    )  # fmt: skip
    choice.add_argument(
        "--no-derivatives", dest="derivatives", action="store_false", help="compare none"
    )
    check.add_argument("--json", type=Path, metavar="OUT", help="write the findings as JSON")
    check.add_argument("--quiet", action="store_true", help="show nothing; use the exit code")


def _check(arguments: argparse.Namespace, stream: IO[str]) -> int:
    found = optlab.check(
        str(existing(arguments.file)),
        params=pairs("--param", arguments.param),
        derivatives=arguments.derivatives,
    )
    if arguments.json is not None:
        write_json(found.as_dict(), arguments.json)
    if not arguments.quiet:
        stream.write(f"{found}\n")
    return YES if found else NO
