"""Nonlinear CVXPY models on the subjects of CVXPY's public documentation and notebooks, stated anew.

Each function returns a ``cvxpy.Problem`` whose variables have start values. Data are made here from fixed
seeds. The subjects: CVXPY's tutorial on disciplined nonlinear programming and its notebooks (the largest
eigenvalue, chemical equilibrium, obstacles, sparse signals), the examples beside the paper on it (circle
packing, localization, nonnegative factors, a car, phase retrieval), and problems its test suite names
(HS71, Rosenbrock, estimation, portfolios, geometric means, analytic centres).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cvxpy as cp
import numpy as np

__all__ = ["LARGE", "MODELS"]


def hs71() -> cp.Problem:
    """Problem 71 of Hock and Schittkowski."""
    x = cp.Variable(4, bounds=[1, 5], name="x")
    x.value = [1.0, 5.0, 5.0, 1.0]
    objective = x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    return cp.Problem(cp.Minimize(objective), [cp.prod(x) >= 25, cp.sum_squares(x) == 40])


def rosenbrock() -> cp.Problem:
    """Rosenbrock's valley cut off by a disc."""
    x = cp.Variable(2, name="x")
    x.value = [-1.2, 1.0]
    valley = 100 * cp.square(x[1] - cp.square(x[0])) + cp.square(1 - x[0])
    return cp.Problem(cp.Minimize(valley), [cp.sum_squares(x) <= 1.5])


def largest_eigenvalue() -> cp.Problem:
    """Maximise x'Ax on the sphere."""
    root = np.random.default_rng(0).standard_normal((6, 6))
    x = cp.Variable(6, name="x")
    x.value = np.ones(6)
    return cp.Problem(cp.Maximize(cp.quad_form(x, root.T @ root)), [cp.sum_squares(x) == 1])


def path_planning() -> cp.Problem:
    """Lead 30 points across a field with equal steps around three discs."""
    points, length = (
        cp.Variable((31, 2), name="points"),
        cp.Variable(nonneg=True, name="length"),
    )
    t = np.linspace(0.0, 10.0, 31)
    points.value = np.column_stack([t, t + 2.5 * np.sin(np.pi * t / 10)])
    rows = [points[0] == np.zeros(2), points[30] == np.full(2, 10.0)]
    rows += [cp.sum(cp.square(points[1:] - points[:-1]), axis=1) <= cp.square(length / 30)]
    for centre, radius in (([3.0, 2.0], 1.5), ([5.5, 5.0], 1.5), ([8.0, 7.5], 1.0)):
        away = points - np.tile(centre, (31, 1))
        rows.append(cp.sum(cp.square(away), axis=1) >= radius**2)
    return cp.Problem(cp.Minimize(length), rows)


def circle_packing() -> cp.Problem:
    """Pack three discs into the smallest square around the origin."""
    radii = np.array([1.0, 0.8, 0.6])
    centres, half = cp.Variable((3, 2), name="centres"), cp.Variable(name="half")
    centres.value = np.array([[-0.8, -0.7], [0.9, 0.8], [1.2, -1.0]])
    half.value = 2.0
    rows = [cp.max(cp.abs(centres), axis=1) + radii <= half]
    rows += [
        cp.sum_squares(centres[i] - centres[j]) >= (radii[i] + radii[j]) ** 2
        for i in range(3)
        for j in range(i)
    ]
    return cp.Problem(cp.Minimize(half), rows)


def localization() -> cp.Problem:
    """Find a source from noisy distances to eight anchors."""
    rng = np.random.default_rng(1)
    anchors = rng.uniform(-1, 1, (8, 2))
    distances = np.linalg.norm(anchors - [0.3, -0.2], axis=1) + 0.02 * rng.standard_normal(8)
    x = cp.Variable(2, name="x")
    x.value = np.zeros(2)
    squares = cp.hstack([cp.sum_squares(x - anchor) for anchor in anchors])
    return cp.Problem(cp.Minimize(cp.sum_squares(cp.sqrt(squares) - distances)))


def sparse_recovery() -> cp.Problem:
    """Recover a sparse vector from few measurements with a concave penalty on |x|."""
    rng = np.random.default_rng(2)
    A = rng.standard_normal((12, 20))
    true = np.zeros(20)
    true[[3, 8, 15]] = [1.5, -2.0, 1.0]
    up, down = (
        cp.Variable(20, nonneg=True, name="up"),
        cp.Variable(20, nonneg=True, name="down"),
    )
    least = np.linalg.lstsq(A, A @ true, rcond=None)[0]
    up.value, down.value = np.maximum(least, 0) + 0.1, np.maximum(-least, 0) + 0.1
    return cp.Problem(
        cp.Minimize(cp.sum(cp.log(up + down + 0.1))), [A @ (up - down) == A @ true]
    )


def power_flow() -> cp.Problem:
    """Cheapest generation in a triangle of buses, alternating current, polar form."""
    g, b = 1.0, -5.0
    v = cp.Variable(3, bounds=[0.95, 1.05], name="v")
    angle = cp.Variable(3, bounds=[-0.5, 0.5], name="angle")
    p, q = cp.Variable(2, bounds=[0, 2], name="p"), cp.Variable(2, bounds=[-1, 1], name="q")
    v.value, angle.value = np.ones(3), np.zeros(3)
    p.value, q.value = np.array([0.5, 0.5]), np.zeros(2)
    rows = [angle[0] == 0]
    active, reactive = (p[0], p[1], -0.9), (q[0], q[1], -0.3)
    for i in range(3):
        others = [j for j in range(3) if j != i]
        flow, turn = [], []
        for j in others:
            both, d = v[i] * v[j], angle[i] - angle[j]
            flow.append(g * cp.square(v[i]) - both * (g * cp.nlp.cos(d) + b * cp.nlp.sin(d)))
            turn.append(-b * cp.square(v[i]) - both * (g * cp.nlp.sin(d) - b * cp.nlp.cos(d)))
        rows += [cp.sum(cp.hstack(flow)) == active[i], cp.sum(cp.hstack(turn)) == reactive[i]]
    return cp.Problem(cp.Minimize(p[0] + 1.5 * p[1] + cp.square(p[0])), rows)


def phase_retrieval() -> cp.Problem:
    """Find a real signal from the squares of 40 projections."""
    rng = np.random.default_rng(3)
    A, true = rng.standard_normal((40, 8)), rng.standard_normal(8)
    x = cp.Variable(8, name="x")
    x.value = true + 0.3 * rng.standard_normal(8)
    noisy = np.square(A @ true) + 0.1 * rng.standard_normal(40)
    return cp.Problem(cp.Minimize(cp.sum_squares(cp.square(A @ x) - noisy)))


def portfolio() -> cp.Problem:
    """Return less risk less a concave cost of trading, which makes large trades cheap by the piece."""
    rng = np.random.default_rng(4)
    factors = rng.standard_normal((10, 4)) * 0.2
    held = cp.Variable(10, nonneg=True, name="held")
    bought = cp.Variable(10, nonneg=True, name="bought")
    held.value = bought.value = np.full(10, 0.1)
    risk = cp.sum_squares(factors.T @ held) + 0.02 * cp.sum_squares(held)
    cost = 0.02 * cp.sum(cp.sqrt(bought + 0.01))
    gain = rng.uniform(0.02, 0.12, 10) @ held
    return cp.Problem(
        cp.Maximize(gain - 2 * risk - cost),
        [cp.sum(held) == 1, bought >= held - 0.05, held <= 0.4],
    )


def risk_parity() -> cp.Problem:
    """Weights that all contribute the same risk."""
    root = np.random.default_rng(5).standard_normal((6, 6))
    covariance = root @ root.T / 6 + 0.3 * np.eye(6)
    w, level = cp.Variable(6, bounds=[0.01, 1], name="w"), cp.Variable(name="level")
    w.value, level.value = np.full(6, 1 / 6), 0.1
    shares = cp.multiply(w, covariance @ w)
    return cp.Problem(cp.Minimize(level), [shares == level, cp.sum(w) == 1])


def logistic_regression() -> cp.Problem:
    """Maximum likelihood with a ridge; convex."""
    rng = np.random.default_rng(6)
    X = rng.standard_normal((60, 5))
    sign = np.where(X @ [1.0, -2.0, 0.5, 0.0, 1.0] + rng.standard_normal(60) > 0, 1.0, -1.0)
    beta = cp.Variable(5, name="beta")
    beta.value = np.zeros(5)
    loss = cp.sum(cp.logistic(-cp.multiply(sign, X @ beta)))
    return cp.Problem(cp.Minimize(loss + cp.sum_squares(beta)))


def robust_regression() -> cp.Problem:
    """Fit a line to points with outliers: the loss r^2 / (1 + r^2), which is not convex."""
    rng = np.random.default_rng(7)
    X = np.column_stack([np.ones(40), rng.uniform(-2, 2, 40)])
    y = X @ [1.0, 2.0] + 0.1 * rng.standard_normal(40)
    y[:6] += 8.0
    beta = cp.Variable(2, name="beta")
    beta.value = np.linalg.lstsq(X, y, rcond=None)[0]
    return cp.Problem(cp.Minimize(cp.sum(1 - cp.inv_pos(1 + cp.square(X @ beta - y)))))


def nonnegative_factors() -> cp.Problem:
    """Approximate a matrix by a product of two nonnegative ones, the first with columns of sum one."""
    rng = np.random.default_rng(8)
    A = rng.uniform(0, 1, (6, 2)) @ rng.uniform(0, 1, (2, 5)) + 0.01 * rng.uniform(0, 1, (6, 5))
    W, H = (
        cp.Variable((6, 2), nonneg=True, name="W"),
        cp.Variable((2, 5), nonneg=True, name="H"),
    )
    start = rng.uniform(0.5, 1.5, (6, 2))
    W.value, H.value = start / start.sum(axis=0), rng.uniform(0.5, 1.5, (2, 5))
    return cp.Problem(cp.Minimize(cp.sum_squares(A - W @ H)), [cp.sum(W, axis=0) == 1])


def chemical_equilibrium() -> cp.Problem:
    """Least free energy of ten species made of hydrogen, nitrogen and oxygen [HS112]."""
    c = np.array(
        [-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.1, -10.708, -26.662, -22.179]
    )
    atoms = np.zeros((3, 10))
    atoms[0, [0, 1, 2, 5, 9]] = [1, 2, 2, 1, 1]
    atoms[1, [3, 4, 5, 6]] = [1, 2, 1, 1]
    atoms[2, [2, 6, 7, 8, 9]] = [1, 1, 1, 2, 1]
    x = cp.Variable(10, bounds=[1e-6, None], name="x")
    x.value = np.full(10, 0.1)
    energy = c @ x + cp.sum(cp.rel_entr(x, cp.sum(x)))
    return cp.Problem(cp.Minimize(energy), [atoms @ x == np.array([2.0, 1.0, 1.0])])


def hanging_chain() -> cp.Problem:
    """Lowest potential energy of 20 rods of equal length between two nails."""
    x, y = cp.Variable(21, name="x"), cp.Variable(21, name="y")
    t = np.linspace(0.0, 1.0, 21)
    x.value, y.value = t, -2.0 * t * (1 - t)
    rods = cp.square(x[1:] - x[:-1]) + cp.square(y[1:] - y[:-1]) == 0.075**2
    ends = [x[0] == 0, y[0] == 0, x[20] == 1, y[20] == 0]
    return cp.Problem(cp.Minimize(cp.sum(y[1:] + y[:-1]) / 2), [rods, *ends])


def car() -> cp.Problem:
    """Park a car of the kinematic bicycle model: 30 steps, limited speed, steering and turns."""
    n, h, wheelbase = 30, 0.1, 0.1
    z = cp.Variable((n + 1, 3), name="z")
    speed = cp.Variable(n, bounds=[-2, 2], name="speed")
    steering = cp.Variable(n, bounds=[-0.5, 0.5], name="steering")
    t = np.linspace(0.0, 1.0, n + 1)
    z.value = np.column_stack([t, 0.5 * t, np.zeros(n + 1)])
    speed.value, steering.value = np.full(n, 0.3), np.zeros(n)
    rows = [
        z[1:, 0] == z[:-1, 0] + h * cp.multiply(speed, cp.nlp.cos(z[:-1, 2])),
        z[1:, 1] == z[:-1, 1] + h * cp.multiply(speed, cp.nlp.sin(z[:-1, 2])),
        z[1:, 2] == z[:-1, 2] + h / wheelbase * cp.multiply(speed, cp.nlp.tan(steering)),
        z[0] == np.zeros(3),
        z[n] == np.array([1.0, 0.5, 0.0]),
        cp.abs(speed[1:] - speed[:-1]) <= 0.2,
    ]
    return cp.Problem(cp.Minimize(cp.sum_squares(speed) + 0.1 * cp.sum_squares(steering)), rows)


def charges_on_a_sphere() -> cp.Problem:
    """Least energy of six charges on the unit sphere."""
    x = cp.Variable((6, 3), name="x")
    start = np.random.default_rng(9).standard_normal((6, 3))
    x.value = start / np.linalg.norm(start, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(6) for j in range(i)]
    energy = cp.sum(cp.hstack([cp.power(cp.sum_squares(x[i] - x[j]), -0.5) for i, j in pairs]))
    return cp.Problem(cp.Minimize(energy), [cp.sum(cp.square(x), axis=1) == 1])


def decay_rates() -> cp.Problem:
    """Fit two exponential decays to noisy data."""
    rng = np.random.default_rng(10)
    t = np.linspace(0.0, 4.0, 40)
    data = 2 * np.exp(-0.5 * t) + np.exp(-2.5 * t) + 0.01 * rng.standard_normal(40)
    size, rate = cp.Variable(2, name="size"), cp.Variable(2, bounds=[0.05, 5], name="rate")
    size.value, rate.value = [1.0, 1.0], [0.3, 2.0]
    model = size[0] * cp.exp(-t * rate[0]) + size[1] * cp.exp(-t * rate[1])
    return cp.Problem(cp.Minimize(cp.sum_squares(model - data)))


def largest_box() -> cp.Problem:
    """Largest box under limits on walls, floor and proportions; geometric."""
    h, w, d = (cp.Variable(bounds=[0.1, 20], name=name) for name in "hwd")
    h.value = w.value = d.value = 1.0
    rows = [2 * (h * w + h * d) <= 100, w * d <= 10, h <= 2 * w, w <= 2 * d, d <= 2 * h]
    return cp.Problem(cp.Maximize(h * w * d), rows)


def normal_estimate() -> cp.Problem:
    """Mean and spread of a normal sample by maximum likelihood."""
    sample = np.random.default_rng(11).normal(1.0, 2.0, 50)
    mean, spread = cp.Variable(name="mean"), cp.Variable(bounds=[0.1, None], name="spread")
    mean.value, spread.value = 0.0, 1.0
    squares = cp.sum_squares(sample - mean)
    return cp.Problem(cp.Minimize(50 * cp.log(spread) + 0.5 * squares * cp.power(spread, -2)))


def analytic_centre() -> cp.Problem:
    """Centre of a polytope by logarithms; convex."""
    rng = np.random.default_rng(12)
    A = rng.standard_normal((30, 4))
    x = cp.Variable(4, name="x")
    x.value = np.zeros(4)
    return cp.Problem(cp.Minimize(-cp.sum(cp.log(rng.uniform(1, 2, 30) - A @ x))))


MODELS: Mapping[str, Callable[[], cp.Problem]] = MappingProxyType(
    {
        f.__name__: f
        for f in (
            hs71, rosenbrock, largest_eigenvalue, path_planning, circle_packing, localization,
            sparse_recovery, power_flow, phase_retrieval, portfolio, risk_parity,
            logistic_regression, robust_regression, nonnegative_factors, chemical_equilibrium,
            hanging_chain, car, charges_on_a_sphere, decay_rates, largest_box, normal_estimate,
            analytic_centre,
        )
    }
)  # fmt: skip


def tracking(n: int) -> cp.Problem:
    """Control with n variables, half of them a state: s_{t+1} = s_t + h (u_t - sin s_t)."""
    steps = n // 2
    h = 20.0 / steps
    s, u = cp.Variable(steps, name="s"), cp.Variable(steps, bounds=[-1.5, 1.5], name="u")
    s.value, u.value = np.zeros(steps), np.zeros(steps)
    wanted = 1.0 + np.sin(np.linspace(0.0, 6.0, steps))
    cost = cp.sum_squares(s - wanted) + 0.1 * cp.sum_squares(u)
    rows = [s[0] == 0, s[1:] == s[:-1] + h * (u[:-1] - cp.nlp.sin(s[:-1]))]
    return cp.Problem(cp.Minimize(cost), rows)


def smoothing(n: int) -> cp.Problem:
    """Smooth n noisy numbers under limits on the rise, a convex problem."""
    noise = np.random.default_rng(0).standard_normal(n)
    x = cp.Variable(n, bounds=[-2, 2], name="x")
    x.value = np.zeros(n)
    cost = cp.sum(cp.logistic(cp.multiply(noise, x))) + cp.sum_squares(x[1:] - x[:-1])
    rows = [cp.sum(x) == 1, x[1:] - x[:-1] <= 0.3]
    return cp.Problem(cp.Minimize(cost + 0.1 * cp.sum_squares(x - noise)), rows)


def bounded_valley(n: int) -> cp.Problem:
    """Rosenbrock's valley in n bounded dimensions."""
    x = cp.Variable(n, bounds=[-2.0, 1.5], name="x")
    x.value = np.zeros(n)
    valley = 100 * cp.sum_squares(x[1:] - cp.square(x[:-1])) + cp.sum_squares(1 - x[:-1])
    return cp.Problem(cp.Minimize(valley))


LARGE: Mapping[str, Callable[[int], cp.Problem]] = MappingProxyType(
    {f.__name__: f for f in (tracking, smoothing, bounded_valley)}
)
"""Models of any size."""
