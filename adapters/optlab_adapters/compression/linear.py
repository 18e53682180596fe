"""A transform codec: the Karhunen-Loeve transform of blocks, uniform quantisers, entropy coding.

Blocks of B x B pixels, all channels together, are centred and turned into coefficients by their principal components; coefficient
k is divided by its step and rounded; all the numbers of a coefficient, then those of the next, go through the adaptive binary
arithmetic coder of LZMA. Coefficients beyond the rank are 0: with steps near 0 the codec is the projection of
:mod:`optlab_adapters.compression.components`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from optlab.errors import CapabilityError, OptionError, ParseError, ProblemError
from optlab.typing import Vector
from optlab_adapters.compression.allocation import Source, allocate
from optlab_adapters.compression.codec import Bytes, as_image
from optlab_adapters.compression.components import Components
from optlab_adapters.compression.entropy import pack, unpack

__all__ = ["Linear", "blocks_of", "image_of"]

_HEAD = struct.Struct("<2sHHB")
_MARK = b"KL"
MOST_PIXELS = 2**27
"""Of a stream that is decoded: a damaged one shall not ask for all memory."""


@dataclass(frozen=True)
class Linear:
    """The linear transform codec, to be fitted to images first.

    Parameters
    ----------
    rank
        How many coefficients of a block are kept; None: all.
    block
        Side of a block, pixels.
    step
        Quantiser step in grey levels, common to all coefficients.
    components, steps
        What :meth:`fit` and :meth:`allocated` put there: the transform, and steps relative to ``step``.
    """

    rank: int | None = None
    block: int = 8
    step: float = 16.0
    components: Components | None = None
    steps: Vector | None = None

    span: ClassVar[tuple[float, float]] = (-11.0, 5.0)
    """-log2 of the step."""

    whole: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.step > 0 and np.isfinite(self.step)):
            raise OptionError(f"step is {self.step}; a positive number is needed")
        if not 1 <= self.block <= 255:
            raise OptionError(f"block is {self.block}; 1 to 255 pixels is needed")
        if self.rank is not None and self.rank < 1:
            raise OptionError(f"rank is {self.rank}; at least 1 is needed")

    @property
    def name(self) -> str:
        """What tables call it."""
        return "linear" if self.rank is None else f"linear, rank {self.rank}"

    @property
    def channels(self) -> int:
        """Channels of the images that it is fitted to, 1 or 3."""
        return self._fitted().mean.size // self.block**2

    def fit(self, images: ArrayLike) -> Linear:
        """Return the codec with the principal components of the blocks of images.

        Parameters
        ----------
        images
            uint8, shape (N, H, W) or (N, H, W, 3).

        Raises
        ------
        ProblemError
            For images that are none.
        OptionError
            When a block has fewer numbers than the rank.
        """
        samples = np.concatenate(
            [blocks_of(as_image(image), self.block) for image in np.asarray(images)]
        )
        return replace(self, components=Components.of(samples, self.rank), steps=None)

    def allocated(self, bpp: float, *, source: Source = "laplace") -> Linear:
        """Return the codec with steps chosen for a rate of the images it was fitted to, by an NLP (:func:`allocate`).

        The rate is that of the model; :func:`rate_control` then scales all steps to the rate of a stream.
        """
        found = self._fitted()
        # Variances of 0, of constant images, would have steps of 0.
        spread = np.maximum(found.variances, 1e-6)
        steps = allocate(spread, bpp * self.block**2, source=source).steps
        middle = float(np.exp(np.log(steps).mean()))
        return replace(self, step=middle, steps=steps / middle)

    def at(self, setting: float) -> Linear:
        """Return the codec with step 2^-setting."""
        return replace(self, step=2.0**-setting)

    def encode(self, image: Bytes) -> bytes:
        """Return the stream of an image.

        Raises
        ------
        CapabilityError
            When the codec is not fitted yet.
        ProblemError
            When the image is none, or has another number of channels than those fitted to.
        """
        given, found = as_image(image), self._fitted()
        channels = 1 if given.ndim == 2 else given.shape[2]
        if channels != self.channels:
            raise ProblemError(
                f"the image has {channels} channels, the codec was fitted to images of {self.channels}; fit another one"
            )
        if max(given.shape) > 65_535:
            raise ProblemError(f"the image has shape {given.shape}; at most 65,535 pixels fit")
        centred = blocks_of(given, self.block) - found.mean
        numbers = np.rint(centred @ found.basis / self._steps()).astype(np.int64).T
        head = _HEAD.pack(_MARK, *given.shape[:2], self.block)
        return head + pack(numbers)

    def decode(self, stream: bytes) -> Bytes:
        """Return the image of a stream; the codec must be the one that wrote it.

        Raises
        ------
        ParseError
            When the stream is damaged, or was written for other blocks.
        """
        found = self._fitted()
        if len(stream) < _HEAD.size or stream[:2] != _MARK:
            raise ParseError(f"these {len(stream)} bytes are no stream of a linear codec")
        _, high, wide, block = _HEAD.unpack_from(stream)
        if block != self.block or not 0 < high * wide <= MOST_PIXELS:
            raise ParseError(
                f"the stream has blocks of {block} and {high} x {wide} pixels; the codec has blocks of {self.block}"
            )
        count = -(-high // block) * -(-wide // block)
        numbers = unpack(stream[_HEAD.size :], (found.variances.size, count))
        samples = found.mean + (numbers.T * self._steps()) @ found.basis.T
        return image_of(samples, (high, wide, self.channels), block)

    def _steps(self) -> Vector:
        relative = 1.0 if self.steps is None else self.steps
        return np.broadcast_to(self.step * relative, self._fitted().variances.shape)

    def _fitted(self) -> Components:
        if self.components is None:
            raise CapabilityError(
                "the linear codec has no transform yet; make one with .fit(images)"
            )
        return self.components


def blocks_of(image: Bytes, block: int) -> Vector:
    """Cut an image into blocks, row by row, shape (blocks, block * block * channels); edges are repeated to fill the last ones."""
    values = np.atleast_3d(image).astype(np.float64)
    high, wide, channels = values.shape
    padded = np.pad(values, ((0, -high % block), (0, -wide % block), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    cut = padded.reshape(rows, block, columns, block, channels).swapaxes(1, 2)
    samples: Vector = cut.reshape(rows * columns, -1)
    return samples


def image_of(samples: Vector, shape: tuple[int, int, int], block: int) -> Bytes:
    """Put blocks together again, rounded and clipped; one channel makes a grey image."""
    high, wide, channels = shape
    rows, columns = -(-high // block), -(-wide // block)
    whole = samples.reshape(rows, columns, block, block, channels).swapaxes(1, 2)
    pixels = np.clip(np.rint(whole.reshape(rows * block, columns * block, channels)), 0, 255)
    image: Bytes = pixels[:high, :wide].astype(np.uint8)
    return image[..., 0] if channels == 1 else image
