"""Every rule of presolve by hand: what goes, what stays, and where the multipliers go."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import optlab
from optlab.core.kkt import certificate
from optlab.core.oracle import Oracle
from optlab.core.reduction import (
    IDENTITY,
    Chain,
    FixedVariables,
    Inverse,
    Multiplied,
    Presolve,
    PresolveInverse,
    PresolveSummary,
    Slacks,
)
from optlab.core.reduction.presolve.state import TINY
from optlab.errors import EvaluationError, ProblemError

INF = np.inf


def linear(
    A: Any, cl: Any, cu: Any, lb: Any = -INF, ub: Any = INF, **more: Any
) -> optlab.Problem:
    """Return min ½|x|² - 1'x over linear rows (constants 0 unless told otherwise)."""
    A = np.array(A, dtype=np.float64)
    n = A.shape[1]
    constant = np.asarray(more.pop("constant", 0.0))
    sparse = more.pop("sparse", False)
    given: dict[str, Any] = {
        "objective": lambda x: float(0.5 * x @ x - x.sum()),
        "gradient": lambda x: x - 1.0,
        "hessian": lambda _x, _y, sigma: sigma * np.eye(n),
        "constraints": lambda x: A @ x + constant,
        "jacobian": (lambda _x: csr_array(A)) if sparse else (lambda _x: A),
        "x0": np.zeros(n),
        "linear": np.ones(A.shape[0], dtype=bool),
    }
    cl, cu = (np.broadcast_to(side, A.shape[0]) for side in (cl, cu))
    return optlab.Problem(**{**given, **more}, cl=cl, cu=cu, lb=lb, ub=ub)


def presolved(problem: optlab.Problem) -> tuple[optlab.Problem, PresolveInverse]:
    reduced, inverse = Presolve().apply(problem)
    assert isinstance(inverse, PresolveInverse)
    return reduced, inverse


def back(inverse: Inverse, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
    at = inverse.back(Multiplied(np.array(x), np.array(y), np.array(z)), exact=True)
    return at.y, at.z


# Rows of one variable ---------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
def test_a_row_of_one_variable_becomes_a_bound(sparse: bool) -> None:
    problem = linear(
        [[0.0, -2.0], [1.0, 1.0]], [-6.0, 0.0], [4.0, 9.0], -5.0, 5.0, sparse=sparse
    )
    reduced, inverse = presolved(problem)
    assert (reduced.m, reduced.cl.tolist(), reduced.cu.tolist()) == (1, [0.0], [9.0])
    assert (reduced.lb.tolist(), reduced.ub.tolist()) == ([-5.0, -2.0], [5.0, 3.0])
    assert inverse.summary == PresolveSummary({"singleton": 1}, bounds=2, fixed=0)
    # -2 x_1 has its upper side at x_1 = -2, its lower side at x_1 = 3.
    y, z = back(inverse, [0.0, -2.0], [0.25], [0.0, -6.0])
    assert (y.tolist(), z.tolist()) == ([3.0, 0.25], [0.0, 0.0])
    y, z = back(inverse, [0.0, 3.0], [0.0], [0.0, 6.0])
    assert (y.tolist(), z.tolist()) == ([-3.0, 0.0], [0.0, 0.0])


def test_the_users_own_bound_keeps_its_multiplier_where_it_is_the_tighter_one() -> None:
    problem = linear([[2.0, 0.0]], [-20.0], [2.0], -5.0, 5.0)
    reduced, inverse = presolved(problem)
    assert (reduced.m, reduced.lb[0], reduced.ub[0]) == (0, -5.0, 1.0)
    assert back(inverse, [-5.0, 0.0], [], [-3.0, 0.0])[1].tolist() == [-3.0, 0.0]
    y, z = back(inverse, [1.0, 0.0], [], [3.0, 0.0])
    assert (y.tolist(), z.tolist()) == ([1.5], [0.0, 0.0])


def test_a_bound_that_a_row_only_repeats_stays_the_users() -> None:
    problem = linear([[3.0, 0.0]], [-INF], [3.0], -5.0, 1.0)
    reduced, inverse = presolved(problem)
    assert reduced.m == 0
    assert reduced.ub[0] == 1.0
    y, z = back(inverse, [1.0, 0.0], [], [2.0, 0.0])
    assert (y.tolist(), z.tolist()) == ([0.0], [2.0, 0.0])
    assert inverse.summary.bounds == 0


def test_of_several_rows_the_tightest_gets_the_multiplier() -> None:
    problem = linear([[1.0], [2.0], [4.0]], -INF, [3.0, 4.0, 12.0])
    reduced, inverse = presolved(problem)
    assert reduced.ub[0] == 2.0
    assert back(inverse, [2.0], [], [5.0])[0].tolist() == [0.0, 2.5, 0.0]


def test_constants_of_rows_count() -> None:
    problem = linear([[2.0, 0.0]], [3.0], [INF], constant=7.0, x0=np.array([100.0, 1e9]))
    reduced, _ = presolved(problem)
    assert reduced.lb[0] == pytest.approx(-2.0, abs=1e-12)


def test_an_equality_fixes_its_variable_and_rows_behind_it_follow() -> None:
    """x_0 = 2; x_0 + x_1 = 5 then gives x_1 = 3; x_1 - x_2 <= 1 then bounds x_2."""
    A = [[0.0, 1.0, -1.0], [1.0, 1.0, 0.0], [2.0, 0.0, 0.0]]
    problem = linear(A, [-INF, 5.0, 4.0], [1.0, 5.0, 4.0])
    reduced, inverse = presolved(problem)
    assert reduced.m == 0
    assert (reduced.lb.tolist(), reduced.ub.tolist()) == ([2.0, 3.0, 2.0], [2.0, 3.0, INF])
    assert inverse.summary == PresolveSummary({"singleton": 3}, bounds=5, fixed=2)
    both, way = Chain((Presolve(), FixedVariables())).apply(problem)
    assert both.n == 1
    # grad f = x - 1 = (1, 2, 1) at the solution, so z_2 = -1.
    at = way.back(Multiplied(np.array([2.0]), np.zeros(0), np.array([-1.0])), exact=True)
    assert at.x.tolist() == [2.0, 3.0, 2.0]
    assert certificate(problem, at.x, at.y, at.z).E1 <= 1e-15
    assert at.z is not None
    assert not at.z.any()


def test_a_variable_fixed_by_its_own_bounds_absorbs_what_a_row_needs() -> None:
    problem = linear([[1.0, 3.0]], [INF * -1], [10.0], [-INF, 2.0], [INF, 2.0])
    reduced, inverse = presolved(problem)
    assert reduced.ub.tolist() == [4.0, 2.0]
    y, z = back(inverse, [4.0, 2.0], [], [5.0, 7.0])
    assert (y.tolist(), z.tolist()) == ([5.0], [0.0, 7.0 - 15.0])


def test_a_bound_too_large_to_be_one_stays_a_row() -> None:
    problem = linear([[1e-15, 0.0]], [1e6], [INF])
    assert Presolve().apply(problem) == (problem, IDENTITY)


# Empty and redundant rows -----------------------------------------------------------------------


def test_empty_and_redundant_rows_go_with_multiplier_zero() -> None:
    A = [[0.0, 0.0], [1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    problem = linear(A, [-1.0, 0.0, -INF, 1.0], [0.0, 2.0, INF, INF], 0.0, 1.0)
    reduced, inverse = presolved(problem)
    assert inverse.summary.rows == {"empty": 1, "redundant": 2}
    assert (reduced.cl.tolist(), reduced.cu.tolist()) == ([1.0], [INF])
    assert back(inverse, [1.0, 0.0], [-1.0], [0.0, 0.0])[0].tolist() == [0.0, 0.0, 0.0, -1.0]


def test_a_row_that_can_be_violated_by_more_than_rounding_stays() -> None:
    for excess, left in ((0.0, 0), (1e-16, 0), (1e-11, 1), (1e-6, 1)):
        problem = linear([[1.0, 2.0]], [-INF], [3.0 - excess], 0.0, 1.0)
        assert Presolve().apply(problem)[0].m == left
    # Rounding in the sum is as large as the slack here: nothing is known, so nothing is dropped.
    large = linear([[1e9, -1e9, 1.0]], [-INF], [2e9 + 1e-7], -1.0, 1.0)
    assert Presolve().apply(large)[0] is large


def test_an_empty_row_violated_by_more_than_rounding_stays() -> None:
    problem = linear([[0.0, 0.0]], [1e-9], [INF])
    assert Presolve().apply(problem)[0] is problem


def test_rows_that_are_not_known_to_be_linear_are_not_touched() -> None:
    A = [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    problem = linear(A, -1.0, 1.0, linear=np.array([True, False, False]))
    reduced, _ = presolved(problem)
    assert reduced.m == 2
    assert reduced.linear is not None
    assert not reduced.linear.any()


# Parallel rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
def test_parallel_rows_are_merged(sparse: bool) -> None:
    A = [[1.0, 2.0, 0.0], [-2.0, -4.0, 0.0], [1.0, 2.0, 1.0], [3.0, 6.0, 0.0]]
    problem = linear(A, [-9.0, -4.0, 0.0, -3.0], [9.0, 8.0, 1.0, 90.0], sparse=sparse)
    reduced, inverse = presolved(problem)
    assert inverse.summary == PresolveSummary({"duplicate": 2}, bounds=0, fixed=0)
    assert reduced.m == 2
    assert (reduced.cl.tolist(), reduced.cu.tolist()) == ([-1.0, 0.0], [2.0, 1.0])
    zero = [0.0, 0.0, 0.0]
    # The upper side is that of row 1, which is -2 times row 0; the lower that of row 3.
    assert back(inverse, zero, [4.0, 0.5], zero)[0].tolist() == [0.0, -2.0, 0.5, 0.0]
    assert back(inverse, zero, [-6.0, 0.5], zero)[0].tolist() == [0.0, 0.0, 0.5, -2.0]


def test_an_equality_among_parallel_rows_stays_one() -> None:
    problem = linear([[1.0, 3.0], [0.1, 0.3]], [0.0, 0.07], [9.0, 0.07], constant=[0.3, 0.0])
    reduced, inverse = presolved(problem)
    assert reduced.cl[0] == reduced.cu[0] == pytest.approx(1.0)
    y, _ = back(inverse, [0.0, 0.0], [2.0], [0.0, 0.0])
    assert y.tolist() == pytest.approx([0.0, 20.0])


@given(constant=st.floats(-1e3, 1e3), side=st.floats(-10.0, 10.0), factor=st.floats(0.1, 10.0))
def test_sides_that_meet_in_a_merged_row_meet_exactly(
    constant: float, side: float, factor: float
) -> None:
    """The kept row has one of the two sides, and a constant that rounds."""
    A = [[1.0, 3.0], [factor, 3.0 * factor]]
    for cl, cu in (([side, -INF], [INF, side * factor]), ([-INF, side * factor], [side, INF])):
        ends = np.array([constant, 0.0])
        problem = linear(A, np.array(cl) + ends, np.array(cu) + ends, constant=ends)
        reduced, _ = Presolve().apply(problem)
        if reduced.m == 1:
            assert reduced.cl[0] == reduced.cu[0]
        else:
            # The coefficients or the sides differ by more than rounding explains.
            assert reduced is problem


def test_an_open_side_of_merged_rows_stays_open() -> None:
    reduced, _ = presolved(linear([[1.0, 3.0], [2.0, 6.0]], [-9.0, -4.0], INF))
    assert (reduced.cl.tolist(), reduced.cu.tolist()) == ([-2.0], [INF])


def test_almost_parallel_rows_are_not() -> None:
    problem = linear([[1.0, 2.0], [1.0, 2.0 + 1e-12]], -1.0, 1.0)
    assert Presolve().apply(problem)[0] is problem


def test_parallel_rows_that_differ_by_little_more_than_rounding_stay() -> None:
    problem = linear([[1.0, 2.0], [1.0, 2.0]], [1.0, 1.0 + 1e-11], [1.0, 1.0 + 1e-11])
    assert Presolve().apply(problem)[0] is problem


def test_rows_parallel_on_what_is_not_fixed_give_the_fixed_their_share() -> None:
    A = [[1.0, 1.0, 5.0], [2.0, 2.0, -1.0]]
    problem = linear(A, -INF, [20.0, 5.0], [-INF, -INF, 3.0], [INF, INF, 3.0])
    reduced, inverse = presolved(problem)
    # Row 1: x_0 + x_1 <= 4, so row 0 is at most 4 + 15.
    assert reduced.cu.tolist() == [19.0]
    y, z = back(inverse, [2.0, 2.0, 3.0], [4.0], [0.0, 0.0, 1.0])
    assert y.tolist() == [0.0, 2.0]
    assert z.tolist() == [0.0, 0.0, 1.0 + 5.0 * 4.0 + 2.0]


# Forcing rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_row_that_holds_at_one_corner_only_fixes_its_variables(sign: float) -> None:
    """x_0 - x_1 <= 0 over x_0 >= 0, x_1 <= 0 leaves the origin."""
    sides = ([-INF], [0.0]) if sign > 0.0 else ([0.0], [INF])
    problem = linear([[sign, -sign, 0.0]], *sides, [0.0, -INF, -1.0], [INF, 0.0, 1.0])
    reduced, inverse = presolved(problem)
    assert inverse.summary == PresolveSummary({"forcing": 1}, bounds=2, fixed=2)
    assert (reduced.lb.tolist(), reduced.ub.tolist()) == ([0.0, 0.0, -1.0], [0.0, 0.0, 1.0])
    # A gradient that pulls both away from the corner needs the row ...
    y, z = back(inverse, [0.0, 0.0, 0.0], [], [3.0, -1.0, 0.0])
    assert (y.tolist(), z.tolist()) == ([3.0 * sign], [0.0, 2.0, 0.0])
    # ... one that pushes into the corner does not.
    y, z = back(inverse, [0.0, 0.0, 0.0], [], [-3.0, 1.0, 0.0])
    assert (y.tolist(), z.tolist()) == ([0.0], [-3.0, 1.0, 0.0])


def test_forcing_rows_that_share_a_variable() -> None:
    A = [[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
    problem = linear(A, 0.0, 0.0, 0.0, 5.0)
    reduced, inverse = Chain((Presolve(), FixedVariables())).apply(problem)
    # A problem without any variable does not exist, so they stay.
    assert (reduced.n, reduced.m) == (4, 0)
    assert not reduced.ub.any()
    at = inverse.back(Multiplied(np.zeros(4), np.zeros(0), np.ones(4)), exact=True)
    assert certificate(problem, at.x, at.y, at.z).E1 <= 1e-15


def test_a_corner_that_is_one_only_up_to_rounding_of_tiny_coefficients_is_none() -> None:
    problem = linear([[1.0, 1e-13]], [-INF], [1e-16], 0.0, INF)
    assert Presolve().apply(problem)[0] is problem


# Contradictions ---------------------------------------------------------------------------------


CONTRADICTIONS: dict[str, tuple[Any, Any, Any, Any, Any, str]] = {
    "row and bound": ([[2.0, 0.0]], [3.0], [INF], 0.0, 1.0, "row 0 >= 3, variable 0 <= 1"),
    "activity": ([[1.0, -1.0]], [-INF], [-3.0], 0.0, 1.0, "row 0 <= -3, variable 0 >= 0, variable 1 <= 1"),
    "two rows of one variable": ([[1.0, 0.0], [2.0, 0.0]], [3.0, -INF], [INF, 4.0], 0.0, 9.0, "row 0 >= 3, row 1 <= 4"),
    "through fixed variables": ([[1.0, 1.0], [1.0, 0.0], [0.0, 4.0]], [-INF, 2.0, 8.0], [3.0, 2.0, 8.0], -INF, INF, "row 0 <= 3, row 1 >= 2, row 2 >= 8"),
    "parallel": ([[1.0, 1.0], [-2.0, -2.0]], [3.0, -2.0], [INF, INF], -INF, INF, "row 0 >= 3, row 1 >= -2"),
    "merged and bound": ([[1.0, 1.0], [2.0, 2.0]], [-9.0, 12.0], [9.0, INF], 0.0, 2.5, "row 1 >= 12, variable 0 <= 2.5"),
    "after a corner": ([[1.0, 1.0], [1.0, -1.0]], [-INF, 1.0], [0.0, INF], 0.0, 9.0, "row 0 <= 0, row 1 >= 1, variable 1 >= 0"),
    "empty row": ([[0.0, 0.0], [1.0, 1.0]], [1.0, 0.0], [2.0, 1.0], -INF, INF, "row 0 >= 1 is a row without variables; remove it"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_named_and_proven(name: str) -> None:
    from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron

    A, cl, cu, lb, ub, words = CONTRADICTIONS[name]
    problem = linear(A, cl, cu, lb, ub)
    with pytest.raises(EmptyPolyhedronError, match=r"have no (common )?point") as caught:
        Presolve().apply(problem)
    assert words in str(caught.value)
    ray = caught.value.ray
    assert ray.shape == (problem.m,)
    assert np.abs(ray).max() == 1.0
    polyhedron = Polyhedron(np.array(A), problem.cl, problem.cu, problem.lb, problem.ub)
    assert polyhedron.proves_empty(ray)


def test_a_contradiction_uses_the_users_names() -> None:
    problem = linear(
        [[2.0, 0.0]], [3.0], [INF], 0.0, 1.0,
        constraint_names=["demand"], variable_names=["flow", "rest"],
    )  # fmt: skip
    with pytest.raises(ProblemError, match=r"row 'demand' >= 3, variable 'flow' <= 1"):
        Presolve().apply(problem)


def test_a_contradiction_below_feasibility_tolerances_is_left_to_the_method() -> None:
    problem = linear([[1.0, 1.0, 1.0]], [-INF], [0.0], 1e-12, 1.0)
    assert Presolve().apply(problem)[0] is problem
    crossing = linear([[1.0], [1.0]], [1.0, -INF], [INF, 1.0 - 1e-9])
    reduced, _ = Presolve().apply(crossing)
    assert reduced is crossing


def test_bounds_that_cross_by_rounding_meet() -> None:
    third = 1.0 / 3.0
    problem = linear([[1.0, 0.0]], [np.nextafter(third, 1.0)], [INF], -1.0, third)
    reduced, _ = presolved(problem)
    assert reduced.lb[0] == reduced.ub[0] == third
    assert abs(problem.cl[0] - third) <= TINY


# The seam ---------------------------------------------------------------------------------------


def curved(*, sparse: bool = True) -> optlab.Problem:
    """Return a nonlinear row between two linear ones of one variable."""

    def dress(matrix: Any) -> Any:
        return csr_array(np.array(matrix)) if sparse else np.array(matrix)

    return optlab.Problem(
        objective=lambda x: float(x @ x),
        gradient=lambda x: 2.0 * x,
        hessian=lambda _x, y, sigma: dress(
            [[2.0 * sigma + 2.0 * y[1], 0.0], [0.0, 2.0 * sigma]]
        ),
        hprod=lambda _x, y, sigma, v: 2.0 * sigma * v + np.array([2.0 * y[1] * v[0], 0.0]),
        constraints=lambda x: np.array([3.0 * x[0], x[0] ** 2 + x[1], x[1]]),
        jacobian=lambda x: dress([[3.0, 0.0], [2.0 * x[0] + 1e-300, 1.0], [0.0, 1.0]]),
        x0=[1.0, 1.0],
        cl=[-3.0, 1.0, -INF],
        cu=[INF, 1.0, 5.0],
        linear=[True, False, True],
        constraint_names=["a", "b", "c"],
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_the_verbs_of_the_reduced_problem(sparse: bool) -> None:
    problem = curved(sparse=sparse)
    reduced, _ = presolved(problem)
    x, y = np.array([0.5, -2.0]), np.array([3.0])
    assert reduced.constraint_names == ("b",)
    assert reduced.constraints(x).tolist() == [-1.75]
    for _ in range(2):
        J: Any = reduced.jacobian(x)
        assert (J.toarray() if sparse else np.asarray(J)).tolist() == [[1.0, 1.0]]
    H: Any = reduced.hessian(x, y, 0.5)
    H = H.toarray() if sparse else H
    assert H.tolist() == [[7.0, 0.0], [0.0, 1.0]]
    v = np.array([1.0, 4.0])
    assert reduced.hprod(x, y, 0.5, v).tolist() == (H @ v).tolist()
    assert (reduced.lb.tolist(), reduced.ub.tolist()) == ([-1.0, -INF], [INF, 5.0])


def test_slack_rows_are_renumbered() -> None:
    problem = curved().replace(cl=[-3.0, 1.0, -INF], cu=[INF, 2.0, 5.0])
    with_slacks, _ = Slacks().apply(problem)
    assert with_slacks.slack_rows.tolist() == [1]
    reduced, _ = presolved(with_slacks)
    assert (reduced.m, reduced.n, reduced.slack_rows.tolist()) == (1, 3, [0])


def test_warm_starts_move_to_the_bounds_and_come_back() -> None:
    problem = curved()
    reduced, inverse = presolved(problem)
    given = Multiplied(np.array([-1.0, 0.0]), np.array([-2.0, 4.0, 0.0]), np.zeros(2))
    forth = inverse.forward(given)
    assert forth.y is not None
    assert forth.z is not None
    assert (forth.y.tolist(), forth.z.tolist()) == ([4.0], [-6.0, 0.0])
    again = inverse.back(forth, exact=False)
    assert again.y is not None
    assert again.z is not None
    assert (again.y.tolist(), again.z.tolist()) == ([-2.0, 4.0, 0.0], [0.0, 0.0])
    x = np.array([1.0, 2.0])
    assert inverse.point(x) is x
    assert inverse.forward(Multiplied(x, None, None)) == Multiplied(x, None, None)
    assert inverse.back(Multiplied(x, None, None), exact=True) == Multiplied(x, None, None)
    only_rows = inverse.back(Multiplied(x, np.array([4.0]), None), exact=True)
    assert only_rows.y is not None
    assert (only_rows.y.tolist(), only_rows.z) == ([0.0, 4.0, 0.0], None)
    assert reduced.m == 1


def test_multipliers_that_come_in_are_not_written_to() -> None:
    _, inverse = presolved(curved())
    y, z = np.array([4.0]), np.array([-6.0, 0.0])
    for array in (y, z):
        array.flags.writeable = False
    inverse.back(Multiplied(np.zeros(2), y, z), exact=True)
    full = np.array([-2.0, 4.0, 0.0])
    full.flags.writeable = False
    inverse.forward(Multiplied(np.zeros(2), full, z))


def test_nothing_to_do_is_nothing_done() -> None:
    free = optlab.Problem(objective=lambda x: float(x @ x), x0=[1.0])
    unknown = curved().replace(linear=None)
    nonlinear = curved().replace(linear=[False, False, False])
    for problem in (free, unknown, nonlinear):
        assert Presolve().apply(problem) == (problem, IDENTITY)
        assert not Presolve().summary(problem).removed
    calls: list[str] = []
    watched = nonlinear.replace(jacobian=lambda _x: calls.append("jacobian"))
    Presolve().apply(watched)
    assert not calls


def test_one_evaluation_of_rows_and_jacobian_is_all_it_takes() -> None:
    oracle = Oracle(curved())
    Presolve().apply(oracle.as_problem())
    assert oracle.counts["constraints"] == oracle.counts["jacobian"] == 1
    assert oracle.counts["objective"] == oracle.counts["gradient"] == 0


def test_the_summary_is_one_sentence_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="optlab"):
        summary = Presolve().summary(curved())
    text = "presolve removed 2 rows (2 singleton), tightened 2 bounds, fixed 0 variables"
    assert str(summary) == text
    assert text in caplog.text
    assert str(PresolveSummary()) == "presolve found nothing to do"


def test_a_row_that_cannot_be_evaluated_is_an_evaluation_error() -> None:
    broken = curved().replace(constraints=lambda _x: np.full(3, np.nan))
    with pytest.raises(EvaluationError):
        Presolve().apply(Oracle(broken).as_problem())


def test_values_that_are_not_finite_without_an_oracle_change_nothing() -> None:
    broken = curved().replace(constraints=lambda _x: np.full(3, np.nan))
    assert Presolve().apply(broken)[0] is broken


@pytest.mark.parametrize("method", ["pasa", "npasa"])
def test_solves_with_and_without_agree(method: str) -> None:
    """Through the front door: all multipliers belong to the user's rows and bounds."""
    A = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, -1.0]]
    problem = linear(A, [-INF, -INF, 0.5, -1.0, -9.0], [1.5, 2.0, 0.5, 1.0, 9.0], -1.0, 2.0)
    results = [
        optlab.minimize(problem, method=method, tol=1e-9, options={"presolve": presolve})
        for presolve in (False, True)
    ]
    for result in results:
        assert result.success, result
        assert result.certificate.E1 <= 1e-8
    np.testing.assert_allclose(results[0].x, results[1].x, atol=1e-8)
    y = results[1].multipliers.constraints
    # x = (7/16, 1/8, 7/16): row 1 binds (sum = 1), row 2 fixes x_1.
    assert y[1] == pytest.approx(0.5 * (1.0 - 0.4375), abs=1e-7)
    assert y[[0, 3, 4]] == pytest.approx(0.0, abs=1e-9)
    warm = optlab.minimize(
        problem, method=method, tol=1e-9, warm_start=results[1], options={"presolve": True}
    )
    assert warm.iterations <= 1
