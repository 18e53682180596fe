"""A cart swings its pole up and stops, with as little force as possible.

    min  integral of u^2 dt   subject to   s' = F(s, u),   s(0) = (0, 0, 0, 0),   s(T) = (d, pi, 0, 0),
         |q1| <= 2 m,   |u| <= 20 N

The state is s = (q1, q2, q1', q2'): place of the cart, angle of the pole from hanging, and their speeds. A step
of length h becomes the equation s_k+1 - s_k = h/6 (F_k + 4 F_mid + F_k+1), where F_mid is taken at the
middle of the cubic through both ends (Hermite and Simpson). The force is free at ends and middles.

Source: M. Kelly, An introduction to trajectory optimization, SIAM Review 59 (2017), sections 4 and 6 and
appendix E: the equations of motion, masses, length, limits, the collocation and the first guess.

What one learns: a trajectory is a nonlinear program like any other. The functions are written in torch,
``jac="torch"`` makes exact first and second derivatives of them. There are several ways to swing up: the one found
here first backs away, and takes a little less than the one found from the same guess by an interior-point method.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import style
from matplotlib.figure import Figure
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import Bounds, NonlinearConstraint

import optlab

STEPS, DURATION = 24, 2.0
H = DURATION / STEPS
TIME = np.linspace(0, DURATION, STEPS + 1)
CART, POLE, LENGTH, GRAVITY = 1.0, 0.3, 0.5, 9.81
"""Masses in kg, m and m/s^2."""

END = (1.0, np.pi, 0.0, 0.0)
REACH, FORCE = 2.0, 20.0


def motion(state: torch.Tensor, force: torch.Tensor) -> torch.Tensor:
    """Return the derivative of the state by time; states are columns (q1, q2, q1', q2')."""
    _, angle, speed, spin = state
    sine, cosine = torch.sin(angle), torch.cos(angle)
    inertia = CART + POLE * sine**2
    pull = LENGTH * POLE * sine * spin**2
    push = (pull + force + POLE * GRAVITY * cosine * sine) / inertia
    turn = -(cosine * (pull + force) + (CART + POLE) * GRAVITY * sine) / (LENGTH * inertia)
    return torch.stack([speed, spin, push, turn])


def split(x: Any) -> tuple[Any, Any]:
    """Return states, (4, STEPS + 1), and forces at ends and middles of steps, (2 STEPS + 1,)."""
    size = 4 * (STEPS + 1)
    return x[:size].reshape(4, STEPS + 1), x[size:]


def effort(x: torch.Tensor) -> torch.Tensor:
    """Return the integral of u^2 by Simpson's rule."""
    _, force = split(x)
    square = force**2
    return H / 6 * (square[:-1:2] + 4 * square[1::2] + square[2::2]).sum()


def defects(x: torch.Tensor) -> torch.Tensor:
    """Return how far each step is from the differential equation, (4 STEPS,)."""
    state, force = split(x)
    rate = motion(state, force[::2])
    start, end, fast, slow = state[:, :-1], state[:, 1:], rate[:, :-1], rate[:, 1:]
    middle = motion((start + end) / 2 + H / 8 * (fast - slow), force[1::2])
    return (end - start - H / 6 * (fast + 4 * middle + slow)).flatten()


def build() -> dict[str, Any]:
    """Return what ``minimize`` needs beside the objective."""
    guess = np.outer(END, np.linspace(0, 1, STEPS + 1))
    high = np.full_like(guess, np.inf)
    high[0] = REACH
    low = -high
    low[:, 0] = high[:, 0] = 0
    low[:, -1] = high[:, -1] = END
    limits = np.full(2 * STEPS + 1, FORCE)
    return {
        "x0": np.append(guess, np.zeros_like(limits)),
        "jac": "torch",
        "bounds": Bounds(np.append(low, -limits), np.append(high, limits)),
        "constraints": NonlinearConstraint(defects, 0, 0),
    }


def solve() -> optlab.Result:
    """Return the answer."""
    return optlab.minimize(effort, **build())


def plot(result: optlab.Result, path: Path) -> None:
    """Draw the pole at the ends of the steps, the path of its tip, and the force."""
    state, force = split(torch.from_numpy(result.x.copy()))
    cubic = CubicHermiteSpline(TIME, state, motion(state, force[::2]), axis=1)

    def tip(time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        place, angle, _, _ = cubic(time)
        return place, place + LENGTH * np.sin(angle), -LENGTH * np.cos(angle)

    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        figure = Figure(figsize=(7.2, 4.6))
        above, below = figure.subplots(2, height_ratios=[2, 1])
        for foot, x, y, shade in zip(*tip(TIME), np.linspace(0.15, 1, STEPS + 1), strict=True):
            above.plot([foot, x], [0, y], color="#1f5a93", alpha=shade, lw=1.2)
            above.plot(x, y, "o", color="#1f5a93", alpha=shade, ms=5)
        rail, *path_of_tip = tip(np.linspace(0, DURATION, 400))
        above.plot(*path_of_tip, color="#c8502b", lw=1, zorder=0)
        above.plot([rail.min(), rail.max()], [0, 0], color="#5f6b76", lw=4, zorder=0)
        above.set(aspect="equal", xlabel="place [m]", ylabel="height [m]")
        above.set_title("The pole every 1/12 s, from light to dark, and the path of its tip")
        below.plot(np.linspace(0, DURATION, 2 * STEPS + 1), force)
        below.axhline(0, color="#5f6b76", lw=0.6)
        below.set(xlabel="time [s]", ylabel="force [N]", xlim=(0, DURATION))
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    result = solve()
    print(f"effort {result.fun:.4f} N^2 s, {result.message}")
    plot(result, Path("cart_pole.svg"))


if __name__ == "__main__":
    main()
