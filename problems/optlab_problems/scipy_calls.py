"""Calls of ``scipy.optimize.minimize``: the problems of SciPy's public tests and documentation, restated.

Each is the keyword arguments of a call, with the optimum. They show every form in which constraints, bounds and
derivatives can be given. Sources: [NW06] (15.1, 15.4), the documentation of SciPy and of fmincon, [COPS3] problem 2, and the
reports (gh-...) from which the tests of SciPy grew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.core.sparse import scipy_module
from optlab.typing import Vector

__all__ = ["HOPELESS", "ScipyCall", "scipy_calls"]


@dataclass(frozen=True, slots=True)
class ScipyCall:
    """One call and its optimum."""

    name: str
    given: dict[str, Any]
    """Keyword arguments of ``minimize``."""

    fun: float
    """Objective at the optimum."""

    x: tuple[float, ...] | None = None
    """The optimum where it is unique."""


HOPELESS = ("inconsistent", "gh-5743", "gh-9640")
"""Calls whose constraints contradict each other: no success may be claimed. Their ``fun`` is nan."""


def scipy_calls() -> list[ScipyCall]:
    """Return all calls; imports scipy.optimize, whose classes state the constraints."""
    scipy = scipy_module("optimize")
    groups = (_maratos, _rosenbrock, _electrons, _quadratic, _small, _cobyla, _boxes, _hopeless)
    return [ScipyCall(*call) for group in groups for call in group(scipy)]


_Calls = list[tuple[Any, ...]]


def _maratos(so: Any) -> _Calls:
    """[NW06] 15.4 with all ways to give derivatives, and 15.1."""

    def f(x: Vector) -> Any:
        return 2.0 * (x[0] ** 2 + x[1] ** 2 - 1.0) - x[0]

    def g(x: Vector) -> Vector:
        return np.array([4.0 * x[0] - 1.0, 4.0 * x[1]])

    def circle(**more: Any) -> Any:
        given: dict[str, Any] = {
            "jac": lambda x: [[2.0 * x[0], 2.0 * x[1]]],
            "hess": lambda _x, v: 2.0 * v[0] * np.eye(2),
        }
        return so.NonlinearConstraint(
            lambda x: x[0] ** 2 + x[1] ** 2, 1.0, 1.0, **(given | more)
        )

    def hyperbola(x: Vector) -> Any:
        return 1.0 / (x[0] + 1.0) - x[1]

    start = {"x0": [0.5, np.sqrt(0.75)]}
    exact: dict[str, Any] = {"fun": f, "jac": g, "hess": lambda _x: 4.0 * np.eye(2), **start}
    best: tuple[Any, ...] = (-1.0, (1.0, 0.0))
    forms: dict[str, dict[str, Any]] = {
        "exact": {**exact, "constraints": circle()},
        "hess by 2-point": {**exact, "constraints": circle(hess="2-point")},
        "SR1": {**exact, "constraints": circle(hess=so.SR1())},
        "jac by 2-point": {**exact, "constraints": circle(jac="2-point", hess=so.SR1())},
        "BFGS": {**exact, "hess": so.BFGS(), "constraints": [circle()]},
        "3-point": {"fun": f, "jac": "3-point", "constraints": (circle(),), **start},
        "hessp": {
            "fun": f, "jac": g, "hessp": lambda _x, p: 4.0 * p, "constraints": circle(), **start,
        },
        "jac=True": {
            "fun": lambda x: (f(x), g(x)), "jac": True, "constraints": circle(), **start,
        },
        "args": {
            "fun": lambda x, a, b: a * f(x) + b, "jac": lambda x, a, _b: a * g(x), "args": (1.0, 0.0),
            "constraints": circle(), **start,
        },
    }  # fmt: skip
    calls: _Calls = [(f"maratos, {name}", given, *best) for name, given in forms.items()]
    nearest: dict[str, Any] = {
        "fun": lambda x: 0.5 * (x[0] - 2.0) ** 2 + 0.5 * (x[1] - 0.5) ** 2,
        "jac": lambda x: [x[0] - 2.0, x[1] - 0.5],
        "x0": [0, 0],
        "bounds": so.Bounds(0.0, np.inf),
    }
    for name, hess in (("exact", _hyperbola_hess), ("3-point", "3-point"), ("BFGS", so.BFGS())):
        rows = so.NonlinearConstraint(
            hyperbola, 0.25, np.inf, lambda x: [[-1.0 / (x[0] + 1.0) ** 2, -1.0]], hess
        )
        given = {**nearest, "hess": lambda _x: np.eye(2), "constraints": rows}
        calls.append((f"hyperbolic, {name}", given, 0.0857135556, (1.952823, 0.088659)))
    return calls


def _hyperbola_hess(x: Vector, v: Vector) -> Vector:
    return np.array([[2.0 * v[0] / (x[0] + 1.0) ** 3, 0.0], [0.0, 0.0]])


def _rosenbrock(so: Any) -> _Calls:
    """Rosenbrock's function, free and constrained."""
    exact = {"fun": so.rosen, "jac": so.rosen_der, "hess": so.rosen_hess}
    line = so.LinearConstraint([[1, 2]], -np.inf, 1)
    both = so.LinearConstraint([[1, 2], [2, 1]], [-np.inf, 1], [1, 1])
    curves = so.NonlinearConstraint(
        lambda x: [x[0] ** 2 + x[1], x[0] ** 2 - x[1]], -np.inf, 1,
        jac=lambda x: [[2 * x[0], 1], [2 * x[0], -1]],
        hess=lambda _x, v: (v[0] + v[1]) * np.array([[2, 0], [0, 0]]),
    )  # fmt: skip
    dicts = (
        {
            "type": "ineq",
            "fun": lambda x: np.array(
                [1 - x[0] - 2 * x[1], 1 - x[0] ** 2 - x[1], 1 - x[0] ** 2 + x[1]]
            ),
            "jac": lambda x: np.array([[-1.0, -2.0], [-2 * x[0], -1.0], [-2 * x[0], 1.0]]),
        },
        {
            "type": "eq",
            "fun": lambda x: np.array([2 * x[0] + x[1] - 1]),
            "jac": lambda _x: np.array([2.0, 1.0]),
        },
    )
    box = so.Bounds([0, -0.5], [1.0, 2.0])
    five = [1.3, 0.7, 0.8, 1.9, 1.2]
    corner = (0.34271757, (0.4149446, 0.1701107))

    def with_args(x: Vector, a: float, b: float) -> Any:
        return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) + b

    ones = (1.0,) * 5
    return [
        ("rosenbrock", {**exact, "x0": five}, 0.0, ones),
        ("rosenbrock, values", {"fun": so.rosen, "x0": five}, 0.0, ones),
        ("rosenbrock, hessp", {"fun": so.rosen, "jac": so.rosen_der, "hessp": so.rosen_hess_prod,
                               "x0": five}, 0.0, ones),
        ("rosenbrock, args", {"fun": with_args, "x0": five, "args": (0.5, 1.0)}, 1.0, ones),
        ("rosenbrock, line", {**exact, "x0": [-1, -0.5], "constraints": line},
         0.2488970434, (0.5022027, 0.2488986)),
        ("rosenbrock, two lines", {**exact, "x0": [-1, -0.5], "constraints": (
            line, so.LinearConstraint([[2, 1]], 1, 1))}, *corner),
        ("rosenbrock, box", {**exact, "x0": [-0.2, 0.2], "bounds": so.Bounds([-2, 0], [0, 2])},
         1.0, (0.0, 0.0)),
        ("tutorial, objects", {**exact, "x0": [0.5, 0], "bounds": box, "constraints": [both, curves]},
         *corner),
        ("tutorial, dicts", {"fun": so.rosen, "jac": so.rosen_der, "x0": [0.5, 0], "bounds": box,
                             "constraints": dicts}, *corner),
    ]  # fmt: skip


def _electrons(so: Any) -> _Calls:
    """[COPS3] 2: the potential of k electrons on a ball, with a sparse Jacobian of the rows."""
    sparse = scipy_module("sparse")

    def potential(x: Vector) -> Any:
        places = x.reshape(3, -1)
        apart = places[:, :, None] - places[:, None, :]
        i, j = np.triu_indices(places.shape[1], 1)
        return (1.0 / np.sqrt((apart[:, i, j] ** 2).sum(axis=0))).sum()

    def slope(x: Vector) -> Vector:
        places = x.reshape(3, -1)
        apart = places[:, :, None] - places[:, None, :]
        square = (apart**2).sum(axis=0)
        np.fill_diagonal(square, np.inf)
        return np.asarray(-(apart * square**-1.5).sum(axis=2).ravel())

    def radii(x: Vector) -> Vector:
        return np.asarray((x.reshape(3, -1) ** 2).sum(axis=0) - 1.0)

    def jacobian(x: Vector) -> Any:
        return sparse.hstack([sparse.diags_array(2.0 * part) for part in x.reshape(3, -1)])

    def call(k: int, energy: float, **more: Any) -> tuple[Any, ...]:
        x0 = np.random.default_rng(k).normal(size=(3, k))
        given = {
            "fun": potential, "jac": slope, "x0": (x0 / np.linalg.norm(x0, axis=0)).ravel(),
            "constraints": so.NonlinearConstraint(radii, -np.inf, 0.0, **more),
        }  # fmt: skip
        return f"electrons, {k}", given, energy

    return [
        call(2, 0.5),
        call(4, 3.674234614, jac=jacobian),
        call(12, 49.165253058, jac=jacobian, hess="2-point"),
    ]


def _quadratic(_so: Any) -> _Calls:
    """Maximise 2xy + 2x - x^2 - 2y^2 under constraints of all kinds, as dicts."""

    def f(d: Vector, sign: float = 1.0) -> float:
        return float(sign * (2 * d[0] * d[1] + 2 * d[0] - d[0] ** 2 - 2 * d[1] ** 2))

    def g(d: Vector, sign: float = 1.0) -> Vector:
        return sign * np.array([-2 * d[0] + 2 * d[1] + 2, 2 * d[0] - 4 * d[1]])

    start: dict[str, Any] = {"fun": f, "x0": [-1.0, 1.0], "args": (-1.0,)}
    equal = {"type": "eq", "fun": lambda x, _s: np.array([x[0] - x[1]]), "args": (-1.0,)}
    slope = {"jac": lambda _x, _s: np.array([[1, -1]])}
    scalar: dict[str, Any] = {"fun": lambda x, _s: x[0] - x[1], "jac": lambda _x, _s: [1, -1]}
    apart = {"type": "ineq", "fun": lambda x: np.array([x[0] - x[1] - 1.0])}
    above = {"type": "ineq", "fun": np.asarray, "jac": lambda x: np.identity(x.size)}
    free, one = (-2.0, (2.0, 1.0)), (-1.0, (1.0, 1.0))
    return [
        *((f"quadratic, jac={jac if jac is not g else 'given'}", {**start, "jac": jac}, *free)
          for jac in (None, False, "2-point", "3-point", g)),
        ("quadratic, pair", {**start, "fun": lambda d, s: (f(d, s), g(d, s)), "jac": True}, *free),
        ("quadratic, box", {**start, "bounds": ((2.5, None), (None, 0.5))}, -0.75, (2.5, 0.5)),
        ("quadratic, eq", {**start, "constraints": equal}, *one),
        ("quadratic, eq jac", {**start, "jac": g, "constraints": {**equal, **slope}}, *one),
        ("quadratic, eq scalar", {**start, "jac": g, "constraints": {**equal, **scalar}}, *one),
        ("quadratic, ineq", {**start, "jac": g, "constraints": apart}, *free),
        ("quadratic, ineq vector", {**start, "jac": g, "constraints": above}, *free),
        ("quadratic, box and eq", {**start, "jac": g, "bounds": [(-0.8, 1.0), (-1, 0.8)],
                                   "constraints": {**equal, **slope}}, -0.96, (0.8, 0.8)),
    ]  # fmt: skip


def _small(so: Any) -> _Calls:
    """Examples of the documentation, and reports."""
    positive = ((0, None), (0, None))

    def nearest(x: Vector) -> Any:
        return (x[0] - 1) ** 2 + (x[1] - 2.5) ** 2

    def at_least(function: Callable[[Vector], Any]) -> dict[str, Any]:
        return {"type": "ineq", "fun": function}

    def equal(function: Callable[[Vector], Any]) -> dict[str, Any]:
        return {"type": "eq", "fun": function}

    halves = (
        at_least(lambda x: x[0] - 2 * x[1] + 2),
        at_least(lambda x: -x[0] - 2 * x[1] + 6),
        at_least(lambda x: -x[0] + 2 * x[1] + 2),
    )
    saddle = so.NonlinearConstraint(
        lambda x: np.array([x[0] ** 2 - x[1] ** 2]), 1.0, np.inf,
        lambda x: np.array([[2 * x[0], -2 * x[1]]]),
        lambda _x, v: np.array([[2.0, 0.0], [0.0, -2.0]]) * v[0],
    )  # fmt: skip

    def square(x: Vector) -> Any:
        return x[0] ** 2 + x[1] ** 2

    return [
        ("documentation", {"fun": nearest, "x0": (2, 0), "bounds": positive, "constraints": halves},
         0.8, (1.4, 1.7)),
        ("empty working set", {"fun": square, "jac": lambda x: 2.0 * x, "x0": [1.0, 2.0],
                               "hessp": lambda _x, p: 2.0 * p, "constraints": [saddle]}, 1.0),
        ("inconsistent linearization", {"fun": square, "x0": [0, 1], "bounds": positive, "constraints": (
            equal(lambda x: x[0] + x[1] - 2), at_least(lambda x: x[0] ** 2 - 1))}, 2.0, (1.0, 1.0)),
        ("gh-1758", {"fun": lambda x: np.sqrt(x[1]), "x0": [8, 0.25], "bounds": [(-0.5, 1), (0, 8)],
                     "constraints": [equal(lambda x: x[1] - (2 * x[0]) ** 3),
                                     equal(lambda x: x[1] - (1 - x[0]) ** 3)]},
         0.5443310539518, (1 / 3, 8 / 27)),
        ("gh-11403", {"fun": lambda x: -x[0] ** 2 + x[1] ** 2, "x0": [0.9, 0.5],
                      "bounds": so.Bounds([0.0, 0.0], [1.0, 1.0]),
                      "constraints": [so.NonlinearConstraint(lambda x: x[0] ** 0.5 + x[1], 0, 1.5)]},
         -1.0, (1.0, 0.0)),
        ("gh-11886", {"fun": square, "x0": [2, 2], "constraints": so.LinearConstraint(
            np.diag([1, 1]), -1, np.inf)}, 0.0, (0.0, 0.0)),
        ("one variable", {"fun": lambda x: x**2, "jac": lambda x: 2 * x, "hess": lambda _x: 2, "x0": [3]},
         0.0, (0.0,)),
        ("integer start", {"fun": lambda x: (x - 1) ** 2, "x0": [-1], "bounds": [(-2, 2)]}, 0.0, (1.0,)),
    ]  # fmt: skip


def _cobyla(so: Any) -> _Calls:
    """Constraints that return numbers and vectors side by side."""

    def f(x: Vector) -> Any:
        return x[0] ** 2 + abs(x[1]) ** 3

    def circle(x: Vector) -> Any:
        return x[0] ** 2 + x[1] ** 2 - 25

    def outside(x: Vector) -> Any:
        return (x[0] - 1) ** 2 + (x[1] - 2.5) ** 2

    halves = np.array([[1, -2, 2], [-1, -2, 6], [-1, 2, 2]])
    rows: list[Callable[[Vector], Any]] = [
        outside, lambda x: halves[:, :2] @ x + halves[:, 2], lambda x: x,
    ]  # fmt: skip
    near = [np.sqrt(25 - 4 / 9), 2 / 3 + 1e-4]
    root = np.sqrt(7.0)
    line = ((4 - root) / 3, (root - 1) / 3)
    return [
        ("circle", {"fun": f, "x0": near, "constraints": (
            so.NonlinearConstraint(circle, 0, np.inf), {"type": "ineq", "fun": lambda x: -circle(x)})},
         25 - 4 / 27, (np.sqrt(25 - 4 / 9), 2 / 3)),
        ("cubic on a line", {"fun": f, "x0": near, "constraints": so.LinearConstraint([1.0, 1.0], 1.0, 1.0)},
         line[0] ** 2 + line[1] ** 3, line),
        ("numbers and vectors", {"fun": outside, "x0": np.array([2, 0]),
                                 "constraints": [{"type": "ineq", "fun": row} for row in rows]},
         0.8, (1.4, 1.7)),
        ("outside", {"fun": outside, "x0": np.array([2, 0]),
                     "constraints": {"type": "ineq", "fun": lambda x: outside(x) - 1}}, 1.0),
    ]  # fmt: skip


def _boxes(so: Any) -> _Calls:
    """Bounds in all forms, starts outside of them, fixed variables."""

    def sphere(x: Vector) -> Any:
        return np.sum(x**2)

    def well(x: Vector) -> Any:
        return (x[0] - 1) ** 2

    calls: _Calls = [
        (f"well from {x0} in {side}", {"fun": well, "x0": [x0], "bounds": [side]}, (best - 1.0) ** 2,
         (best,))
        for x0, side, best in (
            (10, (None, 0), 0.0), (-10, (2, None), 2.0), (-10, (None, 0), 0.0), (10, (2, None), 2.0),
            (-0.5, (-1, 0), 0.0), (10, (-1, 0), 0.0),
        )
    ]  # fmt: skip
    for sign, far in ((1.0, 10), (-1.0, -10)):
        rows = [
            {"type": "ineq", "fun": lambda x: 0 - x},
            {"type": "ineq", "fun": lambda x: x + 1},
        ]
        call = {"fun": lambda x: x * x - 2 * x + 1, "x0": [far], "constraints": rows}
        calls.append((f"rows from {sign * 10:+g}", call, 1.0, (0.0,)))
    pairs = [(-1, -0.5), (None, -0.5), (1, None), (None, None), (-0.5, -0.5)]
    for name, bounds, best in (
        ("below", so.Bounds(-np.inf, -0.8), (-0.8, -0.8)),
        ("above", so.Bounds(3.0, np.inf), (3.0, 9.0)),
        ("box", so.Bounds([3.0, 1.0], [4.0, 5.0], keep_feasible=True), (3.0, 5.0)),
        ("line", so.Bounds([4.0, 5.0], [4.0, 20.0]), (4.0, 16.0)),
        ("point", so.Bounds([4.0, 5.0], [4.0, 5.0]), (4.0, 5.0)),
    ):
        call = {"fun": so.rosen, "x0": [-10, 8], "bounds": bounds}
        calls.append((f"rosenbrock {name}", call, float(so.rosen(best)), best))
    return [
        *calls,
        ("sphere, pairs", {"fun": sphere, "x0": [1, 2, 3, 4, 5], "bounds": pairs}, 1.75,
         (-0.5, -0.5, 1.0, 0.0, -0.5)),
        ("sphere, object", {"fun": sphere, "x0": [0, 0], "bounds": so.Bounds([1, 0], [np.inf, np.inf])},
         1.0, (1.0, 0.0)),
    ]  # fmt: skip


def _hopeless(_so: Any) -> _Calls:
    def at_least(function: Callable[[Vector], Any]) -> dict[str, Any]:
        return {"type": "ineq", "fun": function}

    return [
        ("inconsistent", {"fun": lambda x: -x[0] + 4 * x[1], "x0": (1, 5), "bounds": ((-5, 5), (-5, 5)),
                          "constraints": (at_least(lambda x: x[1] - x[0] - 1),
                                          at_least(lambda x: x[0] - x[1]))}, np.nan),
        ("gh-5743", {"fun": lambda x: x[0] ** 2 + x[1] ** 2, "x0": [1, 2], "bounds": ((0, None),) * 2,
                     "constraints": ({"type": "eq", "fun": lambda x: x[0] + x[1] - 1},
                                     at_least(lambda x: x[0] - 2))}, np.nan),
        ("gh-9640", {"fun": lambda _x: 1, "x0": [-1.88, -0.64, -0.81], "bounds": ((-2, 2),) * 3,
                     "constraints": (at_least(lambda x: -x[0] - x[1] - 3),
                                     at_least(lambda x: x[1] + x[2] - 2))}, np.nan),
    ]  # fmt: skip
