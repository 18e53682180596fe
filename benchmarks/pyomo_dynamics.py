"""Models of trajectories and shapes in Pyomo: differences in time or along a curve, sparse."""

from __future__ import annotations

import math
from typing import Any

import pyomo.environ as pyo

__all__ = ["DYNAMICS"]


def catalyst_mixing() -> Any:
    """Return the catalyst mixing problem (COPS), implicit midpoint rule."""
    n = 40
    h = 1.0 / n
    m = pyo.ConcreteModel("catalyst_mixing")
    m.u = pyo.Var(range(n), bounds=(0, 1), initialize=0.5)
    m.x = pyo.Var([1, 2], range(n + 1), initialize={(1, k): 1.0 for k in range(n + 1)})
    for k in range(n + 1):
        m.x[2, k].value = 0.0
    m.mid = pyo.Expression(
        [1, 2], range(n), rule=lambda m, i, k: (m.x[i, k] + m.x[i, k + 1]) / 2
    )
    m.rate = pyo.Expression(
        range(n), rule=lambda m, k: m.u[k] * (10 * m.mid[2, k] - m.mid[1, k])
    )
    m.d1 = pyo.Constraint(
        range(n), rule=lambda m, k: m.x[1, k + 1] == m.x[1, k] + h * m.rate[k]
    )
    m.d2 = pyo.Constraint(
        range(n),
        rule=lambda m, k: (
            m.x[2, k + 1] == m.x[2, k] + h * (-m.rate[k] - (1 - m.u[k]) * m.mid[2, k])
        ),
    )
    m.start = pyo.Constraint([1, 2], rule=lambda m, i: m.x[i, 0] == (1.0 if i == 1 else 0.0))
    m.f = pyo.Objective(expr=-1 + m.x[1, n] + m.x[2, n])
    return m


def van_der_pol() -> Any:
    """Return the control of a van der Pol oscillator by the trapezoidal rule."""
    n, end = 50, 5.0
    h = end / n
    m = pyo.ConcreteModel("van_der_pol")
    m.x = pyo.Var(range(n + 1), initialize=0.0)
    m.y = pyo.Var(range(n + 1), initialize=1.0)
    m.u = pyo.Var(range(n + 1), bounds=(-0.8, 1.0), initialize=0.0)
    m.fx = pyo.Expression(
        range(n + 1), rule=lambda m, k: (1 - m.y[k] ** 2) * m.x[k] - m.y[k] + m.u[k]
    )
    m.dx = pyo.Constraint(
        range(n), rule=lambda m, k: m.x[k + 1] - m.x[k] == h / 2 * (m.fx[k] + m.fx[k + 1])
    )
    m.dy = pyo.Constraint(
        range(n), rule=lambda m, k: m.y[k + 1] - m.y[k] == h / 2 * (m.x[k] + m.x[k + 1])
    )
    m.sx = pyo.Constraint(expr=m.x[0] == 0)
    m.sy = pyo.Constraint(expr=m.y[0] == 1)
    m.f = pyo.Objective(
        expr=h * sum(m.x[k] ** 2 + m.y[k] ** 2 + m.u[k] ** 2 for k in range(n + 1))
    )
    return m


def fastest_car() -> Any:
    """Return the shortest time to travel 10 m from rest to rest with drag: the end time is free."""
    n = 30
    m = pyo.ConcreteModel("fastest_car")
    m.T = pyo.Var(bounds=(1, 30), initialize=8.0)
    m.s = pyo.Var(range(n + 1), initialize=lambda _, k: 10.0 * k / n)
    m.v = pyo.Var(range(n + 1), bounds=(0, 3), initialize=1.0)
    m.a = pyo.Var(range(n), bounds=(-2, 1), initialize=0.0)
    m.h = pyo.Expression(expr=m.T / n)
    m.ds = pyo.Constraint(
        range(n), rule=lambda m, k: m.s[k + 1] == m.s[k] + m.h * (m.v[k] + m.v[k + 1]) / 2
    )
    m.dv = pyo.Constraint(
        range(n), rule=lambda m, k: m.v[k + 1] == m.v[k] + m.h * (m.a[k] - 0.05 * m.v[k] ** 2)
    )
    for name, var, value in (
        ("s0", m.s[0], 0),
        ("v0", m.v[0], 0),
        ("s1", m.s[n], 10),
        ("v1", m.v[n], 0),
    ):
        setattr(m, f"end_{name}", pyo.Constraint(expr=var == value))
    m.f = pyo.Objective(expr=m.T)
    return m


def rocket() -> Any:
    """Return Goddard's rocket (COPS): the greatest height, trapezoidal rule, free end time."""
    n, c, mass_end = 30, 0.5, 0.6
    m = pyo.ConcreteModel("rocket")
    m.step = pyo.Var(bounds=(0, None), initialize=1 / n)
    m.h = pyo.Var(range(n + 1), bounds=(1, None), initialize=1.0)
    m.v = pyo.Var(range(n + 1), bounds=(0, None), initialize=lambda _, k: k / n * (1 - k / n))
    m.m = pyo.Var(
        range(n + 1), bounds=(mass_end, 1), initialize=lambda _, k: 1 - (1 - mass_end) * k / n
    )
    m.T = pyo.Var(range(n + 1), bounds=(0, 3.5), initialize=1.75)
    m.drag = pyo.Expression(
        range(n + 1), rule=lambda m, k: 310 * m.v[k] ** 2 * pyo.exp(500 * (1 - m.h[k]))
    )
    m.acc = pyo.Expression(
        range(n + 1), rule=lambda m, k: (m.T[k] - m.drag[k]) / m.m[k] - 1 / m.h[k] ** 2
    )

    def trapezoid(state: Any, slope: Any) -> Any:
        return lambda m, k: state[k + 1] == state[k] + m.step / 2 * (slope(k) + slope(k + 1))

    m.dh = pyo.Constraint(range(n), rule=trapezoid(m.h, lambda k: m.v[k]))
    m.dv = pyo.Constraint(range(n), rule=trapezoid(m.v, lambda k: m.acc[k]))
    m.dm = pyo.Constraint(range(n), rule=trapezoid(m.m, lambda k: -m.T[k] / c))
    for name, var, value in (
        ("h", m.h[0], 1),
        ("v", m.v[0], 0),
        ("m", m.m[0], 1),
        ("e", m.m[n], mass_end),
    ):
        setattr(m, f"end_{name}", pyo.Constraint(expr=var == value))
    m.f = pyo.Objective(expr=m.h[n], sense=pyo.maximize)
    return m


def hanging_chain() -> Any:
    """Return the hanging chain (COPS): least potential energy, given length."""
    n, a, b, length = 50, 1.0, 3.0, 4.0
    h = 1.0 / n
    m = pyo.ConcreteModel("hanging_chain")
    m.x = pyo.Var(
        range(n + 1), initialize=lambda _, k: a + (b - a) * k * h + 4 * (k * h) * (k * h - 1)
    )
    m.u = pyo.Var(range(n), initialize=lambda _, k: (b - a) + 4 * (2 * k * h - 1))
    m.arc = pyo.Expression(range(n), rule=lambda m, k: pyo.sqrt(1 + m.u[k] ** 2))
    m.d = pyo.Constraint(range(n), rule=lambda m, k: m.x[k + 1] == m.x[k] + h * m.u[k])
    m.length = pyo.Constraint(expr=h * sum(m.arc[k] for k in range(n)) == length)
    m.e0 = pyo.Constraint(expr=m.x[0] == a)
    m.e1 = pyo.Constraint(expr=m.x[n] == b)
    m.f = pyo.Objective(expr=h * sum((m.x[k] + m.x[k + 1]) / 2 * m.arc[k] for k in range(n)))
    return m


def kinetics() -> Any:
    """Return the estimation of two rates of A -> B -> C from a simulated trajectory, collocated."""
    n = 40
    h = 5.0 / n
    true1, true2 = 1.0, 0.4
    m = pyo.ConcreteModel("kinetics")
    m.k = pyo.Var([1, 2], bounds=(0, 10), initialize=0.7)
    m.a = pyo.Var(range(n + 1), initialize=0.5)
    m.b = pyo.Var(range(n + 1), initialize=0.3)
    m.ra = pyo.Expression(range(n + 1), rule=lambda m, t: m.k[1] * m.a[t])
    m.rb = pyo.Expression(range(n + 1), rule=lambda m, t: m.ra[t] - m.k[2] * m.b[t])
    m.da = pyo.Constraint(
        range(n), rule=lambda m, t: m.a[t + 1] == m.a[t] - h / 2 * (m.ra[t] + m.ra[t + 1])
    )
    m.db = pyo.Constraint(
        range(n), rule=lambda m, t: m.b[t + 1] == m.b[t] + h / 2 * (m.rb[t] + m.rb[t + 1])
    )
    m.a0 = pyo.Constraint(expr=m.a[0] == 1)
    m.b0 = pyo.Constraint(expr=m.b[0] == 0)

    def measured(t: int) -> float:
        time = t * h
        value = true1 / (true2 - true1) * (math.exp(-true1 * time) - math.exp(-true2 * time))
        return value + 0.01 * math.sin(37.0 * t)

    m.f = pyo.Objective(expr=sum((m.b[t] - measured(t)) ** 2 for t in range(0, n + 1, 2)))
    return m


def reaction_diffusion() -> Any:
    """Return the control of a one-dimensional Bratu equation towards a profile."""
    n = 40
    h = 1.0 / n
    m = pyo.ConcreteModel("reaction_diffusion")
    m.y = pyo.Var(range(n + 1), initialize=0.0)
    m.u = pyo.Var(range(1, n), bounds=(-8, 8), initialize=0.0)
    m.source = pyo.Expression(range(1, n), rule=lambda m, k: pyo.exp(m.y[k]) + m.u[k])
    m.pde = pyo.Constraint(
        range(1, n),
        rule=lambda m, k: (m.y[k - 1] - 2 * m.y[k] + m.y[k + 1]) / h**2 + m.source[k] == 0,
    )
    m.left = pyo.Constraint(expr=m.y[0] == 0)
    m.right = pyo.Constraint(expr=m.y[n] == 0)
    profile = [math.sin(math.pi * k * h) for k in range(n + 1)]
    m.f = pyo.Objective(
        expr=h * sum((m.y[k] - profile[k]) ** 2 for k in range(n + 1))
        + 1e-4 * h * sum(m.u[k] ** 2 for k in range(1, n))
    )
    return m


def tanks() -> Any:
    """Return the filling of three tanks in series by one valve, roots of the levels."""
    n = 30
    h = 0.2
    m = pyo.ConcreteModel("tanks")
    m.x = pyo.Var(range(3), range(n + 1), bounds=(0.01, 4), initialize=1.0)
    m.q = pyo.Var(range(n), bounds=(0, 2), initialize=0.8)
    m.out = pyo.Expression(
        range(3), range(n + 1), rule=lambda m, i, k: 0.6 * pyo.sqrt(m.x[i, k])
    )

    def flow(m: Any, i: int, k: int) -> Any:
        into = m.q[k] if i == 0 else m.out[i - 1, k + 1]
        return m.x[i, k + 1] == m.x[i, k] + h * (into - m.out[i, k + 1])

    m.d = pyo.Constraint(range(3), range(n), rule=flow)
    m.s = pyo.Constraint(range(3), rule=lambda m, i: m.x[i, 0] == 1.0)
    m.f = pyo.Objective(
        expr=sum((m.x[2, k] - 2) ** 2 for k in range(n + 1))
        + 0.1 * sum((m.q[k + 1] - m.q[k]) ** 2 for k in range(n - 1))
    )
    return m


DYNAMICS = (
    catalyst_mixing, van_der_pol, fastest_car, rocket, hanging_chain, kinetics, reaction_diffusion,
    tanks,
)  # fmt: skip
"""The models of this module."""
