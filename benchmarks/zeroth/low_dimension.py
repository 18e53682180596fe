"""Compare solvers for functions of few variables without derivatives, at up to 100 (n + 1) evaluations.

    python benchmarks/zeroth/low_dimension.py --json OUT --plot OUT.png --nevergrad-python ENV/bin/python
    python benchmarks/zeroth/low_dimension.py --make-nevergrad ENV      # an environment in which NGOpt runs

Three sets: the 53 problems of Moré and Wild, the same with their deterministic noise, and the 24 functions of COCO's
bbob (package coco-experiment), which are multimodal or ill-conditioned. A problem counts as solved to tau when

    f(x) <= f_L + tau (f(x0) - f_L),    f_L the least value that any solver found,

and the data profile d(k) of a solver is the share of problems that it solves within k (n + 1) evaluations [MW09].
Reported are d(100) and the mean of d over 0 <= k <= 100. Runs are kept in a file as they end (``--store``); a program
that is started again does only what is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import venv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from low_dimension_solvers import RIVALS, SEEDED, NGOpt, run, solvers
from more_wild import Case, more_wild

TAUS = (1e-1, 1e-3, 1e-5)
SIMPLEX = 100
"""Budget in units of n + 1 evaluations."""

NEVERGRAD = ("numpy<2", "nevergrad==1.0.12", "cma")

STORE = Path(__file__).parents[1] / "results" / "low_dimension.jsonl"
SETS = ("smooth", "noisy", "bbob")
Hits = dict[str, dict[str, list[float]]]


def bbob(dimensions: tuple[int, ...], instances: int) -> list[Case]:
    """Return bbob's functions on [-5, 5]^n from a start drawn for each of them."""
    try:
        import cocoex  # noqa: PLC0415
    except ImportError:
        print("bbob: left out, coco-experiment is not installed")
        return []
    sizes = ",".join(map(str, dimensions))
    wanted = f"dimensions:{sizes} instance_indices:1-{instances}"
    cases = []
    suite = cocoex.Suite("bbob", "", wanted)
    for name in suite.ids():
        # Iterating over the suite would free each problem when the next one is made.
        problem = suite.get_problem(name)
        rng = np.random.default_rng(
            [problem.id_function, problem.dimension, problem.id_instance]
        )
        x0 = rng.uniform(-4.0, 4.0, problem.dimension)
        cases.append(Case(problem.id, problem, x0, -5.0, 5.0))
    return cases


def case_sets(arguments: argparse.Namespace) -> dict[str, list[Case]]:
    """Return the problems by set."""
    full = arguments.full
    dimensions = (2, 3, 5, 10, 20) if full else (2, 5, 10)
    every = {
        "smooth": more_wild(),
        "noisy": more_wild(noisy=True),
        "bbob": bbob(dimensions, 5 if full else 1),
    }
    return {name: every[name] for name in SETS if name in arguments.sets and every[name]}


# Runs ---------------------------------------------------------------------------------------------


def read_store(path: Path) -> list[dict[str, Any]]:
    """Return the runs that are kept; a line cut short by a crash is left out."""
    found = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return found


def key(record: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells runs apart."""
    return tuple(record[name] for name in ("set", "problem", "solver", "seed"))


def missing_runs(
    sets: dict[str, list[Case]], labels: list[str], seeds: int, done: set[tuple[Any, ...]]
) -> Iterator[tuple[str, Case, str, int]]:
    """Yield the runs that are to be done; a solver without randomness runs once."""
    for name, cases in sets.items():
        for case in cases:
            for label in labels:
                count = seeds if label.removeprefix("optlab ") in SEEDED else 1
                for seed in range(count):
                    if (name, case.name, label, seed) not in done:
                        yield name, case, label, seed


def collect(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Do what is missing; return all runs, and why solvers are missing."""
    known, missing = solvers(arguments.nevergrad_python)
    labels = [label for label in known if not arguments.only or label in arguments.only]
    store = Path(arguments.store)
    store.parent.mkdir(parents=True, exist_ok=True)
    records = read_store(store)
    sets = case_sets(arguments)
    done = {key(record) for record in records}
    with store.open("a", encoding="utf-8") as stream:
        for name, case, label, seed in missing_runs(sets, labels, arguments.seeds, done):
            record = run(label, known[label], case, SIMPLEX * (case.n + 1), seed)
            record["set"], record["f0"] = name, case.f(case.x0)
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            records.append(record)
    for solver in known.values():
        if isinstance(solver, NGOpt):
            solver.close()
    wanted = {(name, case.name) for name, cases in sets.items() for case in cases}
    kept = [r for r in records if (r["set"], r["problem"]) in wanted and r["solver"] in labels]
    return kept, missing


# Profiles -----------------------------------------------------------------------------------------


def hits(records: list[dict[str, Any]], name: str, tau: float) -> dict[str, list[float]]:
    """Return the evaluations, over n + 1, after which each solver solves each problem and seed; inf: never."""
    by_problem: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["set"] == name:
            by_problem[record["problem"]].append(record)
    found: dict[str, list[float]] = defaultdict(list)
    for problem in sorted(by_problem):
        runs = by_problem[problem]
        least = min(f for r in runs for _, f in r["steps"])
        level = least + tau * (runs[0]["f0"] - least)
        seeds = 1 + max(r["seed"] for r in runs)
        of_solver: dict[str, list[float]] = defaultdict(list)
        for r in sorted(runs, key=lambda r: int(r["seed"])):
            when = next((k for k, f in r["steps"] if f <= level), math.inf)
            of_solver[r["solver"]].append(when / (r["n"] + 1))
        for solver, times in of_solver.items():
            found[solver] += times if len(times) == seeds else times[:1] * seeds
    return dict(found)


def profile(times: list[float], grid: Any) -> Any:
    """Return d on a grid of k."""
    return np.mean(np.asarray(times)[:, None] <= grid, axis=0)


def score(times: list[float]) -> dict[str, float]:
    """Return d(100) and the mean of d over [0, 100]."""
    capped = np.minimum(np.asarray(times), SIMPLEX)
    solved = float(np.mean(np.asarray(times) <= SIMPLEX))
    return {"solved": solved, "area": float(1.0 - np.mean(capped) / SIMPLEX)}


def table(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the scores of every set, tau and solver, and ours against the rivals'."""
    found: dict[str, Any] = {}
    for name in SETS:
        if not any(r["set"] == name for r in records):
            continue
        found[name] = {}
        for tau in TAUS:
            scores = {label: score(times) for label, times in hits(records, name, tau).items()}
            found[name][f"{tau:g}"] = {"scores": scores, "ratios": ratios(scores)}
    return found


def ratios(scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Compare the best of ours with the best of the rivals; 1 means equal."""
    compared: dict[str, Any] = {}
    for what in ("solved", "area"):
        ours = {k: v[what] for k, v in scores.items() if k.startswith("optlab")}
        theirs = {k: v[what] for k, v in scores.items() if k in RIVALS}
        if ours and theirs:
            best, rival = max(ours, key=lambda k: ours[k]), max(theirs, key=lambda k: theirs[k])
            ratio = ours[best] / theirs[rival] if theirs[rival] else math.nan
            compared[what] = {"best": best, "rival": rival, "ratio": ratio}
    return compared


def show(found: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """Print the scores."""
    labels = sorted({r["solver"] for r in records}, key=str.lower)
    for name, by_tau in found.items():
        print(f"\n{name:24}" + "".join(f"   tau={tau:<6} area" for tau in by_tau))
        for label in labels:
            cells = [entry["scores"].get(label) for entry in by_tau.values()]
            print(
                f"{label:24}"
                + "".join(
                    f"{c['solved']:12.3f}{c['area']:7.3f}" if c else " " * 19 for c in cells
                )
            )
        for what in ("solved", "area"):
            compared = [entry["ratios"].get(what) for entry in by_tau.values()]
            print(
                f"ours / best rival, {what}: "
                + ", ".join(
                    f"{c['ratio']:.3f} ({c['best']} / {c['rival']})" for c in compared if c
                )
            )


FAT = ("COBYQA", "CMA-ES", "NGOpt", "optlab zo-local", "optlab cma-es", "optlab zo")
"""The lines to look at; the others are thin."""


def plot(records: list[dict[str, Any]], path: str) -> None:
    """Draw the data profiles: a row for every set, a column for every tau; peers are dashed."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    sets = [name for name in SETS if any(r["set"] == name for r in records)]
    labels = sorted(
        {r["solver"] for r in records}, key=lambda label: (label not in FAT, label.lower())
    )
    colours = dict(zip(labels, plt.get_cmap("tab20").colors[::2] * 2, strict=False))
    figure, axes = plt.subplots(
        len(sets), len(TAUS), figsize=(12, 3.2 * len(sets) + 0.6), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    grid = np.linspace(0.0, SIMPLEX, 401)
    for row, name in zip(axes, sets, strict=True):
        for axis, tau in zip(row, TAUS, strict=True):
            found = hits(records, name, tau)
            for label in labels:
                style = "-" if label.startswith("optlab") else "--"
                look = {"lw": 1.8} if label in FAT else {"lw": 0.8, "alpha": 0.7}
                curve = profile(found.get(label, []), grid)
                axis.plot(grid, curve, style, color=colours[label], label=label, **look)
            axis.set(title=f"{name}, tau = {tau:g}", xlim=(0, SIMPLEX), ylim=(0, 1.02))
    for axis in axes[-1]:
        axis.set_xlabel("evaluations / (n + 1)")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=5, fontsize=9
    )
    figure.savefig(path, dpi=80)


# Program ------------------------------------------------------------------------------------------


def make_nevergrad(folder: str) -> int:
    """Make an environment with a NumPy that nevergrad works with."""
    venv.create(folder, with_pip=True)
    python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    return subprocess.run(
        [str(python), "-m", "pip", "install", *NEVERGRAD], check=False
    ).returncode


def main() -> int:
    """Run, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="file for all numbers")
    parser.add_argument("--plot", help="PNG of the data profiles")
    parser.add_argument("--store", default=str(STORE))
    parser.add_argument("--nevergrad-python", help="interpreter that has nevergrad")
    parser.add_argument("--make-nevergrad", metavar="FOLDER", help="make one, and end")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--only", nargs="+", help="labels of the solvers to run")
    parser.add_argument("--seeds", type=int, default=2, help="runs of solvers with randomness")
    parser.add_argument("--full", action="store_true", help="bbob: n up to 20, five instances")
    arguments = parser.parse_args()
    if arguments.make_nevergrad:
        return make_nevergrad(arguments.make_nevergrad)
    records, missing = collect(arguments)
    found = table(records)
    show(found, records)
    for label, why in missing.items():
        print(f"not run: {label}: {why}")
    cpu: dict[str, float] = defaultdict(float)
    for record in records:
        cpu[record["solver"]] += record["cpu"]
    broken = Counter(r["solver"] for r in records if r["end"] not in ("ended", "budget"))
    print("runs that ended with an exception: " + (str(dict(broken)) if broken else "none"))
    print("CPU seconds: " + ", ".join(f"{k} {v:.0f}" for k, v in cpu.items()))
    if arguments.json:
        runs = [
            {k: v for k, v in r.items() if k != "steps"} | {"least": r["steps"][-1][1]}
            for r in records
        ]
        every = {
            "table": found,
            "missing": missing,
            "cpu": cpu,
            "seeds": arguments.seeds,
            "runs": runs,
        }
        Path(arguments.json).write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        plot(records, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
