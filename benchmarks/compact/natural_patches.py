"""natural-patches-10: grey pictures of 32 x 32 pixels in ten classes, from photographs inside two wheels.

    python benchmarks/compact/natural_patches.py --json natural_patches.json --plot natural_patches.png

A class is a photograph: seven of scikit-image, two of scikit-learn, and a stereo pair of which the left one is taken. Each is
cut into tiles of 64 x 64 pixels, of which 70 % give the crops for training and the others those for testing, so that no pixel is
in both. Which tiles, and where the crops lie in them, follows from the seed. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "snn"))
from nets import Block

TILE, SIDE = 64, 32
TRAIN_SHARE = 0.7
"""Of the tiles of a photograph."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""

CLASSES = (
    "brick",
    "grass",
    "gravel",
    "immunohistochemistry",
    "hubble_deep_field",
    "chelsea",
    "coffee",
    "stereo_motorcycle",
    "china.jpg",
    "flower.jpg",
)
"""Names in ``skimage.data``, and files of ``sklearn.datasets.load_sample_image``."""


@dataclass(frozen=True)
class Patches:
    """Images in [0, 1], (N, 1, 32, 32) float32, and labels, (N,) int64, for training and for testing."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    def tensors(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Return (inputs, targets) for training and for testing as tensors."""
        pairs = (self.train, self.train_labels), (self.test, self.test_labels)
        first, second = ((torch.from_numpy(x), torch.from_numpy(y)) for x, y in pairs)
        return first, second


def photograph(name: str) -> np.ndarray:
    """Return a photograph as grey values in [0, 1], (height, width)."""
    if name.endswith(".jpg"):
        from sklearn.datasets import load_sample_image  # noqa: PLC0415 - seconds of import

        pixels = load_sample_image(name)
    else:
        from skimage import data  # noqa: PLC0415

        found = getattr(data, name)()
        pixels = found[0] if isinstance(found, tuple) else found
    grey = pixels if pixels.ndim == 2 else pixels[..., :3] @ np.array(LUMA)
    return np.asarray(grey / 255.0, dtype=np.float32)


def tiles(picture: np.ndarray) -> np.ndarray:
    """Cut a picture into tiles, (number, 64, 64); what is left over at the right and below is dropped."""
    rows, columns = (length // TILE for length in picture.shape)
    whole = picture[: rows * TILE, : columns * TILE]
    return whole.reshape(rows, TILE, columns, TILE).swapaxes(1, 2).reshape(-1, TILE, TILE)


def crops(pool: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Crop ``count`` windows at random places of random tiles, (count, 1, 32, 32)."""
    of = rng.integers(len(pool), size=count)
    top, left = rng.integers(TILE - SIDE + 1, size=(2, count))
    rows, columns = (start[:, None] + np.arange(SIDE) for start in (top, left))
    return pool[of[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def natural_patches(seed: int = 0, train: int = 3000, test: int = 1500) -> Patches:
    """Build the data set: ``train`` and ``test`` images, as many of every class, in random order.

    Raises
    ------
    ModuleNotFoundError
        Without scikit-image or scikit-learn.
    """
    rng = np.random.default_rng([seed, 10])
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for name in CLASSES:
        pool = tiles(photograph(name))
        order = rng.permutation(len(pool))
        first = round(TRAIN_SHARE * len(pool))
        for part, of, count in zip(
            parts, (order[:first], order[first:]), (train, test), strict=True
        ):
            part.append(crops(pool[of], count // len(CLASSES), rng))
    found = []
    for part in parts:
        images = np.concatenate(part)
        labels = np.repeat(np.arange(len(CLASSES)), len(part[0]))
        shuffled = rng.permutation(len(images))
        found += [images[shuffled], labels[shuffled]]
    return Patches(*found)


class Centred(torch.nn.Module):
    """Shift and stretch [0, 1] to about mean 0 and deviation 1, the same for every image."""

    def forward(self, x: Any) -> Any:
        """Return (x - 0.45) / 0.25."""
        return (x - 0.45) / 0.25


def small_residual(width: int = 12) -> Any:
    """Return a residual network of 44 thousand weights (width 12) for images in [0, 1], three groups of one block."""
    layers: list[Any] = [
        Centred(),
        torch.nn.Conv2d(1, width, 3, 2, 1, bias=False),
        torch.nn.BatchNorm2d(width),
        torch.nn.ReLU(),
        Block(width, width, 1),
        Block(width, 2 * width, 2),
        Block(2 * width, 4 * width, 2),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * width, len(CLASSES)),
    ]
    return torch.nn.Sequential(*layers)


def draw(patches: Patches, path: Path) -> None:
    """Draw twelve images of each class."""
    import matplotlib as mpl  # noqa: PLC0415 - only where there is a drawing

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = [
        np.concatenate(patches.train[patches.train_labels == label][:12, 0], axis=1)
        for label in range(len(CLASSES))
    ]
    figure, ax = plt.subplots(figsize=(8, 7), layout="constrained")
    ax.imshow(np.concatenate(rows), cmap="gray", vmin=0.0, vmax=1.0)
    ax.set_yticks(SIDE * (np.arange(len(CLASSES)) + 0.5), [c.split(".")[0] for c in CLASSES])
    ax.set_xticks([])
    figure.savefig(path, dpi=120)


def main() -> int:
    """Build, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    patches = natural_patches(given.seed)
    found: dict[str, Any] = {"weights": sum(p.numel() for p in small_residual().parameters())}
    for name, images in (("train", patches.train), ("test", patches.test)):
        found[name] = {
            "images": len(images),
            "mean": float(images.mean()),
            "deviation": float(images.std()),
        }
    print(found)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))
    if given.plot is not None:
        draw(patches, given.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
