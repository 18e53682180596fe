"""The line of baseline models and every model's distance from it: numbers, text, drawing, file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from optlab.bench.report.svg import Frame, axes, line, style, svg
from optlab.errors import OptionError
from optlab.typing import Mask, Vector
from optlab_adapters.charts import Chart
from optlab_adapters.robustness.scales import NEAREST, SCALES

if TYPE_CHECKING:
    from optlab_adapters.robustness.lines import Lines

__all__ = ["EffectiveRobustness"]


@dataclass(frozen=True, eq=False)
class EffectiveRobustness:
    """What :func:`~optlab_adapters.robustness.effective_robustness` found.

    Attributes
    ----------
    acc_id, acc_ood : Vector
        As given, shape (n,).
    baseline : Mask
        Which models the line goes through, shape (n,).
    scale : str
        On which the line is straight.
    lines : Lines
        The line, and after it those of the draws of the bootstrap.
    """

    acc_id: Vector
    acc_ood: Vector
    baseline: Mask
    scale: str
    lines: Lines

    @property
    def slope(self) -> float:
        """Slope of the line on the scale."""
        return float(self.lines.slope[0])

    @property
    def intercept(self) -> float:
        """Intercept of the line on the scale."""
        return float(self.lines.intercept[0])

    @property
    def r2(self) -> float:
        """Part of the variance of the baseline models, on the scale, that the line explains."""
        return float(self.lines.r2[0])

    @property
    def robustness(self) -> Vector:
        """Effective robustness of every model as parts of 1, shape (n,)."""
        found: Vector = self.acc_ood - self.foretold(self.acc_id)
        return found

    def foretold(self, acc_id: Vector) -> Vector:
        """Return the accuracy under the shift that the line foretells, of the shape of ``acc_id``."""
        scale = SCALES[self.scale]
        told: Vector = scale.back(
            self.slope * scale.forward(np.asarray(acc_id, dtype=np.float64)) + self.intercept
        )
        return told

    def interval(self, name: str, confidence: float = 0.95) -> Vector:
        """Return a confidence interval by percentiles of the bootstrap, moved outwards for few models [Hesterberg15].

        Parameters
        ----------
        name
            ``"slope"``, ``"intercept"``, ``"r2"``, or ``"robustness"``, whose intervals say how sure the line is, not how far the
            model's own accuracies are from those on more images.
        confidence
            Between 0 and 1.

        Returns
        -------
        Vector
            Low and high end, shape (2,), or (2, n) for ``"robustness"``.

        Raises
        ------
        OptionError
            For another name or confidence, or when nothing was drawn.
        """
        if name not in ("slope", "intercept", "r2", "robustness"):
            raise OptionError(
                f"there is no interval of {name!r}; slope, intercept, r2 and robustness have one"
            )
        if name == "robustness":
            ends = self._foretold_interval(self.acc_id, confidence)
            robust: Vector = self.acc_ood - ends[::-1]
            return robust
        return self._ends(getattr(self.lines, name)[1:], confidence)

    def _foretold_interval(self, acc_id: Vector, confidence: float) -> Vector:
        scale = SCALES[self.scale]
        slopes, heights = self.lines.slope[1:, None], self.lines.intercept[1:, None]
        ends = self._ends(slopes * scale.forward(acc_id) + heights, confidence)
        return scale.back(ends)

    def _ends(self, drawn: Vector, confidence: float) -> Vector:
        if not 0 < confidence < 1:
            raise OptionError(
                f"confidence is {confidence!r}; a number between 0 and 1 is needed"
            )
        if not len(drawn):
            raise OptionError("nothing was drawn; intervals need samples=1000 or so")
        # A draw of n models varies less about its line, by sqrt((n - 2) / n), than the models do about theirs; and t takes the place
        # of the normal distribution, as it does for the classical interval.
        models = int(self.baseline.sum())
        spread = np.sqrt(models / (models - 2)) * special.stdtrit(
            models - 2, (1 + confidence) / 2
        )
        tail = special.ndtr(-spread)
        ends: Vector = np.quantile(drawn, [tail, 1 - tail], axis=0)
        return ends

    def __str__(self) -> str:
        parts = [
            f"{self.scale} line through {int(self.baseline.sum())} of {self.baseline.size} models",
            f"slope {self._with_interval('slope')}",
            f"intercept {self._with_interval('intercept')}",
            f"R^2 {self._with_interval('r2')}",
        ]
        found = 100 * self.robustness
        best, worst = int(found.argmax()), int(found.argmin())
        parts.append(
            f"effective robustness {found[worst]:+.1f} (model {worst}) to {found[best]:+.1f} (model {best}) points"
        )
        return "\n".join(parts)

    def _with_interval(self, name: str) -> str:
        value = f"{getattr(self, name):.3f}"
        if len(self.lines.slope) == 1:
            return value
        low, high = self.interval(name).tolist()
        return f"{value} [{low:.3f}, {high:.3f}]"

    def plot(self) -> Chart:
        """Draw the models and the line on the scale, baseline models filled; dashed, the interval of the line."""
        frame = Frame(_span(self.acc_id, self.scale), _span(self.acc_ood, self.scale))
        forward, back = SCALES[self.scale].forward, SCALES[self.scale].back
        across = back(np.linspace(*frame.x, 60))
        parts = [
            axes(
                frame,
                _ticks(frame.x, self.scale),
                _ticks(frame.y, self.scale),
                ("accuracy on the usual data, percent", "accuracy under the shift, percent"),
            )
        ]
        curves = [(forward(self.foretold(across)), style(0), "line of the baseline")]
        if len(self.lines.slope) > 1:
            ends = forward(self._foretold_interval(across, 0.95))
            curves += [(end, style(1), "95 % interval of the line") for end in ends]
        for heights, look, name in curves:
            inside = (heights >= frame.y[0]) & (heights <= frame.y[1])
            points = list(
                zip(forward(across)[inside].tolist(), heights[inside].tolist(), strict=True)
            )
            if points:
                parts.append(line(frame, points, look, name))
        parts += self._dots(frame)
        title = f"Effective robustness: {self.scale} line, R^2 {self.r2:.3f}"
        return Chart(title, svg(frame.size, title, parts))

    def _dots(self, frame: Frame) -> list[str]:
        forward = SCALES[self.scale].forward
        places = zip(forward(self.acc_id).tolist(), forward(self.acc_ood).tolist(), strict=True)
        dots = []
        for k, (x, y) in enumerate(places):
            left, top = frame.at(x, y)
            fill = "#424a53" if self.baseline[k] else "none"
            tip = f"model {k}: {100 * self.robustness[k]:+.1f} points"
            dots.append(
                f'<circle cx="{left:.1f}" cy="{top:.1f}" r="2.5" fill="{fill}" stroke="#424a53"><title>{escape(tip)}</title></circle>'
            )
        return dots

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values; intervals of 95 %, where there are some."""
        names = ("slope", "intercept", "r2", "robustness")
        drawn = len(self.lines.slope) > 1
        return {
            "acc_id": self.acc_id.tolist(),
            "acc_ood": self.acc_ood.tolist(),
            "baseline": self.baseline.tolist(),
            "scale": self.scale,
            "slope": self.slope,
            "intercept": self.intercept,
            "r2": self.r2,
            "robustness": self.robustness.tolist(),
            "intervals": {n: self.interval(n).tolist() for n in names} if drawn else {},
        }

    def save(self, path: str | Path) -> None:
        """Write the numbers as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")


_PERCENT = (0.01, 0.1, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.9, 99.99)


def _span(accuracy: Vector, scale: str) -> tuple[float, float]:
    """Return the ends of an axis on the scale, a little beyond the accuracies."""
    on_scale = SCALES[scale].forward(accuracy)
    room = 0.05 * float(np.ptp(on_scale)) or 0.05
    return float(on_scale.min()) - room, float(on_scale.max()) + room


def _ticks(span: tuple[float, float], scale: str) -> list[tuple[float, str]]:
    """Return places on the scale and their percent; finer ones where two accuracies are near each other."""
    for percents in (np.array(_PERCENT), np.arange(1.0, 100.0), np.arange(1, 1000) / 10):
        places = SCALES[scale].forward(np.clip(percents / 100, NEAREST, 1 - NEAREST)).tolist()
        texts = [f"{percent:g}" for percent in percents.tolist()]
        ticks = [
            (at, text)
            for at, text in zip(places, texts, strict=True)
            if span[0] <= at <= span[1]
        ]
        if len(ticks) >= 3:
            break
    return ticks
