"""Run the benchmarks one after another; each writes into benchmarks/results and prints a table.

Those on CUTEst problems need the collection: OPTLAB_SIF_DIR names the folder of SIF files, or it lies at
../shared/sif/files with reference.json and lists/ beside it. Without it they are left out, and said so.
Arguments select benchmarks by a part of their name: ``make bench ARGS=small``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COLLECTION = Path(os.environ.get("OPTLAB_SIF_DIR", ROOT.parent / "shared" / "sif" / "files"))
BESIDE = COLLECTION.parent
SWEEP = "optlab bench"


@dataclass(frozen=True)
class Bench:
    """One program of benchmarks/ with its arguments, or a sweep of ``optlab bench``."""

    name: str
    program: str
    arguments: tuple[str, ...] = ()
    on_collection: bool = True

    def command(self) -> list[str]:
        """Return the command line."""
        arguments = list(self.arguments)
        if self.on_collection:
            arguments += ["--collection", str(COLLECTION)]
        if self.program == SWEEP:
            arguments += ["--store", str(RESULTS / "runs.sqlite")]
            for ending in ("md", "csv", "html"):
                arguments += ["--report", str(RESULTS / f"{self.name}.{ending}")]
            return [sys.executable, "-m", "optlab", "bench", *arguments]
        arguments += ["--json", str(RESULTS / f"{self.name}.json")]
        return [sys.executable, str(ROOT / "benchmarks" / self.program), *arguments]


def sweep(name: str, seconds: int, *selection: str) -> Bench:
    """Return a sweep of NPASA against IPOPT.

    The store keeps runs by version, not by state of the code, so all are done again.
    """
    limits = ("--time-limit", str(seconds), "--methods", "npasa,ipopt", "--rerun", "all")
    return Bench(f"solve-{name}", SWEEP, (*selection, *limits))


def solve_list(name: str, seconds: int, *more: str) -> Bench:
    """Return the sweep of one list of problems."""
    selection = ("--list", str(BESIDE / "lists" / f"{name}.open.txt"), *more)
    return sweep("-".join((name, *more[1:])), seconds, *selection)


def own_problems(named: set[str]) -> list[Bench]:
    """Return the programs that state their problems themselves: they take --json, and --plot if any."""
    found = []
    folder = ROOT / "benchmarks"
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        program = path.relative_to(folder)
        if program.name in named or '__name__ == "__main__"' not in text:
            continue
        name = "-".join(program.with_suffix("").parts).replace("_", "-")
        plot = ("--plot", str(RESULTS / f"{name}.png")) if '"--plot"' in text else ()
        found.append(Bench(name, str(program), plot, on_collection=False))
    return found


def plan() -> list[Bench]:
    """Return every benchmark, the quick ones first."""
    known = [
        Bench("sif-speed", "sif_speed.py"),
        Bench(
            "sif-reference",
            "sif_reference.py",
            ("--reference", str(BESIDE / "reference.json")),
        ),
        solve_list("small", 20),
        solve_list("polyhedral", 60),
        solve_list("medium", 60),
        *(
            solve_list(name, seconds, "--derivatives", given)
            for given in ("gradients", "functions")
            for name, seconds in (("small", 20), ("polyhedral", 60), ("medium", 60))
        ),
        sweep("collection", 20, "--all"),
    ]
    return own_problems({bench.program for bench in known}) + known


def main(wanted: list[str]) -> int:
    """Run the benchmarks whose name contains one of ``wanted`` (all when empty)."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = []
    for bench in plan():
        if wanted and not any(part in bench.name for part in wanted):
            continue
        if bench.on_collection and not COLLECTION.is_dir():
            print(
                f"== {bench.name}: left out, no SIF collection at {COLLECTION} (OPTLAB_SIF_DIR)"
            )
            continue
        print(f"== {bench.name}", flush=True)
        if subprocess.run(bench.command(), check=False).returncode:
            failed.append(bench.name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
