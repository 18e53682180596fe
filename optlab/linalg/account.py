"""Where the time of a solve goes: one account, kept by everything that takes part in it.

A part is entered and left like a function; entered inside another one, it interrupts that one, so
that the seconds of all parts add up to those of the whole and none is counted twice. One reading of
a clock at each end makes it cheap enough for systems of ten rows.
"""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter

__all__ = ["FACTORIZATION", "PROJECTION", "SOLVES", "TimeAccount"]

FACTORIZATION = "factorization"
"""Assembling and factoring KKT matrices."""

SOLVES = "solves"
"""Solves with these factors, refinement (and what it may have to factor again) included."""

PROJECTION = "projection"
"""Projections onto the polyhedron and onto faces, with the factorizations of their own."""


class TimeAccount:
    """Seconds and calls by part.

    Attributes
    ----------
    wall : dict
        Seconds of wall time by part, without the parts entered inside it.
    cpu : dict
        Seconds of CPU time by part, where somebody has measured them.
    calls : dict
        How often each part was entered.
    """

    __slots__ = ("_mark", "_stack", "calls", "cpu", "wall")

    def __init__(self) -> None:
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self._stack: list[str] = []
        self._mark = 0.0

    def enter(self, part: str) -> None:
        """Begin a part; must be followed by :meth:`leave`, also after an exception."""
        now = perf_counter()
        stack = self._stack
        if stack:
            self.wall[stack[-1]] += now - self._mark
        stack.append(part)
        self._mark = now

    def leave(self) -> None:
        """End the part entered last; the one around it goes on."""
        now = perf_counter()
        part = self._stack.pop()
        self.wall[part] += now - self._mark
        self.calls[part] += 1
        self._mark = now
