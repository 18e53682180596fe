"""Weather: snow, frost, fog, brightness, spatter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from optlab_adapters.robustness.corruptions.registry import Images, corruption
from optlab_adapters.robustness.corruptions.sampling import (
    blurred,
    enlarged,
    luma,
    streaked,
    tint,
)
from optlab_adapters.robustness.corruptions.textures import clouds, frost_textures

if TYPE_CHECKING:
    from optlab_adapters.robustness.corruptions.streams import Streams

__all__: list[str] = []

_WATER = (175, 238, 238)
_MUD = (63, 42, 20)


@corruption(
    "snow",
    cifar=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    imagenet=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
)
def snow(images: Images, level: tuple[float, ...], streams: Streams) -> Images:
    """Whiten and let flakes fall: (mean, deviation, size and least height of flakes, streak, its deviation, share kept)."""
    mean, deviation, size, least, radius, sigma, kept = level
    flakes = np.float32(mean) + np.float32(deviation) * streams.normal(images.shape[1:3])
    flakes = enlarged(flakes, size)
    flakes = np.where(flakes < np.float32(least), np.float32(0), np.minimum(flakes, 1))
    flakes = streaked(flakes[..., None], int(radius), sigma, streams.uniform(-135, -45))
    white = np.maximum(images, np.float32(1.5) * luma(images) + np.float32(0.5))
    whitened = np.float32(kept) * images + np.float32(1 - kept) * white
    snowy: Images = whitened + flakes + flakes[:, ::-1, ::-1]
    return snowy


@corruption(
    "frost",
    cifar=((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    imagenet=((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
)
def frost(images: Images, level: tuple[float, float], streams: Streams) -> Images:
    """Lay a synthetic texture of 1/f amplitudes over the image: (share of the image, share of the texture)."""
    high, wide = images.shape[1:3]
    textures = frost_textures(max(high, wide))
    period = textures.shape[1]
    covered = np.float32(level[0]) * images
    for index, generator in enumerate(streams.generators):
        texture = textures[generator.integers(len(textures))]
        top, left = generator.integers(period, size=2)
        rows, columns = (top + np.arange(high)) % period, (left + np.arange(wide)) % period
        covered[index] += np.float32(level[1]) * texture[np.ix_(rows, columns)][..., None]
    return covered


@corruption(
    "fog",
    cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
)
def fog(images: Images, level: tuple[float, float], streams: Streams) -> Images:
    """Add clouds: (their strength, how fast they smooth out), scaled so that the brightest value stays possible."""
    strength, decay = np.float32(level[0]), level[1]
    high, wide = images.shape[1:3]
    cloud = clouds(streams, max(high, wide), decay)[:, :high, :wide, None]
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    foggy: Images = (images + strength * cloud) * (brightest / (brightest + strength))
    return foggy


@corruption("brightness", cifar=(0.05, 0.1, 0.15, 0.2, 0.3), imagenet=(0.1, 0.2, 0.3, 0.4, 0.5))
def brightness(images: Images, raised: float, _streams: Streams) -> Images:
    """Raise V of hue, saturation and value: all channels grow by the ratio of the new largest to the old."""
    value: Images = images.max(axis=3, keepdims=True)
    bright = np.minimum(value + np.float32(raised), np.float32(1))
    black = value == 0
    ratio = bright / np.where(black, np.float32(1), value)
    raised_all: Images = np.where(black, bright, images * ratio)
    return raised_all


@corruption(
    "spatter",
    cifar=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    imagenet=(
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    heldout=True,
)
def spatter(images: Images, level: tuple[float, ...], streams: Streams) -> Images:
    """Splash water or mud: (mean, deviation, blur and least height of drops, strength or blur of the mud, mud or not)."""
    mean, deviation, blur, least, last, mud = level
    heights = np.float32(mean) + np.float32(deviation) * streams.normal(images.shape[1:3])
    heights = blurred(heights, blur)
    drops = heights >= np.float32(least)
    if mud:
        cover = blurred(drops.astype(np.float32), last)[..., None]
        cover = np.where(cover < np.float32(0.8), np.float32(0), cover)
        return images * (1 - cover) + cover * tint(_MUD, images.shape[3])
    heights = np.where(drops, heights, np.float32(0))
    shade = np.array([_water(height) for height in heights])[..., None]
    return images + np.float32(last) * shade * tint(_WATER, images.shape[3])


_EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)


def _water(heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how bright the drops of one image are, in [0, 1]: their rims catch light from one side.

    Distances to the rims, at most 20, are smoothed, spread evenly over [0, 1], embossed and smoothed again [HD19]; here the
    rim is the border of the drops, where the publication runs a detector of edges.
    """
    drops = heights > 0
    rim = drops & ~ndimage.binary_erosion(drops)
    if not rim.any():
        return np.zeros_like(heights)
    distance = np.minimum(ndimage.distance_transform_edt(~rim), 20).astype(np.float32)
    distance = ndimage.uniform_filter(distance, 3, mode="mirror")
    _, place, counts = np.unique(distance, return_inverse=True, return_counts=True)
    spread = (np.cumsum(counts) / distance.size)[place].reshape(distance.shape)
    lit = np.clip(ndimage.correlate(spread.astype(np.float32), _EMBOSS, mode="mirror"), 0, 1)
    shade: NDArray[np.float32] = heights * ndimage.uniform_filter(lit, 3, mode="mirror")
    brightest = shade.max()
    return shade / brightest if brightest > 0 else shade
