"""The front that lets the program ``optlab`` be called as AMPL calls its solvers.

    optlab stub -AMPL key=value ...     reads stub.nl, writes stub.sol
    optlab solve model.nl -AMPL         the same
    optlab model.nl key=value ...       solves and prints; wantsol=1 writes model.sol
    optlab -v                           prints the version
    optlab -=                           lists the options

Exit codes are those of AMPL's solvers: 0 when an answer was written, however the solve ended (the .sol file
says how), and 1 when there is none because the call or the model is wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import optlab
from optlab.core.progress import Observer
from optlab.core.result import Result
from optlab.core.tables import iteration_table
from optlab.errors import OptionError, OptlabError
from optlab_problems.nl.ampl_options import AmplOptions, described, read_options
from optlab_problems.nl.answer import solution_of
from optlab_problems.nl.model import NlModel
from optlab_problems.nl.solution import Solution, write_sol

__all__ = ["main"]

_ANSWERED, _FAILED = 0, 1
_VARIABLE = "optlab_options"
_WRITE, _PRINT_VALUES, _PRINT_DUALS, _NO_MESSAGE = 1, 2, 4, 8
_USAGE = "usage: optlab stub [-AMPL] [KEY=VALUE ...]; optlab -= lists the keys"


def main(arguments: Sequence[str], stream: IO[str]) -> int:
    """Run a call.

    Parameters
    ----------
    arguments
        Without the program's name.
    stream
        Where to write.

    Returns
    -------
    int
        0 when an answer was written, 1 when not.
    """
    words = [word for word in arguments if word != "-AMPL"]
    called_by_ampl = len(words) < len(arguments)
    if words[:1] == ["solve"]:
        words = words[1:]
    if words[:1] == ["-v"]:
        stream.write(f"optlab {optlab.__version__} ({sys.platform})\n")
        return _ANSWERED
    if words[:1] == ["-="]:
        stream.write(f"{described()}\n")
        return _ANSWERED
    try:
        if not words or words[0].startswith("-"):
            raise OptionError(_USAGE)
        options = read_options(os.environ.get(_VARIABLE, ""), words[1:])
        _run(_model_file(words[0]), options, stream, called_by_ampl=called_by_ampl)
    except (OptlabError, OSError) as error:
        sys.stderr.write(f"optlab: {' '.join(str(error).split())}\n")
        return _FAILED
    return _ANSWERED


def _model_file(stub: str) -> Path:
    path = Path(stub)
    return path if path.suffix == ".nl" else path.with_name(path.name + ".nl")


def _run(path: Path, options: AmplOptions, stream: IO[str], *, called_by_ampl: bool) -> None:
    """Solve and write what is wanted."""
    model = NlModel(path, options.objno)
    stream.write(f"optlab {optlab.__version__}: {path.stem}\n")
    result = _solve(model, options, stream)
    objno = min(1, len(model.content.objectives)) if options.objno is None else options.objno
    solution = solution_of(model, result, objno)
    if called_by_ampl or options.wantsol & _WRITE:
        write_sol(path.with_suffix(".sol"), solution)
    if not called_by_ampl:
        _show(model, solution, options.wantsol, stream)


def _solve(model: NlModel, options: AmplOptions, stream: IO[str]) -> Result:
    observers: list[Observer] = [iteration_table(stream)] if options.outlev > 0 else []
    return optlab.minimize(
        model.problem(),
        method=options.method,
        tol=options.tol,
        options=options.others or None,
        max_iter=options.max_iter,
        max_eval=options.max_eval,
        max_time=options.max_time,
        observers=observers,
        warm_start=model.warm_start() if options.warm_start else None,
        seed=options.seed,
    )


def _show(model: NlModel, solution: Solution, wantsol: int, stream: IO[str]) -> None:
    """Print what a call without -AMPL asks for."""
    if not wantsol & _NO_MESSAGE:
        stream.write(f"{solution.message}\n")
    if wantsol & _PRINT_VALUES:
        _columns(stream, "variable", model.variable_names, solution.x.tolist())
    if wantsol & _PRINT_DUALS:
        _columns(stream, "dual", model.row_names, solution.duals.tolist())


def _columns(
    stream: IO[str], header: str, names: Sequence[str], values: Sequence[float]
) -> None:
    width = max([len(header), *map(len, names)])
    stream.write(f"{header:<{width}}  value\n")
    for name, number in zip(names, values, strict=True):
        stream.write(f"{name:<{width}}  {number:.12g}\n")
