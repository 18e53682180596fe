"""Test-time adaptation of a small residual network to natural-patches-10 under 15 corruptions: error, and what it costs.

    python benchmarks/robustness/adaptation.py --json adaptation.json --plot adaptation.png

A network of 44 thousand weights is trained on clean images, then given each corruption at severity 5 as a stream of batches: as it is
(source), with the statistics of the batch (BN-Norm), with entropy minimized by Adam (BN-Opt), the same by values only (ZO), and in a
trust box (box). Every corruption starts from the trained network. Rates were chosen on the four held-out corruptions (--heldout
shows them), not on these 15. Asked: BN-Norm cuts the error by 15 points or more for batches of 50 and more, BN-Opt is at most 0.1
above BN-Norm, ZO within 0.5 point of BN-Opt with nothing saved for a backward.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "compact"))
from natural_patches import natural_patches, small_residual

import optlab
from optlab.adapters import TrainingTask, adaptation
from optlab.adapters import robustness as rb

SEVERITY = 5
EPOCHS, BATCH, RATE = 10, 64, 0.05


@dataclass(frozen=True)
class Way:
    """A way to adapt, and on how many images of each corruption it is measured."""

    name: str
    batch: int
    method: str | None
    options: dict[str, Any]
    bounds: float | None = None


ADAM = {"max_iter": 2, "learning_rate": 1e-3}
"""One step: the second iteration evaluates where it led."""

ZO = {
    "max_iter": 3,
    "learning_rate": 5e-3,
    "estimator": optlab.zo.RGE(count=5, smoothing=1e-2, scale=np.asarray(1.0)),
    "seed": 0,
}
BOX, BOX_ITERATIONS = 0.02, 2


def ways() -> list[Way]:
    """Return what is compared."""
    found = []
    for size in (10, 50, 150):
        found += [
            Way("BN-Norm", size, None, {}),
            Way("BN-Opt", size, "adam", ADAM),
        ]
    return [
        *found,
        Way("ZO", 150, "zo-adam", ZO),
        Way("box", 150, "pasa", {"max_iter": BOX_ITERATIONS}, BOX),
    ]


def trained(train: Any, seed: int) -> Any:
    """Train the network on clean images."""
    torch.manual_seed(seed)
    model = small_residual()
    task = TrainingTask(
        model, torch.nn.functional.cross_entropy, train, batch_size=BATCH, seed=seed
    )
    steps = EPOCHS * task.steps_per_epoch
    optlab.minimize(task, method="sgd", learning_rate=RATE, max_iter=steps, seed=seed)
    return model.eval()


def errors(scores: list[torch.Tensor], labels: np.ndarray) -> float:
    """Return the error in percent."""
    answers = torch.cat(scores).argmax(dim=1).numpy()
    return 100.0 * float((answers != labels[: len(answers)]).mean())


def measured(model: Any, way: Way, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Adapt to a stream of batches of one kind."""
    batches = torch.from_numpy(images).split(way.batch)
    settings = {} if way.bounds is None else {"bounds": way.bounds}
    steps = list(
        adaptation.adapt_stream(model, batches, way.method, options=way.options, **settings)
    )
    joules = [step.joules for step in steps]
    return {
        "error": errors([step.scores for step in steps], labels),
        "ms": 1e3 * float(np.mean([step.costs.cpu_seconds for step in steps])),
        "forwards": float(np.mean([step.costs.forwards for step in steps])),
        "backwards": float(np.mean([step.costs.backwards for step in steps])),
        "saved_mib": max(step.costs.saved_bytes for step in steps) / 2**20,
        "joules": None if None in joules else float(np.mean(joules)),
    }


def source(model: Any, images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Answer without adaptation, in batches of 150."""
    begun, scores = time.process_time(), []
    batches = torch.from_numpy(images).split(150)
    with torch.no_grad():
        scores = [model(batch) for batch in batches]
    ms = 1e3 * (time.process_time() - begun) / len(batches)
    return {"error": errors(scores, labels), "ms": ms}


def study(model: Any, names: str, test: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Measure every way on every corruption; keys are way@batch."""
    suite = rb.CorruptionSuite(names, severities=SEVERITY)
    found: dict[str, dict[str, Any]] = {"source@150": {}}
    found |= {f"{way.name}@{way.batch}": {} for way in ways()}
    for name, severity in suite:
        images = suite.apply(test[:, 0], name, severity)[:, None]
        found["source@150"][name] = source(model, images, labels)
        for way in ways():
            found[f"{way.name}@{way.batch}"][name] = measured(model, way, images, labels)
        shown = "  ".join(f"{key} {rows[name]['error']:.1f}" for key, rows in found.items())
        print(f"{name:18s} {shown}", flush=True)
    return found


def peaks(model: Any, images: np.ndarray) -> dict[str, float | None]:
    """Return the growth of the process in MiB for one batch of 150, in one process and so in rising order of need."""
    batch = torch.from_numpy(images[:150])
    found: dict[str, float | None] = {}
    for name, method, options in (
        ("BN-Norm", None, {}),
        ("ZO", "zo-adam", ZO),
        ("BN-Opt", "adam", ADAM),
    ):
        with adaptation.peak_memory() as peak:
            list(adaptation.adapt_stream(model, [batch], method, options=options))
        found[name] = None if peak.bytes is None else peak.bytes / 2**20
    return found


def means(found: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Average over the corruptions."""
    table: dict[str, dict[str, float | None]] = {}
    for key, rows in found.items():
        table[key] = {}
        for what in next(iter(rows.values())):
            values = [row[what] for row in rows.values()]
            table[key][what] = None if None in values else float(np.mean(values))
    return table


def report(table: dict[str, Any]) -> bool:
    """Print the means; return whether all that is asked for is met."""
    print(
        f"\n{'':14s}{'error %':>9s}{'ms/batch':>10s}{'forwards':>10s}{'saved MiB':>11s}{'J/batch':>9s}"
    )
    for key, row in table.items():
        numbers = [row.get(what) for what in ("error", "ms", "forwards", "saved_mib", "joules")]
        cells = ["-" if v is None else f"{v:.2f}" for v in numbers]
        print(
            f"{key:14s}{cells[0]:>9s}{cells[1]:>10s}{cells[2]:>10s}{cells[3]:>11s}{cells[4]:>9s}"
        )
    if not adaptation.EnergyCounters.find().available:
        print("energy: this machine has no counters (RAPL) that can be read; not measured")
    error = {key: row["error"] for key, row in table.items()}
    cut = min(error["source@150"] - error[f"BN-Norm@{size}"] for size in (50, 150))
    above = max(error[f"BN-Opt@{size}"] - error[f"BN-Norm@{size}"] for size in (50, 150))
    zo = error["ZO@150"] - error["BN-Opt@150"]
    met = {
        f"BN-Norm cuts the error by {cut:.2f} points (asked: 15)": cut >= 15.0,
        f"BN-Opt is {above:+.2f} points from BN-Norm (asked: at most +0.1)": above <= 0.1,
        f"ZO is {zo:+.2f} points from BN-Opt (asked: at most +0.5)": zo <= 0.5,
        "ZO saves nothing": table["ZO@150"]["saved_mib"] == 0.0,
    }
    for line, good in met.items():
        print(f"{'met   ' if good else 'MISSED'} {line}")
    return all(met.values())


def plot(table: dict[str, Any], path: Path) -> None:
    """Draw the error over the time and over the bytes for a batch."""
    import matplotlib as mpl  # noqa: PLC0415 - only where there is a drawing

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    for ax, what, label in (
        (axes[0], "ms", "CPU ms per image"),
        (axes[1], "saved_mib", "saved activations, MiB"),
    ):
        for key, row in table.items():
            size = int(key.split("@")[1])
            x = (row.get(what) or 0.0) / (size if what == "ms" else 1)
            ax.plot(x, row["error"], "o")
            ax.annotate(
                key, (x, row["error"]), fontsize=8, xytext=(4, 4), textcoords="offset points"
            )
        ax.set_xlabel(label)
        ax.grid(alpha=0.3)
        ax.margins(x=0.2)
    axes[0].set_xscale("log")
    axes[0].set_ylabel("error at severity 5, %")
    figure.savefig(path, dpi=120)


def main() -> int:
    """Train, adapt, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--heldout", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    patches = natural_patches(given.seed)
    model = trained(patches.tensors()[0], given.seed)
    peak = peaks(model, patches.test)
    clean = source(model, patches.test, patches.test_labels)["error"]
    norm = measured(model, Way("BN-Norm", 50, None, {}), patches.test, patches.test_labels)
    print(f"trained: {time.process_time():.0f} CPU s; clean error {clean:.1f}, ", end="")
    print(f"with BN-Norm of batches of 50 {norm['error']:.1f} %", flush=True)
    names = "heldout" if given.heldout else "common"
    found = study(model, names, patches.test, patches.test_labels)
    table = means(found)
    met = report(table)
    print("peak memory of a batch of 150, MiB above the process:", peak)
    print(f"{time.process_time():.0f} CPU seconds in all")
    if given.json is not None:
        record = {
            "clean": clean,
            "clean BN-Norm@50": norm["error"],
            "means": table,
            "corruptions": found,
            "peak_mib": peak,
            "energy": adaptation.EnergyCounters.find().available,
            "cpu_seconds": time.process_time(),
        }
        given.json.write_text(json.dumps(record, indent=1))
    if given.plot is not None:
        plot(table, given.plot)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
