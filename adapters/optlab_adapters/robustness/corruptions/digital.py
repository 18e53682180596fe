"""Digital processing: contrast, elastic deformation, pixelation, JPEG, saturation."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optlab_adapters.robustness.corruptions.registry import Images, corruption
from optlab_adapters.robustness.corruptions.sampling import between_pixels, blurred

if TYPE_CHECKING:
    from optlab_adapters.robustness.corruptions.streams import Streams
from optlab_adapters.robustness.pillow import pillow

__all__: list[str] = []


@corruption("contrast", cifar=(0.75, 0.5, 0.4, 0.3, 0.15), imagenet=(0.4, 0.3, 0.2, 0.1, 0.05))
def contrast(images: Images, kept: float, _streams: Streams) -> Images:
    """Draw each channel towards its mean."""
    # Image by image: the order of a sum over a whole batch may depend on its size.
    mean = np.array([image.mean(axis=(0, 1), dtype=np.float64) for image in images])
    middle = mean.astype(np.float32)[:, None, None, :]
    return (images - middle) * np.float32(kept) + middle


@corruption(
    "elastic_transform",
    cifar=(
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    ),
    # Those of [MMGR19], written for any size: the first two levels of [HD19] are several times stronger than its last.
    imagenet=tuple((1.25 * times, 0.01, 0) for times in (0.05, 0.065, 0.085, 0.1, 0.12)),
)
def elastic_transform(
    images: Images, level: tuple[float, float, float], streams: Streams
) -> Images:
    """Move three points at random, the image with them, then wave it: (height and smoothness of waves, reach of the points).

    All three are parts of the shorter side.
    """
    high, wide = images.shape[1:3]
    height, smoothness, reach = (part * min(high, wide) for part in level)
    moved = between_pixels(images, *_affine_places(streams, (high, wide), reach))
    waves = [streams.uniform(-1, 1, (high, wide)) for _ in range(2)]
    down, right = (height * blurred(wave, smoothness, "reflect") for wave in waves)
    row, column = np.mgrid[:high, :wide].astype(np.float64)
    return between_pixels(moved, row + down, column + right)


def _affine_places(
    streams: Streams, shape: tuple[int, int], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where each pixel comes from under the affine map that moves three points by up to ``reach`` pixels."""
    third = min(shape) // 3 or 1
    middle = np.array(shape) // 2
    points = middle + third * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + streams.uniform(-reach, reach, (3, 2)).astype(np.float64)
    corners = np.concatenate([moved, np.ones((len(moved), 3, 1))], axis=2)
    # Three points that come to lie on a line have no inverse; tiny images can make that so.
    back = np.linalg.pinv(corners) @ points
    row, column = np.mgrid[: shape[0], : shape[1]]
    along, across, shift = (back[:, k, :, None, None] for k in range(3))
    places = along * row + across * column + shift
    return places[:, 0], places[:, 1]


@corruption(
    "pixelate", cifar=(0.95, 0.9, 0.85, 0.75, 0.65), imagenet=(0.6, 0.5, 0.4, 0.3, 0.25)
)
def pixelate(images: Images, share: float, _streams: Streams) -> Images:
    """Average over boxes so that this share of rows and columns is left, and repeat the averages."""
    for axis in (1, 2):
        size = images.shape[axis]
        fewer = max(1, int(size * share))
        edges = (2 * size * np.arange(fewer + 1) + fewer) // (2 * fewer)
        sums = np.add.reduceat(images, edges[:-1], axis=axis)
        counts = np.diff(edges).astype(np.float32).reshape(-1, *(1,) * (3 - axis))
        nearest = (2 * np.arange(size) + 1) * fewer // (2 * size)
        images = np.take(sums / counts, nearest, axis=axis)
    return images


@corruption("jpeg_compression", cifar=(80, 65, 58, 50, 40), imagenet=(25, 18, 15, 10, 7))
def jpeg_compression(images: Images, quality: int, _streams: Streams) -> Images:
    """Encode as JPEG of this quality, and decode.

    Raises
    ------
    MissingDependencyError
        Without Pillow.
    """
    library = pillow("jpeg_compression")
    decoded = np.empty_like(images)
    for image, result in zip(np.rint(images * 255).astype(np.uint8), decoded, strict=True):
        file = io.BytesIO()
        library.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image).save(
            file, "JPEG", quality=quality
        )
        result[...] = (
            np.asarray(library.open(file), dtype=np.float32).reshape(image.shape) / 255
        )
    return decoded


@corruption(
    "saturate",
    cifar=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    imagenet=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    heldout=True,
)
def saturate(images: Images, level: tuple[float, float], _streams: Streams) -> Images:
    """Map S of hue, saturation and value to factor S + offset; grey pixels have hue 0, red. Grey images stay.

    S = 1 - min / max of the channels, so every channel's distance from the largest grows by the ratio of the new S to the old.
    """
    if images.shape[3] == 1:
        return images
    factor, offset = (np.float32(value) for value in level)
    value: Images = images.max(axis=3, keepdims=True)
    distance = value - images
    widest: Images = distance.max(axis=3, keepdims=True)
    one, red = np.float32(1), np.array([0, 1, 1], dtype=np.float32)
    saturation: Images = np.divide(widest, value, out=np.zeros_like(value), where=value > 0)
    wanted: Images = np.clip(factor * saturation + offset, 0, 1)
    grey = widest == 0
    unit: Images = np.where(grey, red, distance / np.where(grey, one, widest))
    saturated: Images = value - value * wanted * unit
    return saturated
