"""Learning rates on a grid, several seeds each, and the table of the best."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mlp import MLPTask, digits_task

import optlab


def trained(hidden: int, seed: int, method: str, **options: Any) -> dict[str, float]:
    """Train 64-hidden-10 on digits once; test accuracy in percent."""
    task: MLPTask = digits_task(hidden, seed)
    begin = time.process_time()
    result = optlab.minimize(task.problem(), method=method, seed=seed, **options)
    return {
        "seed": seed,
        "accuracy": task.test_accuracy(result.x),
        "loss": task.loss(result.x),
        "steps": result.iterations,
        "evaluations": result.evaluations["objective"],
        "cpu": time.process_time() - begin,
    }


def on_grid(
    name: str,
    rates: tuple[float, ...],
    seeds: int,
    run: Callable[[float, int], dict[str, float]],
) -> dict[str, Any]:
    """Run every rate with every seed; the best mean accuracy is the method's.

    The grid is extended by factors of two while its end is the best.
    """
    tried: dict[float, list[dict[str, float]]] = {}

    def mean(rate: float) -> float:
        if rate not in tried:
            tried[rate] = [run(rate, seed) for seed in range(seeds)]
        return float(np.mean([r["accuracy"] for r in tried[rate]]))

    best = max(rates, key=mean)
    while best in (max(tried), min(tried)):
        edge = 2.0 * best if best == max(tried) else 0.5 * best
        if mean(edge) <= mean(best):
            break
        best = edge
    runs = tried[best]
    accuracies = [r["accuracy"] for r in runs]
    row = {
        "name": name,
        "rate": best,
        "accuracy": float(np.mean(accuracies)),
        "error": float(np.std(accuracies, ddof=1) / len(runs) ** 0.5),
        "grid": {f"{rate:g}": round(mean(rate), 2) for rate in sorted(tried)},
        "runs": runs,
    }
    for key in ("loss", "steps", "evaluations", "cpu"):
        row[key] = float(np.mean([r[key] for r in runs]))
    print(
        f"| {name} | {row['accuracy']:.2f} +- {row['error']:.2f} | {row['loss']:.3f} | {best:g} | {row['steps']:.0f} "
        f"| {row['evaluations']:.0f} | {row['cpu']:.1f} | {row['grid']} |",
        flush=True,
    )
    return row


HEAD = (
    "| method | test accuracy | training loss | rate | steps | evaluations | CPU s | mean accuracy by rate |\n"
    "|---|---|---|---|---|---|---|---|"
)


def verdict(words: str, asked: float, reached: float) -> bool:
    """Print what was asked and reached; says whether it is met."""
    met = reached >= asked
    print(f"{words}: asked {asked:+.2f}, reached {reached:+.2f}: {'met' if met else 'NOT met'}")
    return met


def bars(rows: list[dict[str, Any]], title: str, path: Any) -> None:
    """Draw the accuracies with their standard errors."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7.5, 0.45 * len(rows) + 1.2), layout="constrained")
    places = np.arange(len(rows))[::-1]
    means, errors = [r["accuracy"] for r in rows], [r["error"] for r in rows]
    axes.errorbar(means, places, xerr=errors, fmt="o", color="#4477aa", capsize=3)
    for place, row in zip(places, rows, strict=True):
        axes.scatter(
            [r["accuracy"] for r in row["runs"]],
            [place] * len(row["runs"]),
            s=9,
            color="#bbbbbb",
            zorder=0,
        )
    axes.set_yticks(places, [r["name"] for r in rows])
    axes.set_xlabel("test accuracy, %")
    axes.set_title(title, fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=120)
