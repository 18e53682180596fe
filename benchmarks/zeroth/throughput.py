"""Forwards per second of the training engine against a bare loop of the same forwards, one by one and many in one forward.

    python benchmarks/zeroth/throughput.py --json throughput.json --plot throughput.png

Every coordinate of a network is displaced once: a coordinate gradient. "bare": a Python loop that calls the module and the loss under
``no_grad`` and displaces nothing. "engine": the evaluations one by one, no reuse. "reuse": with feature reuse, the same bits.
"default": what a task does unasked. "batched": many points in one forward. CPU seconds per evaluation, one thread; a ratio is the
median over rounds in which all ways take turns. The loops are timed on at most 600 coordinates, evenly spread.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from optlab.adapters import TrainingTask
from optlab.core.shifts import CoordinateShifts

nn = torch.nn
MOST = 600
LEAST = 0.02
"""CPU seconds that are timed at a time: shorter calls are repeated."""

WAYS: dict[str, dict[str, Any]] = {
    "engine": {"reuse": False, "batched": False},
    "reuse": {"batched": False},
    "default": {},
    "batched": {"batched": True},
}
COLORS = {"engine": "#bbbbbb", "reuse": "#66ccee", "default": "#228833", "batched": "#4477aa"}


@dataclass(frozen=True)
class Case:
    """A network and a minibatch."""

    name: str
    model: nn.Module
    shape: tuple[int, ...]
    batch: int
    asked: bool = True
    """Whether it is one of the small ones that 5x is asked of."""


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, x: Any) -> Any:
        """Add."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(x + self.norm2(self.conv2(y)))


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


def residual(width: int) -> nn.Module:
    """Return a stem, a residual block and a head, for 8 x 8 images."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        Residual(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 10),
    )


def cases() -> list[Case]:
    """List the networks."""
    sizes = [(s, b) for s in ((64, 8, 10), (64, 32, 10), (64, 64, 10)) for b in (32, 128)]
    plain = [
        Case(f"MLP {'-'.join(map(str, s))}, batch {b}", dense(*s), (64,), b) for s, b in sizes
    ]
    return [
        *plain,
        Case("MLP 64-32-10, batch 8", dense(64, 32, 10), (64,), 8),
        Case("MLP 64-16-16-16-16-10, batch 8", dense(64, 16, 16, 16, 16, 10), (64,), 8),
        Case("CNN 6 channels, batch 8", convolutional(6), (1, 8, 8), 8),
        Case("CNN 6 channels, batch 32", convolutional(6), (1, 8, 8), 32),
        Case("CNN 16 channels, batch 128", convolutional(16), (1, 8, 8), 128),
        Case("residual CNN 6 channels, batch 32", residual(6), (1, 8, 8), 32, asked=False),
    ]


def rounds(
    calls: dict[str, tuple[Callable[[], Any], int]], times: int
) -> dict[str, list[float]]:
    """Return the CPU seconds per evaluation of each call in every round, taken in turns."""
    found: dict[str, list[float]] = {way: [] for way in calls}
    repeats = {}
    for way, (call, _) in calls.items():
        call()
        begin = time.process_time()
        call()
        repeats[way] = math.ceil(LEAST / max(time.process_time() - begin, 1e-6))
    for _ in range(times):
        for way, (call, evaluations) in calls.items():
            begin = time.process_time()
            for _ in range(repeats[way]):
                call()
            spent = time.process_time() - begin
            found[way].append(spent / (evaluations * repeats[way]))
    return found


def measured(case: Case, times: int) -> dict[str, Any]:
    """Measure one network."""
    model, loss = case.model, nn.functional.cross_entropy
    inputs, targets = torch.randn(case.batch, *case.shape), torch.randint(0, 10, (case.batch,))
    tasks = {
        way: TrainingTask(model, loss, (inputs, targets), batch_size=case.batch, **given)
        for way, given in WAYS.items()
    }
    x = tasks["engine"].vector()
    some = np.linspace(0, x.size - 1, min(MOST, x.size)).astype(np.intp)
    model.train()

    def bare() -> None:
        with torch.no_grad():
            for _ in range(some.size):
                float(loss(model(inputs), targets))

    def values(way: str, index: Any) -> Any:
        shifts = CoordinateShifts(x.size, index, np.full(index.size, 5e-3))
        return tasks[way].values(x, shifts, 0, None)

    calls: dict[str, tuple[Callable[[], Any], int]] = {"bare": (bare, some.size)}
    for way in WAYS:
        index = some if way in ("engine", "reuse") else np.arange(x.size)
        calls[way] = partial(values, way, index), index.size
    seconds = rounds(calls, times)
    exact = values("engine", some)
    row: dict[str, Any] = {"name": case.name, "d": int(x.size), "asked": case.asked}
    for way, found in seconds.items():
        ratios = [b / s for b, s in zip(seconds["bare"], found, strict=True)]
        row |= {f"{way} ratio": median(ratios), f"{way} ratios": ratios}
        row |= {f"{way} per s": 1.0 / median(found)}
        row |= {f"{way} gradient ms": 1e3 * x.size * median(found)}
    row["reuse equal to the bit"] = bool(np.array_equal(values("reuse", some), exact))
    row["batched difference"] = float(np.abs(values("batched", some) / exact - 1.0).max())
    return row


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    ratios = " | ".join(f"{row[f'{way} ratio']:.2f}" for way in WAYS)
    gradient = f"{row['bare gradient ms']:.1f} | {row['default gradient ms']:.1f}"
    return f"| {row['name']} | {row['d']} | {row['bare per s']:.0f} | {ratios} | {gradient} |"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratios."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8.0, 6.5), layout="constrained")
    places = np.arange(len(rows))[::-1]
    for number, (way, color) in enumerate(COLORS.items()):
        axes.barh(
            places + 0.3 - 0.2 * number,
            [r[f"{way} ratio"] for r in rows],
            0.19,
            label=way,
            color=color,
        )
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.minorticks_off()
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
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    names = ["network", "d", "bare, per s", *WAYS, "gradient: bare, ms", "default, ms"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    rows = []
    for case in cases():
        rows.append(measured(case, given.rounds))
        print(line(rows[-1]), flush=True)
    slowest = min(r["engine ratio"] for r in rows)
    least = min(r["batched ratio"] for r in rows if r["asked"])
    apart = max(r["batched difference"] for r in rows)
    checks = {
        f"engine at least 0.95 of the bare loop, everywhere ({slowest:.2f})": slowest >= 0.95,
        f"batched at least 5x on small networks ({least:.1f})": least >= 5.0,
        "reuse the same to the bit": all(r["reuse equal to the bit"] for r in rows),
        f"batched the same to rounding ({apart:.0e})": apart <= 1e-5,
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
