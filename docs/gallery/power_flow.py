"""Optimal power flow in the IEEE 14-bus network.

    min  sum_g a_g P_g^2 + b_g P_g   subject to   S_i^gen - S_i^load = V_i conj(sum_k Y_ik V_k),
         0.94 <= |V_i| <= 1.06,   limits on the active and reactive power of each generator

V_i = e_i + j f_i are the voltages in rectangular coordinates, which make every equation quadratic; Y is the
admittance matrix of lines, transformers and shunts.

Source: the IEEE 14-bus test case (University of Washington archive, 1993) with the costs of MATPOWER's case14,
whose optimum is 8081.53 $/h.

What one learns: ``optlab.minimize`` takes a Pyomo model as it is, and writes values and multipliers back into it.
The multipliers of the balance of active power are the prices of energy; they differ by the losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
from matplotlib import style
from matplotlib.figure import Figure

import optlab

# fmt: off
LOADS = {  # bus: MW, MVAr
    1: (0, 0), 2: (21.7, 12.7), 3: (94.2, 19), 4: (47.8, -3.9), 5: (7.6, 1.6), 6: (11.2, 7.5), 7: (0, 0),
    8: (0, 0), 9: (29.5, 16.6), 10: (9, 5.8), 11: (3.5, 1.8), 12: (6.1, 1.6), 13: (13.5, 5.8), 14: (14.9, 5),
}
GENERATORS = {  # bus: largest MW, least and largest MVAr, cost in $/(MW^2 h) and $/(MW h)
    1: (332.4, 0, 10, 0.0430293, 20), 2: (140, -40, 50, 0.25, 20), 3: (100, 0, 40, 0.01, 40),
    6: (100, -6, 24, 0.01, 40), 8: (100, -6, 24, 0.01, 40),
}
BRANCHES = [  # from, to, resistance, reactance, susceptance, ratio of the transformer
    (1, 2, 0.01938, 0.05917, 0.0528, 1), (1, 5, 0.05403, 0.22304, 0.0492, 1),
    (2, 3, 0.04699, 0.19797, 0.0438, 1), (2, 4, 0.05811, 0.17632, 0.034, 1),
    (2, 5, 0.05695, 0.17388, 0.0346, 1), (3, 4, 0.06701, 0.17103, 0.0128, 1),
    (4, 5, 0.01335, 0.04211, 0, 1), (4, 7, 0, 0.20912, 0, 0.978), (4, 9, 0, 0.55618, 0, 0.969),
    (5, 6, 0, 0.25202, 0, 0.932), (6, 11, 0.09498, 0.1989, 0, 1), (6, 12, 0.12291, 0.25581, 0, 1),
    (6, 13, 0.06615, 0.13027, 0, 1), (7, 8, 0, 0.17615, 0, 1), (7, 9, 0, 0.11001, 0, 1),
    (9, 10, 0.03181, 0.0845, 0, 1), (9, 14, 0.12711, 0.27038, 0, 1), (10, 11, 0.08205, 0.19207, 0, 1),
    (12, 13, 0.22092, 0.19988, 0, 1), (13, 14, 0.17093, 0.34802, 0, 1),
]
# fmt: on
SHUNTS = {9: 0.19}
"""Susceptance to the ground, per unit."""

BASE = 100.0
"""MVA per unit."""

BUSES = list(LOADS)

# fmt: off
PLACES = {  # for the drawing
    1: (0, 2.2), 2: (0.7, 0.7), 3: (2.4, 0), 4: (2.9, 1.5), 5: (1.6, 2.2), 6: (1.3, 3.5), 7: (3.9, 2.1),
    8: (5, 2), 9: (3.7, 3), 10: (2.9, 3.6), 11: (2.1, 3.9), 12: (0.1, 4.4), 13: (1.2, 4.8), 14: (3.1, 4.7),
}
# fmt: on


def admittance() -> np.ndarray:
    """Return Y, (14, 14), per unit; resistances and reactances are in series, susceptances at the ends."""
    Y = np.zeros((len(BUSES), len(BUSES)), dtype=complex)
    for start, end, resistance, reactance, susceptance, ratio in BRANCHES:
        i, k = BUSES.index(start), BUSES.index(end)
        series = 1 / complex(resistance, reactance)
        around = series + 0.5j * susceptance
        Y[i, i] += around / ratio**2
        Y[k, k] += around
        Y[i, k] -= series / ratio
        Y[k, i] -= series / ratio
    for bus, susceptance in SHUNTS.items():
        Y[BUSES.index(bus), BUSES.index(bus)] += 1j * susceptance
    return Y


@dataclass(frozen=True)
class Flow:
    """The operating point."""

    result: optlab.Result
    voltages: np.ndarray
    """Complex, per unit, (14,)."""

    active: dict[int, float]
    """Of the generators, in MW."""

    reactive: dict[int, float]
    """Of the generators, in MVAr."""

    prices: np.ndarray
    """Of energy at the buses, in $/(MW h), (14,)."""


def build() -> Any:
    """Return the Pyomo model; powers are per unit."""
    Y, place = admittance(), {bus: k for k, bus in enumerate(BUSES)}
    near = {i: [k for k in BUSES if Y[place[i], place[k]] != 0] for i in BUSES}
    model = pyo.ConcreteModel("IEEE 14-bus optimal power flow")
    model.e = pyo.Var(BUSES, bounds=(-1.06, 1.06), initialize=1.0)
    model.f = pyo.Var(BUSES, bounds=(-1.06, 1.06), initialize=0.0)
    model.f[1].fix(0.0)
    most = {g: data[0] / BASE for g, data in GENERATORS.items()}
    model.P = pyo.Var(list(GENERATORS), bounds=lambda _, g: (0, most[g]), initialize=0.5)
    span = {g: (data[1] / BASE, data[2] / BASE) for g, data in GENERATORS.items()}
    model.Q = pyo.Var(list(GENERATORS), bounds=lambda _, g: span[g], initialize=0.0)

    def current(m: Any, i: int) -> tuple[Any, Any]:
        """Return real and imaginary part of the current into bus i."""
        y = {k: Y[place[i], place[k]] for k in near[i]}
        return (
            sum(y[k].real * m.e[k] - y[k].imag * m.f[k] for k in near[i]),
            sum(y[k].real * m.f[k] + y[k].imag * m.e[k] for k in near[i]),
        )

    def active(m: Any, i: int) -> Any:
        """Balance of active power: Re(V conj I) less generation is minus the load."""
        real, imaginary = current(m, i)
        made = m.P[i] if i in GENERATORS else 0.0
        return m.e[i] * real + m.f[i] * imaginary - made == -LOADS[i][0] / BASE

    def reactive(m: Any, i: int) -> Any:
        """Balance of reactive power: Im(V conj I) less generation is minus the load."""
        real, imaginary = current(m, i)
        made = m.Q[i] if i in GENERATORS else 0.0
        return m.f[i] * real - m.e[i] * imaginary - made == -LOADS[i][1] / BASE

    model.active_balance = pyo.Constraint(BUSES, rule=active)
    model.reactive_balance = pyo.Constraint(BUSES, rule=reactive)
    model.level = pyo.Constraint(
        BUSES, rule=lambda m, i: (0.94**2, m.e[i] ** 2 + m.f[i] ** 2, 1.06**2)
    )
    model.cost = pyo.Objective(
        expr=sum(
            data[3] * (BASE * model.P[g]) ** 2 + data[4] * BASE * model.P[g]
            for g, data in GENERATORS.items()
        )
    )
    model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    return model


def solve() -> Flow:
    """Return the cheapest operating point."""
    model = build()
    result = optlab.minimize(model)
    voltages = np.array([complex(model.e[i].value, model.f[i].value) for i in BUSES])
    return Flow(
        result,
        voltages,
        {g: BASE * model.P[g].value for g in GENERATORS},
        {g: BASE * model.Q[g].value for g in GENERATORS},
        np.array([-model.dual[model.active_balance[i]] / BASE for i in BUSES]),
    )


def branch_powers(voltages: np.ndarray) -> np.ndarray:
    """Return the active power that enters each branch at its first bus, in MW."""
    powers = []
    for start, end, resistance, reactance, susceptance, ratio in BRANCHES:
        V, W = voltages[BUSES.index(start)] / ratio, voltages[BUSES.index(end)]
        current = (V - W) / complex(resistance, reactance) + 0.5j * susceptance * V
        powers.append(BASE * (V * current.conjugate()).real)
    return np.array(powers)


def plot(flow: Flow, path: Path) -> None:
    """Draw the network: prices as colours, flows of active power as arrows."""
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        axes = (figure := Figure(figsize=(7.2, 5.0))).subplots()
        for (start, end, *_), power in zip(BRANCHES, branch_powers(flow.voltages), strict=True):
            ends = (PLACES[start], PLACES[end]) if power > 0 else (PLACES[end], PLACES[start])
            arrow = {
                "arrowstyle": "-|>", "shrinkA": 10, "shrinkB": 9, "color": "#8b96a1",
                "lw": 0.6 + abs(power) / 25,
            }  # fmt: skip
            axes.annotate("", ends[1], ends[0], arrowprops=arrow)
        x, y = np.array([PLACES[i] for i in BUSES]).T
        shown = axes.scatter(x, y, c=flow.prices, s=330, cmap="YlOrRd", edgecolor="#30363c")
        for bus, price in zip(BUSES, flow.prices, strict=True):
            colour = "white" if price > 39.5 else "black"
            axes.annotate(
                str(bus), PLACES[bus], ha="center", va="center", color=colour, fontsize=9
            )
        for g, power in flow.active.items():
            label = f"{power:.0f} MW" if power > 0.5 else "idle"
            aside, side = ((-13, -3), "right") if g in {1, 2, 6} else ((0, -22), "center")
            axes.annotate(
                label, PLACES[g], aside, textcoords="offset points", ha=side, fontsize=9
            )
        figure.colorbar(shown, label="price of energy [$/(MW h)]", shrink=0.8)
        axes.set_axis_off()
        axes.margins(0.16, 0.1)
        axes.set_title(f"{flow.result.fun:.0f} $/h; arrows: flow of active power")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    flow = solve()
    print(f"cost {flow.result.fun:.2f} $/h, {flow.result.message}")
    print("prices", flow.prices.round(2))
    plot(flow, Path("power_flow.svg"))


if __name__ == "__main__":
    main()
