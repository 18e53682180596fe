"""Digits: is the spiking network the quantized network? Codes, logits, integers; what goes wrong without the method.

    python benchmarks/snn/digits.py --json digits.json --plot digits.png

8 x 8 pixels of scikit-learn, three convolutions of 8, 16 and 16 channels with batch normalization and a linear layer, trained
from scratch for T = 2, 3, 4; the share of 449 test images. Beside it: the same network without bias shift, and usual
integrate-and-fire neurons on it in T and in Q - 1 steps. Then the price of fewer spikes, for T = 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from spiking import (
    accuracy,
    compared,
    integer_mode,
    mean,
    potentials,
    printed,
    run,
    saved,
    spike_task,
    trained,
    verdict,
)

from optlab.adapters import snn

sys.path.insert(0, str(Path(__file__).parents[1] / "zeroth"))
from mlp import digits

nn = torch.nn
STEPS = (2, 3, 4)
NOISE = 0.05
"""Standard deviation."""

PENALTIES = (0.0, 3e-5, 1e-4, 2e-4, 4e-4, 6e-4)
RATE = 0.1
"""Of Datta et al."""


def network(seed: int) -> Any:
    """Return the float network at its start."""
    torch.manual_seed(seed)
    layers = []
    for before, width in ((1, 8), (8, 16), (16, 16)):
        layers += [
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(256, 10))


class Data:
    """Training and test images of one seed."""

    def __init__(self, seed: int) -> None:
        split = digits(seed)
        self.train = _tensors(split.inputs, split.labels)
        self.test = _tensors(split.test_inputs, split.test_labels)


def _tensors(inputs: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(inputs).float().reshape(-1, 1, 8, 8), torch.from_numpy(labels)


def conversion(steps: int, seed: int, epochs: float) -> dict[str, Any]:
    """Train one network and compare what can be made of it."""
    data = Data(seed)
    task = spike_task(snn.quantize(network(seed), steps), data.train, seed)
    row: dict[str, Any] = {"steps": steps, "seed": seed, "cpu": trained(task, epochs, RATE)}
    q, (x, labels) = task.model, data.test
    wanted = potentials(q, x)[0]
    row |= {"quantized": accuracy(wanted, labels), **compared(q, x)}
    kinds = {
        "spiking": snn.convert(q),
        "without shift": snn.convert(q, bias_shift=False),
        "rate, T": snn.convert(q, "rate"),
        "rate, Q-1": snn.convert(q, "rate", steps=2**steps - 1),
    }
    for name, net in kinds.items():
        logits, spikes = run(net, x)
        row[name] = accuracy(logits, labels)
        row[f"{name}: spikes"] = spikes
        row[f"{name}: logits"] = float((logits - wanted).abs().max())
    row["integer"] = integer_mode(q, x, labels)
    return row


def rounding(steps: int, copies: int, epochs: float) -> dict[str, Any]:
    """Compare on noisy copies of the test images, to see how often single precision is not enough."""
    data = Data(0)
    task = spike_task(snn.quantize(network(0), steps), data.train, 0)
    trained(task, epochs, RATE)
    x = data.test[0].repeat(copies, 1, 1, 1)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return {"steps": steps, **compared(task.model, x + NOISE * noise)}


def sparser(penalty: float, seed: int, epochs: float) -> dict[str, Any]:
    """Train with a penalty on spikes."""
    data = Data(seed)
    task = spike_task(snn.quantize(network(seed), 2), data.train, seed, penalty)
    trained(task, epochs, RATE)
    logits, spikes = run(snn.convert(task.model), data.test[0])
    return {
        "penalty": penalty,
        "seed": seed,
        "accuracy": accuracy(logits, data.test[1]),
        "spikes": spikes,
    }


def tables(rows: list[dict[str, Any]], sparse: list[dict[str, Any]]) -> None:
    """Print the means over seeds."""
    by_steps = {t: [r for r in rows if r["steps"] == t] for t in STEPS}
    names = ("quantized", "spiking", "rate, T", "rate, Q-1", "without shift")
    printed(
        ("T", *names, "integer", "spikes per neuron", "CPU s"),
        (
            (
                str(t),
                *(f"{mean(some, name):.2f}" for name in names),
                f"{sum(r['integer']['accuracy'] for r in some) / len(some):.2f}",
                f"{mean(some, 'spiking: spikes'):.3f}",
                f"{mean(some, 'cpu'):.1f}",
            )
            for t, some in by_steps.items()
        ),
    )
    printed(
        (
            "T",
            "codes",
            "mismatches",
            "in double",
            "logits",
            "in double",
            "rate, T",
            "rate, Q-1",
        ),
        (
            (
                str(t),
                f"{sum(r['codes'] for r in some):,}",
                *(str(sum(r["mismatches"][p] for r in some)) for p in ("single", "double")),
                *(f"{max(r['logits'][p] for r in some):.1e}" for p in ("single", "double")),
                *(
                    f"{max(r[f'{name}: logits'] for r in some):.2f}"
                    for name in ("rate, T", "rate, Q-1")
                ),
            )
            for t, some in by_steps.items()
        ),
    )
    printed(
        ("penalty", "accuracy", "spikes per neuron"),
        (
            (f"{c:g}", f"{mean(some, 'accuracy'):.2f}", f"{mean(some, 'spikes'):.3f}")
            for c, some in by_penalty(sparse).items()
        ),
    )


def by_penalty(sparse: list[dict[str, Any]]) -> dict[float, list[dict[str, Any]]]:
    """Group the seeds."""
    return {c: [r for r in sparse if r["penalty"] == c] for c in PENALTIES}


def fewer(sparse: list[dict[str, Any]]) -> tuple[float, float]:
    """Return how many times fewer spikes, and the points lost, at the penalty that loses at most 1.5."""
    groups = by_penalty(sparse)
    plain = groups[0.0]
    found = [
        (
            mean(plain, "spikes") / mean(some, "spikes"),
            mean(plain, "accuracy") - mean(some, "accuracy"),
        )
        for some in groups.values()
    ]
    return max(pair for pair in found if pair[1] <= 1.5)


def drawn(rows: list[dict[str, Any]], sparse: list[dict[str, Any]], path: Path) -> None:
    """Draw the largest differences of logits, and accuracy against spikes."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.4), layout="constrained")
    kinds: dict[str, Callable[[dict[str, Any]], float]] = {
        "without shift": lambda r: r["without shift: logits"],
        "rate, T steps": lambda r: r["rate, T: logits"],
        "rate, Q - 1 steps": lambda r: r["rate, Q-1: logits"],
        "binary, single": lambda r: r["logits"]["single"],
        "binary, double": lambda r: r["logits"]["double"],
    }
    for (name, of), marker in zip(kinds.items(), "vs^ox", strict=True):
        points = [(r["steps"], of(r)) for r in rows]
        left.semilogy(*zip(*points, strict=True), marker, markersize=5, label=name)
    left.set(xlabel="T", ylabel="largest difference of logits", xticks=STEPS)
    left.legend(frameon=False, fontsize=8, loc="center", bbox_to_anchor=(0.5, 0.28))
    for c, some in by_penalty(sparse).items():
        spikes, share = mean(some, "spikes"), mean(some, "accuracy")
        right.plot(spikes, share, "o", color="#4477aa")
        right.annotate(
            f"c = {c:g}", (spikes, share), (4, 4), textcoords="offset points", fontsize=7
        )
    right.set(xlabel="spikes per neuron, T = 2", ylabel="test accuracy, %")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> int:
    """Train, compare, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=15)
    parser.add_argument(
        "--copies", type=int, default=10, help="noisy copies of the test images"
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = [conversion(t, s, given.epochs) for t in STEPS for s in range(given.seeds)]
    sparse = [sparser(c, s, given.epochs) for c in PENALTIES for s in range(given.seeds)]
    tables(rows, sparse)
    times, lost = fewer(sparse)
    for r in (noisy := [rounding(t, given.copies, given.epochs) for t in STEPS]):
        print(
            f"T = {r['steps']}, {r['codes']:,} codes of noisy images in single precision: {r['mismatches']['single']} mismatches in "
            f"{r['images']} images, the first of each within {r['farthest']:.0e} of a threshold; {r['own']} images in which "
            "rounding changes a code of the network itself"
        )
    single = sum(r["mismatches"]["single"] for r in rows)
    met = [
        verdict("no mismatch in single precision", single == 0),
        verdict(
            "logits within 1e-4 in single", all(r["logits"]["single"] <= 1e-4 for r in rows)
        ),
        verdict("no mismatch in double", not any(r["mismatches"]["double"] for r in rows)),
        verdict(
            "logits within 1e-12 in double", all(r["logits"]["double"] <= 1e-12 for r in rows)
        ),
        verdict("integers equal to the bit", all(r["integer"]["equal"] for r in rows)),
        verdict(
            "integers within 0.3 points",
            all(abs(r["integer"]["accuracy"] - r["quantized"]) <= 0.3 for r in rows),
        ),
        verdict(f"{times:.1f} times fewer spikes for {lost:.1f} points", times >= 2.0),
    ]
    saved(given.json, {"conversions": rows, "noisy": noisy, "penalties": sparse})
    if given.plot is not None:
        drawn(rows, sparse, given.plot)
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
