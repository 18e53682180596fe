"""The lightest truss of ten bars that carries two loads.

    min  rho L'A   subject to   B (k * (B'u)) = f,   k_e = E A_e / L_e,   A_e >= 0.1 in^2,
         |u| <= 2 in,   |E (B'u)_e / L_e| <= 25 ksi

A_e are the bars' cross sections, u the displacements of the free joints; the columns of B are the bars'
directions. The first line is equilibrium: bilinear in A and u, so the problem is not convex. Displacements are
variables like any other; no stiffness matrix is factorized.

Source: V. B. Venkayya, Design of optimum structures, Computers & Structures 1 (1971); the ten-bar truss has
been the test of structural optimization since. The weight published is 5060.85 lb.

What one learns: CVXPY takes products of variables. Both 5060.85 lb and 5076.67 lb are local optima: from
equal bars the solver ends at either, from a rough version of the published design at the lighter. Both starts
are tried and the lighter truss is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cvxpy as cp
import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

import optlab

JOINTS = 360.0 * np.array([[2, 1], [2, 0], [1, 1], [1, 0], [0, 1], [0, 0]])
"""In inches; the first four are free, the last two are fixed to the wall."""

BARS = np.array(
    [[4, 2], [2, 0], [5, 3], [3, 1], [2, 3], [0, 1], [4, 3], [5, 2], [2, 1], [3, 0]]
)
FREE = 8
LOADS = np.array([0, 0, 0, -100.0, 0, 0, 0, -100.0])
"""In kip, (x, y) of joint after joint."""

MODULUS, DENSITY = 1e4, 0.1
"""Of aluminium, in ksi and lb/in^3."""

SLENDER, SAG, STRESS = 0.1, 2.0, 25.0
"""The limits, in in^2, in and ksi."""

STARTS = np.full(10, 10.0), np.array([30, 0.1, 23, 15, 0.1, 0.5, 7.5, 21, 21.5, 0.1])
"""Cross sections to start from: equal bars, and roughly the published ones."""

SPAN = JOINTS[BARS[:, 1]] - JOINTS[BARS[:, 0]]
LENGTH = np.linalg.norm(SPAN, axis=1)


def directions() -> np.ndarray:
    """Return B, (8, 10): the force that a unit tension of each bar exerts on each joint, reversed."""
    B = np.zeros((2 * len(JOINTS), len(BARS)))
    for bar, (i, j) in enumerate(BARS):
        unit = SPAN[bar] / LENGTH[bar]
        B[2 * j : 2 * j + 2, bar], B[2 * i : 2 * i + 2, bar] = unit, -unit
    return B[:FREE]


@dataclass
class Model:
    """The CVXPY problem and what one asks of it."""

    areas: cp.Variable
    displacements: cp.Variable
    problem: cp.Problem


@dataclass(frozen=True)
class Design:
    """The truss."""

    result: optlab.Result
    areas: np.ndarray
    """In in^2."""

    displacements: np.ndarray
    """In inches."""

    @property
    def stresses(self) -> np.ndarray:
        """In ksi, tension positive."""
        return MODULUS * directions().T @ self.displacements / LENGTH


def build(start: np.ndarray) -> Model:
    """Return the model, starting from the given cross sections and their displacements."""
    B = directions()
    areas = cp.Variable(len(BARS), bounds=[SLENDER, None], name="areas")
    displacements = cp.Variable(FREE, bounds=[-SAG, SAG], name="displacements")
    areas.value = start
    stiffness = B * (MODULUS * start / LENGTH) @ B.T
    displacements.value = np.clip(np.linalg.solve(stiffness, LOADS), -SAG, SAG)
    strain = (B / LENGTH).T @ displacements
    constraints = [
        B @ cp.multiply(MODULUS * areas, strain) == LOADS,
        MODULUS * strain <= STRESS,
        MODULUS * strain >= -STRESS,
    ]
    weight = cp.Minimize(DENSITY * LENGTH @ areas)
    return Model(areas, displacements, cp.Problem(weight, constraints))


def solve() -> Design:
    """Return the lightest truss that is found."""
    designs = []
    for start in STARTS:
        model = build(start)
        result = optlab.minimize(model.problem)
        designs.append(Design(result, model.areas.value, model.displacements.value))
    return min((d for d in designs if d.result.success), key=lambda design: design.result.fun)


def plot(design: Design, path: Path) -> None:
    """Draw the bars as thick as they are, with their stresses, and the sagging truss."""
    moved = JOINTS.copy()
    moved[:4] += 20 * design.displacements.reshape(4, 2)
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        axes = (figure := Figure(figsize=(6.6, 4.4))).subplots()
        for (i, j), area, stress in zip(BARS, design.areas, design.stresses, strict=True):
            axes.plot(*moved[[i, j]].T, ":", color="#5f6b76", lw=1)
            colour = "#c8502b" if stress > 0 else "#1f5a93"
            axes.plot(
                *JOINTS[[i, j]].T,
                color=colour,
                lw=max(0.35 * area, 0.6),
                solid_capstyle="round",
            )
        axes.plot(*JOINTS.T, "o", color="#30363c", ms=6)
        for joint in (1, 3):
            axes.annotate(
                "100 kip",
                JOINTS[joint],
                (0, -46),
                textcoords="offset points",
                ha="center",
                arrowprops={"arrowstyle": "<-"},
            )
        axes.plot([0, 0], [-30, 390], color="#30363c", lw=5)
        axes.plot([], [], color="#c8502b", label="tension")
        axes.plot([], [], color="#1f5a93", label="compression")
        axes.plot([], [], ":", color="#5f6b76", label="displacements, 20 times")
        axes.legend(loc="upper right", bbox_to_anchor=(1, 1.02))
        axes.set(aspect="equal", xlabel="x [in]", ylabel="y [in]", ylim=(-150, 480))
        axes.set_title(
            f"{design.result.fun:.2f} lb; lines are as thick as the bars' cross sections"
        )
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    design = solve()
    print(f"weight {design.result.fun:.2f} lb, areas {design.areas.round(3)}")
    print(design.result.message)
    plot(design, Path("ten_bar_truss.svg"))


if __name__ == "__main__":
    main()
