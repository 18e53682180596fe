"""The store of a sweep: an SQLite file with one row per run.

A row is written in one transaction when its run has ended, so a sweep that is killed at any moment
loses only the runs that were under way, and a restart does just those. The write-ahead log lets a
report be made while a sweep is writing.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from optlab.bench.plan import Task
from optlab.core.database import Layout
from optlab.errors import OptionError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Run", "Store"]

SCHEMA = 1
"""Version of the layout; it is the file's user_version."""

_APPLICATION = 0x6F70746C
"""The letters "optl": the file's application_id."""

_TABLES = """
CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    problem TEXT NOT NULL,
    label TEXT NOT NULL,
    outcome TEXT NOT NULL,
    solved INTEGER NOT NULL,
    stale INTEGER NOT NULL DEFAULT 0,
    finished REAL NOT NULL,
    task TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE TABLE facts (problem TEXT PRIMARY KEY, record TEXT NOT NULL);
"""

_LAYOUT = Layout("store", _TABLES, _APPLICATION, SCHEMA)

_BUSY = 30.0
"""Seconds to wait for another process that is writing."""

Run = dict[str, Any]
"""The record of a run together with ``key``, ``problem``, ``label``, ``finished`` and ``task``."""


class Store:
    """An open store.

    Parameters
    ----------
    path
        The file; made when there is none, unless ``must_exist``.

    Raises
    ------
    OptionError
        The file is no store, or one of another schema version.
    FileNotFoundError
        There is no file, or no folder for it.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path)
        if must_exist and not self.path.is_file():
            raise FileNotFoundError(f"there is no store {str(path)!r}")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"there is no folder {str(self.path.parent)!r} for the store {self.path.name!r}"
            )
        self._db = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None)
        try:
            _LAYOUT.prepare(self._db, self.path)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise OptionError(
                f"{str(path)!r} cannot be used as a store ({error}); name another file"
            ) from error
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def put(self, task: Task, record: dict[str, Any]) -> Run:
        """Store a run; an earlier one with the same key is replaced."""
        now = time.time()
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO runs"
                " (key, problem, label, outcome, solved, finished, task, record)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    task.key,
                    task.problem.name,
                    task.method.label,
                    str(record["outcome"]),
                    int(bool(record["solved"])),
                    now,
                    json.dumps(task.to_dict()),
                    json.dumps(record),
                ),
            )
        return _run(
            (task.key, task.problem.name, task.method.label, now, task.to_dict(), record)
        )

    def runs(self, keys: Iterable[str] | None = None) -> list[Run]:
        """Return the runs that are not stale, oldest first; those with the given keys, or all."""
        rows = self._db.execute(
            "SELECT key, problem, label, finished, task, record FROM runs WHERE NOT stale"
            " ORDER BY finished, rowid"
        ).fetchall()
        wanted = None if keys is None else set(keys)
        return [
            _run((*row[:4], json.loads(row[4]), json.loads(row[5])))
            for row in rows
            if wanted is None or row[0] in wanted
        ]

    def finished(self) -> dict[str, bool]:
        """Return key -> solved of the runs that are not stale."""
        rows = self._db.execute("SELECT key, solved FROM runs WHERE NOT stale").fetchall()
        return {key: bool(solved) for key, solved in rows}

    def mark_stale(self, keys: Iterable[str]) -> None:
        """Mark runs that are to be done again; they stay until their new record replaces them.

        All in one transaction: a sweep that is killed later goes on with those still marked.
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.executemany(
                "UPDATE runs SET stale = 1 WHERE key = ?", [(k,) for k in keys]
            )

    def facts(self) -> dict[str, dict[str, Any]]:
        """Return what is known of problems, by the key of their file and parameters."""
        rows = self._db.execute("SELECT problem, record FROM facts").fetchall()
        return {problem: json.loads(record) for problem, record in rows}

    def put_facts(self, problem: str, record: dict[str, Any]) -> None:
        """Store sizes and class of a problem."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (problem, json.dumps(record))
            )


def _run(row: tuple[Any, ...]) -> Run:
    key, problem, label, finished, task, record = row
    names = {"key": key, "problem": problem, "label": label, "finished": finished}
    return {**record, **names, "task": task}
