"""Charts of error spectra: lines over frequency, and maps."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from optlab.bench.report.svg import Frame, axes, line, style, svg
from optlab.errors import MissingDependencyError
from optlab.typing import Vector
from optlab_adapters.charts import Chart

__all__ = ["map_chart", "radial_chart"]

_SIDE, _GAP, _HEAD = 150.0, 14.0, 24.0

_COLOURS = np.array(
    [[0, 0, 40], [60, 20, 110], [160, 40, 110], [230, 90, 50], [250, 180, 50], [255, 255, 220]]
)
"""From low power to high; brightness rises throughout."""

_PIXELS = 96
"""Largest side of a map."""

_DECADES = 6.0
"""Maps show powers down to this many decades below the largest."""


def radial_chart(lines: Mapping[str, Vector], kind: str, group: str) -> Chart:
    """Draw powers over rings of frequency, from the first ring on, in decades."""
    points = {
        name: [
            (2 * r * 0.5 / (len(power) - 1), math.log10(value))
            for r, value in enumerate(power.tolist())
            if r > 0 and value > 0
        ]
        for name, power in lines.items()
        if len(power) > 1
    }
    values = [y for line_points in points.values() for _, y in line_points] or [0.0]
    low, high = math.floor(min(values)), math.ceil(max(values))
    frame = Frame((0.0, 1.0), (float(low), float(max(high, low + 1))), top=30.0, left=76.0)
    parts = [
        axes(
            frame,
            [(k / 4, f"{k / 4:g}") for k in range(5)],
            [(float(y), f"1e{y}") for y in range(low, high + 1)],
            ("frequency, parts of Nyquist", "power"),
        )
    ]
    x = frame.left
    for number, (name, line_points) in enumerate(points.items()):
        look = style(number)
        if line_points:
            parts.append(line(frame, line_points, look, name))
        parts.append(
            f'<path d="M{x:.1f} 12h18" stroke="{look.colour}" stroke-width="3" stroke-dasharray="{look.dash}"/>'
            f'<text x="{x + 23:.1f}" y="16">{escape(name)}</text>'
        )
        x += 44 + 6.6 * len(name)
    where = "clean images" if kind == "D" else f"corruptions of {group} frequency"
    title = f"Power of the error {kind}, {where}"
    return Chart(title, svg((max(frame.size[0], x), frame.size[1]), title, parts))


def map_chart(codec: str, spectra: Mapping[str, Vector]) -> Chart:
    """Draw spectra side by side, frequency 0 in the middle, logarithmic, one scale for all.

    Raises
    ------
    MissingDependencyError
        Without Pillow, which writes the pixels.
    """
    top = max(float(power.max()) for power in spectra.values()) or 1.0
    parts = []
    for place, (name, power) in enumerate(spectra.items()):
        x = place * (_SIDE + _GAP)
        parts.append(
            f'<text x="{x + _SIDE / 2:g}" y="15" text-anchor="middle">{escape(name)}</text>'
            f'<image x="{x:g}" y="{_HEAD:g}" width="{_SIDE:g}" height="{_SIDE:g}" preserveAspectRatio="none" '
            f'href="data:image/png;base64,{_png(power / top)}"><title>{escape(name)}</title></image>'
        )
    size = (len(spectra) * (_SIDE + _GAP), _SIDE + _HEAD + 4)
    title = f"{codec}: errors by frequency, {_DECADES:g} decades"
    return Chart(title, svg(size, title, parts))


def _png(power: Vector) -> str:
    """Return a map as the base64 text of a PNG file; large ones are averaged over squares of frequencies."""
    square = -(-max(power.shape) // _PIXELS)
    down, right = (np.arange(0, size, square) for size in power.shape)
    sums = np.add.reduceat(np.add.reduceat(power, down, axis=0), right, axis=1)
    counts = np.diff([*down, power.shape[0]])[:, None] * np.diff([*right, power.shape[1]])
    power = sums / counts
    decades = np.log10(np.maximum(power, 10**-_DECADES)) / _DECADES + 1
    anchors = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(decades, anchors, _COLOURS[:, k]) for k in range(3)]
    pixels = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    file = io.BytesIO()
    _pillow().fromarray(pixels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _pillow() -> Any:
    try:
        from PIL import Image  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError("Pillow", "images", "maps of spectra") from error
    return Image
