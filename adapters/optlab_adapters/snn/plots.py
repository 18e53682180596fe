"""Charts of spikes, energy and training, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from optlab.bench.report.svg import Frame, axes, line, style, svg
from optlab_adapters.charts import Chart

if TYPE_CHECKING:
    from optlab_adapters.snn.raster import Raster
    from optlab_adapters.snn.report import NeuronLayer, SynapseLayer

__all__ = ["Chart", "activity_chart", "energy_chart", "history_chart", "raster_chart"]

_WIDTH = 680.0
_LETTER = 6.6
"""Width of a letter of a label, in the units of the chart."""

_ROW = 24.0
"""Height of a bar's row."""


@dataclass(frozen=True)
class _Bar:
    """A row of a bar chart: parts, each with what it says under a pointer; part k has colour k."""

    label: str
    parts: tuple[tuple[float, str], ...]


def activity_chart(layers: Sequence[NeuronLayer]) -> Chart:
    """Draw the spikes of a neuron, layer by layer, each bar cut into the T steps."""
    bars = [
        _Bar(
            layer.name,
            tuple(
                (v, f"{layer.name}, step {t}: {v:.3f}") for t, v in enumerate(layer.per_step)
            ),
        )
        for layer in layers
    ]
    keys = [f"step {t}" for t in range(max(len(layer.per_step) for layer in layers))]
    return _bars("Spikes of a neuron for an image", "spikes per neuron", bars, keys)


def energy_chart(layers: Sequence[SynapseLayer]) -> Chart:
    """Draw the energy of an image, layer by layer, above that of the quantized network."""
    bars = []
    for layer in layers:
        name, spiking, dense = layer.work.name, layer.energy / 1000, layer.dense_energy / 1000
        bars += [
            _Bar(name, ((spiking, f"{name}, spiking: {spiking:.3g} nJ"),)),
            _Bar("", ((0.0, ""), (dense, f"{name}, quantized: {dense:.3g} nJ"))),
        ]
    return _bars("Energy of an image", "nJ for an image", bars, ["spiking", "quantized"])


def raster_chart(raster: Raster) -> Chart:
    """Draw the spikes of one image, neurons from the first layer at the top to the last, over the steps."""
    rows = sum(len(layer.shown) for layer in raster.layers)
    height = max(1.2, min(3.0, 640.0 / rows))
    frame = _frame(
        [layer.name for layer in raster.layers], (0.0, float(raster.steps)), rows, rows * height
    )
    parts, ticks, top = [], [], 0
    for number, layer in enumerate(raster.layers):
        middle = top + len(layer.shown) / 2
        ticks.append((rows - middle, layer.name))
        at = [(step, top + place) for step, place in layer.spikes()]
        marks = "".join(_box(frame, (t, rows - row - 1), (0.86, 1.0)) for t, row in at)
        tip = f"{layer.name}: {len(at)} spikes of {len(layer.shown)} neurons"
        parts.append(_filled(marks, number, tip))
        top += len(layer.shown)
    parts.insert(0, axes(frame, _ticks(frame.x[1], whole=True), ticks, ("step", "")))
    title = "Spikes for one image, layer after layer"
    return Chart(title, svg(frame.size, title, parts))


def history_chart(rows: Sequence[tuple[int, dict[str, float]]]) -> Chart:
    """Draw the spikes of a neuron over the steps of a training, a line for each layer."""
    names = list(rows[0][1]) if rows else []
    last = float(max((step for step, _ in rows), default=1)) or 1.0
    most = max((value for _, spikes in rows for value in spikes.values()), default=0.0) or 1.0
    frame = Frame((0.0, last), (0.0, most), (_WIDTH, 300.0), top=26.0)
    parts = [
        axes(frame, _ticks(last, whole=True), _ticks(most), ("step", "spikes per neuron")),
        _legend(frame, names),
    ]
    for number, name in enumerate(names):
        points = [(float(step), spikes[name]) for step, spikes in rows]
        parts.append(line(frame, points, style(number), name))
    title = "Spikes of a neuron during training"
    return Chart(title, svg(frame.size, title, parts))


def _bars(title: str, label: str, bars: Sequence[_Bar], keys: Sequence[str]) -> Chart:
    """Draw horizontal bars, the first at the top."""
    largest = max((sum(value for value, _ in bar.parts) for bar in bars), default=0.0) or 1.0
    frame = _frame([bar.label for bar in bars], (0.0, largest), len(bars), len(bars) * _ROW)
    middles = [(len(bars) - k - 0.5, bar.label) for k, bar in enumerate(bars)]
    parts = [axes(frame, _ticks(largest), middles, (label, "")), _legend(frame, keys)]
    for k, bar in enumerate(bars):
        start = 0.0
        for number, (value, tip) in enumerate(bar.parts):
            if value > 0.0:
                box = _box(frame, (start, len(bars) - k - 0.85), (value, 0.7))
                parts.append(_filled(box, number, tip))
            start += value
    return Chart(title, svg(frame.size, title, parts))


def _legend(frame: Frame, keys: Sequence[str]) -> str:
    """Draw the colours with what they mean above the chart."""
    parts, x = [], frame.left
    for number, key in enumerate(keys):
        parts.append(
            _filled(f"M{x:.1f} 6h10v10h-10z", number, key)
            + f'<text x="{x + 14:.1f}" y="15">{escape(key)}</text>'
        )
        x += 26.0 + _LETTER * len(key)
    return "".join(parts)


def _frame(labels: Sequence[str], x: tuple[float, float], rows: int, high: float) -> Frame:
    """Return a frame with room for the labels, and for a legend."""
    left = 24.0 + _LETTER * max(map(len, labels), default=0)
    size = (max(_WIDTH, left + 400.0), high + 72.0)
    return Frame(x, (0.0, float(rows)), size, left, top=26.0)


def _filled(path: str, number: int, tip: str) -> str:
    return f'<path d="{path}" fill="{style(number).colour}"><title>{escape(tip)}</title></path>'


def _box(frame: Frame, corner: tuple[float, float], size: tuple[float, float]) -> str:
    """Return the path of a rectangle in the frame's units."""
    left, low = frame.at(*corner)
    right, high = frame.at(corner[0] + size[0], corner[1] + size[1])
    return f"M{left:.1f} {low:.1f}H{right:.1f}V{high:.1f}H{left:.1f}z"


def _ticks(largest: float, *, whole: bool = False) -> list[tuple[float, str]]:
    """Return about six round ticks from 0 on."""
    rough = largest / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    step = max(1.0, step) if whole else step
    return [(k * step, f"{k * step:g}") for k in range(math.floor(largest / step + 1e-9) + 1)]
