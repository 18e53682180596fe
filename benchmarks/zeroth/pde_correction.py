"""Ways to train a correction of a coarse grid, over seeds: does their order hold.

    uncorrected > trained offline > values in the loop >= backprop in the loop

The equation, the network and the trainings are those of docs/zeroth/examples/pde_correction.py; a seed draws the
simulations, the initial weights, the minibatches and the directions. ``paper`` are the errors of A. Chen et al., DeepZero,
ICLR 2024, on another equation: only their order can be compared.

    python benchmarks/zeroth/pde_correction.py [--seeds 5] [--json FILE] [--plot FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "zeroth" / "examples"
sys.path.insert(0, str(EXAMPLES))

import pde_correction
from publish import STYLE, markdown

ORDER = (
    pde_correction.UNCORRECTED,
    pde_correction.OFFLINE,
    pde_correction.CGE,
    pde_correction.BACKPROP,
)
PAPER = dict(zip(ORDER, (0.180, 0.153, 0.119, 0.074), strict=True))


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means and standard deviations over seeds, and whether the order holds for all and for the mean."""
    names = list(runs[0]["mean_absolute_error"])
    errors = {name: [run["mean_absolute_error"][name] for run in runs] for name in names}
    untouched = np.array(errors[pde_correction.UNCORRECTED])
    inner = np.array([errors[name] for name in ORDER])
    falls = -np.diff(inner, axis=0)
    return {
        "mean": {name: float(np.mean(found)) for name, found in errors.items()},
        "deviation": {name: float(np.std(found, ddof=1)) for name, found in errors.items()},
        "of_uncorrected": {
            name: float(np.mean(found / untouched)) for name, found in errors.items()
        },
        "paper": PAPER,
        "strictly_ordered_up_to_values_in_the_loop": int((falls[:2] > 0).all(axis=0).sum()),
        "backprop_not_above_values": int((falls[2] >= 0).sum()),
        "ordered_on_average": bool((np.diff(inner.mean(axis=1)) <= 0).all()),
        "seeds": len(runs),
    }


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw the errors of all seeds over the ways."""
    from matplotlib import style  # noqa: PLC0415 - figures only
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = list(runs[0]["mean_absolute_error"])
    with style.context(STYLE):
        axes = (figure := Figure()).subplots()
        for run in runs:
            found = [run["mean_absolute_error"][name] for name in names]
            axes.semilogy(names, found, "o-", label=f"seed {run['seed']}")
        axes.set(ylabel="mean absolute error, 32 steps")
        axes.tick_params(axis="x", rotation=20)
        axes.legend()
        figure.savefig(path)


def main() -> None:
    """Run all seeds, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    runs = []
    for seed in range(given.seeds):
        runs.append(pde_correction.solve(seed))
        print(f"seed {seed}\n{pde_correction.table(runs[-1])}", flush=True)
    facts = summary(runs)
    rows = [
        (name, f"{facts['mean'][name]:.5f}", f"{facts['deviation'][name]:.5f}", f"{ratio:.3f}")
        for name, ratio in facts["of_uncorrected"].items()
    ]
    print(markdown(("way", "mean error", "deviation", "of uncorrected"), rows))
    print({name: value for name, value in facts.items() if "order" in name or "above" in name})
    if given.json:
        given.json.write_text(json.dumps({**facts, "runs": runs}, indent=1) + "\n", "utf-8")
    if given.plot:
        draw(runs, given.plot)


if __name__ == "__main__":
    main()
