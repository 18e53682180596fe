"""``optlab verify REPORT [FILE]``: recompute the certificate of a report and compare it with its claims."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from optlab.cli.codes import NO, YES
from optlab.cli.files import write_json

if TYPE_CHECKING:
    import argparse

__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the command."""
    verify = commands.add_parser("verify", help="check the claims of a report of a solve")
    verify.set_defaults(run=_verify)
    verify.add_argument("report", type=Path, metavar="REPORT", help="written by solve --json")
    verify.add_argument(
        "file", type=Path, nargs="?", metavar="FILE",
        help="problem file (default: the one that the report names)",
    )  # fmt: skip
    verify.add_argument(
        "--tol", type=float, help="judge the point by this (default: that of the report)"
    )
    verify.add_argument("--json", type=Path, metavar="OUT", help="write the findings as JSON")
    verify.add_argument("--quiet", action="store_true", help="show nothing; use the exit code")


def _verify(arguments: argparse.Namespace, stream: IO[str]) -> int:
    from optlab.trust.verification import verify  # noqa: PLC0415 - not needed by other commands

    found = verify(arguments.report, arguments.file, tol=arguments.tol)
    if arguments.json is not None:
        write_json(found.as_dict(), arguments.json)
    if not arguments.quiet:
        stream.write(f"{found}\n")
    return YES if found else NO
