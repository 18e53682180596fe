"""Noise: Gaussian, shot, impulse, speckle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab_adapters.robustness.corruptions.registry import Images, corruption

if TYPE_CHECKING:
    from optlab_adapters.robustness.corruptions.streams import Streams

__all__: list[str] = []


@corruption(
    "gaussian_noise",
    cifar=(0.04, 0.06, 0.08, 0.09, 0.10),
    imagenet=(0.08, 0.12, 0.18, 0.26, 0.38),
)
def gaussian_noise(images: Images, deviation: float, streams: Streams) -> Images:
    """Add normal noise of this standard deviation."""
    return images + np.float32(deviation) * streams.normal(images.shape[1:])


@corruption("shot_noise", cifar=(500, 250, 100, 75, 50), imagenet=(60, 25, 12, 5, 3))
def shot_noise(images: Images, photons: float, streams: Streams) -> Images:
    """Count photons: Poisson numbers whose mean is the value times ``photons``."""
    noisy = np.empty_like(images)
    for image, result, generator in zip(images, noisy, streams.generators, strict=True):
        result[...] = generator.poisson(image.astype(np.float64) * photons) / photons
    return noisy


@corruption(
    "impulse_noise",
    cifar=(0.01, 0.02, 0.03, 0.05, 0.07),
    imagenet=(0.03, 0.06, 0.09, 0.17, 0.27),
)
def impulse_noise(images: Images, share: float, streams: Streams) -> Images:
    """Set a share of the values to 0 or 1, as often the one as the other."""
    chance = streams.draw(
        lambda generator: generator.random(images.shape[1:], dtype=np.float32)
    )
    salted = np.where(chance < np.float32(share / 2), np.float32(1), images)
    return np.where(chance >= np.float32(1 - share / 2), np.float32(0), salted)


@corruption(
    "speckle_noise",
    cifar=(0.06, 0.10, 0.12, 0.16, 0.20),
    imagenet=(0.15, 0.20, 0.35, 0.45, 0.60),
    heldout=True,
)
def speckle_noise(images: Images, deviation: float, streams: Streams) -> Images:
    """Multiply by one plus normal noise of this standard deviation."""
    return images + images * (np.float32(deviation) * streams.normal(images.shape[1:]))
