"""A map over frequencies: numbers, text, drawing, file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optlab.bench.report.svg import svg
from optlab.typing import Vector
from optlab_adapters.charts import Chart, shade

__all__ = ["FourierMap"]


@dataclass(frozen=True, eq=False)
class FourierMap:
    """A number for each frequency.

    Attributes
    ----------
    values : Vector
        Shape (rows, columns); frequency 0 is at ``[-first_row, -first_column]``, in the middle.
    first_row, first_column : int
        Cycles per side of the first row and column, not positive.
    eps : float
        Norm of the waves.
    images : int
        How many were changed for each number.
    """

    values: Vector
    first_row: int
    first_column: int
    eps: float
    images: int

    def at(self, row: int, column: int) -> float:
        """Return the value at so many cycles along the sides.

        Raises
        ------
        IndexError
            When the frequency is not on the map.
        """
        place = row - self.first_row, column - self.first_column
        if min(place) < 0:
            raise IndexError(f"frequency {(row, column)} is not on the map")
        return float(self.values[place])

    def worst(self) -> tuple[int, int]:
        """Return the frequency of the largest value, in cycles along the sides; one of the two that mirror each other."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return int(row) + self.first_row, int(column) + self.first_column

    def __str__(self) -> str:
        low, high = float(self.values.min()), float(self.values.max())
        return (
            f"Fourier map, {self.values.shape[0]} x {self.values.shape[1]} frequencies, waves of norm {self.eps:g}, "
            f"{self.images:,} images: {low:.4g} to {high:.4g}, largest at {self.worst()}"
        )

    def plot(self) -> Chart:
        """Draw the map, frequency 0 in the middle, darker the larger."""
        low, high = float(self.values.min()), float(self.values.max())
        cell = max(4.0, 320.0 / max(self.values.shape))
        parts = []
        for (r, c), value in np.ndenumerate(self.values):
            tip = f"({r + self.first_row}, {c + self.first_column}): {value:.4g}"
            part = (value - low) / (high - low) if high > low else 0.0
            parts.append(
                f'<rect x="{c * cell:.1f}" y="{r * cell:.1f}" width="{cell:.1f}" height="{cell:.1f}" '
                f'fill="{shade(part)}"><title>{tip}</title></rect>'
            )
        rows, columns = self.values.shape
        size = (max(columns * cell, 260.0), rows * cell + 24)
        parts.append(
            f'<text x="2" y="{rows * cell + 17:.1f}">{low:.3g} white, {high:.3g} dark</text>'
        )
        return Chart(str(self), svg(size, str(self), parts))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "values": self.values.tolist(),
            "first_row": self.first_row,
            "first_column": self.first_column,
            "eps": self.eps,
            "images": self.images,
        }

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        Path(path).write_text(json.dumps(self.to_dict()) + "\n", encoding="utf-8")
