"""Accuracies of several models on clean and corrupted images, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import fmean
from typing import Any

from optlab.bench.report.svg import Chart, Frame, axes, line, style, svg

__all__ = ["CLEAN", "AccuracyTable", "Row"]

CLEAN = "clean"
"""Name of the row of images as they are."""

_ROW = 20.0
"""Height of a row of the chart, and width of a letter of its labels, in its units."""

_LETTER = 6.6


@dataclass(frozen=True, slots=True)
class Row:
    """Accuracies on one set of images."""

    name: str
    """The corruption, or ``"clean"``."""

    severity: int
    """1 to 5; 0 for clean images."""

    accuracies: tuple[float, ...]
    """Shares of right answers, one for each model."""


@dataclass(frozen=True)
class AccuracyTable:
    """What models get right.

    Attributes
    ----------
    models : tuple of str
        Names, in the order of the accuracies.
    rows : tuple of Row
        Clean images first, if they were judged; then every corruption and severity.
    facts : mapping
        More about the models, such as their density: name of the fact -> model -> value.
    """

    models: tuple[str, ...]
    rows: tuple[Row, ...]
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Any])

    def clean(self) -> dict[str, float]:
        """Return the accuracies on clean images by model."""
        return self._named(self.by_corruption()[CLEAN])

    def corrupted(self) -> dict[str, float]:
        """Return the mean accuracies by model: over the severities of a corruption, then over corruptions."""
        means = [row for name, row in self.by_corruption().items() if name != CLEAN]
        return self._named([fmean(values) for values in zip(*means, strict=True)])

    def by_corruption(self) -> dict[str, list[float]]:
        """Return the accuracies of all models by corruption, each the mean over its severities; clean ones, too."""
        found: dict[str, list[tuple[float, ...]]] = {}
        for row in self.rows:
            found.setdefault(row.name, []).append(row.accuracies)
        return {
            name: [fmean(values) for values in zip(*rows, strict=True)]
            for name, rows in found.items()
        }

    def _named(self, values: Sequence[float]) -> dict[str, float]:
        return dict(zip(self.models, values, strict=True))

    def summary(self) -> dict[str, list[float]]:
        """Return :meth:`by_corruption` and, where there are corruptions, their mean under ``"mean corrupted"``."""
        found = self.by_corruption()
        if any(name != CLEAN for name in found):
            found["mean corrupted"] = list(self.corrupted().values())
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and strings, for JSON."""
        return {
            "models": list(self.models),
            "rows": [
                {"name": r.name, "severity": r.severity, "accuracies": list(r.accuracies)}
                for r in self.rows
            ],
            "facts": {name: dict(values) for name, values in self.facts.items()},
        }

    def __str__(self) -> str:
        """Return a text: a line for each corruption, accuracies in percent."""
        lines = [("", *self.models)]
        for fact, values in self.facts.items():
            lines.append(
                (fact, *(f"{values[m]:.4g}" if m in values else "-" for m in self.models))
            )
        for name, accuracies in self.summary().items():
            lines.append((name, *(f"{100 * a:.2f}" for a in accuracies)))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = (
            "  ".join(
                [
                    first.ljust(widths[0]),
                    *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True)),
                ]
            )
            for first, *rest in lines
        )
        return "\n".join(text.rstrip() for text in texts)

    def chart(self, title: str = "Accuracy on clean and corrupted images") -> Chart:
        """Draw a dot for each model in a row for each corruption, the first row at the top."""
        rows = self.summary()
        left = 24.0 + _LETTER * max(map(len, rows))
        frame = Frame(
            (0.0, 100.0),
            (0.0, float(len(rows))),
            (left + 460.0, len(rows) * _ROW + 72.0),
            left,
            top=26.0,
        )
        places = [len(rows) - k - 0.5 for k in range(len(rows))]
        ticks = [(float(x), f"{x}") for x in range(0, 101, 20)]
        parts = [
            axes(frame, ticks, list(zip(places, rows, strict=True)), ("accuracy, %", "")),
            self._legend(frame),
        ]
        for y, (name, accuracies) in zip(places, rows.items(), strict=True):
            for number, (model, accuracy) in enumerate(self._named(accuracies).items()):
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
