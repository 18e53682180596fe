"""A straight line through data of which a quarter are wrong.

    min  sum_i log(1 + (p r_i)^2) - n log p,   r_i = y_i - a - b t_i,   p >= 0.01

This is the maximum-likelihood line when errors follow Cauchy's distribution, whose scale 1/p is estimated, too. It
is not convex. Huber's line, which is convex, and the line of least squares are computed for comparison.

Source: international calls from Belgium in tens of millions, 1950-1973 (P. J. Rousseeuw and A. M. Leroy,
Robust regression and outlier detection, 1987, table 2.1). From 1964 to 1969, and in part in 1963 and 1970,
minutes were written down instead of calls.

What one learns: CVXPY takes models that are not convex, too; a convex one provides the start point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cvxpy as cp
import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

import optlab

YEARS = np.arange(1950, 1974)
# fmt: off
CALLS = np.array([0.44, 0.47, 0.47, 0.59, 0.66, 0.73, 0.81, 0.88, 1.06, 1.20, 1.35, 1.49, 1.61, 2.12,
                  11.90, 12.40, 14.20, 15.90, 18.20, 21.20, 4.30, 2.40, 2.70, 2.90])
# fmt: on
TIME = YEARS - YEARS.mean()
"""Years from the middle, so that height and slope do not depend on each other."""


@dataclass
class Model:
    """The CVXPY problem and what one asks of it."""

    line: cp.Variable
    """Height in the middle and slope, (a, b)."""

    precision: cp.Variable
    """One over the scale of the errors."""

    problem: cp.Problem


@dataclass(frozen=True)
class Lines:
    """The fitted lines (a, b)."""

    result: optlab.Result
    cauchy: np.ndarray
    scale: float
    huber: np.ndarray
    squares: np.ndarray


def build() -> Model:
    """Return Cauchy's model; ``line.value`` is to be set to a start point."""
    line = cp.Variable(2, name="line")
    precision = cp.Variable(bounds=[0.01, None], value=1.0, name="precision")
    misfit = CALLS - line[0] - line[1] * TIME
    loss = cp.sum(cp.log(1 + cp.square(precision * misfit))) - YEARS.size * cp.log(precision)
    return Model(line, precision, cp.Problem(cp.Minimize(loss)))


def huber() -> np.ndarray:
    """Return Huber's line, quadratic up to errors of one."""
    line = cp.Variable(2, name="line")
    misfit = CALLS - line[0] - line[1] * TIME
    optlab.minimize(cp.Problem(cp.Minimize(cp.sum(cp.huber(misfit, 1.0)))))
    return line.value


def solve() -> Lines:
    """Return the lines."""
    model = build()
    model.line.value = convex = huber()
    result = optlab.minimize(model.problem)
    slope, height = np.polyfit(TIME, CALLS, 1)
    scale = 1 / float(model.precision.value)
    return Lines(result, model.line.value, scale, convex, np.array([height, slope]))


def plot(lines: Lines, path: Path) -> None:
    """Draw the data and the three lines."""
    apart = np.abs(CALLS - lines.cauchy[0] - lines.cauchy[1] * TIME) > 10 * lines.scale
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        axes = (figure := Figure(figsize=(6.8, 4.2))).subplots()
        axes.plot(YEARS[~apart], CALLS[~apart], "o", color="#1f5a93", ms=5)
        axes.plot(YEARS[apart], CALLS[apart], "o", mfc="none", color="#c8502b", ms=5)
        for name, (height, slope), colour, dashes in (
            ("least squares", lines.squares, "#5f6b76", ":"),
            ("Huber", lines.huber, "#3b8a55", "--"),
            ("Cauchy", lines.cauchy, "#1f5a93", "-"),
        ):
            axes.plot(YEARS, height + slope * TIME, dashes, color=colour)
            end = (YEARS[-1], height + slope * TIME[-1])
            axes.annotate(
                name, end, (6, 0), textcoords="offset points", va="center", color=colour
            )
        axes.annotate(
            "minutes, not calls",
            (1966.5, 15.2),
            (-8, 4),
            textcoords="offset points",
            ha="right",
            color="#c8502b",
        )
        axes.set(xlabel="year", ylabel="international calls [10 million]", ylim=(-1.5, 22))
        axes.set_title(f"Cauchy's line: {10 * lines.cauchy[1]:.2f} million more calls a year")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    lines = solve()
    print("line", lines.cauchy, "scale", lines.scale, lines.result.message)
    plot(lines, Path("phone_calls.svg"))


if __name__ == "__main__":
    main()
