"""Names of variables and rows from the .col and .row files beside a .nl file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Names", "read_names"]

_LARGEST = 500_000_000
"""Bytes of a file of names."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names in the order of the file; empty when there are none."""

    variables: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    """Rows first, then objectives."""

    def of_variables(self, count: int) -> tuple[str, ...]:
        """Return the names of the variables, x[0], x[1], ... when the file has none."""
        return _usable(self.variables, count) or tuple(f"x[{j}]" for j in range(count))

    def of_rows(self, count: int) -> tuple[str, ...]:
        """Return the names of the rows, c[0], c[1], ... when the file has none."""
        return _usable(self.rows, count) or tuple(f"c[{i}]" for i in range(count))


def read_names(path: str | Path) -> Names:
    """Read the files of names that lie beside a .nl file, where there are some."""
    path = Path(path)
    return Names(_lines(path.with_suffix(".col")), _lines(path.with_suffix(".row")))


def _lines(path: Path) -> tuple[str, ...]:
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ()
    text = path.read_text(encoding="utf-8", errors="replace")
    return tuple(text.splitlines())


def _usable(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the first names if there are enough and none is repeated or blank."""
    chosen = names[:count]
    good = len(chosen) == count and len(set(chosen)) == count and all(chosen)
    return chosen if good else ()
