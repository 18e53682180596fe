"""How near a decoded image is to another: PSNR and MS-SSIM."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from optlab.errors import ProblemError
from optlab.typing import Vector

__all__ = ["ms_ssim", "psnr", "scales_for"]

_WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
"""Exponents of the five scales, from the finest [WSB03]."""

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(image: ArrayLike, reference: ArrayLike) -> float:
    """Return 10 log10 (255^2 / mean squared error), in dB; inf for equal images.

    Parameters
    ----------
    image, reference
        Of one shape, any, in the units of 0 to 255.
    """
    one, other = _pair(image, reference)
    error = float(np.mean((one - other) ** 2))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def scales_for(shape: tuple[int, ...]) -> int:
    """Return how many of the five scales an image has: at each, the window of 11 pixels must fit."""
    return min(5, int(np.floor(np.log2(max(min(shape[:2]), 1) / _WINDOW))) + 1)


def ms_ssim(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the multi-scale structural similarity [WSB03], 1 for equal images.

    Contrast and structure are compared at every scale, luminance at the coarsest; channels are averaged. Images of fewer than
    176 pixels have fewer than five scales (:func:`scales_for`); the exponents of those that are left are divided by their sum.
    Negative similarities count as 0.

    Parameters
    ----------
    image, reference
        Shape (H, W) or (H, W, C), 0 to 255, at least 11 pixels in height and width.

    Raises
    ------
    ProblemError
        When shapes differ or are too small.
    """
    one, other = _pair(image, reference)
    if one.ndim not in (2, 3) or min(one.shape[:2]) < _WINDOW:
        raise ProblemError(
            f"images have shape {one.shape}; (H, W) or (H, W, C) with at least {_WINDOW} pixels each way is needed"
        )
    one, other = (np.atleast_3d(values) for values in (one, other))
    count = scales_for(one.shape)
    weights = _WEIGHTS[:count] / _WEIGHTS[:count].sum()
    product = np.ones(one.shape[2])
    for scale, weight in enumerate(weights):
        if scale:
            one, other = _halved(one), _halved(other)
        luminance, structure = _similarities(one, other)
        last = structure * luminance if scale == count - 1 else structure
        product *= np.maximum(last.mean(axis=(0, 1)), 0) ** weight
    return float(product.mean())


def _pair(image: ArrayLike, reference: ArrayLike) -> tuple[Vector, Vector]:
    one, other = (np.asarray(values, dtype=np.float64) for values in (image, reference))
    if one.shape != other.shape or one.size == 0:
        raise ProblemError(
            f"the images have shapes {one.shape} and {other.shape}; one shape is needed"
        )
    return one, other


def _similarities(one: Vector, other: Vector) -> tuple[Vector, Vector]:
    """Return luminance and contrast-structure at the places where the window lies inside."""
    mean_one, mean_other = _windowed(one), _windowed(other)
    var_one = _windowed(one**2) - mean_one**2
    var_other = _windowed(other**2) - mean_other**2
    covariance = _windowed(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one**2 + mean_other**2 + _C1)
    structure = (2 * covariance + _C2) / (var_one + var_other + _C2)
    return luminance, structure


def _windowed(values: Vector) -> Vector:
    radius = _WINDOW // 2
    for axis in (0, 1):
        values = ndimage.gaussian_filter1d(values, _SIGMA, axis=axis, radius=radius)
    inside: Vector = values[radius:-radius, radius:-radius]
    return inside


def _halved(values: Vector) -> Vector:
    """Average 2 x 2 pixels; an odd row or column at the end is left out."""
    high, wide = (size // 2 * 2 for size in values.shape[:2])
    even = values[:high, :wide]
    mean: Vector = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return mean
