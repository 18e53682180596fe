"""AMPL's .sol format: what a solver answers ([Gay05]_ and its companion *Hooking Your Solver to AMPL*).

A message, the options of the .nl file, duals, values, a status and suffixes:

    message, some lines
    (blank)
    Options
    count, options, rows, duals given, variables, values given
    duals, values: a line each
    objno NUMBER STATUS
    suffix KIND VALUES NAMELENGTH TABLELENGTH TABLELINES, the name, then index and value lines
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from optlab.typing import Vector
from optlab_problems.nl.content import Suffix
from optlab_problems.nl.errors import NlError, fail

__all__ = ["Solution", "read_sol", "write_sol"]

_LARGEST = 500_000_000
"""Bytes of a .sol file."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The content of a .sol file."""

    message: str
    x: Vector
    """(n,), or empty when no point is given."""

    duals: Vector
    """(m,) with AMPL's signs, or empty when none are given."""

    status: int
    """solve_result_num: 0 to 99 solved, 100 solved?, 200 infeasible, 300 unbounded, 400 limit, 500 failure."""

    objno: int = 1
    """Which objective, counted from 1; 0: none."""

    sizes: tuple[int, int] = (0, 0)
    """Rows and variables of the model, also when no duals or values are given."""

    options: tuple[int, ...] = (1, 1, 0)
    vbtol: float | None = None
    suffixes: list[Suffix] = field(default_factory=list)


def write_sol(path: str | Path, solution: Solution) -> None:
    """Write a .sol file; a reader never sees half of it.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    path = Path(path)
    m, n = solution.sizes
    options = [
        len(solution.options) + (2 if solution.vbtol is not None else 0),
        *solution.options,
    ]
    numbers = [*options, m, solution.duals.size, n, solution.x.size]
    # The message ends where a line is the keyword, so none of its own may be.
    message = [line.rstrip() for line in solution.message.splitlines() if line.strip()]
    lines = [
        *(f"({line})" if line.strip() == "Options" else line for line in message),
        "",
        "Options",
    ]
    lines += map(str, numbers)
    if solution.vbtol is not None:
        lines.append(repr(solution.vbtol))
    lines += map(repr, np.concatenate([solution.duals, solution.x]).tolist())
    # The file counts objectives from 0, and 0 also stands for none.
    lines.append(f"objno {max(solution.objno - 1, 0)} {solution.status}")
    for suffix in solution.suffixes:
        lines += _suffix_lines(suffix)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _suffix_lines(suffix: Suffix) -> list[str]:
    kind = suffix.kind | (4 if suffix.real else 0)
    values = suffix.values.tolist() if suffix.real else suffix.values.astype(int).tolist()
    return [
        f"suffix {kind} {suffix.indices.size} {len(suffix.name.encode()) + 1} 0 0",
        suffix.name,
        *(f"{i} {v!r}" for i, v in zip(suffix.indices.tolist(), values, strict=True)),
    ]


def read_sol(path: str | Path) -> Solution:
    """Read a .sol file in text form.

    Raises
    ------
    NlError
        With the line, when it is wrong.
    OSError
        When it cannot be read.
    """
    path = Path(path)
    if path.stat().st_size > _LARGEST:
        raise NlError(f"the file has more than {_LARGEST} bytes", path)
    lines = _Lines(path.read_text(encoding="utf-8", errors="replace").splitlines())
    try:
        return _read(lines)
    except NlError as error:
        raise NlError(error.message, path, lines.at) from None


class _Lines:
    """Lines one after the other."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.at = 0

    @property
    def left(self) -> int:
        """Lines that were not read yet."""
        return len(self._lines) - self.at

    def next(self) -> str:
        """Return the next line."""
        if not self.left:
            fail("the file ends early")
        self.at += 1
        return self._lines[self.at - 1]

    def numbers(self, count: int) -> Vector:
        """Return the numbers on that many lines."""
        if not 0 <= count <= self.left:
            fail(f"{count} lines are announced and {self.left} are left")
        return np.array([_real(self.next()) for _ in range(count)], dtype=np.float64)


def _read(lines: _Lines) -> Solution:
    message: list[str] = []
    while (line := lines.next()).strip() != "Options":
        message.append(line)
    count = _integer(lines.next())
    with_tolerance = count > 4
    count -= 2 if with_tolerance else 0
    if not 0 <= count <= 9:
        fail(f"{count} options; at most 9 are possible")
    options = tuple(_integer(lines.next()) for _ in range(count))
    m, duals, n, values = (_integer(lines.next()) for _ in range(4))
    vbtol = _real(lines.next()) if with_tolerance else None
    y, x = lines.numbers(duals), lines.numbers(values)
    objno, status = 0, -1
    suffixes: list[Suffix] = []
    while lines.left:
        words = lines.next().split()
        if words[:1] == ["objno"] and len(words) == 3:
            objno, status = _integer(words[1]) + 1, _integer(words[2])
        elif words[:1] == ["suffix"] and len(words) == 6:
            suffixes.append(_suffix(lines, [_integer(word) for word in words[1:]]))
        elif words:
            break  # what some solvers add for themselves
    text = "\n".join(line for line in message if line.strip())
    return Solution(text, x, y, status, objno, (m, n), options, vbtol, suffixes)


def _suffix(lines: _Lines, numbers: list[int]) -> Suffix:
    kind, count, _, _, table = numbers
    name = lines.next().strip()
    if not (0 <= kind < 8 and 0 <= count <= lines.left and 0 <= table <= lines.left):
        fail(f"the suffix {name!r} has impossible numbers")
    for _ in range(table):
        lines.next()
    indices, values = np.zeros(count, dtype=np.intp), np.zeros(count)
    for k in range(count):
        words = lines.next().split()
        if len(words) != 2:
            fail("an index and a value are needed here")
        indices[k], values[k] = _integer(words[0]), _real(words[1])
    return Suffix(name, kind & 3, bool(kind & 4), indices, values)


def _integer(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        return fail(f"{text[:40]!r} is found where a whole number is needed")
    return value if abs(value) < 2**62 else fail(f"{text[:40]} is too large")


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return fail(f"{text[:40]!r} is found where a number is needed")
