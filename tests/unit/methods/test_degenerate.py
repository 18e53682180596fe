"""Degenerate, infeasible and unbounded problems: each has to end with the right words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import optlab
from optlab import PointStatus, Result, StopReason
from optlab.errors import ProblemError
from optlab_problems import catalog

TOL = 1e-6
INF = np.inf


@dataclass(frozen=True)
class Rows:
    """Rows c(x) with their Jacobian and the Hessian of y'c."""

    c: Callable[[Any], list[float]]
    J: Callable[[Any], list[list[float]]]
    H: Callable[[Any, Any], Any]
    cl: list[float]
    cu: list[float]
    linear: bool = False


def affine(A: list[list[float]], cl: list[float], cu: list[float]) -> Rows:
    """Return the rows cl <= A x <= cu."""
    M = np.array(A, dtype=float)
    n = M.shape[1]
    return Rows(lambda x: M @ x, lambda _x: M, lambda _x, _y: np.zeros((n, n)), cl, cu, True)  # type: ignore[arg-type, return-value]


def quadratic(H: Any, q: Any, rows: Rows | None = None, **more: Any) -> optlab.Problem:
    """Return the problem with the objective 1/2 x'H x + q'x."""
    W, g = np.array(H, dtype=float), np.array(q, dtype=float)
    return problem(
        lambda x: float(0.5 * x @ W @ x + g @ x),
        lambda x: W @ x + g,
        lambda _x: W,
        rows,
        **more,
    )


def problem(f: Any, g: Any, h: Any, rows: Rows | None = None, **more: Any) -> optlab.Problem:
    """Return a problem with all derivatives."""
    given: dict[str, Any] = {"objective": f, "gradient": g}
    if rows is None:
        given["hessian"] = lambda x, _y, sigma: sigma * h(x)
    else:
        given |= {
            "constraints": lambda x: np.array(rows.c(x), dtype=float),
            "jacobian": lambda x: np.array(rows.J(x), dtype=float),
            "hessian": lambda x, y, sigma: sigma * h(x) + np.array(rows.H(x, y)),
            "cl": rows.cl,
            "cu": rows.cu,
            "linear": np.full(len(rows.cl), rows.linear),
        }
    return optlab.Problem(**(given | more))


def solve(posed: optlab.Problem, method: str, hessian: bool, **more: Any) -> Result:
    """Solve, then check with an independent evaluation that nothing wrong is claimed."""
    told = posed if hessian else posed.replace(hessian=None)
    result = optlab.minimize(told, method=method, tol=TOL, **more)
    y, z = result.multipliers.constraints, result.multipliers.bounds
    known = bool(np.isfinite(y).all() and np.isfinite(z).all())
    cert = optlab.error_estimators(posed, result.x, y if known else None, z if known else None)
    x, c = result.x, posed.constraints(result.x) if posed.m else np.zeros(0)
    outside = [0.0, *(posed.lb - x), *(x - posed.ub), *(posed.cl - c), *(c - posed.cu)]
    violation = float(np.max(outside))
    assert cert.primal == pytest.approx(violation, rel=1e-12, abs=1e-15)
    assert result.fun == pytest.approx(float(posed.objective(x)), rel=1e-12, abs=1e-12)
    if result.point is PointStatus.STATIONARY:
        assert violation <= TOL
        assert cert.dual <= TOL * cert.scale * (1 + 1e-9)
        assert cert.complementarity <= TOL * cert.scale * (1 + 1e-9)
    elif result.point is PointStatus.INFEASIBLE_STATIONARY:
        assert violation > TOL
    elif result.point is PointStatus.UNBOUNDED_DIRECTION:
        assert violation <= TOL
        assert result.fun < -1e20
    assert result.success == (
        result.stop is StopReason.CONVERGED and result.point is PointStatus.STATIONARY
    )
    return result


EYE = np.eye(2)
ZERO = np.zeros((2, 2))

POLYHEDRAL: dict[str, tuple[optlab.Problem, float]] = {
    "redundant equalities": (
        quadratic(EYE, [0, 0], affine([[1, 1], [2, 2], [-1, -1]], [2, 4, -2], [2, 4, -2]), x0=[5.0, -1.0]),
        1.0,
    ),
    "duplicate inequalities": (
        quadratic(EYE, [-3, -3], affine([[1, 1]] * 3, [-INF] * 3, [2] * 3), x0=[0.0, 0.0]),
        -5.0,
    ),
    "row and bound coincide": (
        quadratic(EYE, [-2, 0], affine([[1, 0], [3, 0]], [-INF, -INF], [1, 3]), x0=[0.0, 0.5], ub=[1.0, INF]),
        -1.5,
    ),
    "vertex with more rows than variables": (
        quadratic(ZERO, [-1, -1], affine([[1, 0], [0, 1], [1, 1], [2, 1], [1, 2]], [-INF] * 5, [1, 1, 2, 3, 3]), x0=[-1.0, 0.0]),
        -2.0,
    ),
    "multiplier zero at an active bound": (
        quadratic(EYE, [0, -1], x0=[3.0, 3.0], lb=[0.0, 1.0]),
        -0.5,
    ),
    "multiplier zero at an active row": (
        quadratic(EYE, [-1, -1], affine([[1, 1]], [-INF], [2]), x0=[-4.0, 3.0]),
        -1.0,
    ),
    "a whole face of solutions": (
        quadratic(ZERO, [1, 1], affine([[1, 1]], [1], [INF]), x0=[3.0, 4.0], lb=0.0),
        1.0,
    ),
    "singular Hessian": (
        quadratic([[1, 1], [1, 1]], [-2, -2], affine([[1, -1]], [-3], [3]), x0=[4.0, -2.0]),
        -2.0,
    ),
    "nothing to minimise": (
        quadratic(ZERO, [0, 0], affine([[1, 2]], [3], [3]), x0=[9.0, 9.0]),
        0.0,
    ),
    "every variable fixed": (
        quadratic(EYE, [1, 1], affine([[1, 1]], [3], [3]), x0=[0.0, 0.0], lb=[1.0, 2.0], ub=[1.0, 2.0]),
        5.5,
    ),
    "one point only": (
        quadratic(EYE, [-5, 3], affine([[1, 1], [1, -1]], [2, 0], [INF, 0]), x0=[0.0, 0.0], ub=[1.0, 1.0]),
        -1.0,
    ),
    "no interior": (
        quadratic(EYE, [0, 0], affine([[1, 1], [1, 1]], [2, -INF], [INF, 2]), x0=[7.0, 7.0]),
        1.0,
    ),
    "free rows": (
        quadratic(EYE, [-1, 0], affine([[1, 1], [0, 0]], [-INF, -INF], [INF, INF]), x0=[2.0, 2.0]),
        -0.5,
    ),
    "huge rows": (
        quadratic(EYE, [0, 0], affine([[1e8, 1e8]], [2e8], [INF]), x0=[0.0, 0.0]),
        1.0,
    ),
    "small rows": (
        quadratic(EYE, [0, 0], affine([[1e-2, 1e-2]], [2e-2], [INF]), x0=[0.0, 0.0]),
        1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("hessian", [True, False])
@pytest.mark.parametrize("method", ["pasa", "npasa"])
@pytest.mark.parametrize("name", POLYHEDRAL)
def test_degenerate_polyhedra_are_solved(name: str, method: str, *, hessian: bool) -> None:
    posed, best = POLYHEDRAL[name]
    result = solve(posed, method, hessian)
    assert result.success, result
    assert result.fun == pytest.approx(best, abs=1e-4)


EMPTY = {
    "parallel rows": affine([[1, 1], [1, 1]], [3, -INF], [INF, 2]),
    "equalities": affine([[1, 1], [2, 2]], [1, 3], [1, 3]),
    "rows against bounds": affine([[1, 1]], [5], [INF]),
    "three rows": affine([[1, 0], [0, 1], [1, 1]], [1, 1, -INF], [INF, INF, 1]),
}


@pytest.mark.parametrize("hessian", [True, False])
@pytest.mark.parametrize("method", ["pasa", "npasa"])
@pytest.mark.parametrize("name", EMPTY)
def test_declared_linear_rows_without_a_point_are_refused(
    name: str, method: str, *, hessian: bool
) -> None:
    posed = quadratic(EYE, [1, 1], EMPTY[name], x0=[0.0, 0.0], lb=-1.0, ub=2.0)
    with pytest.raises(ProblemError, match=r"no (common )?point|empty|contradict") as caught:
        solve(posed, method, hessian)
    ray = caught.value.ray  # type: ignore[attr-defined]
    J = posed.jacobian(np.zeros(2))
    # Farkas: the smallest ray'c within the bounds is more than the sides of the rows allow.
    slope = ray @ J
    least = float(np.sum(np.where(slope > 0, slope * posed.lb, slope * posed.ub)))
    used = ray != 0
    most = float(ray[used] @ np.where(ray > 0, posed.cu, posed.cl)[used])
    assert least > most


CURVED: dict[str, tuple[optlab.Problem, float]] = {
    "complementarity at a vertex": (
        quadratic(2 * EYE, [-2, -2], Rows(
            lambda x: [x[0] * x[1]], lambda x: [[x[1], x[0]]],
            lambda _x, y: [[0, y[0]], [y[0], 0]], [-INF], [0]), x0=[0.5, 0.2], lb=0.0),
        -1.0,
    ),
    "complementarity as an equality": (
        quadratic(2 * EYE, [-2, 2], Rows(
            lambda x: [x[0] * x[1]], lambda x: [[x[1], x[0]]],
            lambda _x, y: [[0, y[0]], [y[0], 0]], [0], [0]), x0=[2.0, 1.0], lb=0.0),
        -1.0,
    ),
    "the same circle twice": (
        quadratic(ZERO, [1, 1], Rows(
            lambda x: [x @ x, 2 * (x @ x)], lambda x: [2 * x, 4 * x],
            lambda _x, y: (2 * y[0] + 4 * y[1]) * EYE, [2, 4], [2, 4]), x0=[-2.0, 0.3]),
        -2.0,
    ),
    "three circles through the solution": (
        quadratic(ZERO, [-1, 0], Rows(
            lambda x: [x @ x, (x[0] + 1) ** 2 + x[1] ** 2, (x[0] - 0.5) ** 2 + x[1] ** 2],
            lambda x: [2 * x, [2 * x[0] + 2, 2 * x[1]], [2 * x[0] - 1, 2 * x[1]]],
            lambda _x, y: 2 * sum(y) * EYE, [-INF] * 3, [1, 4, 0.25]), x0=[0.2, 0.3]),
        -1.0,
    ),
    "multiplier zero at an active circle": (
        quadratic(2 * EYE, [-2, 0], Rows(
            lambda x: [x @ x], lambda x: [2 * x], lambda _x, y: 2 * y[0] * EYE, [-INF], [1]),
            x0=[-0.5, 0.6]),
        -1.0,
    ),
    "free nonlinear row": (
        quadratic(2 * EYE, [-2, 0], Rows(
            lambda x: [x[0] ** 3], lambda x: [[3 * x[0] ** 2, 0]],
            lambda x, y: [[6 * x[0] * y[0], 0], [0, 0]], [-INF], [INF]), x0=[-0.5, 0.6]),
        -1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("hessian", [True, False])
@pytest.mark.parametrize("name", CURVED)
def test_degenerate_curved_rows_are_solved(name: str, *, hessian: bool) -> None:
    posed, best = CURVED[name]
    result = solve(posed, "npasa", hessian)
    assert result.success, result
    assert result.fun == pytest.approx(best, abs=1e-4)


CUSP = {
    "cusp": (
        quadratic(ZERO, [1, 0], Rows(
            lambda x: [x[0] ** 3 - x[1] ** 2], lambda x: [[3 * x[0] ** 2, -2 * x[1]]],
            lambda x, y: [[6 * x[0] * y[0], 0], [0, -2 * y[0]]], [0], [INF]), x0=[1.0, 0.5]),
        0.0,
    ),
    "a point as a circle": (
        quadratic(ZERO, [1, 1], Rows(
            lambda x: [x @ x], lambda x: [2 * x], lambda _x, y: 2 * y[0] * EYE, [-INF], [0]),
            x0=[1.0, 0.5]),
        0.0,
    ),
    "circles that touch": (
        quadratic(ZERO, [0, 1], Rows(
            lambda x: [(x[0] - 1) ** 2 + x[1] ** 2, (x[0] + 1) ** 2 + x[1] ** 2],
            lambda x: [[2 * x[0] - 2, 2 * x[1]], [2 * x[0] + 2, 2 * x[1]]],
            lambda _x, y: 2 * sum(y) * EYE, [-INF, -INF], [1, 1]), x0=[0.5, 0.5]),
        0.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("hessian", [True, False])
@pytest.mark.parametrize("name", CUSP)
def test_solutions_without_multipliers_are_approached_within_the_tolerance(
    name: str, *, hessian: bool
) -> None:
    posed, best = CUSP[name]
    result = solve(posed, "npasa", hessian)
    # No KKT point exists; what is returned is feasible to ctol, so x is near to its root.
    assert result.point in (PointStatus.STATIONARY, PointStatus.FEASIBLE)
    assert result.fun == pytest.approx(best, abs=2e-2)


INFEASIBLE = {
    "circle and half-plane": (
        Rows(lambda x: [x @ x, x[0]], lambda x: [2 * x, [1, 0]],
             lambda _x, y: 2 * y[0] * EYE, [-INF, 2], [1, INF]), [0.3, 0.4]),
    "negative square": (
        Rows(lambda x: [x @ x], lambda x: [2 * x], lambda _x, y: 2 * y[0] * EYE, [-INF], [-1]),
        [0.3, 0.4]),
    "circles apart": (
        Rows(lambda x: [(x[0] - 3) ** 2 + x[1] ** 2, (x[0] + 3) ** 2 + x[1] ** 2],
             lambda x: [[2 * x[0] - 6, 2 * x[1]], [2 * x[0] + 6, 2 * x[1]]],
             lambda _x, y: 2 * sum(y) * EYE, [-INF, -INF], [1, 1]), [1.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("hessian", [True, False])
@pytest.mark.parametrize("name", INFEASIBLE)
def test_infeasible_curved_rows_are_called_so(name: str, *, hessian: bool) -> None:
    rows, x0 = INFEASIBLE[name]
    result = solve(quadratic(EYE, [1, 0], rows, x0=x0), "npasa", hessian)
    assert not result.success
    assert result.point is PointStatus.INFEASIBLE_STATIONARY, result


@pytest.mark.parametrize("hessian", [True, False])
def test_a_start_at_a_stationary_point_of_the_infeasibility(*, hessian: bool) -> None:
    # x0^2 + x1^2 = 1 from the origin: no first-order step reduces the violation, second order does.
    rows = Rows(lambda x: [x @ x], lambda x: [2 * x], lambda _x, y: 2 * y[0] * EYE, [1], [1])
    result = solve(quadratic(ZERO, [0, 0], rows, x0=[0.0, 0.0]), "npasa", hessian)
    assert result.success
    near = solve(quadratic(ZERO, [1, 0], rows, x0=[1e-3, 1e-3]), "npasa", hessian)
    assert near.success
    assert near.fun == pytest.approx(-1.0, abs=1e-5)


UNBOUNDED = {
    "along a ray": quadratic(ZERO, [-1, 0], affine([[0, 1]], [-1], [1]), x0=[0.0, 0.0]),
    "concave": quadratic(-EYE, [1, 0], affine([[0, 1]], [-1], [1]), x0=[0.1, 0.0]),
    "bounds only": quadratic(ZERO, [-1, 1], x0=[0.0, 2.0], lb=0.0),
}


@pytest.mark.parametrize("hessian", [True, False])
@pytest.mark.parametrize("method", ["pasa", "npasa"])
@pytest.mark.parametrize("name", UNBOUNDED)
def test_unbounded_polyhedral_problems(name: str, method: str, *, hessian: bool) -> None:
    result = solve(UNBOUNDED[name], method, hessian)
    assert not result.success
    assert result.point is PointStatus.UNBOUNDED_DIRECTION, result


@pytest.mark.parametrize("hessian", [True, False])
def test_unbounded_along_a_curve(*, hessian: bool) -> None:
    rows = Rows(
        lambda x: [x[1] - x[0] ** 2], lambda x: [[-2 * x[0], 1]],
        lambda _x, y: [[-2 * y[0], 0], [0, 0]], [0], [0],
    )  # fmt: skip
    result = solve(
        quadratic(ZERO, [0, -1], rows, x0=[1.0, 1.0]), "npasa", hessian, max_iter=200
    )
    assert not result.success
    assert result.point in (
        PointStatus.UNBOUNDED_DIRECTION,
        PointStatus.FEASIBLE,
        PointStatus.UNKNOWN,
    )
    assert result.fun < -1e6


@pytest.mark.parametrize("name", ["hs71", "hs6", "hs35"])
def test_a_hessian_that_never_can_be_evaluated_ends_the_solve(name: str) -> None:
    """Gradient steps would go on for very long; what failed is said instead."""

    def broken(_x: Any, _y: Any, _sigma: float) -> Any:
        raise ZeroDivisionError("no second derivatives")

    result = optlab.minimize(catalog.load(name).replace(hessian=broken), method="npasa")
    assert result.stop is StopReason.EVAL_ERROR
    assert "hessian" in result.message
    assert "no second derivatives" in result.message
    assert result.evaluations["hessian"] < 50


def test_a_hessian_that_is_infinite_on_the_boundary_does_not_end_it() -> None:
    """x^1.5 at its lower bound 0, where the start is: second derivatives are infinite there."""
    problem = optlab.Problem(
        objective=lambda x: float(np.sum(x**1.5) - x.sum()),
        gradient=lambda x: 1.5 * np.sqrt(x) - 1.0,
        hessian=lambda x, _y, sigma: sigma * np.diag(0.75 / np.sqrt(x)),
        x0=np.zeros(3),
        lb=0.0,
    )
    with np.errstate(divide="ignore"):
        result = optlab.minimize(problem, method="pasa")
    assert result.success
    assert result.x == pytest.approx(np.full(3, 4.0 / 9.0))
