"""The least risky portfolio for a return one wants, when trading costs money.

    min  w' C w   subject to   m' w >= 1 + r,   w = h + buy - sell,   w, buy, sell >= 0,
         1'w + a 1'(buy + sell) + b (|buy|^2 + |sell|^2) <= 1

h are the holdings today, w those after trading; C and m are covariance and mean of the yearly returns; a is the
broker's share of every trade, b the impact of large trades on the price, paid out of the portfolio.

Source: yearly returns of eight assets, 1973-1994, as given by R. J. Vanderbei, Linear Programming (chapter on
financial applications).

What one learns: a convex model in CVXPY with a nonlinear constraint, solved along a Parameter. With costs,
staying near today's holdings is part of the answer, and the frontier bends away from the free one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cvxpy as cp
import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

import optlab

# fmt: off
ASSETS = ("T-bills", "gov. bonds", "S&P 500", "Wilshire 5000", "NASDAQ", "corp. bonds", "EAFE", "gold")
GROWTH = np.array([  # factors, 1973 .. 1994
    [1.075, 0.942, 0.852, 0.815, 0.698, 1.023, 0.851, 1.677],
    [1.084, 1.020, 0.735, 0.716, 0.662, 1.002, 0.768, 1.722],
    [1.061, 1.056, 1.371, 1.385, 1.318, 1.123, 1.354, 0.760],
    [1.052, 1.175, 1.236, 1.266, 1.280, 1.156, 1.025, 0.960],
    [1.055, 1.002, 0.926, 0.974, 1.093, 1.030, 1.181, 1.200],
    [1.077, 0.982, 1.064, 1.093, 1.146, 1.012, 1.326, 1.295],
    [1.109, 0.978, 1.184, 1.256, 1.307, 1.023, 1.048, 2.212],
    [1.127, 0.947, 1.323, 1.337, 1.367, 1.031, 1.226, 1.296],
    [1.156, 1.003, 0.949, 0.963, 0.990, 1.073, 0.977, 0.688],
    [1.117, 1.465, 1.215, 1.187, 1.213, 1.311, 0.981, 1.084],
    [1.092, 0.985, 1.224, 1.235, 1.217, 1.080, 1.237, 0.872],
    [1.103, 1.159, 1.061, 1.030, 0.903, 1.150, 1.074, 0.825],
    [1.080, 1.366, 1.316, 1.326, 1.333, 1.213, 1.562, 1.006],
    [1.063, 1.309, 1.186, 1.161, 1.086, 1.156, 1.694, 1.216],
    [1.061, 0.925, 1.052, 1.023, 0.959, 1.023, 1.246, 1.244],
    [1.071, 1.086, 1.165, 1.179, 1.165, 1.076, 1.283, 0.861],
    [1.087, 1.212, 1.316, 1.292, 1.204, 1.142, 1.105, 0.977],
    [1.080, 1.054, 0.968, 0.938, 0.830, 1.083, 0.766, 0.922],
    [1.057, 1.193, 1.304, 1.342, 1.594, 1.161, 1.121, 0.958],
    [1.036, 1.079, 1.076, 1.090, 1.174, 1.076, 0.878, 0.926],
    [1.031, 1.217, 1.100, 1.113, 1.162, 1.110, 1.326, 1.146],
    [1.045, 0.889, 1.012, 0.999, 0.968, 0.965, 1.078, 0.990],
])
# fmt: on
MEAN = GROWTH.mean(axis=0)
COVARIANCE = np.cov(GROWTH, rowvar=False, bias=True)
HOLDINGS = np.array([0.5, 0, 0.5, 0, 0, 0, 0, 0])
"""Today: half in bills, half in the S&P 500."""

FREE, DEAR = (0.0, 0.0), (0.005, 0.01)
"""Costs (a, b)."""

TARGETS = np.linspace(0.085, 0.115, 13)
"""Yearly returns."""


@dataclass
class Model:
    """The CVXPY problem and what one asks of it."""

    weights: cp.Variable
    trade: cp.Expression
    target: cp.Parameter
    problem: cp.Problem


@dataclass(frozen=True)
class Frontier:
    """Portfolios along the targets."""

    results: list[optlab.Result]
    weights: np.ndarray
    """After trading, (targets, assets)."""

    trades: np.ndarray

    @property
    def risk(self) -> np.ndarray:
        """Standard deviation of the yearly return."""
        return np.sqrt(np.einsum("ti,ij,tj->t", self.weights, COVARIANCE, self.weights))


def build(costs: tuple[float, float] = DEAR) -> Model:
    """Return the model for the costs (a, b)."""
    share, impact = costs
    buy = cp.Variable(len(ASSETS), nonneg=True, name="buy")
    sell = cp.Variable(len(ASSETS), nonneg=True, name="sell")
    target = cp.Parameter(value=TARGETS[0], name="target")
    weights = cp.Variable(len(ASSETS), nonneg=True, name="weights")
    weights.value, buy.value, sell.value = (
        HOLDINGS,
        np.zeros(len(ASSETS)),
        np.zeros(len(ASSETS)),
    )
    paid = share * cp.sum(buy + sell) + impact * (cp.sum_squares(buy) + cp.sum_squares(sell))
    constraints = [
        MEAN @ weights >= 1 + target,
        weights == HOLDINGS + buy - sell,
        cp.sum(weights) + paid <= 1,
    ]
    risk = cp.quad_form(weights, COVARIANCE)
    return Model(weights, buy - sell, target, cp.Problem(cp.Minimize(risk), constraints))


def frontier(costs: tuple[float, float]) -> Frontier:
    """Return the portfolios for the targets; each solve starts from the last."""
    model = build(costs)
    results, weights, trades = [], [], []
    for target in TARGETS:
        model.target.value = target
        results.append(optlab.minimize(model.problem))
        weights.append(model.weights.value)
        trades.append(model.trade.value)
    return Frontier(results, np.array(weights), np.array(trades))


def solve() -> tuple[Frontier, Frontier]:
    """Return the frontiers without and with costs."""
    return frontier(FREE), frontier(DEAR)


def plot(frontiers: tuple[Frontier, Frontier], path: Path) -> None:
    """Draw both frontiers, and the weights of the dear one."""
    start = np.sqrt(HOLDINGS @ COVARIANCE @ HOLDINGS), MEAN @ HOLDINGS - 1
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        left, right = (figure := Figure(figsize=(8.8, 3.9))).subplots(1, 2, width_ratios=[4, 5])
        for curve, label in zip(frontiers, ("trading is free", "trading costs"), strict=True):
            left.plot(100 * curve.risk, 100 * TARGETS, marker=".", label=label)
        left.plot(*(100 * np.array(start)), "s", color="#5f6b76", label="today's holdings")
        left.set(xlabel="standard deviation [% a year]", ylabel="return after costs [% a year]")
        left.set_title("The price of return is risk")
        left.legend(loc="lower right")
        held = [i for i in range(len(ASSETS)) if frontiers[1].weights[:, i].max() > 0.02]
        shares = 100 * frontiers[1].weights[:, held].T
        colours = ["#1f5a93", "#c8502b", "#3b8a55", "#8a5aa8", "#b08a1e", "#5f6b76", "#7fb2d9"]
        right.stackplot(100 * TARGETS, shares, colors=colours, alpha=0.85)
        for i, top, share in zip(held, np.cumsum(shares[:, 0]), shares[:, 0], strict=True):
            middle = (100 * TARGETS[0], top - share / 2)
            right.annotate(
                ASSETS[i],
                middle,
                (6, -0.5),
                textcoords="offset points",
                va="center",
                color="white",
                fontsize=9,
            )
        right.set(
            xlabel="return after costs [% a year]", ylabel="share of wealth [%]", ylim=(0, 100)
        )
        right.margins(x=0)
        right.set_title("Holdings when trading costs")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    frontiers = solve()
    print("risk without and with costs:", *(curve.risk.round(4) for curve in frontiers))
    plot(frontiers, Path("portfolio.svg"))


if __name__ == "__main__":
    main()
