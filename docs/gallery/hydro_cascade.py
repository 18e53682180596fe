"""A day of four reservoirs on two rivers and one thermal plant.

    min  sum_t 5000 + 19.2 P_t + 0.002 P_t^2   subject to
         P_t + sum_r H_rt = D_t,   500 <= P_t <= 2500 MW,   0 <= H_rt <= 500 MW
         H = c1 V^2 + c2 Q^2 + c3 V Q + c4 V + c5 Q + c6
         V_rt = V_r,t-1 + I_rt - Q_rt + sum over reservoirs u above r of Q_u,t-delay(u)
         limits on volumes V and discharges Q,   volumes given at the start and at the end of the day

Water let out of reservoirs 1 and 2 reaches reservoir 3 after two and three hours, water of 3 reaches 4 after four.

Source: the test system of S. O. Orero and M. R. Irving, A genetic algorithm modelling framework and solution
technique for short term optimal hydrothermal scheduling, IEEE Transactions on Power Systems 13 (1998), with the
discharge limits of reservoir 4 and without the forbidden zones, as in the CEC 2011 collection of test problems.

What one learns: Pyomo's indexed constraints say what the text says. The multiplier of the water balance is what one
more unit of water is worth: this is how hydro power is bid.
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

HOURS = range(1, 25)
RESERVOIRS = range(1, 5)

# fmt: off
DEMAND = np.array([  # MW
    1370, 1390, 1360, 1290, 1290, 1410, 1650, 2000, 2240, 2320, 2230, 2310,
    2230, 2200, 2130, 2070, 2130, 2140, 2240, 2280, 2240, 2120, 1850, 1590], dtype=float)
INFLOW = np.array([  # of the rivers, in 10^4 m^3/h, a row per reservoir
    [10, 9, 8, 7, 6, 7, 8, 9, 10, 11, 12, 10, 11, 12, 11, 10, 9, 8, 7, 6, 7, 8, 9, 10],
    [8, 8, 9, 9, 8, 7, 6, 7, 8, 9, 9, 8, 8, 9, 9, 8, 7, 6, 7, 8, 9, 9, 8, 8],
    [8.1, 8.2, 4, 2, 3, 4, 3, 2, 1, 1, 1, 2, 4, 3, 3, 2, 2, 2, 1, 1, 2, 2, 1, 0],
    [2.8, 2.4, 1.6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]])
POWER = np.array([  # c1 .. c6, MW from 10^4 m^3 and 10^4 m^3/h
    [-0.0042, -0.42, 0.030, 0.90, 10.0, -50], [-0.0040, -0.30, 0.015, 1.14, 9.5, -70],
    [-0.0016, -0.30, 0.014, 0.55, 5.5, -40], [-0.0030, -0.31, 0.027, 1.44, 14.0, -90]])
# fmt: on
VOLUME = {1: (80, 150), 2: (60, 120), 3: (100, 240), 4: (70, 160)}
DISCHARGE = {1: (5, 15), 2: (6, 15), 3: (10, 30), 4: (13, 25)}
FIRST, LAST = {1: 100, 2: 80, 3: 170, 4: 120}, {1: 120, 2: 70, 3: 170, 4: 140}
UPSTREAM = {1: {}, 2: {}, 3: {1: 2, 2: 3}, 4: {3: 4}}
"""Reservoirs above each reservoir and the hours that water takes."""


@dataclass(frozen=True)
class Schedule:
    """The day; rows are reservoirs, columns hours."""

    result: optlab.Result
    thermal: np.ndarray
    """MW, (24,)."""

    volume: np.ndarray
    """At the ends of the hours, in 10^4 m^3, (4, 24)."""

    discharge: np.ndarray
    """In 10^4 m^3/h, (4, 24)."""

    water_value: np.ndarray
    """In $ per 10^4 m^3, (4, 24)."""

    @property
    def hydro(self) -> np.ndarray:
        """In MW, (4, 24)."""
        c, V, Q = POWER.T[:, :, None], self.volume, self.discharge
        return c[0] * V**2 + c[1] * Q**2 + c[2] * V * Q + c[3] * V + c[4] * Q + c[5]


def build() -> Any:
    """Return the Pyomo model."""
    model = pyo.ConcreteModel("hydro cascade")
    model.P = pyo.Var(HOURS, bounds=(500, 2500), initialize=1500)
    model.H = pyo.Var(RESERVOIRS, HOURS, bounds=(0, 500), initialize=100)
    model.Q = pyo.Var(RESERVOIRS, HOURS, bounds=lambda _, r, t: DISCHARGE[r], initialize=13)
    model.V = pyo.Var(
        RESERVOIRS,
        range(25),
        bounds=lambda _, r, t: VOLUME[r],
        initialize=lambda _, r, t: FIRST[r],
    )
    for r in RESERVOIRS:
        model.V[r, 0].fix(FIRST[r])
        model.V[r, 24].fix(LAST[r])

    def turbine(m: Any, r: int, t: int) -> Any:
        c, V, Q = POWER[r - 1], m.V[r, t], m.Q[r, t]
        return m.H[r, t] == (
            c[0] * V**2 + c[1] * Q**2 + c[2] * V * Q + c[3] * V + c[4] * Q + c[5]
        )

    def water(m: Any, r: int, t: int) -> Any:
        arriving = sum(m.Q[u, t - late] for u, late in UPSTREAM[r].items() if t > late)
        change = m.V[r, t] - m.V[r, t - 1] + m.Q[r, t] - arriving
        return change == INFLOW[r - 1, t - 1]

    model.turbine = pyo.Constraint(RESERVOIRS, HOURS, rule=turbine)
    model.water = pyo.Constraint(RESERVOIRS, HOURS, rule=water)
    model.balance = pyo.Constraint(
        HOURS, rule=lambda m, t: m.P[t] + sum(m.H[r, t] for r in RESERVOIRS) == DEMAND[t - 1]
    )
    model.cost = pyo.Objective(
        expr=sum(5000 + 19.2 * model.P[t] + 0.002 * model.P[t] ** 2 for t in HOURS)
    )
    model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    return model


def solve() -> Schedule:
    """Return the cheapest day."""
    model = build()
    result = optlab.minimize(model)

    def table(values: Any) -> np.ndarray:
        return np.array([[values(r, t) for t in HOURS] for r in RESERVOIRS])

    return Schedule(
        result,
        np.array([model.P[t].value for t in HOURS]),
        table(lambda r, t: model.V[r, t].value),
        table(lambda r, t: model.Q[r, t].value),
        table(lambda r, t: -model.dual[model.water[r, t]]),
    )


def plot(schedule: Schedule, path: Path) -> None:
    """Draw who meets the demand, the volumes, and the value of water."""
    hours = np.array(HOURS)
    blues = ["#9ecae1", "#6baed6", "#3182bd", "#1f5a93"]
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        figure = Figure(figsize=(7.2, 7.6))
        power, volume, value = figure.subplots(3, sharex=True, height_ratios=[3, 2, 3])
        made = np.vstack([schedule.thermal, schedule.hydro])
        base = np.cumsum(made, axis=0) - made
        names = ["thermal", *(f"reservoir {r}" for r in RESERVOIRS)]
        for row, start, name, colour in zip(
            made, base, names, ["#cfd4d9", *blues], strict=True
        ):
            power.bar(
                hours, row, 1.0, start, label=name, color=colour, edgecolor="white", lw=0.4
            )
        power.set(ylabel="power [MW]", ylim=(0, 2700))
        power.set_title(f"Demand is met for {schedule.result.fun:,.0f} $")
        power.legend(ncols=5, loc="upper left", columnspacing=1, handlelength=1)
        for r, colour in zip(RESERVOIRS, blues, strict=True):
            levels = [FIRST[r], *schedule.volume[r - 1]]
            volume.plot(range(25), levels, color=colour)
            end = (24, levels[-1])
            volume.annotate(str(r), end, (5, 0), textcoords="offset points", va="center")
            value.plot(hours, schedule.water_value[r - 1], color=colour)
            start = (1, schedule.water_value[r - 1, 0])
            value.annotate(str(r), start, (-12, 0), textcoords="offset points", va="center")
        volume.set(ylabel="volume [10$^4$ m$^3$]")
        volume.set_title("Volumes of the reservoirs 1 to 4")
        value.set(ylabel=r"value [\$ per 10$^4$ m$^3$]", xlabel="hour", ylim=(0, None))
        value.set_xlim(0, 25)
        value.set_xticks(range(0, 25, 4))
        value.set_title("What one more unit of water is worth")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    schedule = solve()
    print(f"cost {schedule.result.fun:.2f} $, {schedule.result.message}")
    plot(schedule, Path("hydro_cascade.svg"))


if __name__ == "__main__":
    main()
