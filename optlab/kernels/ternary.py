"""Products with ternary matrices kept as bit planes: NumPy twins and dispatch.

Row r of the matrix is gain_r M_r S_r: a mask M in {0, 1} times signs S in {-1, +1}, two bits an entry, kept as the plane
P of entries +1 and the plane N of entries -1. Column j is bit j % 64 of word j // 64; bits beyond the last column are 0.
Two products are computed,

    y_r = gain_r sum_j (P_rj - N_rj) x_j + bias_r                    (float inputs)
    y_r = gain_r sum_j (P_rj - N_rj) sign(x_j) + bias_r              (sign inputs, sign(0) = 0)

the second by counting bits. With a the plane of negative x and v that of x != 0,

    sum_j (P_rj - N_rj) sign(x_j) = popcount(M & v) - 2 popcount(((a & P) | (~a & N)) & v),     M = P | N,

where (a & P) | (~a & N) = (a xor N) & M marks the products that are -1. Samples are rows of x, as in torch. Everything
runs in one thread.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optlab.kernels import use_numba

__all__ = [
    "TernaryMatrix",
    "float_product",
    "float_product_numpy",
    "pack_bits",
    "pack_channels",
    "sign_product",
    "sign_product_numpy",
    "unpack_bits",
    "word_product",
    "word_product_numpy",
]

Words: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float32]

WORD = 64
# Rows that are decoded at a time: 256 rows of 4096 floats are 4 MB.
DECODED_ROWS = 256
# A masked sum costs the same for any density, once per sample; a sum over the kept columns serves 64 samples and costs in
# proportion to the density. They meet at about FEW + FEW_PER_DENSITY * density samples, and at SPARSE the multiplications
# with zeros of BLAS are no dearer than these additions (benchmarks/compact/packed.py, AVX-512).
FEW = 4
FEW_PER_DENSITY = 90
SPARSE = 0.4


@dataclass(frozen=True, eq=False)
class TernaryMatrix:
    """A matrix of rows gain_r (P_r - N_r), with a bias.

    Attributes
    ----------
    positive, negative : (rows, words) uint64
        The planes P and N; no bit is set in both.
    gain, bias : (rows,) float32
    columns : int
        Above 64 (words - 1), at most 64 words.
    """

    positive: Words
    negative: Words
    gain: Floats
    bias: Floats
    columns: int

    @cached_property
    def kept(self) -> NDArray[np.int64]:
        """Number of entries that are not zero, by row."""
        return _ones(self.positive | self.negative)

    @cached_property
    def density(self) -> float:
        """Share of the entries that are not zero."""
        return float(self.kept.sum()) / max(self.kept.size * self.columns, 1)


def pack_bits(bits: NDArray[np.bool_]) -> Words:
    """Pack rows of booleans into words, column j into bit j % 64 of word j // 64."""
    rows, columns = bits.shape
    words = -(-columns // WORD)
    packed = np.zeros((rows, 8 * words), dtype=np.uint8)
    packed[:, : -(-columns // 8)] = np.packbits(bits, axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def pack_channels(bits: NDArray[np.bool_]) -> Words:
    """Pack the second axis of images, whose length is a multiple of 64: (samples, channels / 64, rows, columns)."""
    samples, channels, *size = bits.shape
    octets = np.packbits(bits, axis=1, bitorder="little")
    apart = octets.reshape(samples, channels // WORD, WORD // 8, *size).transpose(0, 1, 3, 4, 2)
    words = np.ascontiguousarray(apart).view("<u8").astype(np.uint64, copy=False)
    return words.reshape(samples, channels // WORD, *size)


def unpack_bits(words: Words, columns: int) -> NDArray[np.bool_]:
    """Return the first columns of packed rows; the inverse of :func:`pack_bits`."""
    octets = words.astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=columns, bitorder="little").view(np.bool_)


def float_product(x: Floats, matrix: TernaryMatrix) -> Floats:
    """Return the products with rows of floats.

    Parameters
    ----------
    x : (samples, columns) float32

    Returns
    -------
    (samples, rows) float32
        In either memory order.
    """
    samples = x.shape[0]
    if not _worth_compiling(samples, matrix):
        return float_product_numpy(x, matrix)
    compiled = _compiled()
    planes = (matrix.positive, matrix.negative, matrix.gain, matrix.bias)
    if samples <= FEW + FEW_PER_DENSITY * matrix.density:
        out = np.empty((samples, matrix.gain.size), dtype=np.float32)
        whole = _padded(x, matrix)
        compiled.masked_sums(whole, *_lanes(*planes[:2]), *planes[2:], out)
        return out
    if matrix.density <= SPARSE:
        turned = np.empty((matrix.gain.size, samples), dtype=np.float32)
        compiled.kept_sums(_ordered(x), *planes, turned)
        return turned.T
    return _decoded_product(x, matrix, compiled.decode)


def sign_product(x: Floats, matrix: TernaryMatrix) -> Floats:
    """Return the products with the signs of rows of floats, zero for zero.

    Parameters
    ----------
    x : (samples, columns) float32
        Without nan.

    Returns
    -------
    (samples, rows) float32
    """
    if not _worth_compiling(x.shape[0], matrix):
        return sign_product_numpy(x, matrix)
    compiled = _compiled()
    out = np.empty((x.shape[0], matrix.gain.size), dtype=np.float32)
    planes = (matrix.positive, matrix.negative)
    compiled.sign_sums(_ordered(x), *planes, matrix.kept, matrix.gain, matrix.bias, out)
    return out


def word_product(a: Words, v: Words, matrix: TernaryMatrix) -> Floats:
    """Return the products with signs that are packed already.

    Parameters
    ----------
    a, v : (words, samples) uint64
        Bits of x < 0 and of x != 0, packed as the columns of the matrix.

    Returns
    -------
    (samples, rows) float32
    """
    if not _worth_compiling(a.shape[1], matrix):
        return word_product_numpy(a, v, matrix)
    out = np.empty((a.shape[1], matrix.gain.size), dtype=np.float32)
    planes = (matrix.positive, matrix.negative)
    _compiled().word_sums(a, v, *planes, matrix.kept, matrix.gain, matrix.bias, out)
    return out


def float_product_numpy(x: Floats, matrix: TernaryMatrix) -> Floats:
    """NumPy twin of the compiled products with floats: decode some rows, multiply by BLAS."""
    return _decoded_product(x, matrix, _decode_numpy)


def sign_product_numpy(x: Floats, matrix: TernaryMatrix) -> Floats:
    """NumPy twin of :func:`optlab.kernels.ternary_compiled.sign_sums`."""
    return word_product_numpy(pack_bits(x < 0.0).T, pack_bits(x != 0.0).T, matrix)


def word_product_numpy(negative: Words, nonzero: Words, matrix: TernaryMatrix) -> Floats:
    """NumPy twin of :func:`optlab.kernels.ternary_compiled.word_sums`."""
    out = np.empty((negative.shape[1], matrix.gain.size), dtype=np.float32)
    for sample, a, v in zip(out, negative.T, nonzero.T, strict=True):
        minus = ((a & matrix.positive) | (~a & matrix.negative)) & v
        counted = _ones((matrix.positive | matrix.negative) & v) - 2 * _ones(minus)
        sample[:] = matrix.gain * counted + matrix.bias
    return out


def _worth_compiling(samples: int, matrix: TernaryMatrix) -> bool:
    # The compiled sums see words as smaller ones, lowest bits first.
    return use_numba(samples * matrix.positive.size * WORD) and sys.byteorder == "little"


def _compiled() -> Any:
    from optlab.kernels import ternary_compiled  # noqa: PLC0415 - numba is slow

    return ternary_compiled


def _decoded_product(x: Floats, matrix: TernaryMatrix, decode: Any) -> Floats:
    out = np.empty((x.shape[0], matrix.gain.size), dtype=np.float32)
    for first in range(0, matrix.gain.size, DECODED_ROWS):
        part = slice(first, first + DECODED_ROWS)
        rows = matrix.positive[part].shape[0]
        entries = np.empty((rows, matrix.columns), dtype=np.float32)
        decode(matrix.positive[part], matrix.negative[part], entries)
        out[:, part] = matrix.gain[part] * (x @ entries.T) + matrix.bias[part]
    return out


def _decode_numpy(positive: Words, negative: Words, entries: Floats) -> None:
    columns = entries.shape[1]
    np.subtract(
        unpack_bits(positive, columns),
        unpack_bits(negative, columns),
        out=entries,
        dtype=np.float32,
    )


def _ones(words: Words) -> NDArray[np.int64]:
    """Count the bits of every row; numpy.bitwise_count came with NumPy 2."""
    counts: NDArray[np.int64] = _BITS_OF_OCTET[words.view(np.uint8)].sum(axis=1, dtype=np.int64)
    return counts


_BITS_OF_OCTET = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)


def _ordered(x: Floats) -> Floats:
    """Return x in one of the two memory orders that kernels are compiled for."""
    return x if x.flags.c_contiguous or x.flags.f_contiguous else np.ascontiguousarray(x)


def _padded(x: Floats, matrix: TernaryMatrix) -> Floats:
    """Return x by rows with zeros up to whole words."""
    width = matrix.positive.shape[1] * WORD
    if width == matrix.columns:
        return np.ascontiguousarray(x)
    wide = np.zeros((x.shape[0], width), dtype=np.float32)
    wide[:, : matrix.columns] = x
    return wide


def _lanes(*planes: Words) -> list[NDArray[np.uint16]]:
    """Return planes as words of 16 bits, one for every vector of 16 floats."""
    return [plane.view(np.uint16) for plane in planes]
