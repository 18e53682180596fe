"""Spectra of images: power at each frequency, on rings of frequency, and in bands.

With F the discrete Fourier transform of an H x W image x, the power is |F|^2 / (H W). Its mean over all frequencies is the
mean of x^2 (Parseval), and white noise of variance s^2 has power s^2 everywhere, whatever the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from optlab.errors import OptionError, ProblemError
from optlab.typing import Vector

__all__ = ["bands", "frequency", "log_spectrum", "psd", "radial"]


def psd(images: ArrayLike, *, per_image: bool = False) -> Vector:
    """Return the power spectrum, averaged over channels and images.

    Parameters
    ----------
    images
        uint8, taken as 0 to 1, or floating point of any values, such as differences of images; shape (N, H, W) or
        (N, H, W, C).
    per_image
        Keep the images apart.

    Returns
    -------
    Vector
        Power, shape (H, W), or (N, H, W) per image, frequency 0 in the middle as ``numpy.fft.fftshift`` puts it.

    Raises
    ------
    ProblemError
        For another shape, no images, or values that are not finite.
    """
    array = np.asarray(images)
    values = np.asarray(array, dtype=np.float64) / (255 if array.dtype == np.uint8 else 1)
    if values.ndim not in (3, 4) or values.size == 0:
        raise ProblemError(
            f"images have shape {values.shape}; (N, H, W) or (N, H, W, C) is needed, none of them 0"
        )
    if not np.isfinite(values).all():
        raise ProblemError(
            "images have values that are not finite; their spectrum is undefined"
        )
    power = np.abs(fft.fft2(values, axes=(1, 2))) ** 2 / (values.shape[1] * values.shape[2])
    if power.ndim == 4:
        power = power.mean(axis=3)
    shifted: Vector = fft.fftshift(power, axes=(1, 2))
    if per_image:
        return shifted
    mean: Vector = shifted.mean(axis=0)
    return mean


def frequency(shape: tuple[int, int]) -> Vector:
    """Return the frequency of every entry of :func:`psd`, in cycles per pixel, 0 to sqrt(1/2), shape (H, W)."""
    down, right = (fft.fftshift(fft.fftfreq(size)) for size in shape)
    radius: Vector = np.hypot(down[:, None], right[None, :])
    return radius


def radial(power: ArrayLike) -> Vector:
    """Average power over rings of frequency.

    Ring r holds the frequencies that are nearest to r cycles per n pixels, n the shorter side, for r = 0 to n // 2; the corners
    beyond the Nyquist frequency belong to none.

    Parameters
    ----------
    power
        Spectra as :func:`psd` returns them, shape (..., H, W).

    Returns
    -------
    Vector
        Means, shape (..., n // 2 + 1).

    Raises
    ------
    ProblemError
        When there are fewer than two axes.
    """
    values = _spectra(power)
    high, wide = values.shape[-2:]
    rings = np.rint(frequency((high, wide)) * min(high, wide)).astype(np.intp)
    means = [
        values[..., rings == ring].mean(axis=-1) for ring in range(min(high, wide) // 2 + 1)
    ]
    return np.stack(means, axis=-1)


def log_spectrum(images: ArrayLike) -> Vector:
    """Return S(x), the logarithm of each image's radial power spectrum, shape (N, n // 2 + 1).

    The smallest positive double stands in for power 0, so that a constant image has a finite spectrum.
    """
    return np.log(np.maximum(radial(psd(images, per_image=True)), np.finfo(np.float64).tiny))


def bands(power: ArrayLike, edges: Sequence[float] = (1 / 8, 1 / 2)) -> Vector:
    """Return the share of the power in bands of frequency.

    Parameters
    ----------
    power
        Spectra as :func:`psd` returns them, shape (..., H, W).
    edges
        Where bands meet, rising, as parts of the Nyquist frequency of half a cycle per pixel. The first band starts at 0, the
        last ends at the corners; a frequency on an edge belongs to the band above.

    Returns
    -------
    Vector
        Shares that sum to 1, shape (..., len(edges) + 1); zeros where there is no power.

    Raises
    ------
    OptionError
        When edges do not rise from above 0.
    ProblemError
        When there are fewer than two axes.
    """
    if any(not low < high for low, high in pairwise((0.0, *edges))):
        raise OptionError(f"edges are {tuple(edges)}; rising numbers above 0 are needed")
    values = _spectra(power)
    band = np.digitize(2 * frequency((values.shape[-2], values.shape[-1])), edges)
    sums = np.stack(
        [values[..., band == k].sum(axis=-1) for k in range(len(edges) + 1)], axis=-1
    )
    total = sums.sum(axis=-1, keepdims=True)
    shares: Vector = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    return shares


def _spectra(power: ArrayLike) -> NDArray[Any]:
    values = np.asarray(power, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ProblemError(f"power has shape {values.shape}; (..., H, W) is needed")
    return values
