"""One line per (problem, method): how the solve ended and how much it took.

Run as a program (`make trajectories`) this rewrites tests/trajectory/trajectories.jsonl and says
which lines moved. A moved line is explained in the commit and in a changes/*.trajectory.md note.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optlab
from optlab.errors import OptlabError
from optlab_problems import catalog
from optlab_problems.catalog import Entry, Kind

FILE = Path(__file__).parents[1] / "trajectory" / "trajectories.jsonl"
SIZE = 60
"""Sized problems are run at one size: small enough to be quick, large enough to mean something."""
ENDS = ("stop", "point")
COUNTS = (*ENDS, "iterations", "evaluations")
"""Compared exactly; the objective is compared to `DIGITS`."""
DIGITS = 1e-6

Line = dict[str, Any]


def cases() -> Iterator[tuple[str, str]]:
    """Yield every pair of packaged problem and method that can take it."""
    for entry in catalog.entries():
        for method in ("npasa",) if entry.kind is Kind.NONLINEAR else ("pasa", "npasa"):
            yield entry.name, method


def record(name: str, method: str) -> Line:
    """Solve and return the line; an error before the first iteration is recorded by its name."""
    entry: Entry = catalog.entry(name)
    problem = entry.build(**dict.fromkeys(entry.sizes, SIZE))
    line: Line = {"problem": name, "method": method, "n": problem.n, "m": problem.m}
    try:
        result = optlab.minimize(problem, method=method, max_iter=3000, seed=0)
    except OptlabError as error:
        return {**line, "stop": type(error).__name__}
    return {
        **line,
        "stop": result.stop.name,
        "point": result.point.name,
        "iterations": result.iterations,
        "evaluations": dict(result.evaluations),
        "f": float(f"{result.fun:.10g}"),
        "x": [float(f"{value:.6g}") for value in result.x[:4]],
    }


def read() -> dict[tuple[str, str], Line]:
    """Return the committed lines by (problem, method)."""
    if not FILE.exists():
        return {}
    lines = [json.loads(text) for text in FILE.read_text(encoding="utf-8").splitlines()]
    return {(line["problem"], line["method"]): line for line in lines}


def difference(old: Line, new: Line) -> list[str]:
    """Return what moved, each as ``what: old -> new``."""
    found = []
    # Where a solve ends by stalling, rounding decides after how many attempts.
    exact = old.get("stop") == "CONVERGED"
    for key in COUNTS if exact else ENDS:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += [
                f"{key}.{name}: {before.get(name)} -> {after.get(name)}"
                for name in sorted({*before, *after})
                if before.get(name) != after.get(name)
            ]
        elif before != after:
            found.append(f"{key}: {before} -> {after}")
    if "f" in old and "f" in new and abs(old["f"] - new["f"]) > DIGITS * (1 + abs(old["f"])):
        found.append(f"f: {old['f']} -> {new['f']}")
    return found


def main() -> None:
    """Rewrite the file and report what moved."""
    old = read()
    lines = []
    for name, method in cases():
        line = record(name, method)
        lines.append(json.dumps(line))
        moved = difference(old[name, method], line) if (name, method) in old else ["new"]
        if moved:
            sys.stdout.write(f"{name} {method}: {'; '.join(moved)}\n")
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
