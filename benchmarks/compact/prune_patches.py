"""Compressors on natural-patches-10, 95 % sparse: accuracy on clean and on corrupted images.

    python benchmarks/compact/prune_patches.py --json prune_patches.json --plot prune_patches.png

The residual network of 44 thousand weights (natural_patches.py). Compared are the dense network after the 10 epochs that a compressor
begins with; the dense network trained as long as the compressors, 40 epochs, which is the fair control; and, all at the same density
with one threshold for all layers, one-shot magnitude with fine-tuning, GMP, LTH and LRR. Corrupted: the mean over 15 corruptions at
severities 1, 3 and 5. Trainings of 10 epochs are repeated by LRR and LTH with rounds of prunings; the others see as many epochs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from natural_patches import natural_patches, small_residual

import optlab
from optlab import zo
from optlab.adapters import TrainingTask, pruning, robustness

LOSS = torch.nn.functional.cross_entropy
EPOCHS, ROUNDS, FINE = 10.0, 3, 4.0
TOTAL = EPOCHS * (1 + ROUNDS)
BATCH = 64
SEVERITIES = (1, 3, 5)
COMPRESSORS: dict[str, dict[str, Any]] = {
    "magnitude": {"epochs": TOTAL - FINE, "fine_tune_epochs": FINE},
    "gmp": {"epochs": TOTAL},
    "lth": {"epochs": EPOCHS, "rounds": ROUNDS},
    "lrr": {"epochs": EPOCHS, "rounds": ROUNDS},
}
ASKED = {"clean": -1.0, "corrupted": -1.0, "magnitude": 3.0}
"""Points of LRR above the short dense net, clean and corrupted, and above one-shot magnitude, clean."""


def trained(name: str, data: Any, seed: int, given: argparse.Namespace) -> tuple[Any, float]:
    """Return a network and the CPU seconds of its training."""
    torch.manual_seed(seed)
    begin = time.process_time()
    more = {"batch_size": BATCH, "seed": seed}
    if name.startswith("dense"):
        task = TrainingTask(small_residual(), LOSS, data, **more)
        # What the compressors do, without pruning.
        options: dict[str, Any] = {
            "learning_rate": 0.1,
            "rule": zo.Momentum(momentum=0.9, weight_decay=5e-4),
            "schedule": zo.WarmUp(0.05, zo.Cosine()),
            "max_epochs": float(name.split()[1]),
        }
        method = "sgd"
    else:
        task = pruning.PruningTask(
            small_residual(), LOSS, data, sparsity=given.sparsity, scope=given.scope, **more
        )
        method, options = name, COMPRESSORS[name]
    result = optlab.minimize(task, method=method, seed=seed, options=options)
    # A training that ends with its epochs is all that is asked of "sgd".
    if not (result.success or method == "sgd"):
        raise SystemExit(f"{name}: {result.message}")
    return task, time.process_time() - begin


def corrupted(images: Any, seed: int) -> dict[tuple[str, int], Any]:
    """Return the images under every corruption and severity."""
    suite = robustness.CorruptionSuite(severities=SEVERITIES, seed=seed)
    plain = images.numpy()[:, 0]
    return {
        (name, level): torch.from_numpy(suite.apply(plain, name, level))[:, None]
        for name, level in suite
    }


def judged(task: Any, test: Any, damaged: dict[tuple[str, int], Any]) -> dict[str, Any]:
    """Return accuracies in percent: clean, the mean over corruptions, and each."""
    labels = test[1][: len(next(iter(damaged.values())))]
    each = {key: 100.0 * task.accuracy((images, labels)) for key, images in damaged.items()}
    return {
        "clean": 100.0 * task.accuracy(test),
        "corrupted": float(np.mean(list(each.values()))),
        "each": {f"{name} {level}": value for (name, level), value in each.items()},
    }


def evaluated(seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Train and judge all networks of a seed."""
    train, test = natural_patches(seed).tensors()
    damaged = corrupted(test[0][: given.images], seed)
    found: dict[str, Any] = {}
    for name in (f"dense {EPOCHS:g}", f"dense {TOTAL:g}", *given.methods):
        task, seconds = trained(name, train, seed, given)
        found[name] = judged(task, test, damaged) | {"cpu": seconds}
        line = found[name]
        print(
            f"seed {seed}: {name}: {line['clean']:.2f}, {line['corrupted']:.2f}, {seconds:.0f} CPU s",
            flush=True,
        )
    return found


def table(runs: list[dict[str, Any]]) -> str:
    """Return means and standard deviations over the seeds."""
    lines = ["| network | clean | corrupted | CPU s |", "|---|---|---|---|"]
    for name in runs[0]:
        cells = []
        for part in ("clean", "corrupted"):
            values = [run[name][part] for run in runs]
            spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
            cells.append(f"{np.mean(values):.2f} +- {spread:.2f}")
        seconds = np.mean([run[name]["cpu"] for run in runs])
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {seconds:.0f} |")
    return "\n".join(lines)


def verdicts(runs: list[dict[str, Any]]) -> dict[str, bool]:
    """Compare with what is asked, on means over the seeds."""

    def gain(part: str, other: str) -> float:
        return float(np.mean([run["lrr"][part] - run[other][part] for run in runs]))

    short = f"dense {EPOCHS:g}"
    gains = {"clean": gain("clean", short), "corrupted": gain("corrupted", short)}
    gains["magnitude"] = gain("clean", "magnitude")
    words = {
        "clean": f"lrr - {short}, clean",
        "corrupted": f"lrr - {short}, corrupted",
        "magnitude": "lrr - magnitude, clean",
    }
    return {
        f"{words[key]}: asked {ASKED[key]:+g}, reached {value:+.2f}": value >= ASKED[key]
        for key, value in gains.items()
    }


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Draw accuracies by corruption, means over severities and seeds."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    first = next(iter(runs[0].values()))["each"]
    names = list(dict.fromkeys(key.rpartition(" ")[0] for key in first))
    figure, axis = plt.subplots(figsize=(7.5, 5.0), layout="constrained")
    places = np.arange(len(names) + 1)[::-1]
    for model, mark in zip(runs[0], "xo^sDv", strict=False):
        values = [np.mean([run[model]["clean"] for run in runs])]
        for name in names:
            each = [
                value
                for run in runs
                for key, value in run[model]["each"].items()
                if key.rpartition(" ")[0] == name
            ]
            values.append(np.mean(each))
        label = f"{model} epochs" if model.startswith("dense") else model
        axis.plot(values, places, mark, label=label, alpha=0.8)
    axis.set_yticks(places, ["clean", *names])
    axis.set_xlabel("accuracy, %")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Train, judge, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--methods", nargs="+", default=["magnitude", "gmp", "lth", "lrr"])
    parser.add_argument("--sparsity", type=float, default=0.95)
    parser.add_argument("--scope", default="global")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=500, help="test images to corrupt")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    runs = [evaluated(seed, given) for seed in given.seeds]
    print(table(runs))
    checks = verdicts(runs) if {"magnitude", "lrr"} <= set(given.methods) else {}
    for words, met in checks.items():
        print(f"{words}: {'met' if met else 'NOT met'}")
    if given.json is not None:
        given.json.write_text(json.dumps({"runs": runs}, indent=1))
    if given.plot is not None:
        draw(runs, given.plot)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
