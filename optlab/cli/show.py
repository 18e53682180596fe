"""A result as text: the ending, the certificate, the solution."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optlab.core.problem import Problem
    from optlab.core.result import Result

__all__ = ["show"]

_SHOWN = 20
"""Rows of the solution that are shown when there are more."""


def show(result: Result, problem: Problem, stream: IO[str]) -> None:
    """Write the ending, the certificate and the solution."""
    write = stream.write
    write(f"\n{result.message}\n\n")
    write(f"objective    {result.fun:.12g}\n")
    write(f"status       {result.stop.name} / {result.point.name}\n")
    counts = ", ".join(f"{value} {key}" for key, value in result.evaluations.items())
    write(f"work         {result.iterations} iterations, {result.time:.3f} s, {counts}\n")
    write(f"time         {result.timing}\n\n")
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
