"""Exit codes of the commands; those of ``bench`` are in :mod:`optlab.bench.command`."""

from __future__ import annotations

__all__ = ["BAD_INPUT", "NO", "YES"]

YES = 0
"""Solved, confirmed, nothing serious found, listed."""

NO = 1
"""Not solved, not confirmed, problems found."""

BAD_INPUT = 2
"""The arguments or a file cannot be used; one line on standard error says why."""
