"""A journal of values: what was paid for is written down at once, and read again after a crash.

A run is a function of its seed and of the values that it is given. So values written down in their order, with a digest
of the query that asked for them, are all that a killed run needs to come back to where it was: it asks the same
queries again and gets its answers from the journal, at no cost, until the journal ends.

The file is a sequence of records: 8 bytes of digest, the number of points as a 64-bit integer, then so many 64-bit
floating-point values, little-endian; the last record may be incomplete.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
from typing import IO, TYPE_CHECKING

import numpy as np

from optlab.core.shifts import CoordinateShifts
from optlab.errors import OptlabWarning, ResumeError
from optlab.typing import Vector

if TYPE_CHECKING:
    from pathlib import Path

    from optlab.core.asktell import Query

__all__ = ["Journal", "digest"]

_HEADER = struct.Struct("<8sq")
_VALUE = np.dtype("<f8")


def digest(query: Query) -> bytes:
    """Return 8 bytes that tell queries apart."""
    state = hashlib.blake2b(query.x.tobytes(), digest_size=8)
    shifts = query.shifts
    if isinstance(shifts, CoordinateShifts):
        state.update(np.ascontiguousarray(shifts.index, dtype="<i8").tobytes())
        state.update(np.ascontiguousarray(shifts.step).tobytes())
    else:
        state.update(shifts.rows().tobytes())
    state.update(repr(query.key).encode())
    return state.digest()


class Journal:
    """The values of a run, appended as they come.

    Parameters
    ----------
    path
        File; records that it has are replayed first.

    Notes
    -----
    When writing fails (a full disk), that is said once and the run goes on without a journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        old = path.read_bytes() if path.exists() else b""
        self._records = list(_read(old))
        # Unbuffered: what has left the process survives its death.
        self._stream: IO[bytes] | None = path.open("ab", buffering=0)
        whole = sum(_HEADER.size + 8 * len(values) for _, _, values in self._records)
        self._stream.truncate(whole)
        self._stream.seek(whole)

    @property
    def replaying(self) -> bool:
        """Whether records are left that have not been asked for again."""
        return bool(self._records)

    def begin(self, mark: bytes, count: int) -> Vector:
        """Begin a query of ``count`` values; returns those that are known already, shape (m,) with m <= count.

        Parameters
        ----------
        mark
            Digest of the query, 8 bytes.

        Raises
        ------
        ResumeError
            When the journal belongs to another run.
        """
        if self._records:
            known, size, values = self._records.pop(0)
            if known != mark or size != count:
                raise ResumeError(
                    f"the journal {self._path.name} belongs to another run: its next record is of {size} "
                    f"values, the run asks for {count} at other points; resume with the same problem, method, "
                    "options and seed"
                )
            return values
        self._write(_HEADER.pack(mark, count))
        return np.zeros(0)

    def add(self, values: Vector) -> None:
        """Write down values of the query that was begun last."""
        self._write(np.asarray(values, dtype=_VALUE).tobytes())

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()

    def _write(self, data: bytes) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(data)
        except OSError as error:
            self.close()
            warnings.warn(
                f"the journal {self._path} cannot be written ({error}); the run goes on without it: "
                "values from now on until the next checkpoint would be lost in a crash",
                OptlabWarning,
                stacklevel=2,
            )


def _read(data: bytes) -> list[tuple[bytes, int, Vector]]:
    """Read records; an incomplete one at the end is cut to whole values."""
    records: list[tuple[bytes, int, Vector]] = []
    at = 0
    while at + _HEADER.size <= len(data):
        mark, count = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        have = min(count, (len(data) - at) // 8)
        values = np.frombuffer(data, dtype=_VALUE, count=max(0, have), offset=at)
        records.append((mark, count, values.astype(np.float64)))
        at += 8 * max(0, have)
        if have < count:
            break
    return records
