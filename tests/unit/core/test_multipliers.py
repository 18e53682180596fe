"""Multipliers of points that have none, and the certificates of packaged solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from optlab import Problem
from optlab.core import multipliers
from optlab.core.control import Tolerances
from optlab.core.kkt import certificate, error_estimators, least_squares_multipliers
from optlab.core.multipliers import bound_multipliers, fit_multipliers
from optlab.core.status import PointStatus
from optlab.core.verdict import certify, infeasibility_stationarity, point_status
from optlab.errors import ProblemError
from optlab_problems import catalog

INF = np.inf
NOTHING = np.zeros(0)


def test_bound_multipliers_by_hand() -> None:
    #                 at lower  at upper  wrong way  near    far     free
    x = np.array([0.0, 1.0, 0.0, 0.01, 0.5, 0.5])
    d = np.array([2.0, -3.0, -2.0, 0.3, 0.3, 0.7])
    lb = np.array([0.0, 0.0, 0.0, 0.0, 0.0, -INF])
    ub = np.array([1.0, 1.0, 5.0, 1.0, 1.0, INF])
    z = bound_multipliers(x, d, lb, ub)
    assert z.tolist() == [-2.0, 3.0, 0.0, -0.3, 0.0, 0.0]


def slope(d: float, **more: Any) -> Problem:
    """Return f = d x."""
    return Problem(objective=lambda x: d * x[0], gradient=lambda _x: np.array([d]), **more)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1.0), st.floats(-3.0, 3.0), st.sampled_from([0.0, -0.5, -INF])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_other_bound_multipliers_have_a_smaller_error(entries: Any) -> None:
    """Against the choices z_j = 0 and z_j = -d_j of every variable by itself."""
    for x, d, low in entries:
        problem = slope(d, x0=[x], lb=low, ub=1.0)
        at = np.array([x])
        chosen = certificate(problem, at, None, None)
        for z in (0.0, -d):
            other = certificate(problem, at, None, np.array([z]))
            assert chosen.Em0 <= other.Em0 * (1.0 + 1e-12)
            assert chosen.Em1 <= other.Em1 * (1.0 + 1e-12)


def fitted(
    sizes: tuple[int, int], seed: int, *, sparse: bool
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return g, J, gaps and the y, z from which g was made; half of all sides are active."""
    n, m = sizes
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.3)
    dense[:, :m] += 3.0 * np.eye(m)
    y, z = rng.uniform(0.5, 2.0, m), np.zeros(n)
    y[m // 2 :] = 0.0
    y[::2] *= -1.0
    z[m : m + 2] = [-1.0, 1.0]
    row_gaps = (np.where(y < 0.0, 0.0, INF), np.where(y > 0.0, 0.0, INF))
    bound_gaps = (np.where(z < 0.0, 0.0, INF), np.where(z > 0.0, 0.0, INF))
    g = -(dense.T @ y + z)
    return g, csr_array(dense) if sparse else dense, row_gaps, bound_gaps, y, z


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("limit", [150, 0])
def test_multipliers_are_recovered(
    limit: int, sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By bounded least squares and, above the limit, by a projection."""
    monkeypatch.setattr(multipliers, "_DENSE_LIMIT", limit)
    g, J, row_gaps, bound_gaps, y, z = fitted((12, 8), 3, sparse=sparse)
    got_y, got_z = fit_multipliers(g, J, row_gaps, bound_gaps, np.ones(8, dtype=bool))
    np.testing.assert_allclose(got_y, y, atol=1e-8)
    np.testing.assert_allclose(got_z, z, atol=1e-8)


def test_many_rows_take_the_projection() -> None:
    g, J, row_gaps, bound_gaps, y, z = fitted((400, 330), 5, sparse=True)
    got_y, got_z = fit_multipliers(g, J, row_gaps, bound_gaps, np.ones(330, dtype=bool))
    np.testing.assert_allclose(got_y, y, atol=1e-6)
    np.testing.assert_allclose(got_z, z, atol=1e-6)


def test_signs_are_kept_even_where_the_residual_suffers() -> None:
    # min -x0 with the row x0 >= 0 active: the multiplier wants to be > 0, which a lower side forbids.
    y, z = fit_multipliers(
        np.array([-1.0]),
        np.array([[1.0]]),
        (np.zeros(1), np.array([INF])),
        (np.array([INF]), np.array([INF])),
        np.array([True]),
    )
    assert y.tolist() == z.tolist() == [0.0]


def test_rows_that_may_not_have_a_multiplier_get_none() -> None:
    g, J, row_gaps, bound_gaps, _, _ = fitted((12, 8), 3, sparse=False)
    rows = np.arange(8) != 0
    y, _ = fit_multipliers(g, J, row_gaps, bound_gaps, rows)
    assert y[0] == 0.0
    assert np.any(y[1:] != 0.0)


def test_distant_sides_get_small_multipliers() -> None:
    # One row with gap 10 on both sides: min (1 + y)^2 + (10 y)^2 at y = -1/101.
    gaps = (np.array([10.0]), np.array([10.0]))
    none = (np.array([INF]), np.array([INF]))
    y, _ = fit_multipliers(np.ones(1), np.ones((1, 1)), gaps, none, np.array([True]))
    assert y[0] == pytest.approx(-1.0 / 101.0)


# On whole problems --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        item.name
        for item in catalog.entries()
        if item.solution is not None and item.outcome is catalog.Outcome.SOLVED
    ],
)
def test_known_solutions_are_stationary(name: str) -> None:
    """With multipliers from the point alone; catalog solutions have about eight digits."""
    entry = catalog.entry(name)
    problem, x = catalog.load(name), np.array(entry.solution)
    point = certify(problem, x, problem.objective(x), (None, None), Tolerances(1e-4, 1e-5))
    assert point.status is PointStatus.STATIONARY, point.certificate
    # Just beside the solution nothing is stationary any more.
    away = np.clip(x + 0.05, problem.lb, problem.ub)
    if not np.array_equal(away, x):
        beside = certify(problem, away, 0.0, (None, None), Tolerances())
        assert beside.status is not PointStatus.STATIONARY


def test_multipliers_of_hs71() -> None:
    """As published: the product's multiplier is -0.5523, the sphere's 0.1615, that of x1 >= 1 -1.0879."""
    x = np.array([1.0, 4.74299963, 3.82114998, 1.37940829])
    y, z = least_squares_multipliers(catalog.load("hs71"), x)
    np.testing.assert_allclose(np.sort(y), [-0.5523, 0.1615], atol=1e-3)
    np.testing.assert_allclose(z, [-1.0879, 0.0, 0.0, 0.0], atol=1e-3)


def corner(**more: Any) -> Problem:
    """Return f = x0 + x1 with x >= 0 and the rows x0 + 2 x1 >= 1 and x0^2 + x1^2 = 1."""
    given: dict[str, Any] = {
        "objective": lambda x: float(x.sum()),
        "gradient": lambda _x: np.ones(2),
        "constraints": lambda x: np.array([x[0] + 2.0 * x[1], x @ x]),
        "jacobian": lambda x: np.array([[1.0, 2.0], 2.0 * x]),
        "x0": np.ones(2),
        "lb": 0.0,
        "cl": [1.0, 1.0],
        "cu": [INF, 1.0],
        "linear": [True, False],
    }
    return Problem(**(given | more))


def test_a_linear_row_a_nonlinear_row_and_bounds_by_hand() -> None:
    # At (1, 0): row 0 holds with gap 0, x1 = 0. y = (-0.25, -0.375): d = (1 - 0.25 - 0.75, 1 - 0.5).
    problem, x, y = corner(), np.array([1.0, 0.0]), np.array([-0.25, -0.375])
    good = error_estimators(problem, x, y, np.array([0.0, -0.5]))
    assert good.E0 == good.E1 == good.dual == good.complementarity == good.primal == 0.0
    assert good.scale == 1.0
    # z1 of the wrong sign: grad L = (0, 1), and a multiplier 0.5 of a bound that does not exist.
    wrong = error_estimators(problem, x, y, np.array([0.0, 0.5]))
    assert wrong.Em0 == wrong.Em1 == pytest.approx(np.sqrt(1.25))
    assert wrong.dual == pytest.approx(1.0)
    # y0 of the wrong sign: d = (0.5, 1.5), cancelled by z as far as gap 1 of x0 allows.
    flipped = error_estimators(problem, x, np.array([0.25, -0.375]), np.array([-0.5, -1.5]))
    assert flipped.complementarity == pytest.approx(0.5)
    assert flipped.Em1 == pytest.approx(np.sqrt(0.25**2 + 0.5**2))
    assert flipped.Em0 == pytest.approx(np.sqrt(0.25**2 + 0.5 * 1.0))
    assert flipped.dual == pytest.approx(0.5)


def test_violated_bounds_and_rows_are_one_constraint_error() -> None:
    # At (-0.5, 0): bound by 0.5, row 0 by 1.5, row 1 by 0.75.
    cert = error_estimators(corner(), np.array([-0.5, 0.0]), np.zeros(2), np.zeros(2))
    assert cert.primal == pytest.approx(1.5)
    assert cert.Ec == pytest.approx(np.sqrt(0.5**2 + 1.5**2 + 0.75**2))


def test_scale_is_the_mean_multiplier_over_a_hundred() -> None:
    y, z = np.array([-600.0, 500.0]), np.array([-400.0, 0.0])
    assert error_estimators(corner(), np.array([1.0, 0.0]), y, z).scale == pytest.approx(3.75)


def test_a_better_z_of_either_origin_is_kept() -> None:
    problem, x = corner(), np.array([1.0, 0.0])
    y, tolerances = np.array([-0.25, -0.375]), Tolerances()
    for z in (None, np.array([0.0, -0.5]), np.array([0.0, -0.1])):
        point = certify(problem, x, 1.0, (y, z), tolerances)
        assert np.array_equal(point.z, [0.0, -0.5])
        assert point.status is PointStatus.STATIONARY


def test_without_derivatives_only_the_violation_is_known() -> None:
    for missing in ({"gradient": None}, {"jacobian": None}):
        point = certify(corner(**missing), np.ones(2), 2.0, (None, None), Tolerances())
        assert point.certificate.primal == pytest.approx(1.0)
        assert np.isnan(point.certificate.dual)
        assert np.isnan(point.y).all()
        assert point.status is PointStatus.UNKNOWN


def test_shapes_are_checked() -> None:
    for arguments in (
        (np.ones(3), None, None),
        (np.ones(2), np.ones(3), None),
        (np.ones(2), np.ones(2), np.ones(1)),
    ):
        with pytest.raises(ProblemError, match="is needed"):
            error_estimators(corner(), *arguments)


def test_bounds_make_a_point_of_least_violation() -> None:
    # x0 + 2 x1 >= 1 within 0 <= x <= 0.1: the violation is least at the upper corner.
    def boxed(linear: bool) -> Problem:
        return corner(
            constraints=lambda x: np.array([x[0] + 2.0 * x[1]]),
            jacobian=lambda _x: np.array([[1.0, 2.0]]),
            cl=[1.0],
            cu=[INF],
            ub=0.1,
            linear=[linear],
        )

    for linear in (False, True):
        problem = boxed(linear)
        for x, status in (
            (np.array([0.1, 0.1]), PointStatus.INFEASIBLE_STATIONARY),
            (np.array([0.1, 0.05]), PointStatus.UNKNOWN),
        ):
            cert = error_estimators(problem, x, np.zeros(1), np.zeros(2))
            assert point_status(problem, x, cert, Tolerances()) is status


def test_linear_rows_that_hold_block_the_way_to_feasibility() -> None:
    """x0 + x1 = 3 misses the unit circle: from (1.5, 1.5) only leaving the line would help."""
    problem = corner(
        constraints=lambda x: np.array([x[0] + x[1], x @ x]),
        jacobian=lambda x: np.array([[1.0, 1.0], 2.0 * x]),
        cl=[3.0, 1.0],
        cu=[3.0, 1.0],
    )
    x = np.array([1.5, 1.5])
    assert infeasibility_stationarity(problem, x) <= 1e-12
    assert infeasibility_stationarity(problem.replace(linear=[False, False]), x) > 0.5
    assert infeasibility_stationarity(problem, np.array([2.0, 1.0])) > 0.5
    cert = error_estimators(problem, x, np.zeros(2), np.zeros(2))
    assert point_status(problem, x, cert, Tolerances()) is PointStatus.INFEASIBLE_STATIONARY


def test_an_unbounded_claim_at_an_infeasible_point_is_refused() -> None:
    problem, x = corner(), np.zeros(2)
    cert = error_estimators(problem, x, np.zeros(2), np.zeros(2))
    status = point_status(problem, x, cert, Tolerances(), unbounded_value=-1e30)
    assert status is not PointStatus.UNBOUNDED_DIRECTION


def test_a_point_is_judged_with_the_tolerances_it_is_given() -> None:
    problem = Problem(
        objective=lambda x: float(0.5 * x @ x), gradient=lambda x: x.copy(), x0=[1.0]
    )
    x = np.array([1e-4])
    cert = error_estimators(problem, x, NOTHING, np.zeros(1))
    assert point_status(problem, x, cert, Tolerances(2e-4)) is PointStatus.STATIONARY
    assert point_status(problem, x, cert, Tolerances(0.5e-4)) is PointStatus.FEASIBLE
