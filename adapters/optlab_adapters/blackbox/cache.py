"""The results of a simulator, kept in a file: one row per point, written as soon as it is paid for.

A row is one transaction of SQLite, so a process that is killed at any moment loses only the runs that were under way; dear
results survive a loss of power, too.
Any number of processes may use the file at once. Numbers are stored as their bytes, names as text; nothing in the
file is ever executed.

When the file cannot be written (full disk, read-only folder) the run goes on: results are kept in memory, a
warning says so, and they are written as soon as that works again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optlab.core.database import Layout
from optlab.errors import OptionError, OptlabWarning
from optlab.typing import Vector

__all__ = ["EvaluationCache"]

_LAYOUT = Layout(
    "cache of evaluations",
    """
CREATE TABLE evaluations (
    key TEXT PRIMARY KEY,
    simulator TEXT NOT NULL,
    point BLOB NOT NULL,
    outputs BLOB NOT NULL,
    is_number INTEGER NOT NULL,
    seconds REAL NOT NULL,
    finished REAL NOT NULL
) WITHOUT ROWID
""",
    application=0x6F707462,  # the letters "optb"
    schema=1,
)

_BUSY = 30.0
"""Seconds to wait for another process that is writing."""

_DEAR = 0.1
"""Seconds from which a result is waited for to reach the disk itself, so that it survives the machine. That takes some
milliseconds; cheaper ones survive the process only."""

_PORTION = 500
"""Keys looked up by one statement; SQLite allows 999 at least."""

_BYTES = np.dtype("<f8")

Row = tuple[str, str, bytes, bytes, int, float, float]


class EvaluationCache:
    """A file of evaluated points, of one or several simulators.

    Parameters
    ----------
    path
        The file; made, with its folder, when there is none. ``":memory:"``: no file.

    Raises
    ------
    OptionError
        When the file is something else, or was made by another version.

    Examples
    --------
    >>> import numpy as np
    >>> cache = EvaluationCache(":memory:")
    >>> cache.put("beam 1.0", np.array([[1.0, 2.0]]), [np.array([3.0])], [0.5])
    >>> cache.get("beam 1.0", np.array([[0.0, 0.0], [1.0, 2.0]]))
    {1: array([3.])}
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._unsaved: dict[str, Row] = {}
        self._db: sqlite3.Connection | None = None
        self._owner = os.getpid()
        self._warned = False
        self._lock = threading.RLock()
        with self._going_on("opened"):
            self._connection()

    def get(self, simulator: str, points: Vector) -> dict[int, Vector]:
        """Look points (k, n) up: number of the point -> outputs, a 0-d array for a number."""
        keys = [_key(simulator, x) for x in points]
        with self._lock:
            found = {key: self._unsaved[key] for key in keys if key in self._unsaved}
            with self._going_on("read"):
                found.update(self._rows(sorted(set(keys) - found.keys())))
        return {i: _outputs(found[key]) for i, key in enumerate(keys) if key in found}

    def put(
        self,
        simulator: str,
        points: Vector,
        outputs: Sequence[Vector],
        seconds: Sequence[float],
    ) -> None:
        """Store results, in one transaction; of two results for one point the first is kept."""
        now = time.time()
        with self._lock:
            for x, y, spent in zip(points, outputs, seconds, strict=True):
                key = _key(simulator, x)
                row = (key, simulator, _bytes(x), _bytes(y), int(y.ndim == 0), spent, now)
                self._unsaved.setdefault(key, row)
            self.flush()

    def flush(self) -> None:
        """Write what could not be written before."""
        with self._lock, self._going_on("written"):
            if not self._unsaved:
                return
            db = self._connection()
            dear = any(row[5] >= _DEAR for row in self._unsaved.values())
            db.execute(f"PRAGMA synchronous = {'FULL' if dear else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            with db:
                db.executemany(
                    "INSERT OR IGNORE INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)",
                    self._unsaved.values(),
                )
            self._unsaved.clear()
            self._warned = False

    def contents(self, simulator: str | None = None) -> list[tuple[str, Vector, Vector]]:
        """Return (simulator, point, outputs) of every row, oldest first; of one simulator or of all."""
        with self._lock:
            rows = dict(self._unsaved)
            with self._going_on("read"):
                query = "SELECT * FROM evaluations"
                rows.update((row[0], row) for row in self._connection().execute(query))
        chosen = [r for r in rows.values() if simulator in (None, r[1])]
        chosen.sort(key=lambda row: row[-1])
        return [(r[1], np.frombuffer(r[2], _BYTES).copy(), _outputs(r)) for r in chosen]

    def close(self) -> None:
        """Write what is left and close the file."""
        with self._lock:
            self.flush()
            if self._db is not None and self._owner == os.getpid():
                self._db.close()
            self._db = None

    def __del__(self) -> None:
        """Close the file with the object."""
        if getattr(self, "_db", None) is not None:
            self.close()

    def __reduce__(self) -> Any:
        """Travel as the name of the file; the other process opens it itself."""
        return EvaluationCache, (self.path,)

    def _rows(self, keys: list[str]) -> Iterable[tuple[str, Row]]:
        for start in range(0, len(keys), _PORTION):
            portion = keys[start : start + _PORTION]
            marks = ", ".join("?" * len(portion))
            query = f"SELECT * FROM evaluations WHERE key IN ({marks})"
            for row in self._connection().execute(query, portion).fetchall():
                yield row[0], row

    def _connection(self) -> sqlite3.Connection:
        """Return the connection of this process, opened when there is none."""
        if self._db is not None and self._owner == os.getpid():
            return self._db
        # A connection must not be used, nor closed, on the other side of a fork.
        self._owner = os.getpid()
        if str(self.path) != ":memory:":
            self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            _LAYOUT.prepare(db, self.path)
        except sqlite3.OperationalError:
            db.close()
            raise
        except sqlite3.DatabaseError as error:
            db.close()
            raise OptionError(
                f"{str(self.path)!r} cannot be used as a cache of evaluations ({error}); name another file"
            ) from error
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    @contextlib.contextmanager
    def _going_on(self, verb: str) -> Any:
        """Turn trouble with the file into a warning, once until it is over."""
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"the cache {str(self.path)!r} cannot be {verb} ({error}). The run goes on; its results are kept in memory, "
                    "are written as soon as that is possible, and are lost if the process ends before",
                    OptlabWarning,
                    stacklevel=4,
                )


def _key(simulator: str, x: Vector) -> str:
    """Digest a simulator's name and a point; 0 and -0 are the same point."""
    digest = hashlib.sha256(simulator.encode())
    digest.update(b"\0")
    digest.update(_bytes(x + 0.0))
    return digest.hexdigest()


def _bytes(numbers: Vector) -> bytes:
    return np.ascontiguousarray(numbers, _BYTES).tobytes()


def _outputs(row: Row) -> Vector:
    """Return the outputs of a row: (m,), or 0-d for a number."""
    outputs: Vector = np.frombuffer(row[3], _BYTES).astype(np.float64)
    return outputs.reshape(()) if row[4] else outputs
