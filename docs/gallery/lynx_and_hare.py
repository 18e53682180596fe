"""The rates at which hares breed and lynxes eat them, from twenty-one years of pelts.

    min  sum over years and species of (log observed - log computed)^2   subject to
         u' = (alpha - beta v) u,   v' = (delta u - gamma) v

The unknowns are the logarithms of alpha, beta, gamma, delta and of the first year's u and v. The differential
equation is solved inside the objective; its sensitivities, S' = J S + dF/dp, give the gradient.

Source: pelts bought by the Hudson's Bay Company, in thousands, 1900-1920 (C. Elton and M. Nicholson, Journal of
Animal Ecology 11, 1942), as tabulated by B. Carpenter, Predator-prey population dynamics, 2018.

What one learns: an objective may run a simulation; ``jac=True`` says that it returns value and gradient.
Logarithms make all unknowns positive and of one size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

import optlab

YEARS = np.arange(1900, 1921)
# fmt: off
HARES = np.array([30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1,
                  40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6, 14.6, 16.2, 24.7])
LYNXES = np.array([4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4,
                   8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6])
# fmt: on
PELTS = np.log([HARES, LYNXES])
GUESS = np.log([0.5, 0.02, 1.0, 0.02, 30.0, 4.0])
"""Rates in 1/year and 1/(year thousand), pelts in thousands."""


def dynamics(_time: float, packed: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the derivatives of log u, log v and of their sensitivities to log p, by time.

    In logarithms, U = log u and V = log v: U' = alpha - beta e^V, V' = delta e^U - gamma.
    """
    alpha, beta, gamma, delta = rates
    hares, lynxes = np.exp(packed[:2])
    jacobian = np.array([[0, -beta * lynxes], [delta * hares, 0]])
    direct = np.zeros((2, 6))
    direct[0, :2] = alpha, -beta * lynxes
    direct[1, 2:4] = -gamma, delta * hares
    slope = [alpha - beta * lynxes, delta * hares - gamma]
    return np.concatenate([slope, (jacobian @ packed[2:].reshape(2, 6) + direct).ravel()])


def simulate(x: np.ndarray, years: np.ndarray = YEARS) -> tuple[np.ndarray, np.ndarray]:
    """Return log u and log v, (2, years), and their derivatives by x, (2, 6, years)."""
    start = np.concatenate([x[4:], np.eye(2, 6, 4).ravel()])
    path = solve_ivp(
        dynamics,
        (years[0], years[-1]),
        start,
        "DOP853",
        years,
        args=(np.exp(x[:4]),),
        rtol=1e-9,
        atol=1e-9,
    )
    return path.y[:2], path.y[2:].reshape(2, 6, -1)


def misfit(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of squares and its gradient."""
    computed, sensitivities = simulate(x)
    residuals = computed - PELTS
    return np.sum(residuals**2), 2 * np.einsum("st,spt->p", residuals, sensitivities)


def build() -> dict[str, Any]:
    """Return what ``minimize`` needs beside the objective: each unknown within a factor of ten."""
    return {
        "x0": GUESS,
        "jac": True,
        "bounds": [(g - np.log(10), g + np.log(10)) for g in GUESS],
    }


def solve() -> optlab.Result:
    """Return the answer."""
    return optlab.minimize(misfit, **build())


def plot(result: optlab.Result, path: Path) -> None:
    """Draw the pelts and the fitted curves, over time and against each other."""
    fine = np.linspace(YEARS[0], YEARS[-1], 400)
    hares, lynxes = np.exp(simulate(result.x, fine)[0])
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        left, right = (figure := Figure(figsize=(8.4, 3.6))).subplots(1, 2, width_ratios=[5, 3])
        for name, curve, seen in (("hares", hares, HARES), ("lynxes", lynxes, LYNXES)):
            (line,) = left.plot(fine, curve)
            left.plot(YEARS, seen, "o", ms=4, color=line.get_color(), label=name)
        left.set(
            xlabel="year", ylabel="pelts [thousands]", ylim=(0, None), xlim=(1899.5, 1920.5)
        )
        left.set_xticks(range(1900, 1921, 5))
        left.set_title("Pelts bought, and the fitted curves")
        left.legend(loc="upper right")
        right.plot(hares, lynxes, color="#5f6b76")
        right.plot(HARES, LYNXES, ".", color="#3b8a55")
        right.set(xlabel="hares [thousands]", ylabel="lynxes [thousands]")
        right.set(xlim=(0, None), ylim=(0, None))
        right.set_title("The closed orbit")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    result = solve()
    print("alpha, beta, gamma, delta =", np.exp(result.x[:4]).round(4), result.message)
    plot(result, Path("lynx_and_hare.svg"))


if __name__ == "__main__":
    main()
