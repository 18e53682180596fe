"""Ten equal circles in the unit square, as large as they can be.

    max r   subject to   r <= x_i, y_i <= 1 - r,   |p_i - p_j|^2 >= 4 r^2   for all i < j

Source: the packing was proved optimal by R. Peikert, D. Würtz, M. Monagan, C. de Groot, Packing circles
in a square, 1991; its radius is 0.148204322565. Others were published as best before it.

What one learns: a problem with many local solutions is solved from many start points, and the best answer is
kept. Linear rows and nonlinear rows are stated apart, both sparse, in SciPy's classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy import sparse
from scipy.optimize import LinearConstraint, NonlinearConstraint

import optlab

CIRCLES = 10
STARTS = 16
FIRST, SECOND = np.triu_indices(CIRCLES, 1)
PAIRS = np.arange(FIRST.size)


def gaps(x: np.ndarray) -> np.ndarray:
    """Return |p_i - p_j|^2 - 4 r^2 for all pairs; x is (x_1 .. x_n, y_1 .. y_n, r)."""
    centre, radius = x[:-1].reshape(2, CIRCLES), x[-1]
    return np.sum((centre[:, FIRST] - centre[:, SECOND]) ** 2, axis=0) - 4 * radius**2


def gaps_jacobian(x: np.ndarray) -> sparse.csr_array:
    """Return the derivatives of the gaps: five entries in a row."""
    centre, radius = x[:-1].reshape(2, CIRCLES), x[-1]
    dx, dy = 2 * (centre[:, FIRST] - centre[:, SECOND])
    columns = [
        FIRST,
        SECOND,
        FIRST + CIRCLES,
        SECOND + CIRCLES,
        np.full_like(PAIRS, x.size - 1),
    ]
    entries = [dx, -dx, dy, -dy, np.full(PAIRS.size, -8 * radius)]
    where = (np.tile(PAIRS, 5), np.concatenate(columns))
    return sparse.csr_array((np.concatenate(entries), where), shape=(PAIRS.size, x.size))


def gaps_hessian(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return sum_k y_k times the second derivatives of gap k: a graph Laplacian per coordinate."""
    weight = np.zeros((CIRCLES, CIRCLES))
    weight[FIRST, SECOND] = weight[SECOND, FIRST] = 2 * y
    laplacian = np.diag(weight.sum(axis=0)) - weight
    hessian = np.zeros((x.size, x.size))
    hessian[:CIRCLES, :CIRCLES] = hessian[CIRCLES:-1, CIRCLES:-1] = laplacian
    hessian[-1, -1] = -8 * y.sum()
    return hessian


def objective(x: np.ndarray) -> float:
    """Return -r, to be made small."""
    return -x[-1]


def build(rng: np.random.Generator) -> dict[str, Any]:
    """Return what ``minimize`` needs beside the objective, for one random start."""
    n = 2 * CIRCLES
    one = np.ones((n, 1))
    inside = sparse.block_array([[sparse.eye_array(n), -one], [sparse.eye_array(n), one]])
    descent = np.append(np.zeros(n), -1.0)
    return {
        "x0": np.append(rng.random(n), 0.05),
        "jac": lambda _x: descent,
        "hess": lambda x: np.zeros((x.size, x.size)),
        "bounds": [(0, 1)] * n + [(0, 0.5)],
        "constraints": [
            LinearConstraint(
                sparse.csr_array(inside),
                np.repeat([0.0, -np.inf], n),
                np.repeat([np.inf, 1.0], n),
            ),
            NonlinearConstraint(gaps, 0, np.inf, jac=gaps_jacobian, hess=gaps_hessian),
        ],
    }


def solve(starts: int = STARTS) -> optlab.Result:
    """Return the best of the answers from several start points."""
    rng = np.random.default_rng(10)
    answers = (optlab.minimize(objective, **build(rng)) for _ in range(starts))
    return min((answer for answer in answers if answer.success), key=lambda answer: answer.fun)


def plot(result: optlab.Result, path: Path) -> None:
    """Draw the circles and the contacts that hold them."""
    centre, radius = result.x[:-1].reshape(2, CIRCLES), result.x[-1]
    held = gaps(result.x) < 1e-6
    loose = [i for i in range(CIRCLES) if not held[(i == FIRST) | (i == SECOND)].any()]
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        axes = (figure := Figure(figsize=(4.6, 4.8))).subplots()
        for i, point in enumerate(centre.T):
            colour = "#dfe3e7" if i in loose else "#bcd3e8"
            axes.add_patch(Circle(point, radius, facecolor=colour, edgecolor="#1f5a93"))
        ends = np.stack([centre[:, FIRST[held]], centre[:, SECOND[held]]], axis=1)
        axes.plot(*ends, color="#c8502b", marker=".")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="x", ylabel="y")
        axes.set_title(f"Radius {radius:.6f}; lines join circles that touch")
        axes.spines[["top", "right"]].set_visible(True)
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    result = solve()
    print(f"radius {-result.fun:.10f}, {result.message}")
    plot(result, Path("circle_packing.svg"))


if __name__ == "__main__":
    main()
