"""The arguments of ``optlab bench``; what it does with them is in :mod:`optlab.bench.command`."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from optlab.bench.classes import CLASSES
from optlab.bench.plan import DERIVATIVES

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser of the subcommand its arguments."""
    parser.set_defaults(run=_bench)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="report STORE",
        help="'report STORE': only write reports of a store",
    )
    what = parser.add_argument_group("problems")
    what.add_argument("--collection", type=Path, metavar="DIR", help="folder of problem files")
    what.add_argument(
        "--list", type=Path, action="append", default=[], metavar="FILE",
        help="lines NAME KEY=VALUE ..., '#' starts a comment; may be repeated",
    )  # fmt: skip
    what.add_argument("--all", action="store_true", help="every file of the collection")
    what.add_argument(
        "--only", action="append", default=[], metavar="GLOB",
        help="keep problems of this name, such as 'HS*'; may be repeated",
    )  # fmt: skip
    what.add_argument("--classes", default="", metavar="A,B", help=", ".join(CLASSES))
    what.add_argument(
        "--max-n", type=int, metavar="N", help="keep problems of at most N variables"
    )
    how = parser.add_argument_group("methods")
    how.add_argument(
        "--methods", default="", metavar="M,M",
        help="METHOD, METHOD[OPTION=VALUE,...] or LABEL=METHOD[...], separated by commas",
    )  # fmt: skip
    how.add_argument(
        "--method-options", type=Path, metavar="FILE.toml", help="more methods, a table each"
    )
    how.add_argument(
        "--derivatives", choices=DERIVATIVES, default="exact",
        help="what the methods get to see (default: exact)",
    )  # fmt: skip
    how.add_argument(
        "--tol", type=float, default=1e-6, help="of methods and judge (default: 1e-6)"
    )
    how.add_argument("--seed", type=int, default=0, help="of the methods (default: 0)")
    _add_limits(parser)
    _add_output(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits and executor")
    limits.add_argument(
        "--time-limit", type=float, default=60.0, metavar="S", help="seconds (default: 60)"
    )
    limits.add_argument(
        "--grace", type=float, metavar="S",
        help="seconds after the limit before a process is killed (default: 5 and a tenth of it)",
    )  # fmt: skip
    limits.add_argument(
        "--memory-limit", type=float, metavar="GIB", help="resident memory of a run"
    )
    limits.add_argument(
        "--jobs", type=int, default=1, help="local processes at a time (default: 1)"
    )
    limits.add_argument(
        "--executor", default="local", metavar="E", help="local (default) or dask://HOST:PORT"
    )
    limits.add_argument(
        "--import", dest="imports", action="append", default=[], metavar="MODULE",
        help="import this first: it registers methods or problem sources; may be repeated",
    )  # fmt: skip


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("store and reports")
    output.add_argument(
        "--store", type=Path, metavar="FILE",
        help="SQLite file of the runs; what it holds is not run again",
    )  # fmt: skip
    output.add_argument(
        "--rerun", default="", metavar="WHAT", help="all, failed, or names separated by commas"
    )
    output.add_argument(
        "--tag", default="", help="names a state of the code; part of what a run is"
    )
    output.add_argument("--no-run", action="store_true", help="report what the store holds")
    output.add_argument(
        "--report", type=Path, action="append", default=[], metavar="FILE",
        help="write .html, .csv, .json or .md; may be repeated",
    )  # fmt: skip
    output.add_argument(
        "--reference", metavar="LABEL",
        help="method that the others are compared with (default: ipopt when there, else the last)",
    )  # fmt: skip


def _bench(arguments: argparse.Namespace, stream: IO[str]) -> int:
    """Run the command; the other commands need not wait for what it imports."""
    from optlab.bench.command import bench  # noqa: PLC0415

    return bench(arguments, stream)
