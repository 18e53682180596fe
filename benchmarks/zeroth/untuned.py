"""What the optimizers do without a learning rate, beside the best rate of a grid: networks on digits.

    python benchmarks/zeroth/untuned.py --json untuned.json --plot untuned.png

64-8-10 with 91,650 evaluations; ``--hidden 32 --budget 96440`` for the larger network. Exact gradients take 1,000 steps.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from grids import HEAD, bars, on_grid, trained

RATES: dict[str, tuple[float, ...]] = {
    "zo-sgd": (0.01, 0.02, 0.04),
    "zo-adam": (0.005, 0.01, 0.02),
    "zo-sign": (0.005, 0.01, 0.02),
    "zo-fzoo": (0.01, 0.02, 0.04),
    "zo-muon": (0.0025, 0.005, 0.01),
    "zo-svrg": (0.1, 0.2, 0.4),
    "sgd": (0.2, 0.4, 0.8),
    "adam": (0.01, 0.03, 0.1),
}
"""Where the grids begin; they grow while an end of them is the best."""


def main() -> int:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=8)
    parser.add_argument("--budget", type=int, default=91_650)
    given = parser.parse_args()

    def run(method: str, seed: int, **more: Any) -> dict[str, float]:
        exact = not method.startswith("zo-")
        limits = {"max_iter": 1000} if exact else {"max_eval": given.budget, "max_iter": 10**9}
        return trained(given.hidden, seed, method, **limits, **more)

    print(HEAD)
    rows: list[dict[str, Any]] = []
    for method, rates in RATES.items():
        runs = [run(method, seed) for seed in range(given.seeds)]
        accuracies = [r["accuracy"] for r in runs]
        error = float(np.std(accuracies, ddof=1) / len(runs) ** 0.5)
        row: dict[str, Any] = {"name": f"{method}, none given", "runs": runs, "error": error}
        row["accuracy"] = float(np.mean(accuracies))
        print(
            f"| {row['name']} | {row['accuracy']:.2f} +- {error:.2f} | | | | | | |", flush=True
        )
        tuned = on_grid(
            f"{method}, tuned",
            rates,
            given.seeds,
            lambda rate, seed, method=method: run(method, seed, learning_rate=rate),
        )
        rows += [row, tuned]
    if given.json is not None:
        given.json.write_text(json.dumps({"results": rows}, indent=1))
    if given.plot is not None:
        bars(rows, f"digits, 64-{given.hidden}-10, without a rate and tuned", given.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
