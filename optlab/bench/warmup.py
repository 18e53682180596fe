"""Tiny problems that make a process ready to time a method: imports, compilation, first calls.

A solve of each kind of problem that the method can handle touches the code of dense and of sparse
problems, so that CPU seconds measured afterwards mean the solver.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

import optlab
from optlab.core.problem import Problem

if TYPE_CHECKING:
    from optlab.bench.plan import Task
    from optlab.typing import Vector

__all__ = ["tiny_problems", "warm_up"]

_SECONDS = 5.0
"""Limit on one tiny solve; a method that needs longer is warm by then."""

_SPARSE_SIZE = 60
"""Variables of the tiny sparse problem: above the sizes that optlab turns dense."""


def warm_up(task: Task, like: Problem) -> None:
    """Solve the tiny problems that resemble ``like`` with the method of a task.

    Any ending is fine, an exception too: what is wrong with the method will show in its run.
    """
    for tiny in tiny_problems(like):
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            optlab.minimize(
                tiny,
                method=task.method.method,
                tol=task.settings.tol,
                options=task.method.options or None,
                max_time=_SECONDS,
                max_iter=50,
                seed=task.settings.seed,
            )


def tiny_problems(like: Problem) -> Iterator[Problem]:
    """Yield a dense and a sparse problem with the derivatives and the kind of rows of ``like``."""
    rows = "none"
    if like.m:
        linear = like.linear is not None and bool(like.linear.all())
        rows = "linear" if linear else "nonlinear"
    for n in (4, _SPARSE_SIZE):
        tiny = _chain(n, rows, is_sparse=n == _SPARSE_SIZE)
        hidden: dict[str, Any] = {}
        if not like.has_hessian:
            hidden["hessian"] = None
        if not like.has_gradient:
            hidden |= {"gradient": None, "jacobian": None}
        yield tiny.replace(**hidden) if hidden else tiny


def _chain(n: int, rows: str, *, is_sparse: bool) -> Problem:
    """Return sum (x_j^2 - 1)^2 + (x_j - x_(j+1))^2 with 0 <= x <= 3 and the rows asked for.

    Row 0 is the equality x_0 + x_1 = 1, the others are x_j + x_(j+1) >= 0.5; nonlinear rows have
    x_j^2 in place of x_j.
    """
    pairs = n // 2
    power = 2 if rows == "nonlinear" else 1
    ends = np.zeros(n) + 2.0
    ends[[0, -1]] = 1.0
    steps = (np.full(n - 1, -2.0), 2.0 * ends, np.full(n - 1, -2.0))
    offsets: Any = (-1, 0, 1)
    coupling = sparse.diags_array(steps, offsets=offsets, format="csr")
    index = np.arange(2 * pairs)
    pattern = sparse.csr_array((np.ones(2 * pairs), (index // 2, index)), shape=(pairs, n))

    def form(matrix: Any) -> Any:
        return matrix.tocsr() if is_sparse else matrix.toarray()

    def objective(x: Vector) -> float:
        return float(((x**2 - 1.0) ** 2).sum() + (np.diff(x) ** 2).sum())

    def gradient(x: Vector) -> Vector:
        return np.asarray(4.0 * x * (x**2 - 1.0) + coupling @ x)

    def constraints(x: Vector) -> Vector:
        return np.asarray(pattern @ x**power)

    def jacobian(x: Vector) -> Any:
        return form(pattern @ sparse.diags_array(power * x ** (power - 1)))

    def hessian(x: Vector, y: Vector, sigma: float) -> Any:
        bend = sigma * (12.0 * x**2 - 4.0)
        if rows == "nonlinear":
            bend = bend + 2.0 * (pattern.T @ y)
        return form(sigma * coupling + sparse.diags_array(bend))

    given: dict[str, Any] = {}
    if rows != "none":
        low = np.full(pairs, 0.5)
        up = np.full(pairs, np.inf)
        low[0] = up[0] = 1.0
        given = {"constraints": constraints, "jacobian": jacobian, "cl": low, "cu": up}
        given["linear"] = np.full(pairs, rows == "linear")
    return Problem(
        objective=objective,
        gradient=gradient,
        hessian=hessian,
        x0=np.linspace(0.4, 1.4, n),
        lb=0.0,
        ub=3.0,
        name="warm-up",
        **given,
    )
