"""What one solve can hand to the next of the same structure: analysed patterns, no numbers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from optlab.linalg.kkt_analysis import Analysis

__all__ = ["Structure"]

KEPT = 4
"""Structures that hold something at a time: a program that keeps a thousand results must not keep a
thousand analyses with them."""


class Structure:
    """Analyses of KKT patterns on their way from one solve to another.

    Has one owner at a time: whoever takes the analyses leaves it empty, so that two solves that are
    started from one result never share the scratch memory of a backend. The oldest of more than
    ``KEPT`` is emptied, and copies and pickles are empty: everything in here can be computed again.
    """

    __slots__ = ("__weakref__", "_held")

    def __init__(self, analyses: list[Analysis] | None = None) -> None:
        # A list within a list: list.pop is atomic, a second taker in another thread finds nothing.
        self._held = [analyses] if analyses else []
        if analyses:
            _recent.append(ref(self))
            known = [reference() for reference in list(_recent)]
            for oldest in [s for s in known if s is not None and s][:-KEPT]:
                oldest._held.clear()

    def take(self) -> list[Analysis]:
        """Return the analyses, as fresh as when they were made, and forget them."""
        try:
            analyses = self._held.pop()
        except IndexError:
            return []
        for analysis in analyses:
            analysis.restart()
        return analyses

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._held)

    def __reduce__(self) -> tuple[type[Structure], tuple[()]]:
        """Pickle and copy as nothing."""
        return Structure, ()

    def __repr__(self) -> str:
        return "<pattern analyses>" if self._held else "<no pattern analyses>"


_recent: deque[ref[Structure]] = deque(maxlen=16 * KEPT)
"""Structures as they were made. One that falls out has been emptied long before, or taken."""
