"""Pyomo models that use much of what the .nl format has; imported by tests that have Pyomo."""

from __future__ import annotations

import io
from typing import Any


def written(model: Any, *, labels: bool = False) -> bytes:
    """Return the .nl file that Pyomo writes, without its presolve."""
    from pyomo.repn.plugins.nl_writer import NLWriter

    text = io.StringIO()
    NLWriter().write(
        model, text, linear_presolve=False, symbolic_solver_labels=labels, rowstream=None
    )
    return text.getvalue().encode()


def hs71(pyo: Any) -> Any:
    """Return problem 71 of Hock and Schittkowski."""
    model = pyo.ConcreteModel("hs71")
    start = {1: 1, 2: 5, 3: 5, 4: 1}
    model.x = pyo.Var([1, 2, 3, 4], bounds=(1, 5), initialize=start)
    x = model.x
    model.cost = pyo.Objective(expr=x[1] * x[4] * (x[1] + x[2] + x[3]) + x[3])
    model.product = pyo.Constraint(expr=x[1] * x[2] * x[3] * x[4] >= 25)
    model.squares = pyo.Constraint(expr=sum(x[i] ** 2 for i in x) == 40)
    return model


def functions(pyo: Any) -> Any:
    """Return a model with every function of Pyomo, shared expressions and a maximum."""
    model = pyo.ConcreteModel("functions")
    model.x = pyo.Var(range(6), initialize=lambda _, i: 0.3 + 0.1 * i)
    x = model.x
    model.e = pyo.Expression(expr=x[0] * x[1] + pyo.sin(x[2]))
    model.e2 = pyo.Expression(expr=model.e**2 + x[3] + 2 * x[4] + pyo.exp(-model.e))
    model.o = pyo.Objective(
        expr=model.e2 * pyo.log(x[1] + 2) + abs(x[2] - 5) + x[0] ** x[1] + 2.5 ** x[3]
        + x[4] ** 3.3 - x[5] ** 4 / 7,
        sense=pyo.maximize,
    )  # fmt: skip
    model.c = pyo.ConstraintList()
    names = (
        "sin cos tan sinh cosh tanh asin acos atan asinh atanh sqrt log log10 exp".split()  # noqa: SIM905
    )
    for name in names:
        model.c.add(getattr(pyo, name)(0.5 * x[0] * x[1] + 0.1) + model.e <= 3)
    model.c.add(pyo.acosh(2 + x[0] * x[5]) >= 0)
    model.c.add((x[0] + x[1] * x[2]) / (x[3] - 4) + 1 / x[5] == 1)
    branch = pyo.Expr_if(IF=x[0] * x[1] >= 0.05, THEN=x[2] ** 2, ELSE=pyo.log(x[3]))
    model.c.add(branch <= 4)
    model.c.add(x[0] + 2 * x[3] - model.e2 <= 1)
    model.c.add((1, x[0] + 3 * x[2], 4))
    return model


def control(pyo: Any, steps: int = 20) -> Any:
    """Return an optimal control problem by finite differences, sparse."""
    model = pyo.ConcreteModel("control")
    model.x = pyo.Var(range(steps + 1), initialize=1.0)
    model.u = pyo.Var(range(steps), initialize=0.1, bounds=(-2, 2))
    x, u, h = model.x, model.u, 1.0 / steps
    model.rate = pyo.Expression(
        range(steps), rule=lambda m, k: pyo.tanh(m.x[k]) * m.u[k] - m.x[k] ** 3
    )
    model.start = pyo.Constraint(expr=x[0] == 1)
    model.step = pyo.Constraint(
        range(steps), rule=lambda m, k: m.x[k + 1] == m.x[k] + h * m.rate[k]
    )
    model.o = pyo.Objective(
        expr=sum(h * (x[k + 1] ** 2 + 0.1 * u[k] ** 2) for k in range(steps))
    )
    return model


def shared(pyo: Any, n: int = 12) -> Any:
    """Return a model whose rows share a deep chain of expressions."""
    model = pyo.ConcreteModel("shared")
    model.x = pyo.Var(range(n), initialize=lambda _, i: 0.5 + 0.05 * i, bounds=(0, 2))
    model.e = pyo.Expression(range(n))
    model.e[0].set_value(pyo.sin(model.x[0]))
    for k in range(1, n):
        model.e[k].set_value(pyo.cos(model.e[k - 1]) * model.x[k] + pyo.sin(model.e[k - 1]))
    model.c = pyo.Constraint(range(3, n), rule=lambda m, k: m.e[k] + m.e[k // 2] <= 5)
    model.o = pyo.Objective(expr=(model.e[n - 1] - 1) ** 2 + sum(model.x[k] for k in range(n)))
    return model


MODELS = {"hs71": hs71, "functions": functions, "control": control, "shared": shared}
