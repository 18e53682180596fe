"""SciPy's arguments: every form, what they mean here, and what is said of wrong ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import optimize
from scipy.optimize import BFGS, SR1, Bounds, LinearConstraint, NonlinearConstraint

import optlab
from optlab import scipy as ours
from optlab.errors import (
    CapabilityError,
    EvaluationError,
    OptionError,
    ProblemError,
    UnknownMethodError,
)


def f(x: Any, a: float = 1.0, b: float = 2.0) -> Any:
    return (x[0] - a) ** 2 + (x[1] - b) ** 2


def g(x: Any, a: float = 1.0, b: float = 2.0) -> Any:
    return np.array([2.0 * (x[0] - a), 2.0 * (x[1] - b)])


def never(*_: Any) -> Any:
    raise AssertionError


minimize: Any = optlab.minimize
"""Any, because its type shows the stable signature and not SciPy's order."""


# The signature ------------------------------------------------------------------------------------


def test_the_drop_in_has_scipys_signature() -> None:
    mine, theirs = (inspect.signature(m).parameters for m in (ours.minimize, optimize.minimize))
    assert list(mine) == list(theirs)
    assert {k: p.kind for k, p in mine.items()} == {k: p.kind for k, p in theirs.items()}
    assert ours.Bounds is Bounds
    with pytest.raises(AttributeError, match="no_such_name"):
        ours.no_such_name  # noqa: B018


def test_the_stable_signature_still_shows() -> None:
    parameters = list(inspect.signature(optlab.minimize).parameters.values())
    assert [p.name for p in parameters[:3]] == ["problem_or_fun", "x0", "method"]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[3:-1])
    assert parameters[-1].kind is inspect.Parameter.VAR_KEYWORD
    assert parameters[2].default == "auto"


@pytest.mark.parametrize(
    "call",
    [
        lambda: minimize(f, [0, 0], (3.0, 4.0)),
        lambda: minimize(f, [0, 0], args=(3.0, 4.0)),
        lambda: minimize(f, [0, 0], (3.0, 4.0), method="SLSQP"),
        lambda: minimize(f, [0, 0], (3.0, 4.0), "L-BFGS-B", g),
        lambda: ours.minimize(f, [0, 0], (3.0, 4.0), None, g),
        lambda: ours.minimize(lambda x, a: f(x, a, 4.0), [0, 0], 3.0),
    ],
)
def test_args_go_to_the_functions(call: Callable[[], Any]) -> None:
    np.testing.assert_allclose(call().x, [3.0, 4.0], atol=1e-5)


def test_args_are_not_taken_twice() -> None:
    with pytest.raises(TypeError, match="several values for args"):
        minimize(f, [0, 0], (3.0, 4.0), args=(1.0,))
    with pytest.raises(TypeError, match="at most 12"):
        minimize(f, [0, 0], (), *[None] * 10)
    with pytest.raises(ProblemError, match="args is a list"):
        optlab.minimize(f, [0, 0], args=[1.0])


def test_a_constraint_has_args_of_its_own() -> None:
    seen: list[tuple[Any, ...]] = []

    def c(x: Any, *args: Any) -> Any:
        seen.append(args)
        return x[0] - args[0]

    rows = {"type": "ineq", "fun": c, "args": (5.0, "more")}
    result = ours.minimize(f, [0, 0], (3.0, 4.0), constraints=rows)
    np.testing.assert_allclose(result.x, [5.0, 4.0], atol=1e-5)
    assert set(seen) == {(5.0, "more")}


@pytest.mark.parametrize(
    ("given", "name"),
    [("SLSQP", "slsqp"), ("Trust-Constr", "trust-constr"), ("L-BFGS-B", "lbfgsb"),
     ("l-bfgs-b", "lbfgsb"), (None, "pasa"), ("AUTO", "pasa"), ("NPASA", "npasa")],
)  # fmt: skip
def test_names_of_methods(given: str | None, name: str) -> None:
    assert optlab.minimize(f, [0, 0], given, jac=g).method == name


@pytest.mark.parametrize("name", ["COBYLA", "CG", "bfgs", "trust-exact"])
def test_methods_of_scipy_that_are_not_offered(name: str) -> None:
    with pytest.raises(UnknownMethodError, match=r"SLSQP, trust-constr, L-BFGS-B, COBYQA"):
        ours.minimize(never, [0, 0], method=name)


# Derivatives --------------------------------------------------------------------------------------


def test_a_pair_is_evaluated_once_at_a_point() -> None:
    calls: list[bytes] = []

    def pair(x: Any) -> Any:
        calls.append(x.tobytes())
        return f(x), g(x)

    result = ours.minimize(pair, [0, 0], jac=True)
    assert result.success
    assert len(calls) == len(set(calls)) or len(calls) <= result.nfev + 1


@pytest.mark.parametrize("hess", [None, BFGS(), SR1(), False])
def test_quasi_newton_strategies_mean_ours(hess: Any) -> None:
    result = ours.minimize(optimize.rosen, [-1, 2], jac=optimize.rosen_der, hess=hess)
    assert result.success
    assert result.nhev == 0


@pytest.mark.parametrize(
    "form", [np.asarray, sp.csr_array, sp.coo_matrix, sp.linalg.aslinearoperator]
)
def test_hessians_of_every_kind(form: Callable[..., Any]) -> None:
    result = ours.minimize(
        optimize.rosen,
        [-1, 2, 0.5],
        jac=optimize.rosen_der,
        hess=lambda x: form(optimize.rosen_hess(x)),
    )
    assert result.success
    assert result.nhev > 0


@pytest.mark.parametrize("scheme", ["2-point", "3-point", "cs"])
def test_a_hessian_by_differences_of_gradients(scheme: str) -> None:
    rows = NonlinearConstraint(
        lambda x: x[0] ** 2 + x[1] ** 2, 0, 1, jac=lambda x: [2 * x], hess=scheme
    )
    problem = ours.problem(
        optimize.rosen, [0.1, 0.2], jac=optimize.rosen_der, hess=scheme, constraints=rows
    )
    expected = optimize.rosen_hess([0.3, 0.4]) + 2.0 * 3.0 * np.eye(2)
    found: Any = problem.hessian(np.array([0.3, 0.4]), np.array([3.0]), 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ProblemError, match="estimated itself"):
        ours.minimize(never, [0.0, 0.0], jac="2-point", hess=scheme)


def test_the_lagrangians_hessian_is_put_together() -> None:
    rows = [
        LinearConstraint(sp.csr_array([[1.0, 1.0, 0.0]]), -1, 1),
        NonlinearConstraint(
            lambda x: [x[0] * x[1], x[2] ** 3], -9, 9,
            jac=lambda x: sp.csr_array([[x[1], x[0], 0.0], [0.0, 0.0, 3 * x[2] ** 2]]),
            hess=lambda x, v: sp.csc_array([[0, v[0], 0], [v[0], 0, 0], [0, 0, 6 * x[2] * v[1]]]),
        ),
        {"type": "ineq", "fun": lambda x: 5 - x @ x, "jac": lambda x: -2 * x,
         "hess": lambda _x, v: sp.coo_array(-2 * v[0] * np.eye(3))},
    ]  # fmt: skip
    problem = ours.problem(
        optimize.rosen, [0.1, 0.2, 0.3], jac=optimize.rosen_der,
        hess=lambda x: sp.csr_array(optimize.rosen_hess(x)), constraints=rows,
    )  # fmt: skip
    check = optlab.check_derivatives(problem)
    assert check.ok, check
    assert check.checked == {"gradient": 3, "jacobian": 12, "hessian": 9}
    assert problem.linear is not None
    assert problem.linear.tolist() == [True, False, False, False]
    assert problem.constraint_names == (
        "constraints[0]", "constraints[1][0]", "constraints[1][1]", "constraints[2]",
    )  # fmt: skip
    np.testing.assert_array_equal(problem.cl, [-1, -9, -9, 0])
    np.testing.assert_array_equal(problem.cu, [1, 9, 9, np.inf])
    first: Any = problem.jacobian(problem.x0)
    second: Any = problem.jacobian(problem.x0 + 1.0)
    assert sp.issparse(first)
    assert first.indices is second.indices
    v = np.array([1.0, -2.0, 0.5])
    with_products = ours.problem(
        optimize.rosen, [0.1, 0.2, 0.3], jac=optimize.rosen_der,
        hessp=optimize.rosen_hess_prod, constraints=rows,
    )  # fmt: skip
    y = np.array([9.0, 0.5, -0.5, 2.0])
    np.testing.assert_allclose(
        with_products.hprod(problem.x0, y, 0.7, v),
        problem.hessian(problem.x0, y, 0.7) @ v,
        rtol=1e-12,
    )


def test_only_the_rows_without_a_jacobian_are_estimated() -> None:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 30)) * (rng.random((4, 30)) < 0.3)
    calls = {"given": 0}

    def given(x: Any) -> Any:
        calls["given"] += 1
        return sp.csr_array(np.diag(2.0 * x)[:5])

    rows = [
        LinearConstraint(sp.csr_array(A), -1, 1),
        NonlinearConstraint(lambda x: x[:5] ** 2, -1, 1, jac=given),
        NonlinearConstraint(lambda x: x[5:9] * x[9:13], -1, 1),
    ]
    problem = ours.problem(
        lambda x: x @ x, np.full(30, 0.3), jac=lambda x: 2 * x, constraints=rows
    )
    assert problem.derivatives == "estimated"
    x = np.linspace(0.0, 1.0, 30)
    J: Any = problem.jacobian(x)
    J = J.toarray() if sp.issparse(J) else J
    expected = np.zeros((13, 30))
    expected[:4] = A
    expected[4:9] = np.diag(2.0 * x)[:5]
    for i in range(4):
        expected[9 + i, 5 + i], expected[9 + i, 9 + i] = x[9 + i], x[5 + i]
    np.testing.assert_array_equal(J[:9], expected[:9])  # to all digits: not estimated
    np.testing.assert_allclose(J, expected, atol=1e-9)
    assert ours.minimize(lambda x: x @ x, np.full(30, 0.3), constraints=rows).success


def test_entries_that_appear_later_widen_the_pattern() -> None:
    """At the start the row is flat in x1, and scipy.sparse drops the zero."""
    rows = NonlinearConstraint(
        lambda x: [x[0] + x[1] ** 2, x[1]], [2, -5], [2, 5],
        jac=lambda x: sp.csr_array(np.array([[1.0, 2.0 * x[1]], [0.0, 1.0]])),
        hess=lambda _x, v: sp.csr_array(np.diag([0.0, 2.0 * v[0]])),
    )  # fmt: skip
    start: dict[str, Any] = {"x0": [0.0, 0.0], "jac": lambda x: [2 * x[0], 2 * (x[1] - 2)],
                             "hess": lambda _x: sp.csr_array(2 * np.eye(2)), "constraints": rows}  # fmt: skip
    problem = ours.problem(lambda x: x[0] ** 2 + (x[1] - 2) ** 2, **start)
    assert problem.jacobian(problem.x0).nnz == 2  # type: ignore[union-attr]
    wide: Any = problem.jacobian(np.array([0.0, 3.0]))
    np.testing.assert_array_equal(wide.toarray(), [[1.0, 6.0], [0.0, 1.0]])
    back: Any = problem.jacobian(problem.x0)
    assert back.indices is problem.jacobian(np.array([1.0, 1.0])).indices  # type: ignore[union-attr]
    np.testing.assert_array_equal(back.toarray(), [[1.0, 0.0], [0.0, 1.0]])
    result = ours.minimize(lambda x: x[0] ** 2 + (x[1] - 2) ** 2, **start)
    assert result.success
    # On x0 = 2 - t^2, x1 = t the derivative vanishes where 2 t^3 - 3 t - 2 = 0.
    t = np.roots([2.0, 0.0, -3.0, -2.0]).real.max()
    np.testing.assert_allclose(result.x, [2.0 - t**2, t], atol=1e-5)


def test_a_jacobians_sparsity_may_be_given() -> None:
    calls = [0]

    def c(x: Any) -> Any:
        calls[0] += 1
        return x[:-1] * x[1:]

    n = 40
    pattern = sp.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
    rows = NonlinearConstraint(c, -1, 1, finite_diff_jac_sparsity=pattern)
    problem = ours.problem(lambda x: x @ x, np.ones(n), constraints=rows)
    problem.jacobian(np.ones(n))
    calls[0] = 0
    J: Any = problem.jacobian(np.linspace(1, 2, n))
    assert calls[0] == 4  # two groups, two points
    np.testing.assert_allclose(J.diagonal(), np.linspace(1, 2, n)[1:], atol=1e-8)
    wrong = NonlinearConstraint(c, -1, 1, finite_diff_jac_sparsity=np.eye(3))
    with pytest.raises(ProblemError, match=r"finite_diff_jac_sparsity has shape \(3, 3\)"):
        ours.problem(lambda x: x @ x, np.ones(n), constraints=wrong)


# Values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        lambda v: np.array([v]),
        lambda v: [v],
        np.float32,
        lambda v: np.array([[v]]),
        lambda v: v,
    ],
)
def test_one_number_in_any_wrapping(shape: Callable[[Any], Any]) -> None:
    result = ours.minimize(lambda x: shape(f(x)), np.array([0, 0]), jac=g, tol=1e-3)
    np.testing.assert_allclose(result.x, [1, 2], atol=1e-2)


def test_values_in_single_precision_get_longer_steps() -> None:
    def single(x: Any) -> Any:
        return np.float32(f(x))

    def rows(x: Any) -> Any:
        return (x**2).astype(np.float32)

    result = ours.minimize(
        single, [0.2, 0.3], tol=1e-2, constraints=NonlinearConstraint(rows, -9, 9)
    )
    assert result.success
    np.testing.assert_allclose(result.x, [1, 2], atol=2e-2)
    assert result.certificate.derivative_error < 1e-2


def test_functions_may_write_into_their_argument() -> None:
    def scribble(x: Any) -> Any:
        value = f(x)
        x[:] = np.nan
        return value

    assert ours.minimize(scribble, [0, 0], jac=g).success


# Callbacks ----------------------------------------------------------------------------------------


def test_callbacks_of_all_forms() -> None:
    seen: dict[str, list[Any]] = {"old": [], "new": [], "two": []}

    def old(xk: Any) -> None:
        seen["old"].append(xk)

    def new(*, intermediate_result: optimize.OptimizeResult) -> None:
        assert isinstance(intermediate_result, optimize.OptimizeResult)
        seen["new"].append(intermediate_result.fun)

    def two(x: Any, state: Any) -> None:
        assert "nit" in state
        seen["two"].append((x, state.nit))

    for callback in (old, new, two):
        result = ours.minimize(f, [0, 0], jac=g, callback=callback)
    assert all(seen.values())
    np.testing.assert_array_equal(seen["old"][-1], result.x)
    assert seen["new"][-1] == result.fun
    assert seen["two"][-1][1] == result.nit


def test_stop_iteration_ends_the_solve() -> None:
    def stop(_x: Any) -> None:
        raise StopIteration

    for method in (None, "SLSQP", "trust-constr"):
        result = ours.minimize(
            optimize.rosen, [-1, 2], method=method, jac=optimize.rosen_der, callback=stop
        )
        assert not result.success
        assert result.status == 99
        assert result.nit <= 1


# Options ------------------------------------------------------------------------------------------


def test_scipys_limits_are_ours(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"fun": optimize.rosen, "x0": [-1, 2], "jac": optimize.rosen_der}
    for method in (None, "SLSQP", "L-BFGS-B", "trust-constr"):
        result = ours.minimize(**given, method=method, options={"maxiter": 2, "disp": True})
        assert result.nit <= 2
        assert result.status == 1
        assert "exit mode 1" in capsys.readouterr().out
    assert ours.minimize(**given, options={"maxfun": 7}).nfev <= 7
    assert not capsys.readouterr().out
    ours.minimize(**given, options={"verbose": 3, "maxiter": 2, "return_all": False})
    assert "objective" in capsys.readouterr().out
    tight = ours.minimize(**given, options={"gtol": 1e-11, "maxiter": 500.0})
    assert tight.optimality <= 1e-10
    loose = ours.minimize(**given, method="L-BFGS-B", options={"ftol": 1e-1})
    assert loose.nit < tight.nit


def test_the_step_of_differences_stands_for_noise() -> None:
    rng = np.random.default_rng(0)

    def rough(x: Any) -> Any:
        return f(x) + 1e-9 * rng.normal()

    result = ours.minimize(rough, [0, 0], jac="2-point", options={"eps": 1e-4}, tol=1e-3)
    np.testing.assert_allclose(result.x, [1, 2], atol=1e-2)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ftol": 1e-3}, "known: maxiter"),
        ({"maxitre": 3}, "no option 'maxitre'"),
        ({"maxiter": -1}, "max_iter"),
        ({"return_all": True}, "return_all"),
        ({"workers": 4}, "workers"),
        ({"eps": [1e-3, 1e-4]}, None),
        (3, "options is a int"),
    ],
)
def test_options_that_mean_nothing(options: Any, match: str | None) -> None:
    with pytest.raises((OptionError, ProblemError), match=match):
        ours.minimize(f, [0, 0], options=options)
    with pytest.raises(OptionError, match="give one of them"):
        optlab.minimize(f, [0, 0], max_iter=5, options={"maxiter": 6})


# Wrong input --------------------------------------------------------------------------------------

C = {"type": "ineq", "fun": lambda x: x[0]}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"x0": [np.nan, 0]}, r"x0\[0\] is nan"),
        ({"x0": [[0.0, 0.0]]}, "one-dimensional"),
        ({"x0": np.array([1j, 0])}, "complex"),
        ({"x0": ["a", "b"]}, "array of numbers"),
        ({"x0": None}, "without x0"),
        ({"jac": "4-point"}, "jac is '4-point'; a function, or one of"),
        ({"jac": 3}, "jac is 3"),
        ({"hess": "sr2"}, "hess is 'sr2'"),
        ({"hess": BFGS}, "instance"),
        ({"hessp": 3}, "hessp is 3"),
        ({"bounds": [(0, 1)]}, r"lb has shape \(1,\)|lb.*scalar"),
        ({"bounds": [(0, 1), 5]}, "pairs"),
        ({"bounds": [(2, 1), (0, 1)]}, r"lb\[0\] = 2 and ub\[0\] = 1"),
        ({"bounds": [(np.inf, 0), (0, 1)]}, "leave no value"),
        ({"constraints": "none"}, "constraints is a str"),
        ({"constraints": 5}, "constraints is a int"),
        ({"constraints": [C, 5]}, r"constraints\[1\] is a int"),
        ({"constraints": Bounds(0, 1)}, "Bounds"),
        ({"constraints": [Bounds(0, 1)]}, r"constraints\[0\] is a Bounds; pass it as bounds"),
        ({"constraints": {"fun": f}}, "has no 'type'"),
        ({"constraints": {"type": "ineq"}}, "has no 'fun'"),
        ({"constraints": {**C, "type": "le"}}, "'eq' for"),
        ({"constraints": {**C, "type": 3}}, "'eq' for"),
        ({"constraints": {**C, "jacobian": g}}, r"unknown key\(s\) jacobian"),
        ({"constraints": {**C, "fun": 3}}, "fun = 3"),
        ({"constraints": {**C, "jac": 3}}, r"constraints\[0\].jac is 3"),
        ({"constraints": {**C, "fun": lambda x: [[1.0, 2.0], [3.0, x[0]]]}}, r"shape \(2, 2\)"),
        ({"constraints": {**C, "fun": lambda _x: None}}, "a number or a vector"),
        ({"constraints": LinearConstraint([1, 2, 3], 0, 1)}, r"A has shape \(1, 3\); shape \(rows, 2\)"),
        ({"constraints": LinearConstraint([[1, np.nan]], 0, 1)}, "not finite"),
        ({"constraints": NonlinearConstraint(lambda x: x, [0, 0, 0], 1)}, r"constraints\[0\].lb has shape \(3,\)"),
        ({"constraints": NonlinearConstraint(lambda x: x, 2, 1)}, r"cl\[0\] = 2"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(given: dict[str, Any], match: str) -> None:
    with pytest.raises((ProblemError, OptionError), match=match):
        ours.minimize(**{"fun": f, "x0": [0, 0], "jac": g, **given})


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"fun": lambda x: x}, r"fun returned shape \(2,\); one number"),
        ({"fun": lambda _x: None}, "fun returned a NoneType"),
        ({"jac": lambda _x: np.ones((2, 2))}, r"jac returned shape \(2, 2\); shape \(2,\)"),
        ({"jac": lambda _x: [[1.0, 2.0]]}, r"jac returned shape \(1, 2\)"),
        ({"fun": f, "jac": True}, "the pair"),
        ({"hess": lambda _x: np.eye(3)}, r"hess returned shape \(3, 3\); shape \(2, 2\)"),
        ({"hess": lambda _x: [1.0, 2.0]}, r"hess returned shape \(2,\)"),
        (
            {
                "constraints": NonlinearConstraint(
                    lambda x: x[:1], 0, 1, jac=lambda x: np.outer(x, x)
                )
            },
            r"constraints\[0\].jac returned shape \(2, 2\); shape \(1, 2\)",
        ),
        (
            {"constraints": [C, {**C, "fun": lambda x: x, "jac": lambda x: x}]},
            r"constraints\[1\].jac returned shape \(2,\); shape \(2, 2\)",
        ),
    ],
)
def test_wrong_values_are_named(given: dict[str, Any], match: str) -> None:
    with pytest.raises(ProblemError, match=match):
        ours.minimize(**{"fun": f, "x0": [0.5, 0.5], "jac": g, **given})


def test_a_constraint_whose_size_changes_is_named() -> None:
    def c(x: Any) -> Any:
        return np.ones(2) if x[0] == 0.0 else np.ones(3)

    with pytest.raises(ProblemError, match=r"constraints\[0\].fun returned shape \(3,\)"):
        ours.minimize(f, [0, 0], jac=g, constraints=NonlinearConstraint(c, 0, 2))


def test_a_constraint_that_fails_at_the_start_is_named() -> None:
    rows = {"type": "eq", "fun": lambda x: 1 // int(x[0])}
    with pytest.raises(
        EvaluationError, match=r"constraints\[0\].fun\(x\) raised ZeroDivisionError"
    ):
        ours.minimize(never, [0, 0], constraints=rows)


def test_a_problem_has_its_own_functions() -> None:
    problem = ours.problem(f, [0, 0], jac=g)
    with pytest.raises(OptionError, match="args, constraints belong to a plain function"):
        optlab.minimize(problem, args=(1,), constraints=[C])


def test_exact_derivatives_can_be_insisted_on() -> None:
    with pytest.raises(CapabilityError, match="Jacobian"):
        optlab.minimize(f, [1, 1], jac=g, constraints=[C], derivatives="exact")


def test_an_empty_constraint_is_none() -> None:
    result = ours.minimize(
        f, [0, 0], jac=g, constraints=[{"type": "ineq", "fun": lambda _x: np.zeros(0)}]
    )
    assert result.success
    assert result.constr is None


def test_no_function_is_called_outside_the_bounds() -> None:
    box = Bounds([-1, -1], [1, 1], keep_feasible=True)

    def inside(x: Any) -> None:
        assert (x >= -1).all()
        assert (x <= 1).all()

    def fun(x: Any) -> Any:
        inside(x)
        return np.exp(x[0]) * (4 * x[0] ** 2 + 2 * x[1] ** 2 + 4 * x[0] * x[1] + 2 * x[1] + 1)

    def c(x: Any) -> Any:
        inside(x)
        return x[0] ** 2 + x[1]

    def product(x: Any) -> Any:
        inside(x)
        return x[0] * x[1]

    rows = [
        NonlinearConstraint(product, -10, np.inf),
        NonlinearConstraint(c, 1, 1, jac=lambda x: np.array([2 * x[0], 1])),
    ]
    given: dict[str, Any] = {
        "fun": fun,
        "x0": [0.99, -0.99],
        "bounds": box,
        "constraints": rows,
    }
    result = ours.minimize(**given)
    assert result.success
    # There are several local minima; SciPy ends in one that is no better.
    assert result.fun <= optimize.minimize(**given).fun + 1e-6
