"""Forwards per second of the training engine against a bare loop of the same forwards, and with many points in one forward.

    python benchmarks/zeroth/throughput.py --json throughput.json --plot throughput.png

Every coordinate of a network is displaced once (at most 600 of them). "bare": a Python loop that calls the module and the loss under
``no_grad``. "engine": the same evaluations by the engine, no reuse, one by one. "reuse": with feature reuse. "batched": many points in
one forward (``torch.func.vmap``), with reuse. CPU seconds, the least of several rounds, one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optlab.adapters import TrainingTask
from optlab.core.shifts import CoordinateShifts

nn = torch.nn
ROUNDS = 9
MOST = 2500


def dense(*sizes: int) -> nn.Module:
    """Return a plain network."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def convolutional(width: int) -> nn.Module:
    """Return two convolutions with batch normalization and a head, for 8 x 8 images."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 10),
    )


def cases() -> list[tuple[str, nn.Module, tuple[int, ...], int]]:
    """Name, network, shape of an input, minibatch."""
    return [
        ("MLP 64-16-16-16-16-10, batch 8", dense(64, 16, 16, 16, 16, 10), (64,), 8),
        ("MLP 64-32-10, batch 8", dense(64, 32, 10), (64,), 8),
        ("MLP 64-32-10, batch 32", dense(64, 32, 10), (64,), 32),
        ("MLP 64-32-10, batch 128", dense(64, 32, 10), (64,), 128),
        ("CNN 6 channels, batch 8", convolutional(6), (1, 8, 8), 8),
        ("CNN 6 channels, batch 32", convolutional(6), (1, 8, 8), 32),
        ("CNN 16 channels, batch 128", convolutional(16), (1, 8, 8), 128),
    ]


def rounds(calls: dict[str, Any]) -> dict[str, float]:
    """Return the least CPU seconds of each call, taken in turns: what disturbs one only adds, and disturbs all."""
    for call in calls.values():
        call()
    found = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for way, call in calls.items():
            begin = time.process_time()
            call()
            found[way] = min(found[way], time.process_time() - begin)
    return found


def measured(name: str, model: nn.Module, shape: tuple[int, ...], batch: int) -> dict[str, Any]:
    """Measure one network."""
    loss = nn.functional.cross_entropy
    inputs, targets = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
    ways = {"engine": (False, False), "reuse": (True, False), "batched": (True, True)}
    tasks = {
        way: TrainingTask(
            model, loss, (inputs, targets), batch_size=batch, reuse=reuse, batched=many
        )
        for way, (reuse, many) in ways.items()
    }
    x = tasks["engine"].vector()
    index = np.linspace(0, x.size - 1, min(MOST, x.size)).astype(np.intp)
    shifts = CoordinateShifts(x.size, index, np.full(index.size, 5e-3))
    model.train()

    def bare() -> None:
        with torch.no_grad():
            for _ in range(index.size):
                float(loss(model(inputs), targets))

    calls: dict[str, Any] = {"bare": bare}
    for way, task in tasks.items():
        calls[way] = lambda task=task: task.values(x, shifts, 0, None)
    seconds = rounds(calls)
    row: dict[str, Any] = {"name": name, "d": int(x.size)}
    row |= {f"{way} per s": index.size / s for way, s in seconds.items()}
    row |= {f"{way} ratio": seconds["bare"] / seconds[way] for way in ways}
    print(
        f"| {name} | {x.size} | {row['bare per s']:.0f} | {row['engine ratio']:.2f} | {row['reuse ratio']:.2f} "
        f"| {row['batched ratio']:.2f} |",
        flush=True,
    )
    return row


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratios."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8.0, 4.0), layout="constrained")
    places = np.arange(len(rows))[::-1]
    for offset, (way, color) in zip(
        (0.25, 0.0, -0.25),
        (("engine", "#bbbbbb"), ("reuse", "#66ccee"), ("batched", "#4477aa")),
        strict=True,
    ):
        axes.barh(
            places + offset, [r[f"{way} ratio"] for r in rows], 0.22, label=way, color=color
        )
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(places, [r["name"] for r in rows])
    axes.set_xlabel("evaluations per CPU second, bare loop = 1")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(
        "| network | d | bare, per s | engine / bare | with reuse | batched |\n|---|---|---|---|---|---|"
    )
    rows = [measured(*case) for case in cases()]
    slowest = min(r["engine ratio"] for r in rows)
    best = max(r["batched ratio"] for r in rows)
    checks = {
        f"engine at least 0.95 of the bare loop, everywhere ({slowest:.2f})": slowest >= 0.95,
        f"batched at least 5x on the smallest networks ({best:.1f})": best >= 5.0,
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
