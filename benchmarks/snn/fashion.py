"""Fashion-MNIST: deep networks, float against spiking, after the same number of epochs.

    python benchmarks/snn/fashion.py --json fashion.json --plot fashion.png
    python benchmarks/snn/fashion.py --samples 60000 --width 16 --epochs 20 --fine 20 --seeds 3

A residual network of 20 layers and a VGG-like one (max pooling replaced by average pooling in the quantized form) are trained in
floating point. From there the float network is trained on, and so are the quantized ones for each T, which start with the
thresholds of least error: all with the same minibatches, rate and cosine. The gap is that of the spiking network to the float
network that was trained on. Images: Debian's package dataset-fashion-mnist, or the four files in --folder.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nets import residual, stacked
from spiking import (
    CHUNK,
    accuracy,
    compared,
    float_task,
    integer_mode,
    mean,
    printed,
    run,
    saved,
    spike_task,
    trained,
    verdict,
)

from optlab.adapters import snn

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "zeroth" / "examples"))
from images import FASHION_MNIST, fashion_mnist

NETS: dict[str, Callable[[int], Any]] = {"residual": residual, "stacked": stacked}
RATE, FINE_RATE = 0.1, 0.03
CALIBRATION = 512
"""Training images whose activations decide the thresholds at the start."""


@dataclass(frozen=True)
class Data:
    """Images for training, for testing, and those of the test on which codes are compared."""

    train: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]
    compared: torch.Tensor


def loaded(given: argparse.Namespace) -> Data | None:
    """Read the images; None where there are none."""
    folder = given.folder or FASHION_MNIST
    if not folder.is_dir():
        print(
            f"left out: no Fashion-MNIST in {folder}; install Debian's dataset-fashion-mnist or pass --folder"
        )
        return None
    every = fashion_mnist(folder).head(given.samples, given.tests)
    train, test = (
        (torch.from_numpy(images), torch.from_numpy(labels))
        for images, labels in (
            (every.train, every.train_labels),
            (every.test, every.test_labels),
        )
    )
    return Data(train, test, test[0][: given.compared])


@torch.no_grad()
def judged(model: Any, test: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Return the test accuracy of a network in percent."""
    return accuracy(torch.cat([model(some) for some in test[0].split(CHUNK)]), test[1])


def conversions(
    name: str, seed: int, data: Data, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train a float network, go on with it, and fine-tune and convert a quantized one for each T."""
    torch.manual_seed(seed)
    start = NETS[name](given.width)
    trained(float_task(start, data.train, seed), given.epochs, RATE)
    longer = copy.deepcopy(start)
    seconds = trained(float_task(longer, data.train, seed + 1), given.fine, FINE_RATE)
    common = {
        "net": name,
        "seed": seed,
        "start": judged(start, data.test),
        "float": judged(longer, data.test),
        "float: cpu": seconds,
    }
    rows = []
    for steps in given.steps:
        q = snn.quantize(
            start,
            steps,
            calibration=data.train[0][:CALIBRATION],
            percentile=None,
            max_pool="average",
        )
        row = common | {"steps": steps, "calibrated": judged(q, data.test)}
        row["cpu"] = trained(spike_task(q, data.train, seed + 1), given.fine, FINE_RATE)
        row |= measured(q, data)
        row["gap"] = row["float"] - row["spiking"]
        rows.append(row)
        print(
            f"{name}, seed {seed}, T = {steps}: float {row['float']:.2f}, spiking {row['spiking']:.2f}",
            flush=True,
        )
    return rows


def measured(q: Any, data: Data) -> dict[str, Any]:
    """Compare a trained quantized network with its spiking network."""
    net = snn.convert(q)
    logits, spikes = run(net, data.test[0])
    labels = data.test[1][: len(data.compared)]
    rate, _ = run(snn.convert(q, "rate"), data.compared)
    report = net.report((data.compared, labels))
    return {
        "quantized": judged(q, data.test),
        "spiking": accuracy(logits, data.test[1]),
        "spikes": spikes,
        "latency": net.latency,
        "energy": report.energy,
        "dense energy": report.dense_energy,
        "rate": accuracy(rate, labels),
        "integer": integer_mode(q, data.compared, labels),
        **compared(q, data.compared),
    }


def tables(groups: list[list[dict[str, Any]]]) -> None:
    """Print the means over seeds, and the comparison."""
    numbers = ("start", "float", "calibrated", "quantized", "spiking", "gap", "rate")
    printed(
        (
            "network",
            "T",
            *numbers,
            "spikes per neuron",
            "steps",
            "nJ",
            "nJ, quantized",
            "CPU s",
            "float",
        ),
        (
            (
                some[0]["net"],
                str(some[0]["steps"]),
                *(f"{mean(some, number):.2f}" for number in numbers),
                f"{mean(some, 'spikes'):.3f}",
                str(some[0]["latency"]),
                *(f"{mean(some, e) / 1000.0:.0f}" for e in ("energy", "dense energy")),
                f"{mean(some, 'cpu'):.0f}",
                f"{mean(some, 'float: cpu'):.0f}",
            )
            for some in groups
        ),
    )
    printed(
        ("network", "T", "codes", "mismatches", "images", "in double", "logits", "in double"),
        (
            (
                some[0]["net"],
                str(some[0]["steps"]),
                f"{sum(r['codes'] for r in some):,}",
                str(sum(r["mismatches"]["single"] for r in some)),
                str(sum(r["images"] for r in some)),
                str(sum(r["mismatches"]["double"] for r in some)),
                *(f"{max(r['logits'][p] for r in some):.1e}" for p in ("single", "double")),
            )
            for some in groups
        ),
    )


def checked(rows: list[dict[str, Any]], groups: list[list[dict[str, Any]]]) -> bool:
    """Print what is asked for; says whether all is met."""
    print(
        f"single precision: {sum(r['mismatches']['single'] for r in rows)} mismatches in {sum(r['images'] for r in rows)} "
        f"images, the first of each within {max(r['farthest'] for r in rows):.0e} of a threshold; images in which rounding "
        f"changes a code of the network itself: {sum(r['own'] for r in rows)}"
    )
    met = [
        verdict("no mismatch in double", not any(r["mismatches"]["double"] for r in rows)),
        verdict("integers equal to the bit", all(r["integer"]["equal"] for r in rows)),
    ]
    met += [
        verdict(
            f"{some[0]['net']}, T = {some[0]['steps']}: {mean(some, 'gap'):+.2f} points below the float network, 0.5 allowed",
            mean(some, "gap") <= 0.5,
        )
        for some in groups
        if some[0]["steps"] >= 4
    ]
    return all(met)


def drawn(groups: list[list[dict[str, Any]]], path: Path) -> None:
    """Draw accuracies with those of the float networks, and spikes."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(6.5, 0.5 * len(groups) + 1.2), layout="constrained")
    for place, some in enumerate(reversed(groups)):
        for name, marker, color in (
            ("calibrated", "x", "#bbbbbb"),
            ("spiking", "o", "#4477aa"),
            ("float", "|", "black"),
        ):
            label = name if place == 0 else None
            axes.plot(
                [r[name] for r in some],
                [place] * len(some),
                marker,
                color=color,
                markersize=10,
                label=label,
            )
    axes.set_yticks(
        range(len(groups)),
        [
            f"{some[0]['net']}, T = {some[0]['steps']}\n{mean(some, 'spikes'):.2f} spikes per neuron"
            for some in reversed(groups)
        ],
    )
    axes.margins(y=0.15)
    axes.set_xlabel("test accuracy, %")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> int:
    """Train, convert, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--folder", type=Path, help="where the files of the images lie")
    parser.add_argument("--nets", nargs="+", choices=tuple(NETS), default=list(NETS))
    parser.add_argument("--steps", nargs="+", type=int, default=[2, 4])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--width", type=int, default=8, help="channels of the first layer")
    parser.add_argument("--samples", type=int, default=12_000)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--compared", type=int, default=1_000)
    parser.add_argument("--epochs", type=float, default=8, help="of the float networks")
    parser.add_argument("--fine", type=float, default=6, help="epochs from there")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    data = loaded(given)
    if data is None:
        return 0
    rows = [
        row
        for seed in range(given.seeds)
        for name in given.nets
        for row in conversions(name, seed, data, given)
    ]
    groups = [
        [r for r in rows if (r["net"], r["steps"]) == (name, steps)]
        for name in given.nets
        for steps in given.steps
    ]
    tables(groups)
    met = checked(rows, groups)
    saved(given.json, {"settings": {k: str(v) for k, v in vars(given).items()}, "rows": rows})
    if given.plot is not None:
        drawn(groups, given.plot)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
