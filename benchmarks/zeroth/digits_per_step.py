"""Equal evaluations PER STEP, the setting of the DeepZero paper: 150 steps, q = d, network 64-8-10 on digits.

    python benchmarks/zeroth/digits_per_step.py --json digits_per_step.json --plot digits_per_step.png

Momentum 0.9, cosine, minibatches of 128, h = 5e-3; rates on a grid for everybody, on the seeds that are reported. Per step
coordinate-wise differences are as good as backpropagation and Gaussian directions are not; at equal evaluations in TOTAL
few directions and many steps win (total_queries.py), which is printed beside it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from grids import HEAD, bars, on_grid, trained, verdict

import optlab

HIDDEN, D, STEPS = 8, 610, 150
RATES = (0.1, 0.2, 0.4, 0.8)


def main() -> int:
    """Train, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    zo = optlab.zo

    def per_step(estimator: Any) -> Any:
        return lambda rate, seed: trained(
            HIDDEN, seed, "zo-sgd", estimator=estimator, learning_rate=rate, max_iter=STEPS
        )

    def exact(rate: float, seed: int) -> dict[str, float]:
        return trained(HIDDEN, seed, "sgd", learning_rate=rate, max_iter=STEPS)

    def few(rate: float, seed: int) -> dict[str, float]:
        return trained(
            HIDDEN,
            seed,
            "zo-sgd",
            estimator=zo.RGE(count=10),
            learning_rate=rate,
            max_eval=STEPS * (D + 1),
            max_iter=10**9,
        )

    print(HEAD)
    rows = [
        on_grid("backpropagation", RATES, given.seeds, exact),
        on_grid("CGE", RATES, given.seeds, per_step(zo.CGE())),
        on_grid("Gaussian RGE, q = d", RATES, given.seeds, per_step(zo.RGE(count=D))),
        on_grid(
            "orthogonal RGE, q = d",
            RATES,
            given.seeds,
            per_step(zo.RGE(count=D, law="orthogonal", smoothing=5e-3 * D**0.5)),
        ),
        on_grid("Gaussian RGE, q = 10, same total", (0.005, 0.01, 0.02), given.seeds, few),
    ]
    exact_row, cge, gaussian = rows[:3]
    met = [
        verdict(
            "CGE against backpropagation, points", -0.5, cge["accuracy"] - exact_row["accuracy"]
        ),
        verdict(
            "CGE against tuned Gaussian RGE, points",
            1.0,
            cge["accuracy"] - gaussian["accuracy"],
        ),
    ]
    if given.json is not None:
        given.json.write_text(json.dumps({"results": rows}, indent=1))
    if given.plot is not None:
        bars(
            rows,
            f"digits, d = {D}, {STEPS} steps (the last: the same evaluations in total)",
            given.plot,
        )
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
