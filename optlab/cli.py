"""The command ``optlab``.

Exit codes: 0 solved, 1 not solved, 2 bad input; those of ``bench`` are in optlab.bench.command, those of a call
by AMPL in docs/ampl.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

import optlab
from optlab.bench.arguments import add_arguments
from optlab.core.plain import value
from optlab.errors import OptionError, OptlabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optlab.core.problem import Problem
    from optlab.core.progress import Observer
    from optlab.core.result import Result

__all__ = ["main"]

_SHOWN = 20
"""Rows of the solution that are shown when there are more."""

SOLVED, NOT_SOLVED, BAD_INPUT = 0, 1, 2


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
        0 solved, 1 not solved, 2 bad input.
    """
    stream = sys.stdout if out is None else out
    argv = sys.argv[1:] if argv is None else argv
    if _is_ampl_call(argv):
        front: Any = importlib.import_module("optlab_problems.nl.ampl")
        ended: int = front.main(argv, stream)
        return ended
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments, stream)
    except BrokenPipeError:
        # The reader of a pipe went away (`optlab ... | head`); there is nobody to tell.
        return BAD_INPUT
    except (OptlabError, OSError) as error:
        sys.stderr.write(f"optlab: {_one_line(error)}\n")
        return BAD_INPUT
    return code


def _is_ampl_call(argv: Sequence[str]) -> bool:
    """Whether the program is called as AMPL calls its solvers (docs/ampl.md)."""
    first = argv[0] if argv else ""
    return "-AMPL" in argv or first in ("-v", "-=") or first.endswith(".nl")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="optlab",
        description="Numerical optimization.",
        epilog="As a solver of AMPL: optlab STUB -AMPL KEY=VALUE ...; optlab -= lists the keys.",
    )
    parser.add_argument("--version", action="version", version=f"optlab {optlab.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    solve = commands.add_parser("solve", help="solve a problem file")
    solve.set_defaults(run=_solve)
    solve.add_argument(
        "file", metavar="FILE", help="problem file, for example HS71.SIF or model.nl"
    )
    solve.add_argument("--method", default="auto", help="see 'optlab methods' (default: auto)")
    solve.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="K=V",
        help="parameter of the file, for example N=1000; may be repeated",
    )
    solve.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="K=V",
        help="option of the method; may be repeated",
    )
    solve.add_argument("--tol", type=float, default=1e-6, help="tolerance (default: 1e-6)")
    solve.add_argument("--max-time", type=float, metavar="S", help="limit on seconds")
    solve.add_argument("--max-iter", type=int, metavar="N", help="limit on iterations")
    solve.add_argument("--max-eval", type=int, metavar="N", help="limit on evaluations")
    solve.add_argument("--seed", type=int, metavar="N", help="of the random generator")
    solve.add_argument("--json", type=Path, metavar="OUT", help="write the result as JSON")
    solve.add_argument(
        "--log", type=Path, metavar="FILE.jsonl", help="write a line per iteration"
    )
    solve.add_argument("--quiet", action="store_true", help="show nothing; use the exit code")
    add_arguments(commands.add_parser("bench", help="run problems with methods and compare"))
    for name, table in (("methods", optlab.methods), ("sources", optlab.sources)):
        command = commands.add_parser(name, help=f"list the {name}")
        command.set_defaults(run=lambda _, stream, table=table: _list(table, stream))
    return parser


def _list(table: Any, stream: IO[str]) -> int:
    stream.write(f"{table()!r}\n")
    return SOLVED


def _solve(arguments: argparse.Namespace, stream: IO[str]) -> int:
    """Solve a file and show the result."""
    from optlab.core.observers import JsonLines  # noqa: PLC0415 - not needed by the other commands
    from optlab.core.registry import load_problem  # noqa: PLC0415
    from optlab.core.tables import iteration_table  # noqa: PLC0415

    if not Path(arguments.file).is_file():
        raise FileNotFoundError(f"there is no file {arguments.file!r}")
    problem = load_problem(arguments.file, _pairs("--param", arguments.param))
    observers: list[Observer] = []
    if not arguments.quiet:
        observers.append(iteration_table(stream))
    if arguments.log is not None:
        observers.append(JsonLines(arguments.log))
    result = optlab.minimize(
        problem,
        method=arguments.method,
        tol=arguments.tol,
        options=_pairs("--option", arguments.option),
        max_iter=arguments.max_iter,
        max_eval=arguments.max_eval,
        max_time=arguments.max_time,
        observers=observers,
        seed=arguments.seed,
    )
    if arguments.json is not None:
        text = json.dumps(result.to_dict(), indent=1, allow_nan=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if not arguments.quiet:
        _show(result, problem, stream)
    return SOLVED if result.success else NOT_SOLVED


def _pairs(flag: str, texts: list[str]) -> dict[str, Any]:
    """Split K=V arguments; values become numbers, booleans or None where they look like it."""
    pairs: dict[str, Any] = {}
    for text in texts:
        key, equals, given = text.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"{flag} {text!r} is not of the form NAME=VALUE")
        pairs[key.strip()] = value(given.strip())
    return pairs


def _show(result: Result, problem: Problem, stream: IO[str]) -> None:
    """Write the ending, the certificate and the solution."""
    write = stream.write
    write(f"\n{result.message}\n\n")
    write(f"objective    {result.fun:.12g}\n")
    write(f"status       {result.stop.name} / {result.point.name}\n")
    counts = ", ".join(f"{value} {key}" for key, value in result.evaluations.items())
    write(f"work         {result.iterations} iterations, {result.time:.3f} s, {counts}\n\n")
    write("certificate (unscaled, recomputed on the problem as given)\n")
    for key, number in result.certificate.as_dict().items():
        write(f"  {key:<16}{number if isinstance(number, str) else f'{number:.3e}':>12}\n")
    names = problem.variable_names or [f"x{j + 1}" for j in range(problem.n)]
    columns = (result.x, problem.lb, problem.ub, result.multipliers.bounds)
    _table(stream, ("variable", "value", "lower", "upper", "multiplier"), names, columns)
    if problem.m:
        rows = problem.constraint_names or [f"c{i + 1}" for i in range(problem.m)]
        values = _rows(problem, result.x)
        columns = (values, problem.cl, problem.cu, result.multipliers.constraints)
        _table(stream, ("constraint", "value", "lower", "upper", "multiplier"), rows, columns)


def _rows(problem: Problem, x: Any) -> Any:
    try:
        return np.asarray(problem.constraints(x), dtype=np.float64)
    except Exception:  # noqa: BLE001 - only for display; the result is complete without it
        return np.full(problem.m, np.nan)


def _table(
    stream: IO[str], header: Sequence[str], names: Sequence[str], columns: Sequence[Any]
) -> None:
    """Write a table of the first rows."""
    shown = min(len(names), _SHOWN)
    width = max([len(header[0]), *(len(name) for name in names[:shown])])
    heads = "".join(f"{text:>16}" for text in header[1:])
    stream.write(f"\n  {header[0]:<{width}}{heads}\n")
    for i in range(shown):
        cells = "".join(f"{float(column[i]):>16.8g}" for column in columns)
        stream.write(f"  {names[i]:<{width}}{cells}\n")
    if shown < len(names):
        stream.write(f"  ... {len(names) - shown} more\n")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
