"""A drawing that notebooks show and that can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optlab.bench.report.svg import document

__all__ = ["Chart"]


@dataclass(frozen=True)
class Chart:
    """A drawing.

    Attributes
    ----------
    title : str
    svg : str
        To be put into a page that has optlab's style sheet.
    """

    title: str
    svg: str

    def _repr_svg_(self) -> str:
        return document(self.svg)

    def save(self, path: str | Path) -> None:
        """Write it as an SVG file."""
        Path(path).write_text(document(self.svg), encoding="utf-8")
