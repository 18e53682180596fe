"""A smooth CVXPY problem as an optlab.Problem, and what of it outlives a change of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.core.problem import Problem
from optlab.errors import ProblemError
from optlab_problems.cvxpy.canonical import Rows, user_names
from optlab_problems.cvxpy.engine import Engine
from optlab_problems.cvxpy.tree import fingerprint, same_fingerprint

__all__ = ["Compiled", "check_start", "to_problem"]


class Compiled:
    """The derivative engine of one structure: built once, given new parameters after that.

    Parameters
    ----------
    rows
        The smooth problem.
    """

    def __init__(self, rows: Rows) -> None:
        self.engine = Engine(rows.smooth, rows.x0.size, rows.cl.size)
        self._fingerprint = fingerprint(rows.smooth)

    def fits(self, rows: Rows) -> bool:
        """Whether another smooth problem differs in start, bounds and parameters only.

        CVXPY copies the value of some parameters into constants when it makes a problem smooth (the
        denominator of quad_over_lin, arguments of rel_entr); then the structure is another one.
        """
        return same_fingerprint(self._fingerprint, fingerprint(rows.smooth))


def to_problem(rows: Rows, engine: Engine, name: str = "") -> Problem:
    """State the problem for optlab.

    Parameters
    ----------
    rows
        Start, bounds, names and which rows are linear.
    engine
        The functions, with the parameters that belong to ``rows``.
    name
        For reports.

    Raises
    ------
    ProblemError
        When a function is not defined at the start, with the names of its variables.
    """
    check_start(rows, engine)
    rowless = rows.cl.size == 0
    return Problem(
        objective=engine.objective,
        gradient=engine.gradient,
        hessian=engine.hessian,
        constraints=None if rowless else engine.constraints,
        jacobian=None if rowless else engine.jacobian,
        x0=rows.x0,
        lb=rows.lb,
        ub=rows.ub,
        cl=None if rowless else rows.cl,
        cu=None if rowless else rows.cu,
        linear=None if rowless else rows.linear,
        name=name,
        variable_names=rows.variable_names(),
        constraint_names=None if rowless else rows.constraint_names(),
    )


def check_start(rows: Rows, engine: Engine) -> None:
    """Refuse a start where a function has no value.

    Raises
    ------
    ProblemError
        With the names of the variables that the function depends on.
    """
    f = engine.objective(rows.x0)
    if not np.isfinite(f):
        _undefined("the objective", f, rows, rows.smooth.objective)
    c = engine.constraints(rows.x0)
    bad = np.flatnonzero(~np.isfinite(c))
    if bad.size:
        i = int(bad[0])
        block = next(b for b in rows.constraints if b.start <= i < b.start + b.size)
        _undefined(f"the constraint {block.names()[i - block.start]}", c[i], rows, block.item)


def _undefined(what: str, value: float, rows: Rows, part: Any) -> None:
    names = user_names(rows, {v.id: v for v in part.variables()})
    raise ProblemError(
        f"{what} is {value} at the start; it depends on {', '.join(names)}: set .value to a point "
        "where it is defined (without one CVXPY starts at 0, or at the middle of the bounds)"
    )
