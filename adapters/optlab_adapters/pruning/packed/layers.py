"""Layers of a packed network: a matrix, packed or dense, applied to vectors or to patches of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from optlab.errors import ProblemError
from optlab.kernels.ternary import (
    TernaryMatrix,
    float_product,
    pack_channels,
    sign_product,
    word_product,
)

__all__ = ["DenseMatrix", "Layer", "Window", "patches"]

Floats: TypeAlias = NDArray[np.float32]
Pair: TypeAlias = tuple[int, int]

PATCH_FLOATS = 2**20
"""Floats that the patches of one convolution may hold at a time, 4 MB; images are taken in parts."""


@dataclass(frozen=True, eq=False)
class DenseMatrix:
    """A matrix that is not ternary, kept as floats: weight (rows, columns), bias (rows,)."""

    weight: Floats
    bias: Floats

    @property
    def columns(self) -> int:
        """Length of an input."""
        return int(self.weight.shape[1])


@dataclass(frozen=True)
class Window:
    """Where a convolution or a pooling looks.

    Attributes
    ----------
    kernel, stride, dilation : (int, int)
        Rows and columns, as in torch.
    padding : (int, int, int, int)
        Before and after rows, before and after columns.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)

    def output(self, height: int, width: int) -> Pair:
        """Return the size of the result for images of a size."""
        pads = (self.padding[0] + self.padding[1], self.padding[2] + self.padding[3])
        sizes = [
            (size + pad - d * (k - 1) - 1) // s + 1
            for size, pad, d, k, s in zip(
                (height, width), pads, self.dilation, self.kernel, self.stride, strict=True
            )
        ]
        return sizes[0], sizes[1]


def patches(x: NDArray[Any], window: Window, fill: float = 0) -> NDArray[Any]:
    """Return what the window sees, (samples, channels, kernel rows, kernel columns, out rows, out columns).

    A view into the padded images, not to be written to.

    Raises
    ------
    ValueError
        When x has not four axes, or the window is larger than the padded images.
    """
    top, bottom, left, right = window.padding
    if x.ndim != 4 or min(out := window.output(*x.shape[2:])) < 1:
        raise ValueError(
            f"images (samples, channels, rows, columns) not smaller than {window.kernel} are needed"
        )
    if any(window.padding):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    by_sample, by_channel, by_row, by_column = x.strides
    return as_strided(
        x,
        (*x.shape[:2], *window.kernel, *out),
        (
            by_sample,
            by_channel,
            by_row * window.dilation[0],
            by_column * window.dilation[1],
            by_row * window.stride[0],
            by_column * window.stride[1],
        ),
        writeable=False,
    )


@dataclass(frozen=True, eq=False)
class Layer:
    """An affine layer.

    Attributes
    ----------
    path : str
        Of the module, for messages.
    matrix : TernaryMatrix or DenseMatrix
        All output channels; with groups, the columns of one group.
    signed : bool
        Take the signs of the inputs.
    window : Window or None
        None: vectors along the last axis.
    groups : int
        Of channels, as in torch.
    pixelwise : bool
        The columns are in the order (channels / 64, kernel rows, kernel columns, 64 channels), which lets the signs of
        every pixel be packed once and patches be made of words. For signed convolutions of whole words of channels;
        otherwise the order is torch's, (channels, kernel rows, kernel columns).
    """

    path: str
    matrix: TernaryMatrix | DenseMatrix
    signed: bool = False
    window: Window | None = None
    groups: int = 1
    pixelwise: bool = False

    def __call__(self, x: Floats) -> Floats:
        """Apply the layer to (samples, ..., columns), or to (samples, channels, rows, columns)."""
        if self.window is not None:
            return self._convolved(x, self.window)
        if x.ndim < 2 or x.shape[-1] != self.matrix.columns:
            raise ProblemError(
                f"{self.path} was given the shape {x.shape}; (samples, {self.matrix.columns}) is needed"
            )
        flat = self._product(x.reshape(-1, x.shape[-1]), self.matrix)
        return flat.reshape(*x.shape[:-1], -1)

    def _convolved(self, x: Floats, window: Window) -> Floats:
        channels = self.groups * self.matrix.columns // (window.kernel[0] * window.kernel[1])
        if x.ndim != 4 or x.shape[1] != channels or min(window.output(*x.shape[2:])) < 1:
            raise ProblemError(
                f"{self.path} was given the shape {x.shape}; (samples, {channels}, rows, columns) is needed, not smaller "
                "than the kernel"
            )
        height, width = window.output(*x.shape[2:])
        rows = self.matrix.bias.size
        out = np.empty((x.shape[0], rows, height, width), dtype=np.float32)
        step = max(PATCH_FLOATS // (self.groups * self.matrix.columns * height * width), 1)
        for group, matrix in enumerate(_split(self.matrix, self.groups)):
            part = slice(group * channels // self.groups, (group + 1) * channels // self.groups)
            place = slice(group * rows // self.groups, (group + 1) * rows // self.groups)
            for first in range(0, x.shape[0], step):
                images = x[first : first + step, part]
                product = self._of_patches(images, window, matrix)
                images = product.reshape(len(images), height, width, -1)
                out[first : first + step, place] = images.transpose(0, 3, 1, 2)
        return out

    def _of_patches(
        self, images: Floats, window: Window, matrix: TernaryMatrix | DenseMatrix
    ) -> Floats:
        """Return the products with all patches, (patches, rows).

        Patches are laid out by rows where signs are packed along them, by columns where columns are added.
        """
        if self.pixelwise and isinstance(matrix, TernaryMatrix):
            bits = (pack_channels(images < 0.0), pack_channels(images != 0.0))
            a, v = (_by_columns(patches(words, window)) for words in bits)
            return word_product(a, v, matrix)
        seen = patches(images, window)
        if self.signed:
            rows = seen.transpose(0, 4, 5, 1, 2, 3).reshape(-1, matrix.columns)
            return self._product(rows, matrix)
        return self._product(_by_columns(seen).T, matrix)

    def _product(self, x: Floats, matrix: TernaryMatrix | DenseMatrix) -> Floats:
        if isinstance(matrix, DenseMatrix):
            product: Floats = (np.sign(x) if self.signed else x) @ matrix.weight.T + matrix.bias
            return product
        return sign_product(x, matrix) if self.signed else float_product(x, matrix)


def _by_columns(seen: NDArray[Any]) -> NDArray[Any]:
    """Return patches as (columns, patches)."""
    columns: NDArray[Any] = seen.transpose(1, 2, 3, 0, 4, 5)
    return columns.reshape(int(np.prod(columns.shape[:3])), -1)


def _split(
    matrix: TernaryMatrix | DenseMatrix, groups: int
) -> list[TernaryMatrix | DenseMatrix]:
    """Return the rows of every group."""
    rows = matrix.bias.size // groups
    parts = [slice(g * rows, (g + 1) * rows) for g in range(groups)]
    if isinstance(matrix, DenseMatrix):
        return [DenseMatrix(matrix.weight[p], matrix.bias[p]) for p in parts]
    return [
        TernaryMatrix(
            matrix.positive[p],
            matrix.negative[p],
            matrix.gain[p],
            matrix.bias[p],
            matrix.columns,
        )
        for p in parts
    ]
