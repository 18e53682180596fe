"""check_derivatives names the entries that are wrong, and only these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import optlab
from optlab.core.derivatives import DerivativeCheck, check_derivatives
from optlab.core.problem import Problem
from optlab.errors import OptionError, ProblemError

N, M = 4, 3
POWERS = np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 1.0, 1.0]])
X = np.array([0.7, -0.4, 1.3, 0.2])


def rows(x: np.ndarray) -> np.ndarray:
    return np.asarray(POWERS @ x**3)


def planted(plant: dict[tuple[str, int, int], float]) -> Problem:
    """Return a problem whose derivatives have additional errors in the given entries."""

    def spoil(verb: str, value: np.ndarray) -> np.ndarray:
        for (where, i, j), error in plant.items():
            if where == verb:
                value[(j,) if verb == "gradient" else (i, j)] += error
        return value

    def hessian(x: np.ndarray, y: np.ndarray, sigma: float) -> Any:
        H = np.diag(sigma * 12.0 * x**2 + 6.0 * x * (POWERS.T @ y))
        return sp.csr_array(spoil("hessian", H))

    return Problem(
        objective=lambda x: float((x**4).sum()),
        gradient=lambda x: spoil("gradient", 4.0 * x**3),
        constraints=rows,
        jacobian=lambda x: spoil("jacobian", 3.0 * POWERS * x**2),
        hessian=hessian,
        cl=np.zeros(M),
        cu=np.zeros(M),
        x0=X,
        variable_names=["a", "b", "c", "d"],
        constraint_names=["first", "second", "third"],
    )


def test_right_derivatives_pass() -> None:
    check = check_derivatives(planted({}), X)
    assert check
    assert check.checked == {"gradient": N, "jacobian": M * N, "hessian": N * N}
    assert check.largest_error < 1e-6
    assert "no entry is wrong" in repr(check)


@given(
    st.sampled_from(["jacobian", "hessian"]),
    st.integers(0, M - 1),
    st.integers(0, N - 1),
    st.sampled_from([-3.0, -1e-3, 1e-3, 1.0, np.nan]),
)
def test_a_planted_error_is_named(verb: str, i: int, j: int, error: float) -> None:
    check = check_derivatives(planted({(verb, i, j): error}), X)
    found = [(entry.verb, entry.row, entry.column) for entry in check.wrong]
    wanted = [(verb, i, j)]
    if verb == "jacobian":
        # The Hessian is compared with differences of gradients, where a constant error drops out.
        assert found[: len(wanted)] == wanted or np.isnan(error)
        assert set(found) >= set(wanted)
    else:
        assert found == wanted
    names = planted({}).constraint_names if verb == "jacobian" else planted({}).variable_names
    assert names is not None
    assert f"{verb}[{i} ({names[i]}), {j} ({'abcd'[j]})]" in repr(check)


def test_worst_first_and_the_gradient_has_no_row() -> None:
    check = check_derivatives(planted({("gradient", 0, 1): 1e-2, ("gradient", 0, 3): 10.0}), X)
    assert [(e.verb, e.row, e.column) for e in check.wrong] == [
        ("gradient", None, 3),
        ("gradient", None, 1),
    ]
    assert str(check.wrong[0]).startswith("gradient[3 (d)]: given 10.032, by differences 0.032")


def test_the_start_point_is_moved_so_that_its_zeros_hide_nothing() -> None:
    problem = Problem(
        objective=lambda x: float(x[0] * x[1]), gradient=lambda x: 0.0 * x, x0=[0.0, 0.0]
    )
    assert check_derivatives(problem, [0.0, 0.0]).ok
    assert not check_derivatives(problem).ok


def test_bounds_are_kept_and_fixed_variables_left_out() -> None:
    def fenced(x: np.ndarray) -> float:
        assert (x >= 0.0).all()
        assert x[1] == 2.0
        return float(x[0] ** 2)

    problem = Problem(
        objective=fenced, gradient=lambda x: np.array([2.0 * x[0], 99.0]), x0=[0.0, 2.0],
        lb=[0.0, 2.0], ub=[np.inf, 2.0],
    )  # fmt: skip
    check = check_derivatives(problem)
    assert check.ok
    assert check.checked == {"gradient": 1}
    assert "1 variable(s) whose bounds are equal" in repr(check)


def test_estimates_and_what_needs_them_are_not_compared() -> None:
    problem = planted({}).replace(gradient="3-point")
    check = check_derivatives(problem, X)
    assert check.checked == {"jacobian": M * N}
    assert len(check.skipped) == 2


def test_a_column_that_cannot_be_evaluated_is_reported() -> None:
    def f(x: np.ndarray) -> float:
        if x[1] > 1.0:
            raise ZeroDivisionError("too far")
        return float(x[0])

    problem = Problem(objective=f, gradient=lambda _x: np.array([1.0, 0.0]), x0=[0.0, 1.0])
    check = check_derivatives(problem, [0.0, 1.0])
    assert check.ok
    assert check.checked == {"gradient": 1}
    assert "column 1 of the gradient: too far" in repr(check)


def test_long_lists_are_cut() -> None:
    problem = Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 0.0 * x, x0=np.ones(50)
    )
    assert "and 30 more" in repr(check_derivatives(problem))
    assert isinstance(optlab.check_derivatives(problem), DerivativeCheck)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"x": [1.0]}, ProblemError, r"shape \(4,\)"),
        ({"x": X, "y": [1.0]}, ProblemError, r"shape \(3,\)"),
        ({"rtol": 0.0}, OptionError, "rtol"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        check_derivatives(planted({}), **arguments)


def test_a_derivative_of_the_wrong_shape() -> None:
    problem = planted({}).replace(jacobian=lambda _x: np.ones((2, 2)))
    with pytest.raises(ProblemError, match=r"jacobian has shape \(2, 2\)"):
        check_derivatives(problem)


def test_entries_that_the_pattern_lacks_are_named_with_that_remark() -> None:
    def jacobian(x: np.ndarray) -> Any:
        return sp.csr_array(np.array([[2.0 * x[0], 0.0, 0.0], [0.0, 0.0, 1.0]]))

    problem = Problem(
        objective=lambda _x: 0.0, gradient=np.zeros_like, x0=[1.0, 2.0, 3.0], cl=[0, 0], cu=[1, 1],
        constraints=lambda x: np.array([x[0] ** 2 + 3.0 * x[1], x[2]]), jacobian=jacobian,
        variable_names=["a", "b", "c"], constraint_names=["first", "second"],
    )  # fmt: skip
    (wrong,) = check_derivatives(problem, [1.0, 2.0, 3.0]).wrong
    assert (wrong.row, wrong.column) == (0, 1)
    assert str(wrong).startswith("jacobian[0 (first), 1 (b)]: given 0, by differences 3")
    assert "not in the sparsity pattern" in str(wrong)


def test_half_a_hessian_is_found_out() -> None:
    def f(x: np.ndarray) -> float:
        return float(x[0] ** 2 + 5.0 * x[0] * x[1])

    def g(x: np.ndarray) -> np.ndarray:
        return np.array([2.0 * x[0] + 5.0 * x[1], 5.0 * x[0]])

    half: dict[str, Any] = {
        "objective": f, "hessian": lambda _x, _y, s: s * np.array([[2.0, 5.0], [0.0, 0.0]]),
        "x0": [1.0, 1.0],
    }  # fmt: skip
    (wrong,) = check_derivatives(Problem(gradient=g, **half)).wrong
    assert (wrong.row, wrong.column) == (1, 0)
    assert "mirrored entry is 5" in wrong.remark
    # Without an exact gradient there are no differences to compare it with, but the halves disagree.
    estimated = check_derivatives(Problem(gradient="3-point", **half))
    assert [(e.row, e.column, e.given, e.difference) for e in estimated.wrong] == [
        (0, 1, 5.0, 0.0)
    ]


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("unit", [1e-5, 1.0, 1e4])
@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_neither_units_nor_scale_hide_an_error_or_make_one(
    scale: float, unit: float, factor: float
) -> None:
    def f(x: np.ndarray) -> float:
        return float(scale * (np.exp(0.3 * x[0] / unit) + (x[1] / unit) ** 3))

    def g(x: np.ndarray) -> np.ndarray:
        slope = np.array([0.3 * np.exp(0.3 * x[0] / unit), factor * 3.0 * (x[1] / unit) ** 2])
        return np.asarray(scale / unit * slope)

    check = check_derivatives(
        Problem(objective=f, gradient=g, x0=[unit, 2.0 * unit]), [unit, 2.0 * unit]
    )
    assert [entry.column for entry in check.wrong] == ([] if factor == 1.0 else [1])


@pytest.mark.parametrize("noise", [1e-12, 1e-9, 1e-6])
def test_noise_is_measured_and_makes_no_error(noise: float) -> None:
    rng = np.random.default_rng(3)

    def f(x: np.ndarray) -> float:
        return float((1.0 + noise * rng.normal()) * (x[0] ** 2 + np.sin(x[1]) + 100.0))

    def problem(factor: float) -> Problem:
        return Problem(
            objective=f,
            gradient=lambda x: np.array([2.0 * x[0], factor * np.cos(x[1])]),
            x0=[1.0, 0.5],
        )

    assert check_derivatives(problem(1.0), [1.0, 0.5]).ok
    assert [e.column for e in check_derivatives(problem(2.0), [1.0, 0.5]).wrong] == [1]
