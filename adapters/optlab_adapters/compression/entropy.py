"""Entropy coding of quantised coefficients: the adaptive binary arithmetic coder of LZMA."""

from __future__ import annotations

import lzma
from typing import Any

import numpy as np

from optlab.errors import ParseError

__all__ = ["pack", "unpack"]

_FILTERS: list[dict[str, Any]] = [
    {"id": lzma.FILTER_LZMA1, "lc": 0, "lp": 0, "pb": 0, "dict_size": 2**16}
]
"""Literals without context: the coder learns the distribution of a coefficient as it goes."""

_ESCAPE = 255
"""Codes from here on are followed, at the end of the stream, by the number itself."""


def pack(numbers: Any) -> bytes:
    """Write integers, shape (coefficients, blocks): 0, -1, 1, -2, ... as bytes 0, 1, 2, 3, ..., large ones behind."""
    folded = np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)
    large = folded >= _ESCAPE
    body = np.minimum(folded, _ESCAPE).astype(np.uint8).tobytes()
    rest = numbers[large].astype("<i4").tobytes()
    return lzma.compress(body + rest, lzma.FORMAT_RAW, filters=_FILTERS)


def unpack(packed: bytes, shape: tuple[int, int]) -> Any:
    """Read what :func:`pack` wrote.

    Raises
    ------
    ParseError
        When the bytes are damaged, or of another shape.
    """
    size = shape[0] * shape[1]
    reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        body = reader.decompress(packed, max_length=5 * size + 1)
    except lzma.LZMAError as error:
        raise ParseError(f"the stream is damaged: {error}") from error
    folded = np.frombuffer(body[:size], dtype=np.uint8).astype(np.int64)
    large = folded == _ESCAPE
    if len(body) != size + 4 * int(large.sum()) or not reader.eof:
        raise ParseError(
            f"the stream has {len(body)} bytes of coefficients, {size} and those of large ones are needed"
        )
    numbers = np.where(folded % 2, -(folded + 1) // 2, folded // 2)
    numbers[large] = np.frombuffer(body[size:], dtype="<i4")
    return numbers.reshape(shape)
