"""Sets of small images for the examples: digits, Fashion-MNIST, CIFAR-10. Nothing is downloaded.

``digits`` comes with scikit-learn: 1,797 handwritten digits of 8 x 8 pixels (E. Alpaydin, C. Kaynak, UCI, 1998).
``fashion-mnist``: 70,000 articles of clothing of 28 x 28 pixels (H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747),
in four files of the idx format; Debian's package dataset-fashion-mnist has them.
``cifar10``: 60,000 photographs of 32 x 32 pixels (A. Krizhevsky, 2009), a folder of pictures
train/CLASS/*.png or .jpg and test/CLASS/*. Pictures stored as JPEG differ a little from the original pixels.
"""

from __future__ import annotations

import argparse
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package puts the files."""

TESTED = 450
"""Digits that are kept for testing, a quarter."""


@dataclass(frozen=True)
class Images:
    """Images in [0, 1], float32 of shape (count, channels, height, width), and their classes."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return self.train.shape[1:]

    def head(self, train: int, test: int) -> Images:
        """Return the first images of both parts."""
        return Images(
            self.train[:train],
            self.train_labels[:train],
            self.test[:test],
            self.test_labels[:test],
        )


def digits(seed: int = 0) -> Images:
    """Return scikit-learn's digits, split at random."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - only this set needs it

    raw, labels = load_digits(return_X_y=True)
    pixels = (raw / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(seed).permutation(len(labels))
    test, train = order[:TESTED], order[TESTED:]
    return Images(pixels[train], labels[train], pixels[test], labels[test])


def idx(path: Path) -> np.ndarray:
    """Read a gzipped idx file of bytes: two zeros, the type 8, the number of dimensions, their lengths, the data."""
    content = gzip.decompress(path.read_bytes())
    zeros, kind, dimensions = content[:2], content[2], content[3]
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start], ">u4")
    if zeros != b"\0\0" or kind != 8 or len(content) - start != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{path} is not an idx file of bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def fashion_mnist(folder: Path = FASHION_MNIST) -> Images:
    """Return Fashion-MNIST in its published split."""
    pixels, labels = [], []
    for part in ("train", "t10k"):
        raw = idx(folder / f"{part}-images-idx3-ubyte.gz")
        pixels.append((raw[:, None] / 255.0).astype(np.float32))
        labels.append(idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64))
    return Images(pixels[0], labels[0], pixels[1], labels[1])


def pictures(folder: Path, each: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures of folder/CLASS/*, at most ``each`` of a class, classes in turn."""
    from PIL import Image  # noqa: PLC0415 - only pictures need it

    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [sorted(path.iterdir())[:each] for path in classes]
    raw = [[np.asarray(Image.open(file).convert("RGB")) for file in some] for some in files]
    labels = [np.full(len(some), label) for label, some in enumerate(files)]
    stacked = np.concatenate([np.stack(some) for some in raw]).transpose(0, 3, 1, 2)
    # The k-th of every class before the next of any: a head of the set is balanced.
    order = np.argsort(np.concatenate([np.arange(len(some)) for some in files]), kind="stable")
    return (stacked[order] / 255.0).astype(np.float32), np.concatenate(labels)[order]


def cifar10(folder: Path, each: int | None = None) -> Images:
    """Return CIFAR-10 from a folder of pictures, at most ``each`` of a class in either part."""
    return Images(*pictures(folder / "train", each), *pictures(folder / "test", each))


def load(name: str, folder: Path | None = None) -> Images:
    """Return a set by its name: digits, fashion-mnist or cifar10; ``folder`` is where its files lie."""
    if name == "digits":
        return digits()
    if name == "fashion-mnist":
        return fashion_mnist(folder or FASHION_MNIST)
    if name == "cifar10" and folder is not None:
        return cifar10(folder)
    raise ValueError(f"{name!r}: digits, fashion-mnist, or cifar10 with a folder are needed")


def asked_for(what: str) -> tuple[str, Images]:
    """Return the set that the command line names, digits without one, and its name."""
    parser = argparse.ArgumentParser(description=what.splitlines()[0])
    parser.add_argument(
        "--data", choices=("digits", "fashion-mnist", "cifar10"), default="digits"
    )
    parser.add_argument("--folder", type=Path, help="where the files of the set lie")
    given = parser.parse_args()
    return given.data, load(given.data, given.folder)
