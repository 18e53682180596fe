"""Charts of a sweep: profiles, and the histories of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from optlab.bench.report.profiles import Profile
from optlab.bench.report.svg import Frame, axes, line, style, svg
from optlab.bench.store import Run

__all__ = ["history_chart", "profile_chart"]

_POINTS = 60
"""Points of a line of a history: more cannot be told apart at this width."""

_DECADES = 12
"""Orders of magnitude that a history shows below its largest value at most."""


def profile_chart(
    profiles: Sequence[Profile], title: str, label: str, *, base: int, least: float, most: float
) -> str:
    """Draw shares of problems over cost, the cost on a logarithmic axis.

    Parameters
    ----------
    title, label
        Of the chart, for screen readers, and of the cost axis.
    base
        Of the ticks: 2 or 10.
    least, most
        Range of the cost axis at most; it ends where no line changes any more.
    """
    costs = [min(max(cost, least), most) for p in profiles for cost in p.costs]
    low = math.floor(math.log(min(costs, default=1.0), base))
    high = max(math.ceil(math.log(max(costs, default=base), base)), low + 1)
    frame = Frame((float(low), float(high)), (0.0, 1.0))
    stride = max(1, math.ceil((high - low) / 8))
    ticks = [(float(k), _power(base, k)) for k in range(low, high + 1, stride)]
    shares = [(i / 5, f"{20 * i} %") for i in range(6)]
    parts = [axes(frame, ticks, shares, (label, "problems solved"))]
    for i, profile in enumerate(profiles):
        steps: list[tuple[float, float]] = []
        share = 0.0
        for k, cost in enumerate(profile.costs, 1):
            if cost > most:
                break
            x = math.log(max(cost, least), base)
            steps += [(max(x, frame.x[0]), share), (max(x, frame.x[0]), k / profile.total)]
            share = k / profile.total
        steps.append((frame.x[1], share))
        if steps[0][1] == 0.0 and len(steps) > 1 and steps[0][0] == frame.x[0]:
            steps = steps[1:]
        parts.append(line(frame, steps, style(i), profile.label))
    return svg(frame.size, title, parts)


def history_chart(runs: Sequence[tuple[int, Run]], best: float | None, problem: str) -> str:
    """Draw residuals and objective over the iterations of the runs on one problem.

    Parameters
    ----------
    runs
        Place of the method in the list of methods, and its run.
    best
        Best objective of a run that solves the problem; None when none does.
    """
    panels = [
        _panel(runs, _residual, f"{problem}: larger of violation and stationarity", "residual")
    ]
    if best is not None:
        panels.append(
            _panel(
                runs,
                lambda row: _gap(row, best),
                f"{problem}: distance of the objective from the best",
                "objective gap",
            )
        )
    return "".join(panels)


def _panel(
    runs: Sequence[tuple[int, Run]],
    value: Callable[[list[Any]], float | None],
    title: str,
    label: str,
) -> str:
    """Draw one quantity on logarithmic axes; nothing when there is nothing to draw."""
    lines: list[tuple[int, str, list[tuple[float, float]]]] = []
    for index, run in runs:
        points = [
            (math.log10(1.0 + row[0]), math.log10(v))
            for row in run.get("history", [])
            if (v := value(row)) is not None and v > 0.0
        ]
        if points:
            lines.append((index, str(run["label"]), points))
    if not lines:
        return ""
    values = [y for *_, points in lines for _, y in points]
    high = math.ceil(max(values) + 1e-9)
    low = max(math.floor(min(values)), high - _DECADES - 4)
    last = max(x for *_, points in lines for x, _ in points) or 0.3
    frame = Frame((0.0, last), (float(low), float(max(high, low + 1))), (400.0, 230.0))
    marks = [
        k for k in (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000) if k < 10**last
    ]
    x_ticks = [(math.log10(1.0 + k), f"{k:g}") for k in marks]
    stride = max(1, math.ceil((high - low) / 6))
    y_ticks = [(float(k), _power(10, k)) for k in range(low, high + 1, stride)]
    parts = [axes(frame, x_ticks, y_ticks, ("iteration", label))]
    for index, name, points in lines:
        kept = [(x, max(y, frame.y[0])) for x, y in _thin(points)]
        parts.append(line(frame, kept, style(index), name))
    return svg(frame.size, title, parts)


def _residual(row: list[Any]) -> float | None:
    known = [v for v in (row[2], row[3]) if v is not None]
    return max(known, default=None)


def _gap(row: list[Any], best: float) -> float | None:
    return None if row[1] is None else abs(row[1] - best) / max(1.0, abs(best))


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep evenly spread points, the first and the last among them."""
    if len(points) <= _POINTS:
        return points
    stride = (len(points) - 1) / (_POINTS - 1)
    return [points[round(i * stride)] for i in range(_POINTS)]


def _power(base: int, exponent: int) -> str:
    """Return a tick's text."""
    if base == 10 and not -3 <= exponent <= 4:
        return f"1e{exponent}"
    return f"{float(base) ** exponent:g}"
