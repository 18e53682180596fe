"""Solve a few real problems end to end, with live progress, and sum up. Exit code 1 if one fails.

The problems come with the project, as SIF files and as Python functions; where the CUTEst
collection is at hand (OPTLAB_SIF_DIR, or ../shared/sif/files) a handful of its problems follow.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import optlab
from optlab import PointStatus, Problem, Result
from optlab.cli import main as command
from optlab.core.tables import PlainTable, iteration_table
from optlab.errors import OptlabError
from optlab_problems import catalog, read_sif
from optlab_problems.classic import sif_path

ROWS_IN_A_LOG = 20
"""A terminal shows a live table; a log gets about this many lines of a long solve."""

WIDE = 140
"""Characters that the whole summary takes."""


@dataclass(frozen=True)
class Job:
    """One problem of the demo and what has to come out."""

    name: str
    what: str
    load: Callable[[], Problem]
    method: str = "auto"
    wanted: PointStatus = PointStatus.STATIONARY
    optimum: float | None = None
    expected_iterations: int = ROWS_IN_A_LOG


def packaged() -> list[Job]:
    """Return the problems that come with the project."""
    return [
        Job(
            "hs71",
            "the same problem as Python functions",
            lambda: catalog.load("hs71"),
            optimum=17.0140173,
        ),
        Job(
            "CHAINROS",
            "chained Rosenbrock function with 1000 bounded variables from a SIF file",
            lambda: read_sif(sif_path("CHAINROS"), params={"N": 1000}),
            expected_iterations=2600,
        ),
        Job(
            "POLYQP",
            "quadratic program over a polyhedron, 1800 variables, 600 rows",
            lambda: read_sif(sif_path("POLYQP"), params={"N": 1800}),
        ),
        Job(
            "hs106",
            "heat exchanger design, badly scaled, as Python functions",
            lambda: catalog.load("hs106"),
            optimum=7049.24802,
        ),
        Job(
            "chained-rosenbrock-rows",
            "1000 variables, 998 nonlinear equalities, sparse second derivatives",
            lambda: catalog.load("chained-rosenbrock-rows"),
        ),
        Job(
            "isolated",
            "a problem without a feasible point, reported as such",
            lambda: catalog.load("isolated"),
            wanted=PointStatus.INFEASIBLE_STATIONARY,
        ),
    ]


def from_collection(root: Path) -> list[Job]:
    """Return a handful of problems of the CUTEst collection, where it is at hand."""
    folder = Path(os.environ.get("OPTLAB_SIF_DIR", root.parent / "shared" / "sif" / "files"))
    choice: dict[str, dict[str, int]] = {
        "CATENARY": {"N+1": 166},
        "DTOC3": {"N": 500},
        "GASOIL": {},
        "LUKVLI6": {"N": 999},
        "MOSARQP1": {"N": 900, "M": 30},
        "NCVXBQP2": {"N": 1000},
    }
    return [
        Job(
            name,
            f"CUTEst: {name} {' '.join(f'{k}={v}' for k, v in params.items())}".rstrip(),
            lambda path=folder / f"{name}.SIF", params=params: read_sif(path, params=params),
        )
        for name, params in choice.items()
        if (folder / f"{name}.SIF").is_file()
    ]


def solve(job: Job) -> tuple[Problem, Result]:
    """Solve one problem with its progress on the terminal, or a sample of it in a log."""
    problem = job.load()
    every = max(1, job.expected_iterations // ROWS_IN_A_LOG)
    table = iteration_table() if sys.stdout.isatty() else PlainTable(every=every)
    return problem, optlab.minimize(problem, method=job.method, observers=[table], max_time=120)


def verdict(job: Job, result: Result) -> str:
    """Return "" when the result is the wanted one, else what is wrong with it."""
    if result.point is not job.wanted:
        return f"{result.stop.name}, {result.point.name}; wanted {job.wanted.name}"
    if job.wanted is PointStatus.STATIONARY and not result.success:
        return result.message
    if job.optimum is not None and abs(result.fun - job.optimum) > 1e-6 * abs(job.optimum):
        return f"objective {result.fun:.9g}, known {job.optimum:.9g}"
    return ""


def run(job: Job, console: Console, summary: Table) -> bool:
    """Solve one problem, add its line to the summary and return whether it ended as wanted."""
    console.rule(f"{job.name}: {job.what}")
    try:
        problem, result = solve(job)
    except OptlabError as error:
        console.print(f"{type(error).__name__}: {error}", markup=False)
        add_row(summary, {"problem": job.name, "verdict": f"[red]{type(error).__name__}[/red]"})
        return False
    wrong = verdict(job, result)
    cells = {
        "problem": job.name,
        "n": str(problem.n),
        "m": str(problem.m),
        "method": result.method,
        "point": result.point.name.lower().replace("_", " "),
        "objective": f"{result.fun:.8g}",
        "E1": f"{result.certificate.E1:.0e}",
        "it": str(result.iterations),
        "f evals": str(result.evaluations["objective"]),
        "s": f"{result.time:.2f}",
        "verdict": f"[red]{wrong}[/red]" if wrong else "[green]ok[/green]",
    }
    add_row(summary, cells)
    return not wrong


def summary_table(width: int) -> Table:
    """Return the empty summary; a narrow terminal gets the columns that matter most."""
    table = Table(title="summary", title_justify="left")
    columns = ["problem", "n", "m", "method", "point", "objective", "E1", "it", "f evals", "s"]
    for column in columns if width >= WIDE else ("problem", "point", "objective"):
        left = column in ("problem", "method", "point")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    table.add_column("verdict")
    return table


def add_row(table: Table, cells: dict[str, str]) -> None:
    """Add a line with the cells that the table has columns for."""
    table.add_row(*(cells.get(str(column.header), "") for column in table.columns))


def main() -> int:
    """Run the demo and return the exit code."""
    # A log has no width of its own.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    summary = summary_table(console.width)
    started = time.monotonic()
    console.rule("the command: optlab solve HS71.SIF")
    failures = 0 if command(["solve", str(sif_path("HS71"))]) == 0 else 1
    for job in packaged() + from_collection(Path(__file__).resolve().parents[1]):
        failures += not run(job, console, summary)
    console.print(summary)
    if failures:
        console.print(f"[red]{failures} of the solves did not end as they must[/red]")
        return 1
    seconds = time.monotonic() - started
    console.print(f"done in {seconds:.1f} s; each answer was checked on the problem as given")
    return 0


if __name__ == "__main__":
    sys.exit(main())
