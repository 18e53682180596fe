"""Geometry that several corruptions share: convolution, streaks, enlargement, sampling between pixels.

Every result of an image is made by operations on its own pixels in a fixed order, so that its bytes do not depend on the
other images of a batch; products of BLAS would not promise that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from optlab.typing import Indices

if TYPE_CHECKING:
    from optlab_adapters.robustness.corruptions.registry import Images

__all__ = ["between_pixels", "blurred", "convolved", "enlarged", "luma", "streaked", "tint"]

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""


def luma(images: Images) -> Images:
    """Return the brightness of every pixel, shape (N, H, W, 1)."""
    if images.shape[3] == 1:
        return images
    red, green, blue = (images[..., k : k + 1] for k in range(3))
    weights = np.array(_LUMA, dtype=np.float32)
    grey: Images = weights[0] * red + weights[1] * green + weights[2] * blue
    return grey


def tint(colour: tuple[int, int, int], channels: int) -> NDArray[np.float32]:
    """Return a colour given in 0..255 as images of this many channels hold it, shape (C,)."""
    rgb = np.array(colour, dtype=np.float32) / np.float32(255)
    pixel = rgb.reshape(1, 1, 1, 3)
    values: NDArray[np.float32] = (pixel if channels == 3 else luma(pixel)).reshape(channels)
    return values


def blurred(fields: NDArray[np.float32], sigma: float, mode: str = "nearest") -> Images:
    """Blur axes 1 and 2 with a Gaussian of this deviation in pixels."""
    sigmas = (0.0, sigma, sigma, *(0.0,) * (fields.ndim - 3))
    result: Images = ndimage.gaussian_filter(fields, sigmas, mode=mode)
    return result


def convolved(images: Images, kernel: NDArray[np.float64]) -> Images:
    """Convolve with a symmetric kernel of odd size; the image is mirrored about its border pixels."""
    high, wide = images.shape[1:3]
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.pad(images, ((0, 0), (up, up), (left, left), (0, 0)), mode="reflect")
    result = np.zeros_like(images)
    for row, column in zip(*np.nonzero(kernel), strict=True):
        window = padded[:, row : row + high, column : column + wide]
        result += np.float32(kernel[row, column]) * window
    return result


def streaked(images: Images, radius: int, sigma: float, degrees: NDArray[np.float32]) -> Images:
    """Smear each image in its own direction.

    Pixel p becomes the mean of p + i d, i = 0 .. 2 radius, weighted by exp(-i^2 / (2 sigma^2)), with d the unit vector at the
    angle, rounded to pixels: motion blur as ImageMagick defines it. The border pixels continue outside.
    """
    high, wide = images.shape[1:3]
    reach = 2 * radius
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    weights = np.exp(-(np.arange(reach + 1) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    result = np.zeros_like(images)
    for index, (source, angle) in enumerate(zip(padded, degrees, strict=True)):
        for weight, (down, right) in zip(weights, _steps(reach, float(angle)), strict=True):
            window = source[
                reach + down : reach + down + high, reach + right : reach + right + wide
            ]
            result[index] += weight * window
    return result


def _steps(reach: int, degrees: float) -> Iterator[tuple[int, int]]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    for i in range(reach + 1):
        yield math.ceil(i * sine - 0.5), math.ceil(i * cosine - 0.5)


def enlarged(images: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Enlarge the middle of axes 1 and 2 by a factor >= 1, linearly, and keep the size.

    The ceil(n / factor) middle pixels are stretched, end to end, over round(n factor) places, of which the middle n are kept.
    """
    for axis in (1, 2):
        size = images.shape[axis]
        middle = math.ceil(size / factor)
        places = max(round(middle * factor), size)
        step = (middle - 1) / (places - 1) if places > 1 else 0.0
        at = (size - middle) // 2 + step * ((places - size) // 2 + np.arange(size))
        before = np.minimum(np.floor(at).astype(np.intp), size - 1)
        after = np.minimum(before + 1, size - 1)
        part = (at - before).astype(np.float32)
        part = part.reshape(-1, *(1,) * (images.ndim - axis - 1))
        images = _mixed(np.take(images, before, axis), np.take(images, after, axis), part)
    return images


def between_pixels(
    images: Images, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> Images:
    """Sample each image at places of its own, shape (N, H, W), linearly; mirrored about its border pixels."""
    count, high, wide, channels = images.shape
    up, left = np.floor(rows), np.floor(columns)
    down_part = (rows - up).astype(np.float32)[..., None]
    right_part = (columns - left).astype(np.float32)[..., None]
    start = np.arange(count)[:, None, None] * (high * wide)
    flat = images.reshape(-1, channels)

    def at(row_shift: int, column_shift: int) -> Images:
        row = _mirrored(up.astype(np.intp) + row_shift, high)
        column = _mirrored(left.astype(np.intp) + column_shift, wide)
        taken: Images = flat[start + row * wide + column]
        return taken

    top = _mixed(at(0, 0), at(0, 1), right_part)
    bottom = _mixed(at(1, 0), at(1, 1), right_part)
    return _mixed(top, bottom, down_part)


def _mixed(low: Images, high: Images, part: NDArray[np.float32]) -> Images:
    """Return the value at a part of the way from one to the other."""
    return low + part * (high - low)


def _mirrored(index: Indices, size: int) -> Indices:
    period = max(2 * (size - 1), 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index) if size > 1 else np.zeros_like(index)
