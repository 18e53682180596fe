from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from optlab import Problem
from optlab.core.derivatives import Differences, estimate_derivatives
from optlab.core.oracle import Oracle
from optlab.core.probe import find_linear_rows, still_linear


def rows(functions: list[Any], gradients: list[Any], **more: Any) -> Problem:
    """Return a problem in two variables with these rows."""
    m = len(functions)
    given: dict[str, Any] = {
        "objective": lambda x: float(x @ x),
        "gradient": lambda x: 2.0 * x,
        "constraints": lambda x: np.array([row(x) for row in functions]),
        "jacobian": lambda x: np.array([gradient(x) for gradient in gradients]),
        "x0": np.zeros(2),
        "cl": np.zeros(m),
        "cu": np.ones(m),
    }
    return Problem(**(given | more))


AFFINE = (lambda x: 3.0 * x[0] - x[1] + 7.0, lambda _x: [3.0, -1.0])
PRODUCT = (lambda x: x[0] * x[1], lambda x: [x[1], x[0]])
CUBE = (lambda x: x[0] + 1e-6 * x[1] ** 3, lambda x: [1.0, 3e-6 * x[1] ** 2])
LIAR = (lambda x: x[0] ** 2, lambda _x: [0.0, 0.0])
"""Its gradient never changes, its values do: the Jacobian is wrong, and the row is not linear."""

EMPTY = (lambda _x: 5.0, lambda _x: [0.0, 0.0])


def test_rows_are_told_apart() -> None:
    kinds = (AFFINE, PRODUCT, CUBE, LIAR, EMPTY)
    problem = rows([row for row, _ in kinds], [gradient for _, gradient in kinds])
    assert find_linear_rows(Oracle(problem), problem.x0).tolist() == [
        True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("estimated", [False, True])
def test_a_row_that_is_flat_near_the_start_is_not_called_linear(*, estimated: bool) -> None:
    flat = (
        lambda x: max(0.0, x[0] - 5.0) ** 3,
        lambda x: [3.0 * max(0.0, x[0] - 5.0) ** 2, 0.0],
    )
    problem = rows([AFFINE[0], flat[0]], [AFFINE[1], flat[1]])
    if estimated:
        problem = estimate_derivatives(problem.replace(jacobian=None), Differences())
    assert find_linear_rows(Oracle(problem), problem.x0).tolist() == [True, False]


def test_a_row_of_fixed_variables_alone_is_linear() -> None:
    problem = rows([AFFINE[0]], [AFFINE[1]], lb=[0.0, 0.0], ub=[0.0, 0.0])
    assert find_linear_rows(Oracle(problem), problem.x0).tolist() == [True]


def test_huge_coefficients_are_no_reason_to_warn() -> None:
    problem = rows([lambda x: 1e200 * x[0]], [lambda _x: [1e200, 0.0]])
    oracle = Oracle(problem)
    assert find_linear_rows(oracle, problem.x0).tolist() == [True]
    assert still_linear(oracle, problem.x0, np.ones(2)).tolist() == [True]


def test_probes_stay_within_the_bounds() -> None:
    seen: list[Any] = []

    def jacobian(x: Any) -> Any:
        seen.append(np.array(x))
        return csr_array(np.array([[3.0, -1.0]]))

    problem = rows([AFFINE[0]], [], jacobian=jacobian, lb=[0.0, -0.25], ub=[1e-3, 0.25])
    assert find_linear_rows(Oracle(problem), np.array([5.0, 0.0])).tolist() == [True]
    points = np.array(seen)
    assert np.all(points >= problem.lb)
    assert np.all(points <= problem.ub)
    assert np.unique(points, axis=0).shape == (3, 2)


@pytest.mark.parametrize(("reach", "found"), [(0.1, True), (1e-5, False)])
def test_a_probe_that_fails_is_tried_nearer(reach: float, found: bool) -> None:
    def jacobian(x: Any) -> Any:
        if np.abs(x).max() > reach:
            message = "outside"
            raise ValueError(message)
        return np.array([[3.0, -1.0]])

    problem = rows([AFFINE[0]], [], jacobian=jacobian)
    assert find_linear_rows(Oracle(problem), problem.x0).tolist() == [found]


def test_the_answer_does_not_depend_on_chance() -> None:
    problem = rows([AFFINE[0], PRODUCT[0]], [AFFINE[1], PRODUCT[1]])
    seen: list[bytes] = []

    def constraints(x: Any) -> Any:
        seen.append(x.tobytes())
        return problem.constraints(x)

    watched = problem.replace(constraints=constraints)
    find_linear_rows(Oracle(watched), problem.x0)
    first = seen.copy()
    seen.clear()
    find_linear_rows(Oracle(watched), problem.x0)
    assert seen == first


def test_rounding_between_near_points_is_not_taken_for_curvature() -> None:
    """A warm start is near the solution, and the terms of an active affine row cancel there."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 7))
    x0 = rng.standard_normal(7)
    b = A @ x0
    problem = rows([], [], x0=x0, cl=np.zeros(20), cu=np.zeros(20)).replace(
        objective=lambda x: float(x @ x), constraints=lambda x: A @ x - b, jacobian=lambda _x: A
    )
    near = x0 + 1e-8 * rng.standard_normal(7)
    assert still_linear(Oracle(problem), x0, near).all()


def test_curvature_between_near_points_still_shows() -> None:
    problem = rows([PRODUCT[0]], [PRODUCT[1]], x0=np.ones(2))
    near = np.array([1.0 + 1e-7, 1.0 - 1e-7])
    assert not still_linear(Oracle(problem), problem.x0, near).any()
