"""Accuracies of several models on clean and corrupted images, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from optlab.bench.report.svg import Frame, axes, line, style, svg
from optlab_adapters.charts import Chart

if TYPE_CHECKING:
    from optlab_adapters.robustness import RobustnessTable

__all__ = ["CLEAN", "AccuracyTable"]

CLEAN = "clean"
"""Name of the set of images as they are."""

MEAN = "mean corrupted"

_ROW = 20.0
"""Height of a row of the chart, in its units."""

_LETTER = 6.6
"""Width of a letter of its labels."""


@dataclass(frozen=True, eq=False)
class AccuracyTable:
    """What models get right.

    Attributes
    ----------
    tables : mapping
        By model: its accuracies on the same images and corruptions as the others'.
    facts : mapping
        More about the models, such as their density: name of the fact -> model -> value.
    """

    tables: Mapping[str, RobustnessTable]
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Any])

    @property
    def models(self) -> tuple[str, ...]:
        """Names."""
        return tuple(self.tables)

    def clean(self) -> dict[str, float]:
        """Return the accuracies on clean images by model, as parts of 1."""
        return {model: table.clean for model, table in self.tables.items()}

    def corrupted(self) -> dict[str, float]:
        """Return the mean accuracies over corruptions and severities by model; nothing without corruptions."""
        return {m: table.mean() for m, table in self.tables.items() if table.corruptions}

    def summary(self) -> dict[str, dict[str, float]]:
        """Return accuracies by model on clean images, under every corruption (means over severities), and their mean."""
        corrupted = self.corrupted()
        if not corrupted:
            return {CLEAN: self.clean()}
        means = {model: table.by_corruption() for model, table in self.tables.items()}
        names = next(iter(means.values()))
        return {
            CLEAN: self.clean(),
            **{name: {model: each[name] for model, each in means.items()} for name in names},
            MEAN: corrupted,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "tables": {model: table.to_dict() for model, table in self.tables.items()},
            "facts": {name: dict(values) for name, values in self.facts.items()},
        }

    def __str__(self) -> str:
        """Return a text: a line for each fact and each corruption, accuracies in percent."""
        lines = [["", *self.models]]
        for fact, values in self.facts.items():
            known = (f"{values[m]:.4g}" if m in values else "-" for m in self.models)
            lines.append([fact, *known])
        for name, accuracies in self.summary().items():
            lines.append([name, *(f"{100 * a:.2f}" for a in accuracies.values())])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                [
                    first.ljust(widths[0]),
                    *(cell.rjust(wide) for cell, wide in zip(rest, widths[1:], strict=True)),
                ]
            ).rstrip()
            for first, *rest in lines
        )

    def plot(self, title: str = "Accuracy on clean and corrupted images") -> Chart:
        """Draw a dot for each model in a row for each corruption, the first row at the top."""
        rows = self.summary()
        left = 24.0 + _LETTER * max(map(len, rows))
        size = (left + 460.0, len(rows) * _ROW + 72.0)
        frame = Frame((0.0, 100.0), (0.0, float(len(rows))), size, left, top=26.0)
        places = [len(rows) - k - 0.5 for k in range(len(rows))]
        ticks = [(float(x), f"{x}") for x in range(0, 101, 20)]
        parts = [
            axes(frame, ticks, list(zip(places, rows, strict=True)), ("accuracy, %", "")),
            self._legend(frame),
        ]
        for y, (name, accuracies) in zip(places, rows.items(), strict=True):
            for number, (model, accuracy) in enumerate(accuracies.items()):
                tip = f"{model}, {name}: {100 * accuracy:.2f} %"
                parts.append(line(frame, [(100 * accuracy, y)], style(number), tip))
        return Chart(title, svg(frame.size, title, parts))

    def _legend(self, frame: Frame) -> str:
        parts, x = [], frame.left
        for number, model in enumerate(self.models):
            parts.append(
                f'<circle cx="{x + 5:.1f}" cy="11" r="3" fill="{style(number).colour}"/>'
                f'<text x="{x + 12:.1f}" y="15">{escape(model)}</text>'
            )
            x += 26.0 + _LETTER * len(model)
        return "".join(parts)
