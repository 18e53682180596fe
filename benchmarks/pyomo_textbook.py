"""Test problems of Hock and Schittkowski, stated in Pyomo."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

__all__ = ["TEXTBOOK"]


def hs43() -> Any:
    """Return problem 43 of Hock and Schittkowski (Rosen and Suzuki)."""
    m = pyo.ConcreteModel("hs43")
    m.x = pyo.Var([1, 2, 3, 4], initialize=0.0)
    x = m.x
    m.f = pyo.Objective(
        expr=x[1] ** 2 + x[2] ** 2 + 2 * x[3] ** 2 + x[4] ** 2
        - 5 * x[1] - 5 * x[2] - 21 * x[3] + 7 * x[4]
    )  # fmt: skip
    m.c1 = pyo.Constraint(
        expr=8 - x[1] ** 2 - x[2] ** 2 - x[3] ** 2 - x[4] ** 2 - x[1] + x[2] - x[3] + x[4] >= 0
    )
    m.c2 = pyo.Constraint(
        expr=10 - x[1] ** 2 - 2 * x[2] ** 2 - x[3] ** 2 - 2 * x[4] ** 2 + x[1] + x[4] >= 0
    )
    m.c3 = pyo.Constraint(
        expr=5 - 2 * x[1] ** 2 - x[2] ** 2 - x[3] ** 2 - 2 * x[1] + x[2] + x[4] >= 0
    )
    return m


def hs71() -> Any:
    """Return problem 71 of Hock and Schittkowski."""
    m = pyo.ConcreteModel("hs71")
    m.x = pyo.Var([1, 2, 3, 4], bounds=(1, 5), initialize={1: 1, 2: 5, 3: 5, 4: 1})
    x = m.x
    m.f = pyo.Objective(expr=x[1] * x[4] * (x[1] + x[2] + x[3]) + x[3])
    m.c1 = pyo.Constraint(expr=x[1] * x[2] * x[3] * x[4] >= 25)
    m.c2 = pyo.Constraint(expr=sum(x[i] ** 2 for i in x) == 40)
    return m


def hs100() -> Any:
    """Return problem 100 of Hock and Schittkowski."""
    m = pyo.ConcreteModel("hs100")
    m.x = pyo.Var(range(1, 8), initialize={1: 1, 2: 2, 3: 0, 4: 4, 5: 0, 6: 1, 7: 1})
    x = m.x
    m.f = pyo.Objective(
        expr=(x[1] - 10) ** 2 + 5 * (x[2] - 12) ** 2 + x[3] ** 4 + 3 * (x[4] - 11) ** 2
        + 10 * x[5] ** 6 + 7 * x[6] ** 2 + x[7] ** 4 - 4 * x[6] * x[7] - 10 * x[6] - 8 * x[7]
    )  # fmt: skip
    m.c1 = pyo.Constraint(
        expr=2 * x[1] ** 2 + 3 * x[2] ** 4 + x[3] + 4 * x[4] ** 2 + 5 * x[5] <= 127
    )
    m.c2 = pyo.Constraint(expr=7 * x[1] + 3 * x[2] + 10 * x[3] ** 2 + x[4] - x[5] <= 282)
    m.c3 = pyo.Constraint(expr=23 * x[1] + x[2] ** 2 + 6 * x[6] ** 2 - 8 * x[7] <= 196)
    m.c4 = pyo.Constraint(
        expr=4 * x[1] ** 2 + x[2] ** 2 - 3 * x[1] * x[2] + 2 * x[3] ** 2 + 5 * x[6] - 11 * x[7]
        <= 0
    )
    return m


def heat_exchangers() -> Any:
    """Return the heat exchanger design of problem 106 of Hock and Schittkowski."""
    m = pyo.ConcreteModel("heat_exchangers")
    start = {1: 5000, 2: 5000, 3: 5000, 4: 200, 5: 350, 6: 150, 7: 225, 8: 425}
    m.x = pyo.Var(range(1, 9), initialize=start)
    x = m.x
    for j in x:
        low, high = (100, 10000) if j == 1 else (1000, 10000) if j < 4 else (10, 1000)
        x[j].setlb(low)
        x[j].setub(high)
    m.f = pyo.Objective(expr=x[1] + x[2] + x[3])
    m.c1 = pyo.Constraint(expr=0.0025 * (x[4] + x[6]) <= 1)
    m.c2 = pyo.Constraint(expr=0.0025 * (x[5] + x[7] - x[4]) <= 1)
    m.c3 = pyo.Constraint(expr=0.01 * (x[8] - x[5]) <= 1)
    m.c4 = pyo.Constraint(expr=x[1] * x[6] - 833.33252 * x[4] - 100 * x[1] + 83333.333 >= 0)
    m.c5 = pyo.Constraint(expr=x[2] * x[7] - 1250 * x[5] - x[2] * x[4] + 1250 * x[4] >= 0)
    m.c6 = pyo.Constraint(expr=x[3] * x[8] - 1250000 - x[3] * x[5] + 2500 * x[5] >= 0)
    return m


def equilibrium() -> Any:
    """Return the chemical equilibrium of problem 112 of Hock and Schittkowski (White et al.)."""
    c = [-6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.1, -10.708, -26.662, -22.179]
    m = pyo.ConcreteModel("equilibrium")
    m.x = pyo.Var(range(10), bounds=(1e-6, None), initialize=0.1)
    x = m.x
    m.total = pyo.Expression(expr=sum(x[j] for j in range(10)))
    m.f = pyo.Objective(expr=sum(x[j] * (c[j] + pyo.log(x[j] / m.total)) for j in range(10)))
    m.h = pyo.Constraint(expr=x[0] + 2 * x[1] + 2 * x[2] + x[5] + x[9] == 2)
    m.n = pyo.Constraint(expr=x[3] + 2 * x[4] + x[5] + x[6] == 1)
    m.o = pyo.Constraint(expr=x[2] + x[6] + x[7] + 2 * x[8] + x[9] == 1)
    return m


def himmelblau() -> Any:
    """Return the process problem of Himmelblau (problem 83 of Hock and Schittkowski)."""
    m = pyo.ConcreteModel("himmelblau")
    low, high = [78, 33, 27, 27, 27], [102, 45, 45, 45, 45]
    m.x = pyo.Var(
        range(5),
        bounds=lambda _, i: (low[i], high[i]),
        initialize={0: 78, 1: 33, 2: 27, 3: 27, 4: 27},
    )
    x = m.x
    m.f = pyo.Objective(
        expr=5.3578547 * x[2] ** 2 + 0.8356891 * x[0] * x[4] + 37.293239 * x[0] - 40792.141
    )
    m.c1 = pyo.Constraint(
        expr=(
            0,
            85.334407
            + 0.0056858 * x[1] * x[4]
            + 0.0006262 * x[0] * x[3]
            - 0.0022053 * x[2] * x[4],
            92,
        )
    )
    m.c2 = pyo.Constraint(
        expr=(
            90,
            80.51249
            + 0.0071317 * x[1] * x[4]
            + 0.0029955 * x[0] * x[1]
            + 0.0021813 * x[2] ** 2,
            110,
        )
    )
    m.c3 = pyo.Constraint(
        expr=(
            20,
            9.300961
            + 0.0047026 * x[2] * x[4]
            + 0.0012547 * x[0] * x[2]
            + 0.0019085 * x[2] * x[3],
            25,
        )
    )
    return m


TEXTBOOK = (hs43, hs71, hs100, heat_exchangers, equilibrium, himmelblau)
"""The models of this module."""
