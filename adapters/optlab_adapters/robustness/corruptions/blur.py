"""Blur: out of focus, through glass, by motion, by zoom, Gaussian."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from optlab_adapters.robustness.corruptions.registry import Images, corruption
from optlab_adapters.robustness.corruptions.sampling import (
    blurred,
    convolved,
    enlarged,
    streaked,
)

if TYPE_CHECKING:
    from optlab_adapters.robustness.corruptions.streams import Streams

__all__: list[str] = []


@corruption(
    "defocus_blur",
    cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
)
def defocus_blur(images: Images, level: tuple[float, float], _streams: Streams) -> Images:
    """Convolve with a disc (radius, softness of its rim), both in pixels."""
    return convolved(images, _disc(*level))


def _disc(radius: float, softness: float) -> NDArray[np.float64]:
    rim = 1 if radius <= 8 else 2
    reach = int(radius) + rim
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (row**2 + column**2 <= radius**2).astype(np.float64)
    taps = np.exp(-(np.arange(-rim, rim + 1) ** 2) / (2 * softness**2))
    for axis in (0, 1):
        disc = ndimage.correlate1d(disc, taps / taps.sum(), axis, mode="constant")
    soft: NDArray[np.float64] = disc / disc.sum()
    return soft


@corruption(
    "glass_blur",
    cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
def glass_blur(images: Images, level: tuple[float, int, int], streams: Streams) -> Images:
    """Let pixels come from near places: (deviation of the blur before and after, reach, rounds)."""
    deviation, reach, rounds = level
    count, high, wide, channels = images.shape
    pixels = blurred(images, deviation).reshape(count, high * wide, channels)
    order = [_origins(g, (high, wide), reach, rounds) for g in streams.generators]
    shuffled = np.take_along_axis(pixels, np.array(order, dtype=np.intp)[..., None], axis=1)
    return blurred(shuffled.reshape(images.shape), deviation)


def _origins(
    generator: np.random.Generator, shape: tuple[int, int], reach: int, rounds: int
) -> list[int]:
    """Return which pixel comes to each place.

    One pixel after the other, from the last to the first, takes the value of the one that is -reach .. reach - 1 away in both
    directions. The publication speaks of exchanges, but its program, and so its data, copy. Plain lists are several times
    faster here than arrays of length one.
    """
    high, wide = shape
    rows, columns = range(high - reach, reach, -1), range(wide - reach, reach, -1)
    places = [row * wide + column for row in rows for column in columns]
    order = list(range(high * wide))
    for _ in range(rounds):
        moves = generator.integers(-reach, reach, (len(places), 2))
        for here, move in zip(places, (moves @ (wide, 1)).tolist(), strict=True):
            there = here + move
            order[here] = order[there]
    return order


@corruption(
    "motion_blur",
    cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
)
def motion_blur(images: Images, level: tuple[int, float], streams: Streams) -> Images:
    """Smear (radius, deviation) in a direction up to 45 degrees from level."""
    return streaked(images, *level, streams.uniform(-45, 45))


def _factors(count: int, step: float) -> tuple[float, ...]:
    return tuple(1 + step * k for k in range(count))


@corruption(
    "zoom_blur",
    # 7 and 12, not 6 and 11: the published ranges end just above a multiple of their step in floating point.
    cifar=tuple(_factors(count, 0.01) for count in (7, 12, 16, 21, 26)),
    imagenet=(
        _factors(12, 0.01),
        _factors(16, 0.01),
        _factors(11, 0.02),
        _factors(13, 0.02),
        _factors(11, 0.03),
    ),
)
def zoom_blur(images: Images, factors: tuple[float, ...], _streams: Streams) -> Images:
    """Average the image and its enlargements."""
    total = images.copy()
    for factor in factors:
        total += enlarged(images, factor)
    return total / np.float32(len(factors) + 1)


@corruption(
    "gaussian_blur", cifar=(0.4, 0.6, 0.7, 0.8, 1.0), imagenet=(1, 2, 3, 4, 6), heldout=True
)
def gaussian_blur(images: Images, deviation: float, _streams: Streams) -> Images:
    """Convolve with a Gaussian of this deviation in pixels."""
    return blurred(images, deviation)
