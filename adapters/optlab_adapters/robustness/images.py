"""Sets of images as arrays: what is accepted, and the one form that is computed with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import ProblemError

__all__ = ["as_images", "in_form_of", "unit_images"]


def as_images(images: ArrayLike) -> NDArray[Any]:
    """Return a set of images: uint8, or floating point in [0, 1], shape (N, H, W) or (N, H, W, C) with C = 1 or 3.

    Raises
    ------
    ProblemError
        For any other type, shape or values; the message says what was found.
    """
    array = np.asarray(images)
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ProblemError(
            f"images are of type {array.dtype}; uint8 (0..255) or floating point (0..1) is needed"
        )
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)):
        raise ProblemError(
            f"images have shape {array.shape}; (N, H, W) or (N, H, W, C) with C = 1 or 3 is needed "
            "(channels last; one image is images[None])"
        )
    if 0 in array.shape[1:]:
        raise ProblemError(f"images have shape {array.shape}; they have no pixels")
    if array.dtype != np.uint8 and array.size:
        low, high = array.min(), array.max()
        # Also true for NaN.
        if not (low >= 0 and high <= 1):
            raise ProblemError(
                f"images have values from {low:g} to {high:g}; floating-point images lie in [0, 1]"
            )
    return array


def unit_images(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return checked images in [0, 1], single precision, shape (N, H, W, C)."""
    unit = images.astype(np.float32)
    if images.dtype == np.uint8:
        unit /= 255
    return unit if unit.ndim == 4 else unit[..., None]


def in_form_of(unit: NDArray[np.float32], original: NDArray[Any]) -> NDArray[Any]:
    """Return images, clipped to [0, 1], with the type and the number of axes of the original; bytes are rounded."""
    clipped = np.clip(unit, 0, 1)
    if original.dtype == np.uint8:
        clipped = np.rint(clipped * 255)
    return clipped.astype(original.dtype).reshape(original.shape)
