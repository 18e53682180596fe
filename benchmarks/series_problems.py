"""Parametric problems for the benchmark of warm starts: control over a moving horizon, power flow.

Both come with exact derivatives in fixed sparsity patterns (control) or as dense quadratic forms
(power flow).

Reactor: the stirred tank of Hicks and Ray (Can. J. Chem. Eng. 49, 1971) in dimensionless form, with
concentration c, temperature T and cooling u,

    c' = (1 - c)/theta - k c exp(-E/T)
    T' = (Tf - T)/theta + k c exp(-E/T) - alpha u (T - Tc)

by implicit Euler over N steps.

Power flow: minimise the cost of generation subject to the complex power balance at every bus, limits
of generators, of voltage magnitudes and of the apparent power of every line, in rectangular
coordinates V = e + j f, where all of these are quadratic forms of (e, f) or sums of two squares of
such. 9 buses: J. H. Chow (ed.), Time-Scale Modeling of Dynamic Networks with Applications to Power
Systems, Springer LNCIS 46, 1982, p. 70; costs and limits as in MATPOWER's case9. 14 buses: the IEEE
test case of the University of Washington's archive (1962 system); costs as in MATPOWER's case14.
The optimal costs published with MATPOWER are 5296.69 and 8081.52 $/h.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

import optlab

THETA, K_RATE, E_ACT, T_FEED, T_COOL, ALPHA = 20.0, 300.0, 5.0, 0.3947, 0.3816, 1.95e-4
U_SCALE = 500.0


def steady(c: float) -> tuple[float, float, float]:
    """Return the steady state (c, T, u / U_SCALE) of the reactor with this concentration."""
    rate = (1.0 - c) / THETA
    temperature = -E_ACT / np.log(rate / (K_RATE * c))
    u = ((T_FEED - temperature) / THETA + rate) / (ALPHA * (temperature - T_COOL))
    return c, float(temperature), float(u / U_SCALE)


@dataclass
class Reactor:
    """Optimal control of the reactor from one measured state; stage k holds (u_k, c_k+1, T_k+1)."""

    steps: int = 60
    width: float = 1.0
    low: float = 0.05
    high: float = 1.0
    _patterns: dict[str, Any] = field(default_factory=dict)

    def rate(self, c: Any, T: Any) -> tuple[Any, ...]:
        """Return r = k c exp(-E/T) and its derivatives r_c, r_T, r_cT, r_TT (r_cc = 0)."""
        e = K_RATE * np.exp(-E_ACT / T)
        slope = E_ACT / T**2
        return c * e, e, c * e * slope, e * slope, c * e * (slope**2 - 2.0 * slope / T)

    def plant(self, state: np.ndarray, u: float, feed: float) -> np.ndarray:
        """Advance the state by one step of the same scheme, by Newton's method."""
        z = state.copy()
        h = self.width
        for _ in range(50):
            c, T = z
            r, rc, rT, _, _ = self.rate(c, T)
            cool = ALPHA * U_SCALE * u
            F = np.array([(1 - c) / THETA - r, (feed - T) / THETA + r - cool * (T - T_COOL)])
            J = np.array([[-1 / THETA - rc, -rT], [rc, -1 / THETA + rT - cool]])
            step = np.linalg.solve(np.eye(2) - h * J, z - state - h * F)
            z = z - step
            if np.abs(step).max() < 1e-14:
                break
        return z

    def jacobian_pattern(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (indices, indptr): rows (c_k, T_k), columns sorted, values as ``jacobian`` has."""
        rows = []
        for k in range(self.steps):
            u, c, T = 3 * k, 3 * k + 1, 3 * k + 2
            rows.append([c, T] if k == 0 else [c - 3, c, T])
            rows.append([u, c, T] if k == 0 else [T - 3, u, c, T])
        indices = np.concatenate(rows)
        return indices, np.concatenate(([0], np.cumsum([len(r) for r in rows])))

    def problem(self, state: Any, target: Any, feed: float, x0: Any = None) -> optlab.Problem:
        """Pose the problem for a measured state (c, T), a target (c, T, u) and a feed temperature."""
        if not self._patterns:
            self._patterns["J"] = self.jacobian_pattern()
            k = 3 * np.arange(self.steps)
            # Rows u: (u, T); rows c: (c, T); rows T: (u, c, T).
            cols = np.stack((k, k + 2, k + 1, k + 2, k, k + 1, k + 2), axis=1).ravel()
            starts = np.cumsum(np.tile([2, 2, 3], self.steps))
            self._patterns["H"] = (cols, np.concatenate(([0], starts)))
        return _reactor_problem(self, np.asarray(state), np.asarray(target), feed, x0)


def _reactor_problem(
    model: Reactor, state: np.ndarray, target: np.ndarray, feed: float, x0: Any
) -> optlab.Problem:
    N, h = model.steps, model.width
    n, m = 3 * N, 2 * N
    weights = h * np.tile([0.1, 10.0, 10.0], N)
    weights[-2:] *= 10.0
    wanted = np.tile([target[2], target[0], target[1]], N)
    J_indices, J_indptr = model._patterns["J"]
    H_indices, H_indptr = model._patterns["H"]

    def split(x: np.ndarray) -> tuple[Any, Any, Any]:
        return x[0::3], x[1::3], x[2::3]

    def objective(x: np.ndarray) -> float:
        d = x - wanted
        return float(d @ (weights * d))

    def gradient(x: np.ndarray) -> np.ndarray:
        return 2.0 * weights * (x - wanted)

    def constraints(x: np.ndarray) -> np.ndarray:
        u, c, T = split(x)
        r = c * K_RATE * np.exp(-E_ACT / T)
        before_c = np.concatenate(([state[0]], c[:-1]))
        before_T = np.concatenate(([state[1]], T[:-1]))
        out = np.empty(m)
        out[0::2] = c - before_c - h * ((1 - c) / THETA - r)
        cooling = ALPHA * U_SCALE * u * (T - T_COOL)
        out[1::2] = T - before_T - h * ((feed - T) / THETA + r - cooling)
        return out

    def jacobian(x: np.ndarray) -> Any:
        u, c, T = split(x)
        _, rc, rT, _, _ = model.rate(c, T)
        block = np.empty((N, 7))
        block[:, 0] = -1.0
        block[:, 1] = 1.0 + h / THETA + h * rc
        block[:, 2] = h * rT
        block[:, 3] = -1.0
        block[:, 4] = h * ALPHA * U_SCALE * (T - T_COOL)
        block[:, 5] = -h * rc
        block[:, 6] = 1.0 + h / THETA - h * rT + h * ALPHA * U_SCALE * u
        flat = block.ravel()
        data = np.concatenate((flat[[1, 2, 4, 5, 6]], flat[7:]))
        return sp.csr_array((data, J_indices, J_indptr), shape=(m, n))

    def hessian(x: np.ndarray, y: np.ndarray, sigma: float) -> Any:
        _, c, T = split(x)
        _, _, _, rcT, rTT = model.rate(c, T)
        difference = h * (y[0::2] - y[1::2])
        mixed = h * ALPHA * U_SCALE * y[1::2]
        block = np.empty((N, 7))
        w = 2.0 * sigma * weights.reshape(N, 3)
        block[:, 0], block[:, 1] = w[:, 0], mixed
        block[:, 2], block[:, 3] = w[:, 1], difference * rcT
        block[:, 4], block[:, 5] = mixed, difference * rcT
        block[:, 6] = w[:, 2] + difference * rTT
        return sp.csr_array((block.ravel(), H_indices, H_indptr), shape=(n, n))

    if x0 is None:
        x0 = np.tile([target[2], state[0], state[1]], N)
    lb = np.tile([model.low, 0.0, 0.1], N)
    ub = np.tile([model.high, 1.0, 2.0], N)
    zeros = np.zeros(m)
    return optlab.Problem(
        objective=objective, gradient=gradient, hessian=hessian, constraints=constraints,
        jacobian=jacobian, x0=x0, lb=lb, ub=ub, cl=zeros, cu=zeros,
        linear=np.zeros(m, dtype=bool), name="reactor",
    )  # fmt: skip


def shift_stages(values: np.ndarray, width: int) -> np.ndarray:
    """Move stage k + 1 to stage k and repeat the last one."""
    return np.concatenate((values[width:], values[-width:]))


# Power flow ------------------------------------------------------------------------------------

MW = 100.0
"""Base power in MVA: the variables are in units of it."""

# (Pd, Qd, Bs, Vmin, Vmax); bus, Pmin, Pmax, Qmin, Qmax, c2, c1, c0; from, to, r, x, b, limit, tap
BUS9 = [
    (0, 0), (0, 0), (0, 0), (0, 0), (90, 30), (0, 0), (100, 35), (0, 0), (125, 50),
]  # fmt: skip
GEN9 = [
    (1, 10, 250, -300, 300, 0.11, 5.0, 150.0),
    (2, 10, 300, -300, 300, 0.085, 1.2, 600.0),
    (3, 10, 270, -300, 300, 0.1225, 1.0, 335.0),
]
LINE9 = [
    (1, 4, 0, 0.0576, 0, 250, 1), (4, 5, 0.017, 0.092, 0.158, 250, 1),
    (5, 6, 0.039, 0.17, 0.358, 150, 1), (3, 6, 0, 0.0586, 0, 300, 1),
    (6, 7, 0.0119, 0.1008, 0.209, 150, 1), (7, 8, 0.0085, 0.072, 0.149, 250, 1),
    (8, 2, 0, 0.0625, 0, 250, 1), (8, 9, 0.032, 0.161, 0.306, 250, 1),
    (9, 4, 0.01, 0.085, 0.176, 250, 1),
]  # fmt: skip
BUS14 = [
    (0, 0), (21.7, 12.7), (94.2, 19), (47.8, -3.9), (7.6, 1.6), (11.2, 7.5), (0, 0), (0, 0),
    (29.5, 16.6), (9, 5.8), (3.5, 1.8), (6.1, 1.6), (13.5, 5.8), (14.9, 5),
]  # fmt: skip
GEN14 = [
    (1, 0, 332.4, 0, 10, 0.0430292599, 20.0, 0.0),
    (2, 0, 140, -40, 50, 0.25, 20.0, 0.0),
    (3, 0, 100, 0, 40, 0.01, 40.0, 0.0),
    (6, 0, 100, -6, 24, 0.01, 40.0, 0.0),
    (8, 0, 100, -6, 24, 0.01, 40.0, 0.0),
]
LINE14 = [
    (1, 2, 0.01938, 0.05917, 0.0528, 0, 1), (1, 5, 0.05403, 0.22304, 0.0492, 0, 1),
    (2, 3, 0.04699, 0.19797, 0.0438, 0, 1), (2, 4, 0.05811, 0.17632, 0.034, 0, 1),
    (2, 5, 0.05695, 0.17388, 0.0346, 0, 1), (3, 4, 0.06701, 0.17103, 0.0128, 0, 1),
    (4, 5, 0.01335, 0.04211, 0, 0, 1), (4, 7, 0, 0.20912, 0, 0, 0.978),
    (4, 9, 0, 0.55618, 0, 0, 0.969), (5, 6, 0, 0.25202, 0, 0, 0.932),
    (6, 11, 0.09498, 0.1989, 0, 0, 1), (6, 12, 0.12291, 0.25581, 0, 0, 1),
    (6, 13, 0.06615, 0.13027, 0, 0, 1), (7, 8, 0, 0.17615, 0, 0, 1),
    (7, 9, 0, 0.11001, 0, 0, 1), (9, 10, 0.03181, 0.0845, 0, 0, 1),
    (9, 14, 0.12711, 0.27038, 0, 0, 1), (10, 11, 0.08205, 0.19207, 0, 0, 1),
    (12, 13, 0.22092, 0.19988, 0, 0, 1), (13, 14, 0.17093, 0.34802, 0, 0, 1),
]  # fmt: skip


class Network:
    """Quadratic forms of (e, f) for the injections, magnitudes and line flows of a network."""

    def __init__(
        self, buses: Any, generators: Any, lines: Any, voltage: tuple[float, float], shunts: Any
    ) -> None:
        self.loads = np.array(buses, dtype=float) / MW
        self.generators = np.array(generators, dtype=float)
        self.voltage = voltage
        nb = self.nb = len(buses)
        Y = np.zeros((nb, nb), dtype=complex)
        for bus, b in shunts:
            Y[bus - 1, bus - 1] += 1j * b / MW
        flows, self.limits = [], []
        for i, j, r, x, b, limit, tap in lines:
            series = 1.0 / (r + 1j * x)
            own = series + 0.5j * b
            i, j = i - 1, j - 1  # noqa: PLW2901
            ends = ((i, j, own / tap**2, -series / tap), (j, i, own, -series / tap))
            for here, there, y_own, y_other in ends:
                Y[here, here] += y_own
                Y[here, there] += y_other
                if limit:
                    row = np.zeros(nb, dtype=complex)
                    row[here], row[there] = y_own, y_other
                    flows.append(self._power(here, row))
                    self.limits.append(limit / MW)
        powers = [self._power(i, Y[i]) for i in range(nb)]
        magnitudes = [self._magnitude(i) for i in range(nb)]
        active, reactive = (np.array([p[k] for p in powers]) for k in (0, 1))
        # (forms, 2 nb, 2 nb): active, reactive, magnitude; then the two parts of every flow.
        self.forms = np.concatenate((active, reactive, np.array(magnitudes)))
        self.flows = np.array([f[k] for k in (0, 1) for f in flows]).reshape(-1, 2 * nb, 2 * nb)

    def _power(self, i: int, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Re and Im of V_i conj(row @ V) as symmetric forms of (e, f)."""
        nb = self.nb
        e, f = np.zeros(2 * nb), np.zeros(2 * nb)
        e[i], f[nb + i] = 1.0, 1.0
        real = np.concatenate((row.real, -row.imag))
        imag = np.concatenate((row.imag, row.real))
        p = np.outer(e, real) + np.outer(f, imag)
        q = np.outer(f, real) - np.outer(e, imag)
        return 0.5 * (p + p.T), 0.5 * (q + q.T)

    def _magnitude(self, i: int) -> np.ndarray:
        form = np.zeros((2 * self.nb, 2 * self.nb))
        form[i, i] = form[self.nb + i, self.nb + i] = 1.0
        return form

    def problem(self, factors: np.ndarray) -> optlab.Problem:
        """Pose the optimal power flow with the loads of every bus multiplied by ``factors``."""
        return _power_problem(self, self.loads * factors[:, None])


def _power_problem(net: Network, loads: np.ndarray) -> optlab.Problem:
    nb, gens = net.nb, net.generators
    ng, nv = len(gens), 2 * net.nb
    n, nf = nv + 2 * ng, len(net.limits)
    m = 3 * nb + nf
    at = gens[:, 0].astype(int) - 1
    c2, c1, c0 = gens[:, 5] * MW**2, gens[:, 6] * MW, gens[:, 7]
    base = np.zeros((m, n))
    base[at, nv + np.arange(ng)] = -1.0
    base[nb + at, nv + ng + np.arange(ng)] = -1.0

    def objective(x: np.ndarray) -> float:
        p = x[nv : nv + ng]
        return float(np.sum(c2 * p**2 + c1 * p + c0))

    def gradient(x: np.ndarray) -> np.ndarray:
        g = np.zeros(n)
        g[nv : nv + ng] = 2.0 * c2 * x[nv : nv + ng] + c1
        return g

    def constraints(x: np.ndarray) -> np.ndarray:
        v = x[:nv]
        out = base @ x
        out[: 3 * nb] += (net.forms @ v) @ v
        s = (net.flows @ v) @ v
        out[3 * nb :] = s[:nf] ** 2 + s[nf:] ** 2
        return out

    def jacobian(x: np.ndarray) -> np.ndarray:
        v = x[:nv]
        J = base.copy()
        J[: 3 * nb, :nv] = 2.0 * (net.forms @ v)
        slope = net.flows @ v
        s = slope @ v
        J[3 * nb :, :nv] = 4.0 * (s[:nf, None] * slope[:nf] + s[nf:, None] * slope[nf:])
        return J

    def hessian(x: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
        v = x[:nv]
        H = np.zeros((n, n))
        H[:nv, :nv] = 2.0 * np.tensordot(y[: 3 * nb], net.forms, axes=1)
        if nf:
            slope = net.flows @ v
            s, w = slope @ v, np.tile(y[3 * nb :], 2)
            H[:nv, :nv] += 8.0 * (slope.T * w) @ slope
            H[:nv, :nv] += 4.0 * np.tensordot(w * s, net.flows, axes=1)
        k = nv + np.arange(ng)
        H[k, k] = 2.0 * sigma * c2
        return H

    low, high = net.voltage
    limits = np.array(net.limits) ** 2
    lb, ub = np.full(n, -2.0), np.full(n, 2.0)
    # The first bus is the reference of the angles.
    lb[nb] = ub[nb] = 0.0
    lb[0] = 0.0
    lb[nv:] = np.concatenate((gens[:, 1], gens[:, 3])) / MW
    ub[nv:] = np.concatenate((gens[:, 2], gens[:, 4])) / MW
    balance = -loads.T.ravel()
    x0 = np.concatenate((np.ones(nb), np.zeros(nb), 0.5 * (lb[nv:] + ub[nv:])))
    return optlab.Problem(
        objective=objective, gradient=gradient, hessian=hessian, constraints=constraints,
        jacobian=jacobian, x0=x0, lb=lb, ub=ub,
        cl=np.concatenate((balance, np.full(nb, low**2), np.full(nf, -np.inf))),
        cu=np.concatenate((balance, np.full(nb, high**2), limits)),
        linear=np.zeros(m, dtype=bool), name=f"opf{nb}",
    )  # fmt: skip


def network(buses: int) -> Network:
    """Return the network with 9 or 14 buses."""
    if buses == 9:
        return Network(BUS9, GEN9, LINE9, (0.9, 1.1), [])
    return Network(BUS14, GEN14, LINE14, (0.94, 1.06), [(9, 19.0)])
