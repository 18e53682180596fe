"""Equal numbers of evaluations in TOTAL: ``zo``, which nobody tunes, against tuned estimators.

    python benchmarks/zeroth/total_queries.py --json total_queries.json --plot total_queries.png

Networks 64-8-10 and 64-32-10 on digits (:mod:`mlp`), minibatches of 128. A competitor is an estimator with momentum 0.9 and a
cosine schedule (or Adam, or FZOO's step), at the learning rate that gives the best mean test accuracy on the first two
of the very seeds that are reported: factors of 2 are tried until the best one has worse neighbours. That is a
benefit no user has. ``zo`` gets the defaults. Evaluations spent on tuning are not counted. The whole takes some 40 minutes;
rows can be made one by one (``--only``), and more seeds added at the rates found (``--extend --seeds 10``).

Columns: mean test accuracy and its standard error, seeds, training loss, rate, evaluations, CPU seconds of a run, and how
far the accuracy of ``zo`` is above, seed by seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mlp import digits_task

import optlab

TUNED_ON = 2
"""Seeds on which rates are compared."""

LEFT = 93.0
"""Left end of the plot, percent; means below are written."""


@dataclass(frozen=True)
class Budget:
    """A network and how many evaluations its training may cost."""

    name: str
    hidden: int
    evaluations: int


BUDGETS = (
    Budget("d = 610, 91,650 evaluations", 8, 91_650),
    Budget("d = 2,410, 24,110 evaluations", 32, 24_110),
    Budget("d = 2,410, 96,440 evaluations", 32, 96_440),
)


@dataclass(frozen=True)
class Contender:
    """A method with everything but its rate."""

    name: str
    method: str
    rate: Callable[[int], float] | None = None
    """Number of variables -> first guess of the rate; None: there is none to tune."""

    options: Callable[[int], dict[str, Any]] = field(default=lambda _: {})


def rge(
    label: str, q: Callable[[int], int], rate: Callable[[int], float], **law: Any
) -> Contender:
    """Return descent with momentum along q random directions."""
    return Contender(
        label, "zo-sgd", rate, lambda d: {"estimator": optlab.zo.RGE(count=q(d), **law)}
    )


CONTENDERS = (
    Contender("zo (nothing tuned)", "zo"),
    rge("RGE q = 1", lambda _: 1, lambda _: 2e-3),
    rge("RGE q = 4", lambda _: 4, lambda _: 4e-3),
    rge("RGE q = 10", lambda _: 10, lambda _: 1e-2),
    rge("RGE q = 30", lambda _: 30, lambda _: 3e-2),
    rge("RGE q = d/10", lambda d: d // 10, lambda _: 5e-2),
    rge("RGE q = d", lambda d: d, lambda _: 0.4),
    Contender("CGE", "zo-sgd", lambda _: 0.8, lambda _: {"estimator": optlab.zo.CGE()}),
    Contender(
        "Adam, RGE q = 10",
        "zo-adam",
        lambda _: 4e-3,
        lambda _: {"estimator": optlab.zo.RGE(count=10)},
    ),
    Contender("FZOO, q = 8", "zo-fzoo", lambda _: 1e-2),
)


def run(
    contender: Contender, budget: Budget, seed: int, rate: float | None
) -> dict[str, float]:
    """Train once."""
    task = digits_task(budget.hidden, seed)
    options = contender.options(task.model.n)
    if rate is not None:
        options["learning_rate"] = rate
    begin = time.process_time()
    result = optlab.minimize(
        task.problem(),
        method=contender.method,
        max_eval=budget.evaluations,
        max_iter=10**9 if rate is not None else None,
        seed=seed,
        **options,
    )
    return {
        "seed": seed,
        "accuracy": task.test_accuracy(result.x),
        "loss": task.loss(result.x),
        "evaluations": result.evaluations["objective"],
        "cpu": time.process_time() - begin,
    }


def tuned(contender: Contender, budget: Budget) -> tuple[float | None, dict[float, float]]:
    """Return the best rate and the mean accuracies of all that were tried."""
    if contender.rate is None:
        return None, {}
    seen: dict[float, float] = {}

    def score(rate: float) -> float:
        if rate not in seen:
            runs = [run(contender, budget, seed, rate) for seed in range(TUNED_ON)]
            seen[rate] = float(np.mean([r["accuracy"] for r in runs]))
        return seen[rate]

    best = contender.rate(digits_task(budget.hidden, 0).model.n)
    while True:
        around = max((2.0 * best, 0.5 * best), key=score)
        if score(around) <= score(best):
            return best, seen
        best = around


def row_of(
    contender: Contender, budget: Budget, seeds: int, old: dict[str, Any] | None
) -> dict[str, Any]:
    """Tune and train, or give a row the seeds that it lacks, at the rate that it has."""
    if old is None:
        rate, tried = tuned(contender, budget)
        old = {
            "budget": budget.name,
            "name": contender.name,
            "rate": rate,
            "tried": {str(k): v for k, v in sorted(tried.items())},
            "runs": [],
        }
    lacking = range(len(old["runs"]), seeds)
    more = [run(contender, budget, seed, old["rate"]) for seed in lacking]
    return old | {"runs": old["runs"] + more}


def line(row: dict[str, Any], own: dict[str, Any] | None) -> str:
    """Return a row for people; ``own`` is that of ``zo``, with which the seeds of both are compared."""
    a = np.array([r["accuracy"] for r in row["runs"]])
    mean = {k: float(np.mean([r[k] for r in row["runs"]])) for k in row["runs"][0]}
    rate = "-" if row["rate"] is None else f"{row['rate']:.2g}"
    ahead = ""
    if own is not None and own is not row:
        b = np.array([r["accuracy"] for r in own["runs"]])
        shared = min(a.size, b.size)
        ahead = with_error(b[:shared] - a[:shared], "+")
    return (
        f"| {row['name']} | {with_error(a)} | {a.size} | {mean['loss']:.3f} | {rate} "
        f"| {mean['evaluations']:.0f} | {mean['cpu']:.1f} | {ahead} |"
    )


def with_error(sample: Any, sign: str = "") -> str:
    """Return mean and standard error."""
    return f"{sample.mean():{sign}.2f} +- {sample.std(ddof=1) / sample.size**0.5:.2f}"


HEAD = (
    "| method | accuracy | seeds | loss | rate | evaluations | CPU s | zo's accuracy less its, same seeds |\n"
    "|---|---|---|---|---|---|---|---|"
)


def save(kept: dict[tuple[str, str], dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Write the rows in their order, and return them."""
    order = [(b.name, c.name) for b in BUDGETS for c in CONTENDERS]
    results = [kept[place] for place in order if place in kept]
    path.write_text(json.dumps({"results": results}, indent=1))
    return results


def draw(results: list[dict[str, Any]], file: str) -> None:
    """Draw accuracies with their standard errors."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    present = {r["name"] for r in results}
    names = [c.name for c in CONTENDERS if c.name in present][::-1]
    figure, axes = plt.subplots(1, len(BUDGETS), figsize=(13, 4), sharey=True, sharex=True)
    for ax, budget in zip(axes, BUDGETS, strict=True):
        for row in (r for r in results if r["budget"] == budget.name):
            a = np.array([r["accuracy"] for r in row["runs"]])
            place, error = names.index(row["name"]), a.std(ddof=1) / len(a) ** 0.5
            colour = "#c44e52" if row["rate"] is None else "#4c72b0"
            if a.mean() < LEFT:
                ax.text(LEFT, place, f" {a.mean():.1f}, to the left", color=colour, va="center")
                continue
            ax.errorbar(a.mean(), place, xerr=error, fmt="o", color=colour, capsize=3)
        ax.set_yticks(range(len(names)), names)
        ax.set_title(budget.name, fontsize=10)
        ax.set_xlabel("test accuracy, %")
        ax.grid(axis="x", alpha=0.3)
    axes[0].set_xlim(left=LEFT)  # shared; set earlier it would fix the right end, too
    figure.tight_layout()
    figure.savefig(file, dpi=130)


def main() -> None:
    """Run the comparison; rows that the JSON file has and the selection leaves out are kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", required=True)
    parser.add_argument("--plot")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--only", default="", help="names of contenders, separated by semicolons"
    )
    parser.add_argument(
        "--extend", action="store_true", help="keep rates and runs; add the seeds that lack"
    )
    arguments = parser.parse_args()
    path = Path(arguments.json)
    old = json.loads(path.read_text())["results"] if path.exists() else []
    kept = {(r["budget"], r["name"]): r for r in old}
    only = arguments.only.split(";") if arguments.only else [c.name for c in CONTENDERS]
    for budget in BUDGETS:
        print(f"\n**{budget.name}**\n\n{HEAD}")
        for contender in CONTENDERS:
            place = (budget.name, contender.name)
            if contender.name in only:
                old_row = kept.get(place) if arguments.extend else None
                kept[place] = row_of(contender, budget, arguments.seeds, old_row)
                save(kept, path)
            if place in kept:
                own = kept.get((budget.name, CONTENDERS[0].name))
                print(line(kept[place], own), flush=True)
    results = save(kept, path)
    if arguments.plot:
        draw(results, arguments.plot)


if __name__ == "__main__":
    main()
