"""How a sweep shows itself: a bar on a terminal, a plain line per run anywhere else."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from optlab.bench.judge import error
from optlab.bench.store import Run
from optlab.bench.sweep import Watcher

__all__ = ["run_line", "terminal_watcher"]


def terminal_watcher(stream: IO[str]) -> Watcher:
    """Return a watcher that writes to a stream.

    On a terminal: a bar with counts and the time left, and above it a line for every run that is not
    solved. Elsewhere: a line for every run.
    """
    console = Console(file=stream, highlight=False, soft_wrap=True)
    shown = _Bar(console) if console.is_terminal else _Lines(stream)
    return Watcher(shown.begin, shown.done, shown.end)


def run_line(run: Run) -> str:
    """Say in one line what came of a run."""
    mark = "ok" if run["solved"] else "--"
    head = f"{mark} {run['problem']:<28} {run['label']:<14}"
    if run["outcome"] != "ended":
        return f"{head} {run['outcome'].upper()}: {run.get('message', '')}"[:200]
    counts = run["evaluations"]
    work = f"it={run['iterations']:<5} nf={counts.get('objective', 0):<6}"
    wrong = " WRONG CLAIM" if run["wrong_claim"] else ""
    return (
        f"{head} n={run['n']:<5} m={run['m']:<5} f={_number(run['f'], '.8g'):<15} "
        f"err={_number(error(run), '.1e'):<8} {work} cpu={run['cpu']:<8.3f} "
        f"{run['stop']}/{run['point']}{wrong}"
    )


def _number(value: Any, form: str) -> str:
    return "nan" if value is None else format(value, form)


class _Counts:
    """Solved, failed and left."""

    def __init__(self) -> None:
        self.solved = self.failed = self.left = 0

    def begin(self, kept: list[Run], left: int) -> None:
        self.solved = sum(bool(run["solved"]) for run in kept)
        self.failed = len(kept) - self.solved
        self.left = left

    def done(self, run: Run) -> None:
        self.solved += bool(run["solved"])
        self.failed += not run["solved"]
        self.left -= 1

    def __str__(self) -> str:
        return f"{self.solved} solved, {self.failed} failed, {self.left} left"


class _Lines:
    """A line per run."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._counts = _Counts()

    def begin(self, kept: list[Run], left: int) -> None:
        self._counts.begin(kept, left)
        self._write(f"{len(kept)} runs are in the store, {left} are left")

    def done(self, run: Run) -> None:
        self._counts.done(run)
        self._write(run_line(run))

    def end(self) -> None:
        self._write(str(self._counts))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class _Bar:
    """A bar on a terminal."""

    def __init__(self, console: Console) -> None:
        self._counts = _Counts()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def begin(self, kept: list[Run], left: int) -> None:
        self._counts.begin(kept, left)
        self._task = self._progress.add_task(str(self._counts), total=left)
        self._progress.start()

    def done(self, run: Run) -> None:
        self._counts.done(run)
        if not run["solved"]:
            self._progress.console.print(run_line(run), markup=False)
        if self._task is not None:
            self._progress.update(self._task, advance=1, description=str(self._counts))

    def end(self) -> None:
        self._progress.stop()
