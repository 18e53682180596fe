"""A drawing that notebooks show and that can be saved, and the colours of values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optlab.bench.report.svg import document

__all__ = ["Chart", "shade"]


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


_DARK = (0, 114, 178)


def shade(part: float) -> str:
    """Return the colour of a value: white for 0, dark blue for 1."""
    return f"rgb({','.join(f'{255 - part * (255 - channel):.0f}' for channel in _DARK)})"
