"""How good estimated gradients are: cosine to the true gradient and relative error, at equal evaluations.

    python benchmarks/zeroth/gradient_quality.py --json gradient_quality.json --plot gradient_quality.png

The network 64-8-10 (d = 610) on a batch of 128 digits, at initialization; means and standard deviations over seeds. What theory
says for h -> 0 is beside the relative error: sqrt((d + 1) / q) for Gaussian directions, sqrt((d - q) / q) for orthogonal ones.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlp import digits_task

import optlab

HIDDEN = 8


@dataclass(frozen=True)
class Contender:
    """An estimator, what theory says of its error, and what is asked of its cosine."""

    name: str
    estimator: Any
    theory: float
    asked: tuple[float, float] | None = None
    """Interval for the mean cosine."""


def contenders(d: int) -> list[Contender]:
    """Return the estimators for d variables."""
    zo = optlab.zo
    found = []
    for h in (5e-2, 5e-3, 1e-3):
        at_paper = h == 5e-3
        found += [
            Contender(
                f"CGE, h = {h:g}", zo.CGE(smoothing=h), 0.0, (0.999, 1.0) if at_paper else None
            ),
            Contender(
                f"Gaussian RGE, q = d, h = {h:g}",
                zo.RGE(count=d, smoothing=h),
                ((d + 1) / d) ** 0.5,
                (0.66, 0.76) if at_paper else None,
            ),
            Contender(
                f"orthogonal RGE, q = d, h = {h:g}",
                zo.RGE(count=d, law="orthogonal", smoothing=h * d**0.5),
                0.0,
                (0.998, 1.0) if at_paper else None,
            ),
        ]
    for q in (10, 61, 305):
        found += [
            Contender(f"Gaussian RGE, q = {q}", zo.RGE(count=q), ((d + 1) / q) ** 0.5),
            Contender(
                f"orthogonal RGE, q = {q}",
                zo.RGE(count=q, law="orthogonal", smoothing=5e-3 * d**0.5),
                ((d - q) / q) ** 0.5,
            ),
        ]
    found += [
        Contender("CGE, central", zo.CGE(central=True), 0.0),
        Contender("SPSA, one pair", zo.SPSA(), (d - 1) ** 0.5),
        Contender("CGE, a tenth of the coordinates", zo.CGE(count=d // 10), 3.0),
    ]
    return found


def measured(contender: Contender, seed: int) -> dict[str, float]:
    """Estimate once."""
    task = digits_task(HIDDEN, seed)
    x = task.model.init(seed)
    _, g = task.gradient(x, 0)
    rng = np.random.default_rng([seed, 7])
    begin = time.process_time()
    plan = contender.estimator.plan(x.size, rng)
    estimate = plan.combine(task.values(x, plan.shifts, 0))
    cpu = time.process_time() - begin
    e = estimate.gradient
    return {
        "cosine": float(e @ g / np.linalg.norm(e) / np.linalg.norm(g)),
        "error": float(np.linalg.norm(e - g) / np.linalg.norm(g)),
        "claimed": estimate.standard_error / float(np.linalg.norm(g)),
        "evaluations": estimate.queries,
        "cpu": cpu,
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw cosine against evaluations."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8.0, 0.32 * len(rows) + 1.2), layout="constrained")
    places = np.arange(len(rows))[::-1]
    axes.barh(
        places,
        [r["cosine"] for r in rows],
        xerr=[r["cosine_sd"] for r in rows],
        color="#4477aa",
    )
    axes.set_yticks(places, [r["name"] for r in rows])
    axes.set_xlabel("cosine to the true gradient, d = 610")
    axes.set_xlim(0.0, 1.02)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Measure, print a table, check what was asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    rows = []
    met = True
    print(
        "| estimator | evaluations | cosine | relative error (theory) | claimed error | CPU s | asked | |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for contender in contenders(digits_task(HIDDEN, 0).model.n):
        runs = [measured(contender, seed) for seed in range(given.seeds)]
        row: dict[str, Any] = {"name": contender.name, "theory": contender.theory, "runs": runs}
        for key in runs[0]:
            row[key] = float(np.mean([r[key] for r in runs]))
        row["cosine_sd"] = float(np.std([r["cosine"] for r in runs]))
        rows.append(row)
        asked, verdict = "", ""
        if contender.asked is not None:
            low, high = contender.asked
            good = low <= row["cosine"] <= high
            met = met and good
            asked, verdict = f"{low:g} to {high:g}", "met" if good else "NOT met"
        print(
            f"| {row['name']} | {row['evaluations']:.0f} | {row['cosine']:.4f} +- {row['cosine_sd']:.4f} "
            f"| {row['error']:.3f} ({row['theory']:.2f}) | {row['claimed']:.3f} | {row['cpu']:.3f} | {asked} | {verdict} |",
            flush=True,
        )
    if given.json is not None:
        given.json.write_text(json.dumps({"results": rows}, indent=1))
    if given.plot is not None:
        draw(rows, given.plot)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
