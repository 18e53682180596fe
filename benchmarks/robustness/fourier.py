"""CPU time of a Fourier heat map: a residual network of 44,000 parameters, 1,000 images of 32 pixels.

    python benchmarks/robustness/fourier.py --json fourier.json --plot fourier.svg

The network learns for a few seconds to tell which photograph a tile was cut from; the map is of its error on tiles of the lower
halves, which it has not seen. The run is stopped once halfway and goes on from its file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from corruptions import SIDE, photographs

from optlab_adapters.robustness import fourier_heatmap

IMAGES, STEPS, EPS = 1_000, 250, 4.0
nn = torch.nn


class Block(nn.Module):
    """Two convolutions beside a convolution of 1 x 1."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.beside = nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: Any) -> Any:
        """Add."""
        return torch.relu(self.body(x) + self.beside(x))


def network(classes: int) -> Any:
    """Return the network."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1),
        Block(12, 12, 1),
        Block(12, 24, 2),
        Block(24, 48, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, classes),
    )


def tiles(photos: list[Any], lower: bool, rng: np.random.Generator) -> tuple[Any, Any]:
    """Cut tiles at random from one half of the photographs."""
    images, labels = [], rng.integers(0, len(photos), IMAGES)
    for label in labels:
        half = photos[label].shape[0] // 2
        part = photos[label][half:] if lower else photos[label][:half]
        top, left = (rng.integers(0, n - SIDE) for n in part.shape[:2])
        images.append(part[top : top + SIDE, left : left + SIDE])
    return np.array(images, dtype=np.float32) / 255, labels


def train(model: Any, images: Any, labels: Any, rng: np.random.Generator) -> None:
    """Train by Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    inputs = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    targets = torch.from_numpy(labels)
    for _ in range(STEPS):
        some = torch.from_numpy(rng.choice(len(images), 64, replace=False))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[some]), targets[some]).backward()
        optimizer.step()
    model.eval()


class HaltError(Exception):
    """Ends the first run halfway."""


class Halting(nn.Module):
    """A module that stops after so many calls."""

    def __init__(self, model: Any, calls: int) -> None:
        super().__init__()
        self.model, self.calls = model, calls

    def forward(self, x: Any) -> Any:
        """Count."""
        self.calls -= 1
        if self.calls < 0:
            raise HaltError
        return self.model(x)


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    photos = photographs()
    model = network(len(photos))
    train(model, *tiles(photos, False, rng), rng)
    images, labels = tiles(photos, True, rng)
    file = Path(tempfile.mkdtemp()) / "map.jsonl"
    start = time.process_time()
    try:
        fourier_heatmap(Halting(model, 1_000).eval(), images, labels, eps=EPS, file=file)
    except HaltError:
        lines = len(file.read_text().splitlines())
        print(f"stopped after {lines - 1} frequencies", flush=True)
    heat = fourier_heatmap(model, images, labels, eps=EPS, file=file)
    seconds = time.process_time() - start
    file.unlink()
    file.parent.rmdir()
    values = heat.values
    symmetric = bool((values[1:, 1:] == values[:0:-1, :0:-1]).all())
    count = sum(p.numel() for p in model.parameters())
    print(
        f"{count:,} parameters, {len(photos)} classes, error without waves {clean_error(model, images, labels):.3f}"
    )
    print(heat)
    print(f"{seconds:.0f} CPU s in both runs (180 at most), symmetric: {symmetric}")
    if given.json is not None:
        given.json.write_text(json.dumps({"seconds": seconds, **heat.to_dict()}))
    if given.plot is not None:
        heat.plot().save(given.plot)
    return 0 if seconds < 180 and symmetric else 1


def clean_error(model: Any, images: Any, labels: Any) -> float:
    """Return the error on the images as they are."""
    with torch.no_grad():
        scores = model(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    return float((scores.argmax(1).numpy() != labels).mean())


if __name__ == "__main__":
    raise SystemExit(main())
