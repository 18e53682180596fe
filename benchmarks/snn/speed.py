"""CPU time of spiking networks here and in SpikingJelly: the same network and steps, the same spikes up to rounding.

    python benchmarks/snn/speed.py --json speed.json --plot speed.png

SpikingJelly runs in multi-step mode (layers on all steps as one batch, its soft-reset integrate-and-fire neurons on
the sequences) without gradients. Its network is the one that a NIR file holds: batch normalization folded, thresholds in the
weights; so it has less to do than ours, which keeps both. It is timed twice, as its guide has it, and tuned by hand: images in
the memory order in which convolutions are fastest, what comes before the first neurons computed once, not at every step.
Ratios are to the faster of the two. Rounds alternate, medians count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from optlab.adapters import snn
from optlab_adapters.snn.exchange.graph import Scale
from optlab_adapters.snn.exchange.neurons import Membranes
from optlab_adapters.snn.exchange.normal import spiking_graph
from optlab_adapters.snn.network import channels_last

nn = torch.nn

STEPS = (2, 4, 8, 16)
IMAGES = 16
"""Images in a batch."""


class Block(nn.Module):
    """Two convolutions beside the identity, or beside a convolution of 1 x 1 where the size changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.beside: Any = nn.Identity()
        if stride > 1:
            self.beside = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Any) -> Any:
        """Add."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.beside(x))


def residual(channels: int) -> Any:
    """Return ResNet-20 with 16, 32, 64 channels."""
    layers: list[Any] = [
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
    ]
    before = 16
    for width in (16, 32, 64):
        for number in range(3):
            layers.append(Block(before, width, 1 + (number == 0 and width > 16)))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def stacked(channels: int) -> Any:
    """Return a VGG-like network: three pairs of convolutions, pooled after each."""
    layers: list[Any] = []
    before = channels
    for width in (16, 32, 64):
        for _ in range(2):
            layers += [
                nn.Conv2d(before, width, 3, 1, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        layers.append(nn.AvgPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, 10)
    )


def quantized(make: Any, shape: tuple[int, int, int], steps: int) -> tuple[Any, Any]:
    """Return a network with thresholds from random images, and images: times do not depend on what is in them."""
    torch.manual_seed(0)
    model, images = make(shape[0]), torch.randn(IMAGES, *shape)
    for _ in range(3):
        model(images)
    return snn.quantize(model.eval(), steps, calibration=images, percentile=99.0), images


class Elsewhere(nn.Module):
    """A spiking graph in SpikingJelly's modules; ``tuned``: what is the same at every step is computed once."""

    def __init__(self, graph: Any, tuned: bool) -> None:
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron  # noqa: PLC0415

        self.graph, self.tuned, self.restart = graph, tuned, functional.reset_net
        self.before: dict[str, list[str]] = {}
        for start, end in graph.edges:
            self.before.setdefault(end, []).append(start)
        self.order = [name for name in graph.order if name in graph.parts]
        parts: dict[str, Any] = {}
        for name, part in graph.parts.items():
            if isinstance(part, Membranes):
                threshold = float(part.threshold.flatten()[0])
                parts[name] = neuron.IFNode(threshold, None, step_mode="m")
                parts[name].set_reset_value("v", threshold / 2)
            elif isinstance(part, Scale):
                parts[name] = Times(float(part.factors.flatten()[0]))
            else:
                parts[name] = layer.SeqToANNContainer(part)
        self.parts = nn.ModuleDict(parts)

    def forward(self, x: Any) -> Any:
        """Return the sum of the outputs of all steps."""
        self.restart(self)
        steps = self.graph.coding.steps
        if self.tuned:
            x = channels_last(x)
        values = {self.graph.source: (x / steps).expand(steps, *x.shape)}
        for name in self.order:
            first, *others = (values[given] for given in self.before[name])
            total, part = sum(others, start=first), self.parts[name]
            if (
                self.tuned
                and total.stride(0) == 0
                and isinstance(self.graph.parts[name], nn.Module)
            ):
                once = self.graph.parts[name](total[0])
                values[name] = once.expand(steps, *once.shape)
            else:
                values[name] = part(total)
        return sum(values[name] for name in self.before[self.graph.sink]).sum(0)


class Times(nn.Module):
    """Multiplication by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Any) -> Any:
        """Multiply."""
        return values * self.factor


def rounds(calls: dict[str, Any], count: int) -> dict[str, float]:
    """Return the median CPU time of each call; rounds alternate, the first is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(count + 1):
        for name, call in calls.items():
            begin = time.process_time()
            with torch.inference_mode():
                call()
            if number:
                seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def measured(make: Any, shape: tuple[int, int, int], steps: int, count: int) -> dict[str, Any]:
    """Time one network."""
    q, images = quantized(make, shape, steps)
    rate, binary = snn.convert(q, "rate", steps=steps), snn.convert(q)
    graph = spiking_graph(rate, shape)
    plain, tuned = Elsewhere(graph, tuned=False), Elsewhere(graph, tuned=True)
    with torch.inference_mode():
        differences = [float((e(images) - rate(images)).abs().max()) for e in (plain, tuned)]
    calls = {
        "plain": lambda: plain(images),
        "tuned": lambda: tuned(images),
        "rate": lambda: rate(images),
        "binary": lambda: binary(images),
    }
    seconds = rounds(calls, count)
    theirs = min(seconds["plain"], seconds["tuned"])
    row = {"network": make.__name__, "size": shape[1], "steps": steps, **seconds}
    row |= {f"{mode} ratio": seconds[mode] / theirs for mode in ("rate", "binary")}
    row["logit difference"] = max(differences)
    print(
        f"| {make.__name__} | {shape[1]} x {shape[2]} | {steps} | {1e3 * seconds['plain']:.0f} "
        f"| {1e3 * seconds['tuned']:.0f} | {1e3 * seconds['rate']:.0f} | {1e3 * seconds['binary']:.0f} "
        f"| {row['rate ratio']:.2f} | {row['binary ratio']:.2f} | {row['logit difference']:.1e} |",
        flush=True,
    )
    return row


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratios."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7.0, 4.0), layout="constrained")
    for make, color in (("stacked", "#4477aa"), ("residual", "#ee6677")):
        for size, line in ((28, "-"), (32, "--")):
            some = [r for r in rows if (r["network"], r["size"]) == (make, size)]
            axes.plot(
                [r["steps"] for r in some],
                [r["rate ratio"] for r in some],
                line,
                color=color,
                marker="o",
                label=f"{make}, {size} x {size}",
            )
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("steps")
    axes.set_ylabel("CPU time, SpikingJelly = 1")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| network | size | steps | SpikingJelly, ms | tuned, ms | rate, ms | binary, ms | rate ratio | binary ratio "
        "| logit difference |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    rows = [
        measured(make, shape, steps, given.rounds)
        for make in (stacked, residual)
        for shape in ((1, 28, 28), (3, 32, 32))
        for steps in STEPS
    ]
    worst = {mode: max(r[f"{mode} ratio"] for r in rows) for mode in ("rate", "binary")}
    checks = {
        f"{mode} codes not slower than SpikingJelly, everywhere (at most {ratio:.2f})": ratio
        <= 1.0
        for mode, ratio in worst.items()
    }
    for words, met in checks.items():
        print(f"{words}: {'met' if met else 'NOT met'}")
    if given.json is not None:
        given.json.write_text(json.dumps({"results": rows}, indent=1))
    if given.plot is not None:
        draw(rows, given.plot)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
