"""Well-known models stated in Pyomo: design, estimation, allocation, geometry.

Every function returns a model; `MODELS` names them, together with those of `pyomo_textbook` and
`pyomo_dynamics`. Many use ``Expression`` (defined variables in the .nl file) and all get suffixes from
`nl_models`.
"""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo
from pyomo_dynamics import DYNAMICS
from pyomo_textbook import TEXTBOOK

__all__ = ["MODELS"]


def diet() -> Any:
    """Return a cheapest diet: linear."""
    cost = {"bread": 2.0, "milk": 3.5, "cheese": 8.0, "beans": 1.5, "oranges": 2.6}
    content = {
        "energy": ({"bread": 25, "milk": 15, "cheese": 40, "beans": 12, "oranges": 5}, 100),
        "protein": ({"bread": 4, "milk": 8, "cheese": 25, "beans": 9, "oranges": 1}, 50),
        "vitamin": ({"bread": 0, "milk": 2, "cheese": 1, "beans": 3, "oranges": 50}, 60),
    }
    m = pyo.ConcreteModel("diet")
    m.buy = pyo.Var(cost, bounds=(0, 6))
    m.need = pyo.Constraint(
        content,
        rule=lambda m, k: sum(content[k][0][f] * m.buy[f] for f in cost) >= content[k][1],
    )
    m.cost = pyo.Objective(expr=sum(cost[f] * m.buy[f] for f in cost))
    return m


def transport() -> Any:
    """Return a transport problem with costs that rise with the flow: convex quadratic."""
    supply, demand = [35.0, 50.0, 40.0], [45.0, 20.0, 30.0, 30.0]
    m = pyo.ConcreteModel("transport")
    m.x = pyo.Var(range(3), range(4), bounds=(0, None))
    m.s = pyo.Constraint(
        range(3), rule=lambda m, i: sum(m.x[i, j] for j in range(4)) <= supply[i]
    )
    m.d = pyo.Constraint(
        range(4), rule=lambda m, j: sum(m.x[i, j] for i in range(3)) == demand[j]
    )
    m.cost = pyo.Objective(
        expr=sum(
            (4 + (i * 5 + j * 3) % 7) * m.x[i, j] + 0.05 * (1 + (i + j) % 3) * m.x[i, j] ** 2
            for i in range(3)
            for j in range(4)
        )
    )
    return m


def rosenbrock() -> Any:
    """Return the chained Rosenbrock function of 50 variables."""
    m = pyo.ConcreteModel("rosenbrock")
    m.x = pyo.Var(range(50), initialize=lambda _, i: -1.2 if i % 2 == 0 else 1.0)
    m.valley = pyo.Expression(range(49), rule=lambda m, i: m.x[i + 1] - m.x[i] ** 2)
    m.f = pyo.Objective(expr=sum(100 * m.valley[i] ** 2 + (1 - m.x[i]) ** 2 for i in range(49)))
    return m


def reactor_design() -> Any:
    """Return the steady reactor A -> B -> C, 2A -> D with the largest outlet of B."""
    m = pyo.ConcreteModel("reactor_design")
    m.v = pyo.Var(initialize=1.0, bounds=(0, None))
    start = {"a": 5000.0, "b": 2000.0, "c": 2000.0, "d": 1000.0}
    m.c = pyo.Var(start, initialize=start, bounds=(0, None))
    k1, k2, k3, feed = 5 / 6, 5 / 3, 1 / 6000, 10000.0
    a, b = m.c["a"], m.c["b"]
    m.r = pyo.Expression(expr=k1 * a)
    m.objective = pyo.Objective(expr=b, sense=pyo.maximize)
    m.a = pyo.Constraint(expr=m.v * feed - m.v * a - m.r - 2 * k3 * a**2 == 0)
    m.b = pyo.Constraint(expr=-m.v * b + m.r - k2 * b == 0)
    m.cc = pyo.Constraint(expr=-m.v * m.c["c"] + k2 * b == 0)
    m.d = pyo.Constraint(expr=-m.v * m.c["d"] + k3 * a**2 == 0)
    return m


def growth_curve() -> Any:
    """Return the estimation of asymptote and rate of a saturating curve (six measurements)."""
    data = {1: 8.3, 2: 10.3, 3: 19.0, 4: 16.0, 5: 15.6, 7: 19.8}
    m = pyo.ConcreteModel("growth_curve")
    m.asymptote = pyo.Var(initialize=15.0)
    m.rate = pyo.Var(initialize=0.5)
    m.curve = pyo.Expression(data, rule=lambda m, t: m.asymptote * (1 - pyo.exp(-m.rate * t)))
    m.f = pyo.Objective(expr=sum((data[t] - m.curve[t]) ** 2 for t in data))
    return m


def pooling() -> Any:
    """Return Haverly's pooling problem."""
    m = pyo.ConcreteModel("pooling")
    m.source = pyo.Var(["a", "b"], bounds=(0, 300), initialize=50)
    m.pool = pyo.Var(["x", "y"], bounds=(0, 200), initialize=50)
    m.direct = pyo.Var(["x", "y"], bounds=(0, 200), initialize=50)
    m.sulfur = pyo.Var(bounds=(1, 3), initialize=1.5)
    m.sold = pyo.Expression(["x", "y"], rule=lambda m, k: m.pool[k] + m.direct[k])
    m.balance = pyo.Constraint(expr=m.pool["x"] + m.pool["y"] == m.source["a"] + m.source["b"])
    m.quality = pyo.Constraint(
        expr=3 * m.source["a"] + m.source["b"] == m.sulfur * (m.pool["x"] + m.pool["y"])
    )
    most = {"x": (2.5, 100), "y": (1.5, 200)}
    m.limit = pyo.Constraint(
        most, rule=lambda m, k: m.sulfur * m.pool[k] + 2 * m.direct[k] <= most[k][0] * m.sold[k]
    )
    m.demand = pyo.Constraint(most, rule=lambda m, k: m.sold[k] <= most[k][1])
    m.profit = pyo.Objective(
        expr=9 * m.sold["x"] + 15 * m.sold["y"] - 6 * m.source["a"] - 16 * m.source["b"]
        - 10 * (m.direct["x"] + m.direct["y"]),
        sense=pyo.maximize,
    )  # fmt: skip
    return m


def power_flow() -> Any:
    """Return the cheapest generation for a ring of three buses, alternating current, polar form."""
    load = {1: (0.0, 0.0), 2: (1.1, 0.4), 3: (0.95, 0.5)}
    lines = {(1, 2): (0.02, 0.1), (1, 3): (0.03, 0.12), (2, 3): (0.025, 0.11)}
    g = {k: r / (r**2 + x**2) for k, (r, x) in lines.items()}
    b = {k: -x / (r**2 + x**2) for k, (r, x) in lines.items()}
    both = [*lines, *((j, i) for i, j in lines)]
    m = pyo.ConcreteModel("power_flow")
    m.v = pyo.Var(load, bounds=(0.95, 1.05), initialize=1.0)
    m.t = pyo.Var(load, bounds=(-0.8, 0.8), initialize=0.0)
    m.p = pyo.Var([1, 2], bounds=(0.1, 2.0), initialize=1.0)
    m.q = pyo.Var([1, 2], bounds=(-1.5, 1.5), initialize=0.0)
    m.t[1].fix(0.0)

    def key(i: int, j: int) -> tuple[int, int]:
        return (i, j) if (i, j) in lines else (j, i)

    def active(m: Any, i: int, j: int) -> Any:
        k, angle = key(i, j), m.t[i] - m.t[j]
        mixed = g[k] * pyo.cos(angle) + b[k] * pyo.sin(angle)
        return g[k] * m.v[i] ** 2 - m.v[i] * m.v[j] * mixed

    def reactive(m: Any, i: int, j: int) -> Any:
        k, angle = key(i, j), m.t[i] - m.t[j]
        mixed = g[k] * pyo.sin(angle) - b[k] * pyo.cos(angle)
        return -b[k] * m.v[i] ** 2 - m.v[i] * m.v[j] * mixed

    m.pf = pyo.Expression(both, rule=active)
    m.qf = pyo.Expression(both, rule=reactive)
    for name, flow, made, which in (("pb", m.pf, m.p, 0), ("qb", m.qf, m.q, 1)):
        balance = {
            i: sum(flow[e] for e in both if e[0] == i)
            == sum(made[k] for k in made if k == i) - load[i][which]
            for i in load
        }
        setattr(m, name, pyo.Constraint(load, rule=lambda _, i, balance=balance: balance[i]))
    m.flow = pyo.Constraint(
        both, rule=lambda m, i, j: m.pf[i, j] ** 2 + m.qf[i, j] ** 2 <= 0.81
    )
    m.cost = pyo.Objective(expr=m.p[1] ** 2 + 2 * m.p[1] + 0.5 * m.p[2] ** 2 + 3 * m.p[2])
    return m


def portfolio() -> Any:
    """Return a portfolio with a utility and a limit on its variance."""
    n = 8
    m = pyo.ConcreteModel("portfolio")
    m.w = pyo.Var(range(n), bounds=(0, 0.4), initialize=1 / n)
    m.mean = pyo.Expression(expr=sum((0.02 + 0.015 * i) * m.w[i] for i in range(n)))
    m.factor = pyo.Expression(expr=sum((0.1 + 0.04 * i) * m.w[i] for i in range(n)))
    m.variance = pyo.Expression(
        expr=m.factor**2 + sum((0.05 + 0.03 * (i % 4)) ** 2 * m.w[i] ** 2 for i in range(n))
    )
    m.budget = pyo.Constraint(expr=sum(m.w[i] for i in range(n)) == 1)
    m.risk = pyo.Constraint(expr=pyo.sqrt(m.variance + 1e-8) <= 0.25)
    m.f = pyo.Objective(expr=pyo.exp(-8 * m.mean + 2 * m.variance))
    return m


def logistic() -> Any:
    """Return a regularised logistic regression of 40 observations."""
    m = pyo.ConcreteModel("logistic")
    m.b = pyo.Var(range(3), initialize=0.0)
    points = [
        (math.sin(1.3 * k), math.cos(2.1 * k), 1 if (k * 7) % 5 < 2 + k % 2 else -1)
        for k in range(40)
    ]
    m.margin = pyo.Expression(
        range(40),
        rule=lambda m, k: (
            points[k][2] * (m.b[0] + points[k][0] * m.b[1] + points[k][1] * m.b[2])
        ),
    )
    loss = sum(pyo.log(1 + pyo.exp(-m.margin[k])) for k in range(40))
    m.f = pyo.Objective(expr=loss + 0.05 * sum(m.b[j] ** 2 for j in range(3)))
    return m


def circles() -> Any:
    """Return the largest equal circles, five of them, in the unit square."""
    start = [(0.2, 0.25), (0.8, 0.2), (0.5, 0.5), (0.25, 0.8), (0.75, 0.85)]
    m = pyo.ConcreteModel("circles")
    m.r = pyo.Var(bounds=(0, 0.5), initialize=0.1)
    m.x = pyo.Var(range(5), initialize=lambda _, i: start[i][0])
    m.y = pyo.Var(range(5), initialize=lambda _, i: start[i][1])
    pairs = [(i, j) for i in range(5) for j in range(i)]
    m.apart = pyo.Constraint(
        pairs,
        rule=lambda m, i, j: (m.x[i] - m.x[j]) ** 2 + (m.y[i] - m.y[j]) ** 2 >= 4 * m.r**2,
    )
    for name, var in (("bx", m.x), ("by", m.y)):
        low = pyo.Constraint(range(5), rule=lambda m, i, var=var: var[i] - m.r >= 0)
        high = pyo.Constraint(range(5), rule=lambda m, i, var=var: var[i] + m.r <= 1)
        setattr(m, f"{name}_low", low)
        setattr(m, f"{name}_high", high)
    m.f = pyo.Objective(expr=m.r, sense=pyo.maximize)
    return m


def electrons() -> Any:
    """Return the least energy of eight charges on the unit sphere (COPS)."""
    n = 8
    m = pyo.ConcreteModel("electrons")
    m.x = pyo.Var(
        range(n),
        range(3),
        initialize=lambda _, i, k: math.sin(1.0 + 2.3 * i + 1.7 * k * (i + 1)),
    )
    m.sphere = pyo.Constraint(
        range(n), rule=lambda m, i: sum(m.x[i, k] ** 2 for k in range(3)) == 1
    )
    pairs = [(i, j) for i in range(n) for j in range(i)]
    m.square = pyo.Expression(
        pairs, rule=lambda m, i, j: sum((m.x[i, k] - m.x[j, k]) ** 2 for k in range(3))
    )
    m.f = pyo.Objective(expr=sum(1 / pyo.sqrt(m.square[p]) for p in pairs))
    return m


def minimax_fit() -> Any:
    """Return the best rational approximation of exp on [0, 1] in the largest error."""
    m = pyo.ConcreteModel("minimax_fit")
    m.a = pyo.Var(range(3), initialize={0: 1.0, 1: 0.5, 2: 0.1})
    m.b = pyo.Var(initialize=-0.4, bounds=(-0.9, 2))
    m.t = pyo.Var(initialize=1.0)
    grid = [k / 20 for k in range(21)]
    m.error = pyo.Expression(
        range(21),
        rule=lambda m, k: (
            sum(m.a[j] * grid[k] ** j for j in range(3)) / (1 + m.b * grid[k])
            - math.exp(grid[k])
        ),
    )
    m.above = pyo.Constraint(range(21), rule=lambda m, k: m.error[k] <= m.t)
    m.below = pyo.Constraint(range(21), rule=lambda m, k: -m.error[k] <= m.t)
    m.f = pyo.Objective(expr=m.t)
    return m


def tariff() -> Any:
    """Return a dispatch under a tariff that changes its form: an if-expression, smooth at the change."""
    m = pyo.ConcreteModel("tariff")
    m.x = pyo.Var(range(4), bounds=(0, 10), initialize=2.0)
    m.cost = pyo.Expression(
        range(4),
        rule=lambda m, i: pyo.Expr_if(
            IF=m.x[i] <= 3 + i, THEN=(1 + i) * m.x[i],
            ELSE=(1 + i) * m.x[i] + (m.x[i] - 3 - i) ** 2 * (1 + 0.1 * m.x[i]),
        ),
    )  # fmt: skip
    m.need = pyo.Constraint(expr=sum(m.x[i] for i in range(4)) >= 22)
    m.f = pyo.Objective(expr=sum(m.cost[i] for i in range(4)))
    return m


MODELS = {
    made.__name__: made
    for made in (
        diet, transport, rosenbrock, reactor_design, growth_curve, pooling, power_flow, portfolio,
        logistic, circles, electrons, minimax_fit, tariff, *TEXTBOOK, *DYNAMICS,
    )
}  # fmt: skip
"""Name -> function that states the model."""
