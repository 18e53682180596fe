"""``optlab methods`` and ``optlab sources``: what there is, and what is installed."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import optlab
from optlab.cli.codes import YES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add"]


def add(commands: Any) -> None:
    """Add the two commands."""
    for name, table in (("methods", optlab.methods), ("sources", optlab.sources)):
        command = commands.add_parser(name, help=f"list the {name}")
        command.set_defaults(run=lambda _, stream, table=table: _list(table, stream))


def _list(table: Callable[[], Any], stream: IO[str]) -> int:
    stream.write(f"{table()!r}\n")
    return YES
