"""Packed layers against the same layers as float32 matrices in torch, one thread.

    python benchmarks/compact/packed.py --json packed.json --plot packed.png

"1/1" is sign(x) before a ternary layer, counted in bits; "1/32" is the layer on floats. Both are timed as a whole call of
the packed network, packing of activations, checks and bias included, against ``torch.nn.functional.linear`` with the
dense weight (whose time does not depend on signs or zeros; it is not given the sign(x) to compute). A convolutional network follows, packed
and in torch. CPU seconds, medians of interleaved rounds; outputs are compared before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optlab.adapters import pruning

nn = torch.nn
ROUNDS = 9
SECONDS = 0.05
"""Of one measurement, about; short calls are repeated."""
SIZES = ((256, 1), (256, 64), (1024, 1), (1024, 64), (4096, 1), (4096, 64))
DENSITIES = (0.05, 0.1, 0.3, 0.5)
ASKED = {
    ("1/1", 1024, 1): 3.0,
    ("1/1", 1024, 64): 3.0,
    ("1/1", 4096, 1): 8.0,
}


def rounds(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """CPU seconds of one call of each, medians over interleaved rounds."""
    repeats = {}
    for name, call in calls.items():
        call()
        begin = time.process_time()
        call()
        repeats[name] = max(1, int(SECONDS / max(time.process_time() - begin, 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begin = time.process_time()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.process_time() - begin) / repeats[name])
    return {name: float(np.median(s)) for name, s in seconds.items()}


def ternary(module: Any, density: float, generator: torch.Generator) -> Any:
    """Give Linear and Conv2d inside a module ternary weights of one gain each."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            weight = layer.weight.data
            kept = torch.rand(weight.shape, generator=generator) < density
            signs = torch.randn(weight.shape, generator=generator).sign()
            weight.copy_((2.0 / (density * weight[0].numel())) ** 0.5 * kept * signs)
    return module.eval()


def layer_row(size: int, batch: int, density: float) -> list[dict[str, Any]]:
    """Measure a square layer with float and with sign activations."""
    generator = torch.Generator().manual_seed(size + batch)
    linear = ternary(nn.Linear(size, size), density, generator)
    x = torch.randn(batch, size, generator=generator)
    numbers = x.numpy()
    models = {
        "1/1": nn.Sequential(pruning.SignActivation(), linear).eval(),
        "1/32": nn.Sequential(linear).eval(),
    }
    packed = {way: pruning.pack(model) for way, model in models.items()}
    with torch.no_grad():
        calls: dict[str, Any] = {
            "torch": lambda: nn.functional.linear(x, linear.weight, linear.bias)
        }
        for way, network in packed.items():
            calls[way] = lambda network=network: network(numbers)
        seconds = rounds(calls)
        return [
            {
                "activations": way,
                "size": size,
                "batch": batch,
                "density": density,
                "torch": seconds["torch"],
                "packed": seconds[way],
                "ratio": seconds["torch"] / seconds[way],
                "memory": network.memory().weight_ratio,
                "error": float((network(x) - models[way](x)).abs().max()),
            }
            for way, network in packed.items()
        ]


def image_network(activation: Any) -> Any:
    """Return a VGG-like network for (3, 32, 32): activations before every layer but the first."""
    layers: list[Any] = []
    for inside, outside in ((3, 64), (64, 64), (64, 128), (128, 128)):
        layers += [] if inside == 3 else [activation]
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside)]
        layers += [nn.MaxPool2d(2)] if inside == outside else []
    return nn.Sequential(
        *layers, nn.Flatten(), activation, nn.Linear(8 * 8 * 128, 256), nn.Linear(256, 10)
    )


def image_rows(batch: int, density: float) -> list[dict[str, Any]]:
    """Measure the convolutional network."""
    rows = []
    for way, activation in (("1/1", pruning.SignActivation()), ("1/32", nn.ReLU())):
        torch.manual_seed(0)
        model = ternary(image_network(activation), density, torch.Generator().manual_seed(0))
        network = pruning.pack(model)
        x = torch.randn(batch, 3, 32, 32)
        with torch.no_grad():
            seconds = rounds(
                {"torch": lambda m=model, x=x: m(x), "packed": lambda n=network, x=x: n(x)}
            )
            error = float((network(x) - model(x)).abs().max())
        memory = network.memory()
        rows.append(
            {
                "activations": way,
                "batch": batch,
                "density": density,
                "torch": seconds["torch"],
                "packed": seconds["packed"],
                "ratio": seconds["torch"] / seconds["packed"],
                "memory": memory.ratio,
                "error": error,
            }
        )
    return rows


def shown(row: dict[str, Any]) -> str:
    """Return the line of a table."""
    what = f"{row['size']} x {row['size']}" if "size" in row else "convolutions"
    return (
        f"| {what} | {row['activations']} | {row['density']:g} | {row['batch']} | {1e3 * row['torch']:.3f} "
        f"| {1e3 * row['packed']:.3f} | {row['ratio']:.1f} | {row['memory']:.1f} | {row['error']:.1e} |"
    )


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratios of square layers."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained", sharey=True)
    for axis, batch in zip(axes, (1, 64), strict=True):
        chosen = [("1/1", 0.1), *(("1/32", density) for density in DENSITIES)]
        for (way, density), color in zip(
            chosen, ("#222222", "#4477aa", "#66ccee", "#ccbb44", "#ee6677"), strict=True
        ):
            line = [
                r
                for r in rows
                if "size" in r
                and (r["activations"], r["density"], r["batch"]) == (way, density, batch)
            ]
            label = way if way == "1/1" else f"{way}, density {density:g}"
            axis.plot(
                [r["size"] for r in line],
                [r["ratio"] for r in line],
                "o-",
                label=label,
                color=color,
            )
        axis.axhline(1.0, color="black", linewidth=0.8, linestyle=":")
        axis.set(xscale="log", yscale="log", title=f"batch {batch}", xlabel="rows = columns")
        axis.set_xticks([256, 1024, 4096], ["256", "1024", "4096"])
        axis.minorticks_off()
    axes[0].set_ylabel("CPU time of torch / packed")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def verdicts(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Compare with what is asked of the packed layers."""
    checks = {}
    for (way, size, batch), asked in ASKED.items():
        ratios = [
            r["ratio"]
            for r in rows
            if (r["activations"], r.get("size"), r["batch"]) == (way, size, batch)
        ]
        words = f"{way} {size} x {size}, batch {batch}: at least {asked:g}x ({min(ratios):.1f} at worst)"
        checks[words] = min(ratios) >= asked
    error = max(r["error"] for r in rows)
    memory = min(r["memory"] for r in rows if "size" in r)
    checks[f"outputs equal to 1e-4 ({error:.1e})"] = error <= 1e-4
    checks[f"weights 16 times smaller ({memory:.1f})"] = memory >= 16.0
    return checks


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| layer | activations | density | batch | torch, ms | packed, ms | torch / packed | memory | error |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    rows = []
    for size, batch in SIZES:
        for density in DENSITIES:
            rows += layer_row(size, batch, density)
            print("\n".join(shown(row) for row in rows[-2:]), flush=True)
    for batch in (1, 16):
        rows += image_rows(batch, 0.1)
        print("\n".join(shown(row) for row in rows[-2:]), flush=True)
    checks = verdicts(rows)
    for words, met in checks.items():
        print(f"{words}: {'met' if met else 'NOT met'}")
    if given.json is not None:
        given.json.write_text(json.dumps({"results": rows}, indent=1))
    if given.plot is not None:
        draw(rows, given.plot)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
