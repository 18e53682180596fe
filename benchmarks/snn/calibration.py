"""Conversion without training: calibrated thresholds and shifts beside percentile balancing.

    python benchmarks/snn/calibration.py --json calibration.json --plot calibration.png

Float networks are trained, then converted on some hundred training images; accuracies are those of test images. The
network is deep and separable: ranges of its channels differ, which is where one percentile for a layer loses most.
``--network residual`` or ``plain`` shows networks where little is lost. Fashion-MNIST, at 14 x 14 pixels, needs Debian's
package dataset-fashion-mnist and is left out without it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import float_networks as nets
import numpy as np
import torch

# After float_networks, which sets the path.
from images import FASHION_MNIST, Images, digits, fashion_mnist
from matplotlib.figure import Figure

from optlab.adapters import snn

PERCENTILES = (100.0, 99.9, 99.0)
WAYS = ("least-squares", "values from percentile", "values from least-squares")
EPOCHS = {"digits": 25, "fashion-mnist": 6}


def halved(pixels: np.ndarray) -> np.ndarray:
    """Return the means of 2 x 2 pixels."""
    n, _, height, width = pixels.shape
    cells = pixels.reshape(n, 1, height // 2, 2, width // 2, 2)
    return np.ascontiguousarray(cells.mean((3, 5)), dtype=np.float32)


def data_of(name: str, seed: int) -> Images:
    """Return a set; digits are split by the seed."""
    if name == "digits":
        return digits(seed)
    some = fashion_mnist().head(10_000, 1_000)
    return Images(halved(some.train), some.train_labels, halved(some.test), some.test_labels)


class Case:
    """A trained float network with its calibration and test images."""

    def __init__(self, given: argparse.Namespace, name: str, seed: int) -> None:
        images = data_of(name, seed)
        torch.manual_seed(seed)
        begun = time.process_time()
        self.model = nets.trained(
            nets.NETWORKS[given.network](), images, EPOCHS[name], seed
        ).requires_grad_(requires_grad=False)
        self.seconds = time.process_time() - begun
        self.x, self.labels = nets.tensors(
            images.train[: given.samples], images.train_labels[: given.samples]
        )
        self.test = nets.tensors(images.test, images.test_labels)
        self.where = {"data": name, "network": given.network, "seed": seed}

    def row(self, steps: int, way: str, mode: str, **options: Any) -> dict[str, Any]:
        """Calibrate and measure."""
        begun = time.process_time()
        result = snn.calibrate(self.model, self.x, steps=steps, mode=mode, **options)
        seconds = time.process_time() - begun
        # Binary codes: the quantized network, which the spiking network equals (checked on some images).
        binary = mode == "binary"
        mismatches = sum(result.network.mismatches(self.test[0][:20]).values()) if binary else 0
        network = result.quantized.eval() if binary else result.network
        row = {
            **self.where,
            "steps": steps,
            "way": way,
            "mode": mode,
            "accuracy": nets.accuracy(network, *self.test),
            "output_error": result.output_error[1],
            "evaluations": result.evaluations,
            "solved": sum(solve.success for solve in result.results),
            "solves": len(result.results),
            "mismatches": mismatches,
            "seconds": seconds,
        }
        print(
            f"{row['data']:13s} seed {row['seed']} T={steps} {mode:6s} {way:25s} {row['accuracy']:6.2f} %  "
            f"outputs {row['output_error']:.4f}  {row['solved']}/{row['solves']} solved, "
            f"{row['evaluations']} evaluations, {seconds:.1f} s",
            flush=True,
        )
        return row


def rows_of(case: Case, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return all rows of a network."""
    seed = case.where["seed"]
    accuracy = nets.accuracy(case.model, *case.test)
    print(f"{case.where['data']} seed {seed}: float {accuracy:.2f} %, {case.seconds:.0f} s")
    rows: list[dict[str, Any]] = [
        {**case.where, "way": "float", "accuracy": accuracy, "seconds": case.seconds}
    ]
    for steps in given.steps:
        for mode in ("binary", "rate") if steps == max(given.steps) else ("binary",):
            for percentile in PERCENTILES:
                way = f"percentile {percentile:g}"
                rows.append(
                    case.row(steps, way, mode, route="percentile", percentile=percentile)
                )
            rows.append(case.row(steps, "least-squares", mode))
        if steps == max(given.steps):
            for start in ("percentile", "least-squares"):
                options = {"start": start, "max_eval": given.max_eval, "seed": seed}
                way = f"values from {start}"
                rows.append(case.row(steps, way, "binary", route="zeroth-order", **options))
    return rows


def gains(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, by data, steps and code, mean accuracies; the best percentile is chosen on the test images, in its favour."""
    keys = sorted({(r["data"], r["steps"], r["mode"]) for r in rows if "steps" in r})
    table = []
    for data, steps, mode in keys:
        own = [
            r for r in rows if (r["data"], r.get("steps"), r.get("mode")) == (data, steps, mode)
        ]

        def mean(way: str, own: list[dict[str, Any]] = own) -> float:
            return float(np.mean([r["accuracy"] for r in own if r["way"] == way]))

        best = max(mean(f"percentile {p:g}") for p in PERCENTILES)
        entry = {
            "data": data,
            "steps": steps,
            "mode": mode,
            "float": float(
                np.mean(
                    [r["accuracy"] for r in rows if r["data"] == data and r["way"] == "float"]
                )
            ),
            "percentile 99.9": mean("percentile 99.9"),
            "best percentile": best,
        }
        for way in WAYS:
            if any(r["way"] == way for r in own):
                entry[way] = mean(way)
        table.append(entry)
        print(
            "  ".join(
                f"{k} {v:.2f}" if isinstance(v, float) else f"{v}" for k, v in entry.items()
            )
        )
    return table


def draw(table: list[dict[str, Any]], path: Path) -> None:
    """Draw accuracies over steps, binary codes."""
    sets = sorted({entry["data"] for entry in table})
    figure = Figure(figsize=(4.2 * len(sets), 3.4), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        own = [e for e in table if e["data"] == data and e["mode"] == "binary"]
        for way in (
            "float",
            "least-squares",
            "values from percentile",
            "best percentile",
            "percentile 99.9",
        ):
            there = [e for e in own if way in e]
            axes.plot([e["steps"] for e in there], [e[way] for e in there], "o-", label=way)
        axes.set(title=data, xlabel="steps T", ylabel="test accuracy, %")
        axes.set_xticks([e["steps"] for e in own])
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)


def main() -> int:
    """Train, convert, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--data", nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--network", default="separable", choices=list(nets.NETWORKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--max-eval", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for name in given.data:
        if name == "fashion-mnist" and not FASHION_MNIST.is_dir():
            print(f"{name} is left out: {FASHION_MNIST} is not there (dataset-fashion-mnist)")
            continue
        for seed in range(given.seeds):
            rows += rows_of(Case(given, name, seed), given)
    table = gains(rows)
    if given.json is not None:
        given.json.write_text(json.dumps({"rows": rows, "means": table}, indent=1))
    if given.plot is not None:
        draw(table, given.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
