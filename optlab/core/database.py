"""Files of SQLite that belong to optlab: made, recognised, and refused when they are something else's."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of one kind of file."""

    what: str
    """What the file is, for messages."""

    tables: str
    """CREATE statements, separated by semicolons."""

    application: int
    """The file's application_id, four letters."""

    schema: int
    """Version of the layout; the file's user_version."""

    def prepare(self, db: sqlite3.Connection, path: Path) -> None:
        """Make the tables of a new file, or check the version of an old one.

        ``db`` must be in autocommit mode. The write-ahead log lets others read while one writes.

        Raises
        ------
        OptionError
            When the file is something else, or of another version.
        sqlite3.Error
            When it cannot be used.
        """
        if not self._is_new(db, path):
            return
        # Another process may be at it this moment; the mode is a property of the file.
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        # Two processes may open a new file at once: only one of them makes the tables.
        db.execute("BEGIN IMMEDIATE")
        with db:
            if self._is_new(db, path):
                for statement in self.tables.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {self.application}")
                db.execute(f"PRAGMA user_version = {self.schema}")

    def _is_new(self, db: sqlite3.Connection, path: Path) -> bool:
        """Return whether the file is empty; refuse what is not ours, without a lock or a change."""
        version, owner, tables = (
            int(db.execute(query).fetchone()[0])
            for query in (
                "PRAGMA user_version",
                "PRAGMA application_id",
                "SELECT count(*) FROM sqlite_master",
            )
        )
        if version == owner == tables == 0:
            return True
        if owner != self.application:
            raise OptionError(
                f"{str(path)!r} is a database of something else; name another file"
            )
        if version != self.schema:
            raise OptionError(
                f"the {self.what} {str(path)!r} has schema version {version}; this optlab reads and writes version "
                f"{self.schema}. Name another file, or use the optlab that made it"
            )
        return False
