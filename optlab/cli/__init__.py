"""The command ``optlab``: one module per subcommand, :mod:`optlab.cli.entry` chooses."""

from __future__ import annotations

from optlab.cli.entry import main

__all__ = ["main"]
