"""Iteration tables: plain text anywhere, a live table in a terminal when rich is installed."""

from __future__ import annotations

import sys
import time
from collections import deque
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from optlab.core.observers import AbstractObserver, RunInfo
from optlab.core.progress import Column

if TYPE_CHECKING:
    from optlab.core.progress import Progress
    from optlab.core.result import Result

__all__ = ["LiveTable", "PlainTable", "iteration_table"]

_COMMON = (
    Column("k", "iter", "{:>6d}"),
    Column("f", "objective", "{:>15.8e}"),
    Column("primal", "primal", "{:>9.2e}"),
    Column("dual", "dual", "{:>9.2e}"),
    Column("complementarity", "compl.", "{:>9.2e}"),
    Column("step", "step", "{:>9.2e}"),
)
"""Columns of every method; its own follow."""

_HEADER_EVERY = 30
"""Rows after which a plain table repeats its header."""


def iteration_table(stream: IO[str] | None = None) -> AbstractObserver:
    """Return a live table when the stream is a terminal and rich is installed, else a plain one.

    Parameters
    ----------
    stream
        Where to write; None means standard output.
    """
    target = sys.stdout if stream is None else stream
    if target.isatty():
        return LiveTable(target) if find_spec("rich") is not None else PlainTable(target)
    return PlainTable(target)


class PlainTable(AbstractObserver):
    """One text line per iteration.

    Parameters
    ----------
    stream
        Where to write; None means standard output.
    every
        Show every this many iterations.
    """

    def __init__(self, stream: IO[str] | None = None, every: int = 1) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._every = every
        self._columns: tuple[Column, ...] = _COMMON
        self._written = 0

    def open(self, info: RunInfo) -> None:
        """Write what is solved."""
        self._columns = _COMMON + info.columns
        self._written = 0
        self._stream.write(_title(info) + "\n")

    def __call__(self, k: int, progress: Progress) -> None:
        """Write a row."""
        if k % self._every:
            return
        if self._written % _HEADER_EVERY == 0:
            cells = [_head(column) for column in self._columns]
            self._stream.write("  ".join(cells).rstrip() + "\n")
        self._written += 1
        self._stream.write("  ".join(_row(k, progress, self._columns)).rstrip() + "\n")

    def close(self, result: Result | None) -> None:  # noqa: ARG002
        """Flush."""
        self._stream.flush()


class LiveTable(AbstractObserver):
    """The last iterations as a table that stays in place; needs rich and a terminal.

    Parameters
    ----------
    stream
        A terminal; None means standard output.
    rows
        Iterations shown at a time.
    """

    def __init__(self, stream: IO[str] | None = None, rows: int = 16) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._rows: deque[list[str]] = deque(maxlen=rows)
        self._columns: tuple[Column, ...] = _COMMON
        self._info: RunInfo | None = None
        self._console: Any = None
        self._live: Any = None
        self._started = 0.0

    def open(self, info: RunInfo) -> None:
        """Begin the live display."""
        from rich.console import Console  # noqa: PLC0415 - optional
        from rich.live import Live  # noqa: PLC0415

        self._info = info
        self._columns = _COMMON + info.columns
        self._rows.clear()
        self._started = time.monotonic()
        self._console = Console(file=self._stream)
        self._live = Live(
            console=self._console,
            # A thread redraws, so that iterating costs nothing and slow steps show a running clock.
            get_renderable=self._render,
            refresh_per_second=8,
            transient=False,
        )
        self._live.start()

    def __call__(self, k: int, progress: Progress) -> None:
        """Show a row."""
        self._rows.append(_row(k, progress, self._columns))

    def close(self, result: Result | None) -> None:  # noqa: ARG002
        """Draw the last state and end the display."""
        if self._live is not None:
            self._live.refresh()
            self._live.stop()
            self._live = None

    def _fitting(self) -> tuple[Column, ...]:
        """Return the columns that the terminal has room for; the last ones go first.

        rich would shorten the cells of all columns instead, until none can be read.
        """
        room = self._console.width - 2
        fitting: list[Column] = []
        for column in self._columns:
            # A blank of padding and one of the box between columns; the box has two edges.
            room -= _width(column) + 2
            if room < 0:
                break
            fitting.append(column)
        return tuple(fitting)

    def _render(self) -> Any:
        from rich import box  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        seconds = time.monotonic() - self._started
        title = "" if self._info is None else _title(self._info)
        table = Table(
            title=title, caption=f"{seconds:.1f} s", box=box.SIMPLE, padding=(0, 0, 0, 1)
        )
        columns = self._fitting()
        for column in columns:
            table.add_column(column.header, justify="right", no_wrap=True)
        # The iterating thread appends meanwhile; a copy cannot change under the loop.
        for row in list(self._rows):
            table.add_row(*row[: len(columns)])
        return table


def _title(info: RunInfo) -> str:
    """Say what is solved."""
    problem = info.problem or "problem"
    return f"{info.method}: {problem} (n = {info.n}, m = {info.m})"


def _width(column: Column) -> int:
    """Width of a column's cells, measured on a sample."""
    for sample in (1, 1.0, ""):
        try:
            return max(len(column.header), len(column.format.format(sample)))
        except (ValueError, TypeError):
            continue
    return len(column.header)


def _head(column: Column) -> str:
    return column.header.rjust(_width(column))


def _row(k: int, progress: Progress, columns: tuple[Column, ...]) -> list[str]:
    values: dict[str, Any] = {
        "k": k,
        "f": progress.f,
        "primal": progress.primal,
        "dual": progress.dual,
        "complementarity": progress.complementarity,
        "step": progress.step,
        **progress.extras,
    }
    return [_cell(values.get(column.name), column) for column in columns]


def _cell(value: Any, column: Column) -> str:
    """Format a value; a value that does not fit the format is shown as it is."""
    if value is None:
        return "-".rjust(_width(column))
    try:
        text = column.format.format(value)
    except (ValueError, TypeError):
        text = str(value)
    return text.rjust(_width(column))
