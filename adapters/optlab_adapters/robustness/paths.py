"""Paths between images through Fourier amplitudes or phases, and how a classifier behaves along them [FBDKB22].

With F the discrete Fourier transform of a channel, a path leads from an image x to an image z by blending, within a square of low
frequencies, the amplitudes |F| or the phases arg F of x with those of z and keeping the rest of x. Two numbers describe the class
probabilities along a path: the part of their own spectrum at high frequencies, and how far the first class lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, special

from optlab.errors import OptionError, ProblemError
from optlab.typing import Mask, Vector
from optlab_adapters.robustness.images import as_images, unit_images
from optlab_adapters.robustness.scores import Scorer, scorer

__all__ = [
    "PathMetrics",
    "consistent_distance",
    "fourier_path",
    "high_frequency_fraction",
    "path_metrics",
]

Part = Literal["amplitude", "phase"]
"""What is blended along a path."""

WINDOW = 0.2
"""Half the width of the square of blended frequencies, as a part of the shorter side."""

LOW = 0.1
"""Part of the frequencies along a path that count as low."""


@dataclass(frozen=True)
class PathMetrics:
    """Means over paths of one kind.

    Attributes
    ----------
    high_frequency_fraction : float
        See :func:`high_frequency_fraction`; more means that the answer changes more abruptly.
    consistent_distance : float
        See :func:`consistent_distance`.
    paths, steps : int
        How many paths, and images on each.
    """

    high_frequency_fraction: float
    consistent_distance: float
    paths: int
    steps: int


def fourier_path(first: ArrayLike, last: ArrayLike, part: Part, steps: int = 100) -> Vector:
    """Return the images of a path.

    Parameters
    ----------
    first, last
        Images, shape (H, W) or (H, W, C), of any values.
    part
        What is blended: ``"amplitude"`` or ``"phase"``. Phases are blended linearly between -pi and pi.
    steps
        Images on the path, the first of which is ``first``; 2 at least.

    Returns
    -------
    Vector
        Shape (steps, H, W) or (steps, H, W, C); real parts, not clipped.

    Raises
    ------
    ProblemError
        For images of different or other shapes.
    OptionError
        For another part, or fewer than two steps.
    """
    start, end = (np.asarray(image, dtype=np.float64) for image in (first, last))
    if start.shape != end.shape or start.ndim not in (2, 3) or not start.size:
        raise ProblemError(
            f"images have shapes {start.shape} and {end.shape}; two of one shape (H, W) or (H, W, C) are needed"
        )
    if part not in ("amplitude", "phase"):
        raise OptionError(f"part is {part!r}; 'amplitude' or 'phase' is needed")
    if steps < 2:
        raise OptionError(f"steps is {steps!r}; a path has 2 images or more")
    spectra = [fft.fft2(image, axes=(0, 1)) for image in (start, end)]
    measure = np.abs if part == "amplitude" else np.angle
    source, target = (measure(spectrum) for spectrum in spectra)
    share = np.linspace(0, 1, steps).reshape(-1, *[1] * start.ndim)
    low = _window(start.shape[:2]).reshape(*start.shape[:2], *[1] * (start.ndim - 2))
    blended = source + share * low * (target - source)
    if part == "amplitude":
        mixed = blended * np.exp(1j * np.angle(spectra[0]))
    else:
        mixed = np.abs(spectra[0]) * np.exp(1j * blended)
    images: Vector = fft.ifft2(mixed, axes=(1, 2)).real
    return images


def high_frequency_fraction(probabilities: ArrayLike) -> float:
    """Return the part of a path's spectrum that is at high frequencies.

    The spectrum is the amplitude of the real Fourier transform of each class's probability along the path, averaged over classes;
    high are all but the lowest tenth of its entries, and, as published, without the last of them.

    Parameters
    ----------
    probabilities
        Shape (steps, K).

    Raises
    ------
    ProblemError
        For another shape.
    """
    spectrum = np.abs(fft.rfft(_table(probabilities), axis=0)).mean(axis=1)
    high = spectrum[int(np.ceil(LOW * len(spectrum))) : -1].sum()
    total = spectrum.sum()
    return float(high / total) if total > 0 else 0.0


def consistent_distance(probabilities: ArrayLike) -> int:
    """Return how many images from the start of a path get the class of the first, all of them at most.

    Parameters
    ----------
    probabilities
        Shape (steps, K).

    Raises
    ------
    ProblemError
        For another shape.
    """
    classes = _table(probabilities).argmax(axis=1)
    other = np.flatnonzero(classes != classes[0])
    return int(other[0]) if other.size else len(classes)


def path_metrics(
    model: Any,
    images: ArrayLike,
    part: Part,
    *,
    paths: int | None = None,
    steps: int = 100,
    seed: int = 0,
) -> PathMetrics:
    """Measure a classifier along paths between random images.

    Parameters
    ----------
    model
        A torch module in evaluation mode, given float32 tensors of shape (N, C, H, W), or a function of float32 images of the shape of
        ``images`` that answers scores (logits), shape (N, K). Images are near [0, 1] and not clipped, since that would bend the path.
    images
        uint8, or floating point in [0, 1]; shape (N, H, W) or (N, H, W, C).
    part
        ``"amplitude"`` or ``"phase"``.
    paths
        Number of paths; no image is on two of them. None: as many as there are pairs.
    steps
        Images on a path.
    seed
        Of the pairs.

    Returns
    -------
    PathMetrics
        Means over the paths.

    Raises
    ------
    ProblemError
        For images of another form, fewer than two images for each path, or answers that are no scores.
    OptionError
        For no paths, another part, fewer than two steps, or a module in training mode.
    CapabilityError
        When the model cannot be called.
    """
    given = as_images(images)
    count = len(given) // 2 if paths is None else paths
    if count < 1 and paths is not None:
        raise OptionError(f"paths is {paths!r}; 1 or more is needed")
    if not 1 <= count <= len(given) // 2:
        raise ProblemError(
            f"{len(given)} images make {len(given) // 2} pairs; {max(count, 1)} are needed"
        )
    score = scorer(model)
    unit = unit_images(given).reshape(given.shape)
    pairs = np.random.default_rng(seed).permutation(len(given))[: 2 * count].reshape(count, 2)
    along = [_answers(score, fourier_path(unit[i], unit[k], part, steps)) for i, k in pairs]
    return PathMetrics(
        float(np.mean([high_frequency_fraction(p) for p in along])),
        float(np.mean([consistent_distance(p) for p in along])),
        count,
        steps,
    )


def _answers(score: Scorer, path: Vector) -> Vector:
    probabilities: Vector = special.softmax(score(path.astype(np.float32)), axis=1)
    return probabilities


def _window(shape: tuple[int, ...]) -> Mask:
    """Return the square of low frequencies, in the order of ``fft2``; it holds (-i, -k) with (i, k)."""
    half = int(WINDOW * min(shape))
    down, right = (np.abs(fft.fftfreq(size, 1 / size)) <= half for size in shape)
    square: Mask = down[:, None] & right[None, :]
    return square


def _table(probabilities: ArrayLike) -> NDArray[Any]:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ProblemError(
            f"probabilities have shape {values.shape}; (steps, K) is needed, a row for an image"
        )
    return values
