"""What a flame of hydrazine and oxygen consists of at 3500 K.

    min  sum_j x_j (c_j + log(x_j / sum_i x_i))   subject to   A x = b,   x >= 1e-9

x_j are the moles of ten species, c_j their free enthalpies over RT, and the rows of A count the atoms of
hydrogen, nitrogen and oxygen. Pressure adds log(p / p_0) to every c_j.

Source: W. B. White, S. M. Johnson, G. B. Dantzig, Chemical equilibrium in complex mixtures, Journal of Chemical
Physics 28 (1958); problem 112 of Hock and Schittkowski, optimum -47.761.

What one learns: a convex model in CVXPY, solved for a series of values of a Parameter. The constraints'
dual values are the chemical potentials of the elements: minus A'y must equal c_j + log(x_j / sum x).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cvxpy as cp
import numpy as np
from matplotlib import colormaps, style
from matplotlib.figure import Figure

import optlab

SPECIES = ("H", "H$_2$", "H$_2$O", "N", "N$_2$", "NH", "NO", "O", "O$_2$", "OH")
FRAGMENTS = {"H", "N", "NH", "O", "OH"}
ENTHALPY = np.array(
    [-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.1, -10.708, -26.662, -22.179]
)
"""Free enthalpy over RT at 3500 K and 750 psi, the pressure p_0."""

# fmt: off
ATOMS = np.array([
    [1, 2, 2, 0, 0, 1, 0, 0, 0, 1],  # hydrogen
    [0, 0, 0, 1, 2, 1, 1, 0, 0, 0],  # nitrogen
    [0, 0, 1, 0, 0, 0, 1, 1, 2, 1],  # oxygen
])
# fmt: on
PRESENT = np.array([2.0, 1.0, 1.0])
"""Moles of atoms: half a mole of N2H4 and of O2."""

LEAST = 1e-9
"""Moles; the logarithm wants more than nothing of each species."""

BAR = 51.7
"""750 psi in bar."""

PRESSURES = np.geomspace(0.01, 100, 17)
"""In units of p_0."""


@dataclass
class Model:
    """The CVXPY problem and what one asks of it."""

    moles: cp.Variable
    log_pressure: cp.Parameter
    balance: cp.Constraint
    problem: cp.Problem


@dataclass(frozen=True)
class Series:
    """Equilibria at several pressures."""

    results: list[optlab.Result]
    fractions: np.ndarray
    """Mole fractions, (pressures, species)."""

    potentials: np.ndarray
    """Of the elements, over RT, (pressures, 3)."""


def build() -> Model:
    """Return the model at the pressure p_0."""
    moles = cp.Variable(len(SPECIES), bounds=[LEAST, None], name="moles")
    moles.value = np.full(len(SPECIES), 0.1)
    log_pressure = cp.Parameter(value=0.0, name="log_pressure")
    total = cp.sum(moles)
    mixing = cp.sum(cp.rel_entr(moles, total))
    energy = ENTHALPY @ moles + log_pressure * total + mixing
    balance = ATOMS @ moles == PRESENT
    return Model(moles, log_pressure, balance, cp.Problem(cp.Minimize(energy), [balance]))


def solve(pressures: np.ndarray = PRESSURES) -> Series:
    """Return the equilibria; each solve starts from the last."""
    model = build()
    results, fractions, potentials = [], [], []
    for pressure in pressures:
        model.log_pressure.value = np.log(pressure)
        results.append(optlab.minimize(model.problem))
        fractions.append(model.moles.value / model.moles.value.sum())
        potentials.append(-model.balance.dual_value)
    return Series(results, np.array(fractions), np.array(potentials))


def plot(series: Series, path: Path) -> None:
    """Draw the mole fractions against pressure."""
    pressures = BAR * PRESSURES
    with style.context(Path(__file__).with_name("gallery.mplstyle")):
        axes = (figure := Figure(figsize=(6.8, 4.6))).subplots()
        axes.set_prop_cycle(color=colormaps["tab10"].colors)
        for name, fraction in zip(SPECIES, series.fractions.T, strict=True):
            dashes = "--" if name in FRAGMENTS else "-"
            (line,) = axes.loglog(pressures, fraction, dashes)
            label = {"textcoords": "offset points", "va": "center", "color": line.get_color()}
            axes.annotate(name, (pressures[-1], fraction[-1]), (6, 0), **label)
        axes.set(xlabel="pressure [bar]", ylabel="mole fraction", ylim=(5e-5, 1))
        axes.margins(x=0)
        axes.set_title("High pressure puts the fragments (dashed) together again")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    series = solve()
    print("chemical potentials of H, N, O over RT:", series.potentials[len(PRESSURES) // 2])
    print(series.results[0].message)
    plot(series, Path("flame.svg"))


if __name__ == "__main__":
    main()
