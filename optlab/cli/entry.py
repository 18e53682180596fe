"""The entry point: read the arguments, run one command, turn errors into one line.

Exit codes: 0 yes (solved, confirmed, nothing serious), 1 no, 2 bad input (:mod:`optlab.cli.codes`).
"""

from __future__ import annotations

import argparse
import sys
from typing import IO, TYPE_CHECKING

import optlab
from optlab.bench.arguments import add_arguments as add_bench
from optlab.cli import ampl, check, solve, tables, verify
from optlab.cli.codes import BAD_INPUT
from optlab.errors import OptlabError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

_DIALECTS: tuple[Callable[[Sequence[str], IO[str]], int | None], ...] = (ampl.answer,)
"""Command lines of other systems that the executable understands, such as ``optlab stub -AMPL``. Each
runs and returns its exit code, or returns None when the arguments are not in its dialect."""

_COMMANDS = (solve.add, check.add, verify.add, tables.add)
"""Each adds its parsers to the subcommands, with ``run(arguments, stream) -> exit code`` as a default."""


def main(argv: Sequence[str] | None = None, out: IO[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv
        Arguments without the program's name; None: those of the process.
    out
        Where to write; None: standard output.

    Returns
    -------
    int
        0 yes, 1 no, 2 bad input; other dialects have codes of their own.
    """
    stream = sys.stdout if out is None else out
    words = sys.argv[1:] if argv is None else argv
    try:
        return _run(words, stream)
    except BrokenPipeError:
        # The reader of a pipe went away (`optlab ... | head`); there is nobody to tell.
        return BAD_INPUT
    except (OptlabError, OSError) as error:
        sys.stderr.write(f"optlab: {_one_line(error)}\n")
        return BAD_INPUT


def _run(words: Sequence[str], stream: IO[str]) -> int:
    for dialect in _DIALECTS:
        code = dialect(words, stream)
        if code is not None:
            return code
    arguments = _parser().parse_args(words)
    answer: int = arguments.run(arguments, stream)
    return answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="optlab",
        description="Numerical optimization.",
        epilog="As a solver of AMPL: optlab STUB -AMPL KEY=VALUE ...; optlab -= lists the keys.",
    )
    parser.add_argument("--version", action="version", version=f"optlab {optlab.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    add_bench(commands.add_parser("bench", help="run problems with methods and compare"))
    return parser


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
