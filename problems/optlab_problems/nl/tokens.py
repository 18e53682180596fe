"""The two encodings of the part after the header: text, a line an item, and binary.

Both offer the same verbs, so that the segments are read by one code. What is counted in the file is
compared with what is left of it before any memory is set aside.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from optlab.typing import Indices, Vector
from optlab_problems.nl.errors import NlError, fail

__all__ = ["AbstractTokens", "BinaryTokens", "TextTokens"]

_LONGEST_NAME = 10_000


class AbstractTokens(ABC):
    """Reads items one after the other; raises NlError where the file has something else."""

    @abstractmethod
    def key(self) -> str:
        """Return the next letter, which says what comes; empty at the end of the file."""

    @abstractmethod
    def integer(self) -> int:
        """Return the next whole number of the item."""

    @abstractmethod
    def real(self) -> float:
        """Return the next number of the item."""

    @abstractmethod
    def short(self) -> int:
        """Return the next whole number, two bytes in binary files."""

    @abstractmethod
    def name(self) -> str:
        """Return a name that ends the item."""

    @abstractmethod
    def end(self) -> None:
        """Finish the item."""

    @abstractmethod
    def list_length(self) -> int:
        """Return the number of operands of a list, an item of its own."""

    @abstractmethod
    def pairs(self, count: int, *, whole: bool = False) -> tuple[Indices, Vector]:
        """Return that many items (index, value); whole values if asked."""

    @abstractmethod
    def skip_integers(self, count: int) -> None:
        """Pass over that many whole numbers, an item each."""

    @abstractmethod
    def complete(self, error: NlError) -> NlError:
        """Return the error with the present place."""

    def count(self, limit: int, what: str) -> int:
        """Return a whole number that counts something of which there can be at most ``limit``."""
        value = self.integer()
        if not 0 <= value <= limit:
            fail(f"{value} {what}; a number from 0 to {limit} is needed here")
        return value

    def index(self, size: int, what: str) -> int:
        """Return a whole number that is an index below ``size``."""
        value = self.integer()
        if not 0 <= value < size:
            fail(f"{what} {value} does not exist; there are {size}, counted from 0")
        return value


class TextTokens(AbstractTokens):
    """Items of a text file.

    Parameters
    ----------
    data
        The file after its header.
    first_line
        1-based number of the first line of ``data``.
    """

    def __init__(self, data: bytes, first_line: int) -> None:
        self._lines = data.split(b"\n")
        if self._lines and not self._lines[-1].strip():
            self._lines.pop()
        self._first_line = first_line
        self._next = 0
        self._rest: list[bytes] = []

    def key(self) -> str:
        """Return the first letter of the next line that is not blank."""
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if line and not line.isspace():
                letter = line[:1]
                self._rest = line[1:].partition(b"#")[0].split()
                self._rest.reverse()
                return letter.decode("latin-1")
        return ""

    def integer(self) -> int:
        """Return the next whole number of the line."""
        text = self._word()
        try:
            return int(text)
        except ValueError:
            fail(f"{_shown(text)} is found where a whole number is needed")

    def real(self) -> float:
        """Return the next number of the line."""
        text = self._word()
        try:
            return float(text)
        except ValueError:
            fail(f"{_shown(text)} is found where a number is needed")

    def short(self) -> int:
        """Return the next whole number of the line."""
        return self.integer()

    def name(self) -> str:
        """Return the next word of the line."""
        return self._word().decode("utf-8", errors="replace")

    def end(self) -> None:
        """Forget the rest of the line."""
        self._rest = []

    def list_length(self) -> int:
        """Return the number that is the next line."""
        if self._next >= len(self._lines):
            fail("the file ends early")
        self._rest = self._lines[self._next].partition(b"#")[0].split()[:1]
        self._next += 1
        value = self.integer()
        # Every operand takes a line.
        self._require(value)
        return value

    def pairs(self, count: int, *, whole: bool = False) -> tuple[Indices, Vector]:
        """Return that many lines of an index and a value."""
        self._require(count)
        indices = np.empty(count, dtype=np.intp)
        values = np.empty(count)
        for k in range(count):
            words = self._lines[self._next].split()
            self._next += 1
            try:
                indices[k] = int(words[0])
                values[k] = int(words[1]) if whole else float(words[1])
            except (ValueError, IndexError, OverflowError):
                fail("a line with an index and a value is needed here")
        return indices, values

    def skip_integers(self, count: int) -> None:
        """Pass over that many lines."""
        self._require(count)
        self._next += count

    def complete(self, error: NlError) -> NlError:
        """Return the error with the line that was read last."""
        line = self._first_line + max(self._next, 1) - 1
        return NlError(error.message, error.file, line)

    def _word(self) -> bytes:
        if not self._rest:
            fail("the line ends where more is needed")
        return self._rest.pop()

    def _require(self, count: int) -> None:
        if count > len(self._lines) - self._next:
            fail(f"{count} lines are announced and {len(self._lines) - self._next} are left")


class BinaryTokens(AbstractTokens):
    """Items of a binary file.

    Parameters
    ----------
    data
        The whole file.
    start
        Where its header ends.
    byte_order
        ``"<"`` little-endian, ``">"`` big-endian.
    """

    def __init__(self, data: bytes, start: int, byte_order: str) -> None:
        self._data = data
        self._at = start
        self._int = struct.Struct(byte_order + "i")
        self._short = struct.Struct(byte_order + "h")
        self._real = struct.Struct(byte_order + "d")
        self._order = byte_order

    def key(self) -> str:
        """Return the next byte."""
        letter = self._data[self._at : self._at + 1]
        self._at += len(letter)
        return letter.decode("latin-1")

    def integer(self) -> int:
        """Return the next four bytes as a number."""
        value: int = self._take(self._int)
        return value

    def real(self) -> float:
        """Return the next eight bytes as a number."""
        value: float = self._take(self._real)
        return value

    def short(self) -> int:
        """Return the next two bytes as a number."""
        value: int = self._take(self._short)
        return value

    def name(self) -> str:
        """Return a text that is preceded by its length."""
        length = self.count(_LONGEST_NAME, "characters of a name")
        self._require(length)
        text = self._data[self._at : self._at + length]
        self._at += length
        return text.decode("utf-8", errors="replace")

    def end(self) -> None:
        """Do nothing: binary items need no end."""

    def list_length(self) -> int:
        """Return the next four bytes as a number."""
        value = self.integer()
        self._require(value)
        return value

    def pairs(self, count: int, *, whole: bool = False) -> tuple[Indices, Vector]:
        """Return that many pairs of four bytes and of eight, or four for whole values."""
        kind = np.dtype([
            ("index", self._order + "i4"), ("value", self._order + ("i4" if whole else "f8")),
        ])  # fmt: skip
        self._require(count * kind.itemsize)
        table = np.frombuffer(self._data, dtype=kind, count=count, offset=self._at)
        self._at += count * kind.itemsize
        return table["index"].astype(np.intp), table["value"].astype(np.float64)

    def skip_integers(self, count: int) -> None:
        """Pass over four bytes a number."""
        self._require(4 * count)
        self._at += 4 * count

    def complete(self, error: NlError) -> NlError:
        """Return the error with the present offset."""
        return NlError(error.message, error.file, None, self._at)

    def _take(self, form: struct.Struct) -> Any:
        self._require(form.size)
        (value,) = form.unpack_from(self._data, self._at)
        self._at += form.size
        return value

    def _require(self, size: int) -> None:
        if size > len(self._data) - self._at:
            fail(f"{size} more bytes are needed and {len(self._data) - self._at} are left")


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("latin-1"))
