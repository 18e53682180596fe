"""Propagation through a layout, planned once: entries that move from level to level.

An entry is identified by a key. When the entries of a level are complete, each of them contributes to
entries of lower levels; contributions to the same key are added. Planning lists all contributions as index
arrays, evaluation is then a few array operations per level.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from optlab.typing import Indices

__all__ = ["Pending", "TooLarge"]


class TooLarge(Exception):  # noqa: N818 - a way out of planning, never seen by users
    """The plan would need more contributions than allowed."""


class Pending:
    """Contributions that wait for their level.

    Parameters
    ----------
    columns
        Numbers that a contribution carries beside its key.
    limit
        Contributions that are accepted in total.
    """

    def __init__(self, columns: int, limit: int) -> None:
        self._waiting: dict[int, list[tuple[Indices, ...]]] = {}
        self._heap: list[int] = []
        self._columns = columns
        self._left = limit

    def reserve(self, count: int) -> None:
        """Announce contributions before they are listed.

        Raises
        ------
        TooLarge
            When there are more than allowed.
        """
        self._left -= count
        if self._left < 0:
            raise TooLarge

    def add(self, levels: Indices, *arrays: Indices) -> None:
        """Add contributions: their levels, keys and columns."""
        if levels.size == 0:
            return
        low, high = int(levels.min()), int(levels.max())
        if low == high:
            self._at(low).append(arrays)
            return
        order = np.argsort(levels, kind="stable")
        cuts = np.flatnonzero(np.diff(levels[order])) + 1
        for part in np.split(order, cuts):
            level = int(levels[part[0]])
            self._at(level).append(tuple(a[part] for a in arrays))

    def take(self, level: int) -> tuple[Indices, ...]:
        """Return all contributions to a level: keys and columns."""
        parts = self._waiting.pop(level, [])
        if len(parts) == 1:
            return parts[0]
        empty = np.zeros(0, dtype=np.intp)
        columns = zip(*parts, strict=True) if parts else [()] * (self._columns + 1)
        return tuple(np.concatenate([empty, *column]) for column in columns)

    def highest(self) -> int:
        """Return the highest level that something waits for; -1 when nothing does."""
        while self._heap and -self._heap[0] not in self._waiting:
            heappop(self._heap)
        return -self._heap[0] if self._heap else -1

    def _at(self, level: int) -> list[tuple[Indices, ...]]:
        """Return what waits for a level."""
        if level not in self._waiting:
            # A heap, because a deep graph may have as many levels waiting as it is deep.
            heappush(self._heap, -level)
            self._waiting[level] = []
        return self._waiting[level]
