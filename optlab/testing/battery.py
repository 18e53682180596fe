"""Small problems with known solutions, from unconstrained to nonlinear rows.

Each case states what a method must be able to handle; the conformance checks run the cases that its
capability record covers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.problem import Problem

if TYPE_CHECKING:
    from optlab.core.method import ConstraintKind
    from optlab.typing import Vector

__all__ = ["BATTERY", "Case"]


@dataclass(frozen=True, slots=True)
class Case:
    """A problem and its solution."""

    name: str
    make: Callable[[], Problem]
    x: tuple[float, ...]
    """The solution; unique."""

    f: float
    bounds: bool = False
    rows: ConstraintKind = "none"
    convex: bool = False
    """Whether it is a convex quadratic, which stochastic methods must solve as well."""


def _bowl(x: Vector) -> float:
    return float((x[0] - 1.0) ** 2 + 10.0 * (x[1] + 2.0) ** 2 + x[0] * x[1])


def _bowl_gradient(x: Vector) -> Vector:
    return np.array([2.0 * (x[0] - 1.0) + x[1], 20.0 * (x[1] + 2.0) + x[0]])


def _bowl_hessian(x: Vector, y: Vector, sigma: float) -> Vector:  # noqa: ARG001
    return sigma * np.array([[2.0, 1.0], [1.0, 20.0]])


def _quadratic(**more: object) -> Problem:
    """Return (x0 - 1)^2 + 10 (x1 + 2)^2 + x0 x1: minimum where 2 x0 + x1 = 2, x0 + 20 x1 = -40."""
    given: dict[str, object] = {"x0": np.array([3.0, 3.0]), "name": "bowl"}
    return Problem(
        objective=_bowl,
        gradient=_bowl_gradient,
        hessian=_bowl_hessian,
        **(given | more),  # type: ignore[arg-type]
    )


def _rosenbrock() -> Problem:
    """Return Rosenbrock's 100 (x1 - x0^2)^2 + (1 - x0)^2, minimum 0 at (1, 1)."""

    def objective(x: Vector) -> float:
        return float(100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2)

    def gradient(x: Vector) -> Vector:
        t = x[1] - x[0] ** 2
        return np.array([-400.0 * x[0] * t - 2.0 * (1.0 - x[0]), 200.0 * t])

    def hessian(x: Vector, y: Vector, sigma: float) -> Vector:  # noqa: ARG001
        a = 1200.0 * x[0] ** 2 - 400.0 * x[1] + 2.0
        return sigma * np.array([[a, -400.0 * x[0]], [-400.0 * x[0], 200.0]])

    return Problem(
        objective=objective,
        gradient=gradient,
        hessian=hessian,
        x0=[-1.2, 1.0],
        name="rosenbrock",
    )


def _row() -> Problem:
    """Return the bowl on the line x0 + x1 = 1: 2 x0 - 2 + x1 = 20 x1 + 40 + x0 there."""
    return _quadratic(
        constraints=lambda x: np.array([x[0] + x[1]]),
        jacobian=lambda _x: np.array([[1.0, 1.0]]),
        cl=[1.0],
        cu=[1.0],
        linear=[True],
        name="bowl on a line",
    )


def _disc() -> Problem:
    """Minimise x0 + x1 on the unit disc: (-1, -1) / sqrt(2)."""
    return Problem(
        objective=lambda x: float(x[0] + x[1]),
        gradient=lambda _x: np.ones(2),
        constraints=lambda x: np.array([x @ x]),
        jacobian=lambda x: 2.0 * x[None, :],
        hessian=lambda _x, y, _sigma: 2.0 * y[0] * np.eye(2),
        cl=[-np.inf],
        cu=[1.0],
        linear=[False],
        x0=[0.3, -0.2],
        name="linear on a disc",
    )


_BOWL_X = np.linalg.solve(np.array([[2.0, 1.0], [1.0, 20.0]]), np.array([2.0, -40.0]))
# On the line x1 = 1 - x0 the derivative is 2 x0 - 2 + x1 - 20 x1 - 40 - x0 = 20 x0 - 61.
_LINE_X = np.array([61.0 / 20.0, 1.0 - 61.0 / 20.0])
# With x1 >= -1 active: 2 x0 - 2 - 1 = 0.
_BOUND_X = np.array([1.5, -1.0])
_HALF = 0.5**0.5

BATTERY: tuple[Case, ...] = (
    Case("bowl", _quadratic, tuple(_BOWL_X), _bowl(_BOWL_X), convex=True),
    Case("rosenbrock", _rosenbrock, (1.0, 1.0), 0.0),
    Case(
        "bowl with bounds",
        lambda: _quadratic(lb=-1.0, ub=5.0, name="bowl with bounds"),
        tuple(_BOUND_X),
        _bowl(_BOUND_X),
        bounds=True,
        convex=True,
    ),
    Case("bowl on a line", _row, tuple(_LINE_X), _bowl(_LINE_X), rows="linear", convex=True),
    Case("linear on a disc", _disc, (-_HALF, -_HALF), -2.0 * _HALF, rows="nonlinear"),
)
"""Cases in the order of what they need."""
