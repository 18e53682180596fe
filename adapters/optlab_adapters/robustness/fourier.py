"""Fourier heat maps: how much a wave of each frequency hurts [YLSCG19].

A wave U of frequency (i, j) is real, has norm one, and its transform is zero but at (i, j) and (-i, -j). The images become
clip(x + r eps U, 0, 1), r = 1 or -1 for each image and channel; the map shows a number of the changed images, such as a
classifier's error, at (i, j). It is symmetric, so a bit more than half of it is evaluated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import OptionError, ProblemError, ResumeError
from optlab.typing import Vector
from optlab_adapters.robustness.corruptions import Streams
from optlab_adapters.robustness.heat import FourierMap
from optlab_adapters.robustness.images import as_images, in_form_of, unit_images
from optlab_adapters.robustness.predictors import accuracy, classifier

__all__ = ["fourier_heatmap", "fourier_map", "wave"]

_BATCH = 250
"""Images that a classifier gets at a time."""


def wave(shape: tuple[int, int], row: int, column: int) -> Vector:
    """Return the wave with ``row`` and ``column`` cycles along the sides, shape (H, W), of norm one.

    Whole numbers of either sign; only their remainders by the sides matter.
    """
    down = row * np.arange(shape[0])[:, None] / shape[0]
    right = column * np.arange(shape[1])[None, :] / shape[1]
    cosine = np.cos(2 * np.pi * (down + right))
    unit: Vector = cosine / np.linalg.norm(cosine)
    return unit


def fourier_map(
    function: Callable[[NDArray[Any]], float],
    images: ArrayLike,
    *,
    eps: float = 4.0,
    largest: int | None = None,
    seed: int = 0,
    file: str | Path | None = None,
) -> FourierMap:
    """Evaluate a function of images under a wave of each frequency.

    Parameters
    ----------
    function
        Changed images, in the form of ``images`` -> a number: an error, a codec's bits per pixel, ...
    images
        uint8, or floating point in [0, 1]; shape (N, H, W) or (N, H, W, C).
    eps
        Norm of the wave in one channel, for values in [0, 1]: 4 changes images of 32 x 32 pixels by 1/8, root mean square.
    largest
        Evaluate only frequencies of up to so many cycles per side; None for all.
    seed
        Of the signs. The sign of an image depends on (seed, frequency, number of the image).
    file
        Where to note each value as a line of JSON. A run with the same images and settings goes on from it; that the function is the
        same is yours to see to.

    Raises
    ------
    OptionError
        For an eps that is not above 0 or a ``largest`` below 0.
    ProblemError
        For no images, or images of another form.
    ResumeError
        When the file is of another run.
    """
    given = as_images(images)
    if not len(given):
        raise ProblemError("there are no images; one at least is needed")
    if not eps > 0:
        raise OptionError(f"eps is {eps!r}; a number above 0 is needed")
    if largest is not None and largest < 0:
        raise OptionError(f"largest is {largest!r}; 0 or more cycles per side are needed")
    unit = unit_images(given)
    high, wide = unit.shape[1:3]
    journal = _Journal(file, _identity(given, eps, seed))
    rows, columns = _span(high, largest), _span(wide, largest)
    values: dict[tuple[int, int], float] = {}
    for row, column in _half(rows, columns, (high, wide)):
        value = journal.known.get((row, column))
        if value is None:
            changed = _changed(unit, (row, column), eps, seed)
            value = float(function(in_form_of(changed, given)))
            journal.note(row, column, value)
        values[row, column] = values[-row % high, -column % wide] = value
    grid = [[values[row % high, column % wide] for column in columns] for row in rows]
    return FourierMap(np.array(grid), rows.start, columns.start, eps, len(given))


def fourier_heatmap(
    model: Any,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    eps: float = 4.0,
    seed: int = 0,
    file: str | Path | None = None,
) -> FourierMap:
    """Map the error of a classifier under a wave of each frequency [YLSCG19].

    Parameters
    ----------
    model
        As in :func:`~optlab_adapters.robustness.evaluate`.
    images, eps, seed, file
        As in :func:`fourier_map`.
    labels
        Classes, shape (N,).

    Raises
    ------
    ProblemError
        When there are not as many labels as images; else as in :func:`fourier_map`.
    """
    classes = np.asarray(labels)
    if classes.shape != np.asarray(images).shape[:1]:
        raise ProblemError(
            f"{len(np.asarray(images))} images have labels of shape {classes.shape}; as many of each are needed"
        )
    predict = classifier(model)

    def error(changed: NDArray[Any]) -> float:
        batches = (changed[s : s + _BATCH] for s in range(0, len(changed), _BATCH))
        return 1 - accuracy(predict, batches, classes)

    return fourier_map(error, images, eps=eps, seed=seed, file=file)


def _span(size: int, largest: int | None) -> range:
    """Return the frequencies of a side as ``fftshift`` orders them, as many of either sign where they are limited."""
    if largest is None or largest >= size // 2:
        return range(-(size // 2), size - size // 2)
    return range(-largest, largest + 1)


def _half(rows: range, columns: range, shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Go through one of (i, j) and (-i, -j) for every frequency, as remainders."""
    seen: set[tuple[int, int]] = set()
    for row in rows:
        for column in columns:
            here = row % shape[0], column % shape[1]
            if here not in seen:
                seen |= {here, (-row % shape[0], -column % shape[1])}
                yield here


def _changed(
    unit: NDArray[np.float32], at: tuple[int, int], eps: float, seed: int
) -> NDArray[np.float32]:
    count, high, wide, channels = unit.shape
    streams = Streams(seed, "wave", at[0] * wide + at[1], range(count))
    one = np.float32(1)
    signs = np.where(streams.uniform(-1, 1, (channels,)) < 0, -one, one).astype(np.float32)
    added: NDArray[np.float32] = (eps * wave((high, wide), *at)).astype(np.float32)
    changed: NDArray[np.float32] = unit + signs[:, None, None, :] * added[:, :, None]
    return changed


def _identity(images: NDArray[Any], eps: float, seed: int) -> dict[str, Any]:
    content = hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()
    return {"images": content, "shape": list(images.shape), "eps": eps, "seed": seed}


class _Journal:
    """Values that were found already, and a file for those to come."""

    def __init__(self, file: str | Path | None, identity: dict[str, Any]) -> None:
        self._path = None if file is None else Path(file)
        self.known: dict[tuple[int, int], float] = {}
        if self._path is None:
            return
        if not self._path.exists() or not self._path.stat().st_size:
            self._append(identity)
            return
        # What follows the last end of a line was cut off when a run was killed.
        whole, end, _ = self._path.read_text(encoding="utf-8").rpartition("\n")
        try:
            first, *rest = [json.loads(line) for line in whole.splitlines()]
            found = {(row, column): float(value) for row, column, value in rest}
        except (ValueError, TypeError) as error:
            raise ResumeError(f"{file} is no journal of a Fourier map: {error}") from error
        if first != identity:
            raise ResumeError(
                f"{file} is of other images or settings: {first}, not {identity}; use another file"
            )
        self._path.write_text(whole + end, encoding="utf-8")
        self.known = found

    def note(self, row: int, column: int, value: float) -> None:
        """Write a value down, where there is a file."""
        self._append([row, column, value])

    def _append(self, line: Any) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
