"""Run the benchmarks one after another; each writes JSON into benchmarks/results and prints a table.

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


@dataclass(frozen=True)
class Bench:
    """One program of benchmarks/ with its arguments."""

    name: str
    program: str
    arguments: tuple[str, ...] = ()
    on_collection: bool = True

    def command(self) -> list[str]:
        """Return the command line."""
        arguments = list(self.arguments)
        if self.on_collection:
            arguments += ["--collection", str(COLLECTION)]
        arguments += ["--json", str(RESULTS / f"{self.name}.json")]
        return [sys.executable, str(ROOT / "benchmarks" / self.program), *arguments]


def solve_list(name: str, seconds: int) -> Bench:
    """Return the benchmark of one list of problems."""
    arguments = (
        "--list",
        str(BESIDE / "lists" / f"{name}.open.txt"),
        "--time-limit",
        str(seconds),
    )
    return Bench(f"solve-{name}", "solve_lists.py", arguments)


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
    ]
    named = {bench.program for bench in known}
    others = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))
    # A program of its own problems needs no line here: it takes --json and nothing else.
    own = [
        Bench(name.removesuffix(".py").replace("_", "-"), name, on_collection=False)
        for name in others
        if name not in named and not name.startswith("_")
    ]
    return [bench for bench in own + known if (ROOT / "benchmarks" / bench.program).is_file()]


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
