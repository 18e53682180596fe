"""Does training with noise make a network answer less abruptly? Fourier paths and Jacobians of two small networks.

    python benchmarks/robustness/paths.py --json paths.json --plot paths.png

Two residual networks of 44,000 parameters learn to tell which photograph a tile was cut from, one from the tiles, one from tiles with
Gaussian noise of deviation 0.1. Accuracy, with and without noise, and all numbers are of tiles of the halves that they have not seen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from corruptions import photographs
from fourier import network, tiles, train

from optlab_adapters.robustness import (
    CorruptionSuite,
    evaluate,
    fourier_path,
    jacobian_norm,
    path_metrics,
)

PATHS, ROUNDS = 200, 4
NOISE = 0.1


def trained(photos: list[Any], noise: float) -> Any:
    """Return a network trained from tiles of the upper halves."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = network(len(photos))
    for _ in range(ROUNDS):
        images, labels = tiles(photos, False, rng)
        noisy = images + noise * rng.standard_normal(images.shape)
        train(model.train(), np.clip(noisy, 0, 1).astype(np.float32), labels, rng)
    return model


def measure(model: Any, images: Any, labels: Any) -> dict[str, float]:
    """Return every number of a network."""
    table = evaluate(
        model, CorruptionSuite(["gaussian_noise"], severities=(5,)), images, labels
    )
    amplitude, phase = (
        path_metrics(model, images, part, paths=PATHS) for part in ("amplitude", "phase")
    )
    return {
        "accuracy": table.clean,
        "accuracy_noise": table.mean(),
        "high_frequency_amplitude": amplitude.high_frequency_fraction,
        "high_frequency_phase": phase.high_frequency_fraction,
        "distance_amplitude": amplitude.consistent_distance,
        "distance_phase": phase.consistent_distance,
        "jacobian": jacobian_norm(model, images[:400]),
    }


def plot(models: dict[str, Any], images: Any, path: Path) -> None:
    """Draw some images of a path of each kind, and the probability of the first class along it for each network."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, every = plt.subplots(2, 7, figsize=(14, 4.2), layout="constrained")
    for row, part in zip(every, ("amplitude", "phase"), strict=True):
        along = fourier_path(images[0], images[1], part)
        for axis, k in zip(row, np.linspace(0, 99, 6).astype(int), strict=False):
            axis.imshow(np.clip(along[k], 0, 1))
            axis.set_title(f"{part}, {k}", fontsize=9)
            axis.axis("off")
        inputs = torch.from_numpy(along.transpose(0, 3, 1, 2).astype(np.float32))
        for name, model in models.items():
            with torch.no_grad():
                chances = torch.softmax(model(inputs), dim=1).numpy()
            row[-1].plot(chances[:, chances[0].argmax()], label=name)
        row[-1].set_ylim(0, 1.05)
        row[-1].set_title("chance of the first class", fontsize=9)
    every[0, -1].legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    photos = photographs()
    models = {"clean": trained(photos, 0.0), "noise": trained(photos, NOISE)}
    images, labels = tiles(photos, True, np.random.default_rng(1))
    found = {name: measure(model, images, labels) for name, model in models.items()}
    seconds = time.process_time() - start
    print(f"{'trained on':26s}" + "".join(f"{name:>10s}" for name in found))
    for number in found["clean"]:
        print(f"{number:26s}" + "".join(f"{of[number]:10.3f}" for of in found.values()))
    print(f"{len(photos)} photographs, {PATHS} paths of each kind, {seconds:.0f} CPU s")
    if given.json is not None:
        given.json.write_text(json.dumps({"seconds": seconds, **found}, indent=1))
    if given.plot is not None:
        plot(models, images, given.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
