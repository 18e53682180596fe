"""A cart swings its pole up and stops, with as little force as possible.

    min  integral of u^2 dt   subject to   s' = F(s, u),   s(0) = (0, 0, 0, 0),   s(T) = (d, pi, 0, 0),
         |q1| <= 2 m,   |u| <= 20 N

The state is s = (q1, q2, q1', q2'): place of the cart, angle of the pole from hanging, and their speeds.
The differential equation becomes one equation per step, s_k+1 - s_k = h/2 (F_k + F_k+1).

Source: M. Kelly, An introduction to trajectory optimization, SIAM Review 59 (2017), section 6 and appendix E:
the equations of motion, masses, length, limits and the first guess.

What one learns: a trajectory is a nonlinear program like any other. The functions are written in torch,
``jac="torch"`` makes exact first and second derivatives of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import style
from matplotlib.figure import Figure
from scipy.optimize import NonlinearConstraint

import optlab

STEPS, DURATION = 32, 2.0
H = DURATION / STEPS
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


def effort(x: torch.Tensor) -> torch.Tensor:
    """Return the integral of u^2 by the trapezoidal rule."""
    force = x.reshape(5, STEPS + 1)[4]
    return H / 2 * torch.sum(force[1:] ** 2 + force[:-1] ** 2)


def defects(x: torch.Tensor) -> torch.Tensor:
    """Return how far each step is from the differential equation."""
    table = x.reshape(5, STEPS + 1)
    state, rate = table[:4], motion(table[:4], table[4])
    return (state[:, 1:] - state[:, :-1] - H / 2 * (rate[:, 1:] + rate[:, :-1])).flatten()


def build() -> dict[str, Any]:
    """Return what ``minimize`` needs beside the objective."""
    share = np.linspace(0, 1, STEPS + 1)
    guess = np.vstack([np.outer(END, share), np.zeros(STEPS + 1)])
    high = np.repeat([[REACH], [np.inf], [np.inf], [np.inf], [FORCE]], STEPS + 1, axis=1)
    low = -high
    low[:4, 0] = high[:4, 0] = 0
    low[:4, -1] = high[:4, -1] = END
    return {
        "x0": guess.flatten(),
        "jac": "torch",
        "bounds": list(zip(low.flatten(), high.flatten(), strict=True)),
        "constraints": NonlinearConstraint(defects, 0, 0),
    }


def solve() -> optlab.Result:
    """Return the answer."""
    return optlab.minimize(effort, **build())


def plot(result: optlab.Result, path: Path) -> None:
    """Draw the pole at every second step, and the force."""
    place, angle, _, _, force = result.x.reshape(5, STEPS + 1)
    tip = place + LENGTH * np.sin(angle), -LENGTH * np.cos(angle)
    time = np.linspace(0, DURATION, STEPS + 1)
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        figure = Figure(figsize=(7.2, 4.6))
        above, below = figure.subplots(2, height_ratios=[2, 1])
        for k in range(0, STEPS + 1, 2):
            shade = 0.15 + 0.85 * k / STEPS
            above.plot(
                [place[k], tip[0][k]], [0, tip[1][k]], color="#1f5a93", alpha=shade, lw=1.2
            )
            above.plot(tip[0][k], tip[1][k], "o", color="#1f5a93", alpha=shade, ms=5)
        above.plot(*tip, color="#c8502b", lw=1, zorder=0)
        above.plot([place.min(), place.max()], [0, 0], color="#5f6b76", lw=4, zorder=0)
        above.set(aspect="equal", xlabel="place [m]", ylabel="height [m]")
        above.set_title("The pole every 1/8 s, from light to dark, and the path of its tip")
        below.plot(time, force)
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
