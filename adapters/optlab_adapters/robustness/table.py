"""Accuracies under corruptions as a table: means, the corruption error of a reference, text, chart, file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from optlab.bench.report.svg import svg
from optlab.errors import OptionError, ProblemError
from optlab.typing import Vector
from optlab_adapters.charts import Chart, shade

__all__ = ["RobustnessTable"]


@dataclass(frozen=True, eq=False)
class RobustnessTable:
    """Accuracy of a model for each corruption and severity.

    Attributes
    ----------
    corruptions : tuple of str
    severities : tuple of int
    accuracy : Vector
        Parts of 1, shape (corruptions, severities).
    clean : float
        Accuracy on the images as they are.
    images : int
        How many were classified for each number.
    suite : dict
        Scale and seed of the corruptions.
    """

    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    accuracy: Vector
    clean: float
    images: int
    suite: dict[str, Any] = field(default_factory=dict)

    def mean(self) -> float:
        """Return the mean accuracy over corruptions and severities."""
        return float(self.accuracy.mean())

    def by_corruption(self) -> dict[str, float]:
        """Return each corruption's mean accuracy over severities."""
        means = self.accuracy.mean(axis=1).tolist()
        return dict(zip(self.corruptions, means, strict=True))

    def by_severity(self) -> dict[int, float]:
        """Return each severity's mean accuracy over corruptions."""
        return dict(zip(self.severities, self.accuracy.mean(axis=0).tolist(), strict=True))

    def mce(self, reference: RobustnessTable, *, relative: bool = False) -> float:
        """Return the mean corruption error against a reference model, in percent [HD19].

        With E the error, each corruption counts sum_s E(s) / sum_s E_ref(s), and the mean is over corruptions: 100 for the
        reference itself, less for a better model. Relative errors are those above the error on clean images.

        Raises
        ------
        OptionError
            When the tables are of different corruptions, severities, scales or seeds, or the reference has no error to divide by.
        """
        for name in ("corruptions", "severities", "suite"):
            if getattr(self, name) != getattr(reference, name):
                raise OptionError(
                    f"the {name} of the tables differ: {getattr(self, name)} and {getattr(reference, name)}; evaluate "
                    "both with the same suite"
                )
        own, other = (
            (t.clean - t.accuracy if relative else 1 - t.accuracy).sum(axis=1)
            for t in (self, reference)
        )
        if (other <= 0).any():
            name = self.corruptions[int(np.argmin(other))]
            raise OptionError(
                f"the reference has no error under {name}; nothing can be measured by it"
            )
        return float(100 * np.mean(own / other))

    def __str__(self) -> str:
        width = max(map(len, (*self.corruptions, "corruption")))
        head = (
            f"{'corruption'.ljust(width)}{''.join(f'{s:>7d}' for s in self.severities)}   mean"
        )
        rows = [
            f"{name.ljust(width)}{''.join(f'{100 * a:7.1f}' for a in row)}{100 * row.mean():7.1f}"
            for name, row in zip(self.corruptions, self.accuracy, strict=True)
        ]
        last = "".join(f"{100 * a:7.1f}" for a in self.accuracy.mean(axis=0))
        return "\n".join(
            [
                f"accuracy in percent, {self.images:,} images; clean {100 * self.clean:.1f}",
                head,
                *rows,
                f"{'mean'.ljust(width)}{last}{100 * self.mean():7.1f}",
            ]
        )

    def plot(self) -> Chart:
        """Draw the table: a row for each corruption, a column for each severity, darker the more accurate."""
        left, cell, row = 150.0, 64.0, 22.0
        size = (left + cell * len(self.severities) + 10, row * (len(self.corruptions) + 1) + 10)
        parts = [
            _text(left + cell * (k + 0.5), 17, "middle", f"severity {severity}")
            for k, severity in enumerate(self.severities)
        ]
        for r, name in enumerate(self.corruptions):
            top = row * (r + 1)
            parts.append(_text(left - 8, top + 15, "end", name.replace("_", " ")))
            for k, value in enumerate(self.accuracy[r].tolist()):
                parts.append(_cell((left + cell * k, top), (cell - 2, row - 2), value))
        title = f"Accuracy in percent under corruptions; clean {100 * self.clean:.1f}"
        return Chart(title, svg(size, title, parts))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "corruptions": list(self.corruptions),
            "severities": list(self.severities),
            "accuracy": self.accuracy.tolist(),
            "clean": self.clean,
            "images": self.images,
            "suite": self.suite,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RobustnessTable:
        """Return the table that :meth:`to_dict` wrote.

        Raises
        ------
        ProblemError
            When something is missing or does not fit.
        """
        try:
            table = cls(
                tuple(values["corruptions"]),
                tuple(values["severities"]),
                np.array(values["accuracy"], dtype=np.float64),
                float(values["clean"]),
                int(values["images"]),
                dict(values["suite"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProblemError(f"this is no table of robustness: {error!r}") from error
        shape = (len(table.corruptions), len(table.severities))
        if table.accuracy.shape != shape:
            raise ProblemError(f"accuracies of shape {table.accuracy.shape}; {shape} is needed")
        return table

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> RobustnessTable:
        """Read what :meth:`save` wrote; errors as in :meth:`from_dict`."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ProblemError(f"{path} is not JSON: {error}") from error
        return cls.from_dict(values)


def _cell(place: tuple[float, float], size: tuple[float, float], value: float) -> str:
    (x, y), (wide, high) = place, size
    ink = "#fff" if value > 0.6 else "#000"
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" fill="{shade(value)}"/>'
        f'<text x="{x + wide / 2:g}" y="{y + 15:g}" text-anchor="middle" style="fill:{ink}">{100 * value:.1f}</text>'
    )


def _text(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'
