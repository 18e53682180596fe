"""Pieces of charts as inline SVG: small, sharp at any size, readable without colour.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart on white;
every line has a dash pattern of its own as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Frame", "Style", "axes", "document", "line", "style", "svg"]

_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#AA4499",
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#882255",
)
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2", "6 2 1 2 1 2")

_WIDTH, _HEIGHT = 520.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 14.0, 46.0


_LOOK = (
    'text{font:12px system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;fill:#424a53}'
    ".grid{stroke:#e3e7eb;fill:none}.line{fill:none;stroke-width:2.2;stroke-linejoin:round}"
)
"""What the page's style sheet says of charts."""


@dataclass(frozen=True, slots=True)
class Style:
    """How lines of a method look."""

    colour: str
    dash: str


def style(index: int) -> Style:
    """Return the style of a method by its place in the list of methods."""
    return Style(_COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)])


@dataclass(frozen=True, slots=True)
class Frame:
    """A plot's area: where values go on the page."""

    x: tuple[float, float]
    y: tuple[float, float]
    size: tuple[float, float] = (_WIDTH, _HEIGHT)
    left: float = _LEFT
    """Room for the labels of the y axis."""

    top: float = _TOP

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point."""
        wide, high = self.size
        right, low = wide - _RIGHT, high - _BOTTOM
        span_x, span_y = self.x[1] - self.x[0] or 1.0, self.y[1] - self.y[0] or 1.0
        return (
            self.left + (x - self.x[0]) / span_x * (right - self.left),
            low - (y - self.y[0]) / span_y * (low - self.top),
        )


def axes(
    frame: Frame,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    labels: tuple[str, str],
) -> str:
    """Draw grid, ticks and labels."""
    wide, high = frame.size
    parts = []
    for x, text in x_ticks:
        at, low = frame.at(x, frame.y[0])
        parts.append(
            f'<path class="grid" d="M{at:.1f} {frame.top:.1f}V{low:.1f}"/>'
            f'<text x="{at:.1f}" y="{low + 15:.1f}" text-anchor="middle">{escape(text)}</text>'
        )
    for y, text in y_ticks:
        left, at = frame.at(frame.x[0], y)
        parts.append(
            f'<path class="grid" d="M{left:.1f} {at:.1f}H{wide - _RIGHT:.1f}"/>'
            f'<text x="{left - 5:.1f}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        )
    middle = (frame.left + wide - _RIGHT) / 2
    turned = (frame.top + high - _BOTTOM) / 2
    parts.append(
        f'<text x="{middle:.1f}" y="{high - 8:.1f}" text-anchor="middle">{escape(labels[0])}</text>'
        f'<text transform="translate(12 {turned:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(labels[1])}</text>"
    )
    return "".join(parts)


def line(frame: Frame, points: Sequence[tuple[float, float]], look: Style, name: str) -> str:
    """Draw a line; a single point becomes a dot."""
    placed = [frame.at(x, y) for x, y in points]
    tip = f"<title>{escape(name)}</title>"
    if len(placed) == 1:
        x, y = placed[0]
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{look.colour}">{tip}</circle>'
    text: list[str] = []
    for x, y in placed:
        place = f"{x:.1f},{y:.1f}"
        if not text or place != text[-1]:
            text.append(place)
    dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
    return (
        f'<polyline class="line" stroke="{look.colour}"{dash} points="{" ".join(text)}">{tip}'
        "</polyline>"
    )


def svg(size: tuple[float, float], title: str, parts: Sequence[str]) -> str:
    """Put parts together; the title is for screen readers."""
    wide, high = size
    return (
        f'<svg class="chart" viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}" '
        f'role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def document(chart: str) -> str:
    """Make a file of its own of an inline chart: white ground, and the look that the page gives it."""
    opening, rest = chart.split(">", 1)
    named = opening.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return f"{named}><style>{_LOOK}</style>{ground}{rest}\n"
