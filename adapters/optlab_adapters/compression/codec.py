"""What a codec is: images to bytes and back; and one whose rate one number sets."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import ProblemError

__all__ = ["Bytes", "Codec", "VariableRate", "as_image", "bits_per_pixel"]

Bytes = NDArray[np.uint8]
"""An image: uint8, shape (H, W) grey or (H, W, 3) colour."""


@runtime_checkable
class Codec(Protocol):
    """An image codec. ``decode(encode(image))`` has the shape of the image."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def encode(self, image: Bytes) -> bytes:
        """Return the stream of an image; everything that :meth:`decode` needs beside the codec itself."""

    def decode(self, stream: bytes) -> Bytes:
        """Return the image of a stream.

        Raises
        ------
        ParseError
            When the stream is damaged, or another codec's.
        """


@runtime_checkable
class VariableRate(Codec, Protocol):
    """A codec whose rate one number sets: the higher, the more bits and the less distortion."""

    @property
    def span(self) -> tuple[float, float]:
        """The coarsest and the finest setting."""

    @property
    def whole(self) -> bool:
        """Whether settings are whole numbers."""

    def at(self, setting: float) -> Codec:
        """Return the codec at another setting."""


def as_image(image: ArrayLike) -> Bytes:
    """Return a checked image.

    Raises
    ------
    ProblemError
        When it is not uint8 of shape (H, W) or (H, W, 3); the message says what it is.
    """
    array: NDArray[Any] = np.asarray(image)
    if array.dtype != np.uint8:
        raise ProblemError(
            f"the image is of type {array.dtype}; uint8 (0..255) is needed, such as np.rint(255 * image).astype(np.uint8)"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ProblemError(
            f"the image has shape {array.shape}; (H, W) grey or (H, W, 3) colour is needed"
        )
    if array.size == 0:
        raise ProblemError(f"the image has shape {array.shape}; it has no pixels")
    return array


def bits_per_pixel(stream: bytes, image: Bytes) -> float:
    """Return the rate of a stream; a pixel is a place, whatever its channels."""
    high, wide = image.shape[:2]
    return 8 * len(stream) / (int(high) * int(wide))
