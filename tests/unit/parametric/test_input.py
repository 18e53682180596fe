"""What a user can do wrong is said in words: what was given, what is needed, how to fix it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optlab
from optlab import Perturbation, Problem
from optlab.core.method import WarmStart
from optlab.errors import (
    CapabilityError,
    EvaluationError,
    OptionError,
    ProblemError,
    SolveError,
)
from optlab.parametric import AbstractFamily, Change, DifferencedFamily


def disk(**changes: Any) -> Problem:
    """Return the nearest point of the unit disk to (2, 0), with one more variable that is fixed."""
    given: dict[str, Any] = {
        "objective": lambda x: float((x[0] - 2.0) ** 2 + x[1] ** 2 + x[2] ** 2),
        "gradient": lambda x: 2.0 * x - np.array([4.0, 0.0, 0.0]),
        "hessian": lambda _x, y, s: 2.0 * (s + y[0]) * np.eye(3),
        "constraints": lambda x: np.array([x @ x]),
        "jacobian": lambda x: 2.0 * x[None],
        "x0": np.zeros(3),
        "lb": [-np.inf, -np.inf, 0.5],
        "ub": [np.inf, 5.0, 0.5],
        "cl": [-np.inf],
        "cu": [1.25],
    }
    return Problem(**(given | changes))


@pytest.fixture(scope="module")
def result() -> Any:
    return optlab.minimize(disk(), tol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ("rhs", OptionError, "use one of 'linear', 'lb', 'ub', 'cl', 'cu'"),
        ([1.0], OptionError, r"build\(p\) in place of the problem"),
        (None, OptionError, "a Perturbation or one"),
        (Perturbation(gradient=np.ones(2)), ProblemError, r"shape \(3, 1\) is needed"),
        (Perturbation(cu=np.ones((2, 2))), ProblemError, r"shape \(1, 2\) is needed"),
        (Perturbation(lb=[0.0, 0.0, 1.0]), ProblemError, "variable 2 has lb = ub"),
    ],
)
def test_parameters_that_do_not_fit(
    result: Any, parameters: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        optlab.sensitivity(disk(), result, parameters)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "moves nothing"),
        ({"gradient": np.ones((3, 2)), "objective": 1.0}, "gradient: 2, objective: 1"),
        ({"gradient": np.ones((3, 2)), "names": ["a"]}, "names: 1"),
        ({"gradient": [np.nan]}, "not finite"),
        ({"ub": [np.inf]}, "infinite bounds included"),
        ({"cl": "far"}, "cannot be read as numbers"),
        ({"cl": np.ones((1, 1, 1))}, "one column per parameter"),
        ({"objective": np.ones((1, 2))}, "one number per parameter"),
    ],
)
def test_perturbations_that_contradict_themselves(given: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        Perturbation(**given)


@pytest.mark.parametrize("tol", [0.0, 1.0, -1e-3, float("nan")])
def test_the_activity_tolerance(result: Any, tol: float) -> None:
    with pytest.raises(OptionError, match="between 0 and 1"):
        optlab.sensitivity(disk(), result, "cu", tol=tol)


@pytest.mark.parametrize(
    ("solution", "error", "words"),
    [
        ("solved", OptionError, "the Result of a solve"),
        (WarmStart(np.zeros(2)), ProblemError, r"x of shape \(2,\)"),
        (WarmStart(np.zeros(3), np.zeros(2)), ProblemError, r"y of shape \(2,\)"),
        (WarmStart(np.full(3, np.nan)), ProblemError, "not finite"),
        (WarmStart(np.array([0.0, 0.0, 0.5])), SolveError, "not stationary"),
        (WarmStart(np.array([5.0, 0.0, 0.5])), SolveError, "Solve to success first"),
    ],
)
def test_solutions_that_are_none(solution: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        optlab.sensitivity(disk(), solution, "cu")


def test_a_failed_solve_says_how_it_ended() -> None:
    ended = optlab.minimize(disk(), max_iter=0)
    with pytest.raises(SolveError, match="The solve ended so"):
        optlab.sensitivity(disk(), ended, "cu")


def test_derivatives_that_are_missing_or_broken(result: Any) -> None:
    with pytest.raises(CapabilityError, match="no gradient and no jacobian"):
        optlab.sensitivity(disk(gradient=None, jacobian=None), result, "cu")
    with pytest.raises(CapabilityError, match="differences of differences"):
        optlab.sensitivity(disk(gradient="3-point", hessian=None), result, "cu")
    broken = disk(hessian=lambda *_: np.full((3, 3), np.nan))
    with pytest.raises(EvaluationError, match="hessian"):
        optlab.sensitivity(broken, result, "cu")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.adjoint([1.0]), r"vx has shape \(1,\); shape \(3,\)"),
        (lambda s: s.adjoint([np.inf, 0, 0]), "not finite"),
        (lambda s: s.adjoint(np.zeros(3), vy="up"), "cannot be read"),
        (lambda s: s.along([1.0, 2.0]), r"direction has shape \(2,\)"),
        (lambda s: s.directional([]), r"shape \(1,\) is needed"),
    ],
)
def test_directions_and_weights(result: Any, call: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        call(optlab.sensitivity(disk(), result, "cu"))


@pytest.mark.parametrize(
    ("build", "p", "words"),
    [
        (lambda _p: 3, [1.0], "returned a int"),
        (lambda _p: disk(), [[1.0]], r"shape \(1, 1\)"),
        (lambda _p: disk(), [], "P >= 1"),
        (lambda _p: disk(), [np.nan], "not finite"),
        (lambda _p: disk(), ["one"], "cannot be read as numbers"),
        (lambda p: disk(ub=[np.inf, 5.0 if p[0] <= 1.0 else np.inf, 0.5]), [1.0], "infinite for others"),
        (lambda p: disk() if p[0] <= 1.0 else shorter(), [1.0], "sizes must not depend on p"),
    ],
)  # fmt: skip
def test_families_that_are_none(result: Any, build: Any, p: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        optlab.sensitivity(build, result, p)


def shorter() -> Problem:
    return Problem(objective=lambda x: float(x @ x), gradient=lambda x: 2 * x, x0=[0.0])


def test_a_family_that_ends_next_to_p_says_where(result: Any) -> None:
    def build(p: Any) -> Problem:
        if p[0] > 1.25:
            message = "too large"
            raise ArithmeticError(message)
        return disk(cu=p)

    with pytest.raises(ProblemError, match=r"ArithmeticError: too large, at p\[0\] = 1.25"):
        optlab.sensitivity(build, result, [1.25])


def test_a_family_wants_values(result: Any) -> None:
    for parameters in ("cu", Perturbation(cu=[1.0])):
        with pytest.raises(OptionError, match="not values of p"):
            optlab.sensitivity(lambda p: disk(cu=p), result, parameters)


def test_a_step_of_ones_own_and_a_family_of_ones_own(result: Any) -> None:
    wanted = optlab.sensitivity(disk(), result, "cu").dx
    coarse = DifferencedFamily(lambda p: disk(cu=p), step=1e-2)
    np.testing.assert_allclose(optlab.sensitivity(coarse, result, [1.25]).dx, wanted, atol=1e-8)

    class Exact(AbstractFamily):
        def problem(self, p: Any) -> Problem:
            return disk(cu=p)

        def perturbation(self, p: Any, x: Any, y: Any) -> Perturbation:
            assert (p, x.size, y.size) == ([1.25], 3, 1)
            return Perturbation(cu=[1.0])

    np.testing.assert_allclose(optlab.sensitivity(Exact(), result, [1.25]).dx, wanted)


def test_sparse_and_dense_columns_say_the_same(result: Any) -> None:
    gradient, cu = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0]])
    dense = optlab.sensitivity(disk(), result, Perturbation(gradient=gradient, cu=cu))
    sparse = optlab.sensitivity(
        disk(), result, Perturbation(gradient=sp.coo_array(gradient), cu=sp.csc_array(cu))
    )
    np.testing.assert_array_equal(dense.dx, sparse.dx)
    np.testing.assert_array_equal(
        dense.adjoint([1.0, 2.0, 3.0]), sparse.adjoint([1.0, 2.0, 3.0])
    )
    fixed = sp.csr_array(np.array([[0.0], [0.0], [1.0]]))
    moved = optlab.sensitivity(disk(), result, Perturbation(lb=fixed, ub=fixed))
    assert moved.dx[2, 0] == 1.0


def test_along_and_contracted_are_transposes() -> None:
    rng = np.random.default_rng(0)
    problem = disk()
    n, m, count = 3, 1, 4
    parts: dict[str, Any] = {
        **{key: rng.standard_normal((n, count)) for key in ("gradient", "lb", "ub")},
        **{key: rng.standard_normal((m, count)) for key in ("constraints", "cl", "cu")},
        "objective": rng.standard_normal(count),
    }
    perturbation, direction = Perturbation(**parts), rng.standard_normal(count)
    change = perturbation.along(direction, problem)
    weights = Change(
        rng.standard_normal(n), rng.standard_normal(m), 0.3,
        *rng.standard_normal((2, n)), *rng.standard_normal((2, m)),
    )  # fmt: skip
    product = weights.objective * change.objective + sum(
        float(getattr(weights, key) @ getattr(change, key))
        for key in parts
        if key != "objective"
    )
    assert perturbation.contracted(weights) @ direction == pytest.approx(product)
