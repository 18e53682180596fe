"""Sparse coordinate-wise gradients on a short budget: 24,110 evaluations, d = 2,410, 90 % left out.

    python benchmarks/zeroth/sparse_digits.py --json sparse_digits.json --plot sparse_digits.png

Method ``deepzero`` on the network 64-32-10: ZO-GraSP's layer-wise ratios with fresh masks every 10 steps, against the dense
method, the same ratio in every layer, and the mask of the scores throughout. Momentum 0.9, cosine, minibatches of 128; rates on a
grid for everybody, on the seeds that are reported. Random directions with q = d / 10 win on this smooth small network and are
printed beside.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from grids import HEAD, bars, on_grid, trained, verdict
from mlp import digits_task

import optlab

HIDDEN, D, BUDGET = 32, 2_410, 24_110
RATES = (0.4, 0.8, 1.6)
REFRESH = 10
"""Steps between masks."""


def main() -> int:
    """Train, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    zo = optlab.zo
    epoch = digits_task(HIDDEN, 0).steps_per_epoch
    rule = zo.Momentum(momentum=0.9)

    def sparse(**options: Any) -> Any:
        return lambda rate, seed: trained(
            HIDDEN,
            seed,
            "deepzero",
            learning_rate=rate,
            schedule=zo.Cosine(),
            rule=rule,
            refresh_epochs=REFRESH / epoch,
            max_eval=BUDGET,
            **options,
        )

    def random(rate: float, seed: int) -> dict[str, float]:
        return trained(
            HIDDEN,
            seed,
            "zo-sgd",
            estimator=zo.RGE(count=D // 10),
            learning_rate=rate,
            max_eval=BUDGET,
        )

    print(HEAD)
    rows = [
        on_grid(
            "sparse, ZO-GraSP ratios, fresh masks", RATES, given.seeds, sparse(sparsity=0.9)
        ),
        on_grid("dense", RATES, given.seeds, sparse(sparsity=0.0, mask="uniform")),
        on_grid(
            "sparse, uniform ratio, fresh masks",
            RATES,
            given.seeds,
            sparse(sparsity=0.9, mask="uniform"),
        ),
        on_grid("sparse, fixed mask", RATES, given.seeds, sparse(sparsity=0.9, mask="fixed")),
        on_grid("Gaussian RGE, q = d / 10", (0.05, 0.1, 0.2), given.seeds, random),
    ]
    ours, dense, uniform, fixed = (row["accuracy"] for row in rows[:4])
    met = [
        verdict("over dense, points", 3.0, ours - dense),
        verdict("over uniform masks, points", 0.0, ours - uniform),
        verdict("over the fixed mask, points", 5.0, ours - fixed),
    ]
    if given.json is not None:
        given.json.write_text(json.dumps({"results": rows}, indent=1))
    if given.plot is not None:
        bars(rows, f"digits, d = {D:,}, {BUDGET:,} evaluations, 90 % left out", given.plot)
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
