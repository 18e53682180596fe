"""Exact derivatives by torch and JAX, and by whatever registers itself."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.derivatives import providers
from optlab.core.derivatives.providers import DerivativeProvider, Differentiated
from optlab.errors import MissingDependencyError, OptionError, ProblemError
from optlab.scipy import BFGS, LinearConstraint, NonlinearConstraint, minimize, problem

LIBRARIES = ["torch", "jax"]
HS71 = 17.014017289


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


def hs71(x: Any) -> Any:
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


def product(x: Any) -> Any:
    return x.prod()


def square(x: Any) -> Any:
    return (x**2).sum()


ROWS = [NonlinearConstraint(product, 25, np.inf), NonlinearConstraint(square, 40, 40)]
START = [1.0, 5.0, 5.0, 1.0]


def test_all_derivatives_are_exact(library: str) -> None:
    linear = LinearConstraint([[1, 1, 0, 0]], 0, 9)
    made = problem(hs71, START, jac=library, constraints=[*ROWS, linear])
    assert made.derivatives == "exact"
    assert made.has_hessian
    check = optlab.check_derivatives(made, rtol=1e-6)
    assert check.ok, check
    assert check.checked == {"gradient": 4, "jacobian": 12, "hessian": 16}


def test_a_solve_needs_no_differences(library: str) -> None:
    result = minimize(hs71, START, jac=library, bounds=[(1, 5)] * 4, constraints=ROWS)
    assert result.success
    assert result.fun == pytest.approx(HS71, rel=1e-7)
    assert result.nhev > 0
    assert result.certificate.derivatives == "exact"
    learnt = minimize(
        hs71, START, jac=library, hess=BFGS(), bounds=[(1, 5)] * 4, constraints=ROWS
    )
    assert learnt.nhev == 0
    assert learnt.fun == pytest.approx(HS71, rel=1e-6)


def test_args_and_dicts(library: str) -> None:
    rows = {"type": "ineq", "fun": lambda x, k: x[0] - k, "args": (4.0,)}
    result = minimize(
        lambda x, a: ((x - a) ** 2).sum(), [1, 2], 3.0, jac=library, constraints=rows
    )
    np.testing.assert_allclose(result.x, [4.0, 3.0], atol=1e-6)


def test_rows_with_a_jacobian_of_their_own_may_be_plain(library: str) -> None:
    plain = NonlinearConstraint(
        lambda x: np.sin(x[0]), -1, 0.5, jac=lambda x: [np.cos(x[0]), 0.0],
        hess=lambda x, v: np.diag([-v[0] * np.sin(x[0]), 0.0]),
    )  # fmt: skip
    made = problem(lambda x: ((x - 3.0) ** 2).sum(), [0, 0], jac=library, constraints=plain)
    assert optlab.check_derivatives(made).ok


def test_a_problem_from_functions(library: str) -> None:
    make: Any = getattr(optlab.adapters, f"{library}_problem")
    np_like: Any = importlib.import_module("torch" if library == "torch" else "jax.numpy")
    made = make(
        hs71, START, lambda x: np_like.stack([product(x), square(x)]), cl=[25, 40],
        cu=[np.inf, 40], lb=1, ub=5, name="hs71",
    )  # fmt: skip
    assert optlab.check_derivatives(made).ok
    assert optlab.minimize(made).fun == pytest.approx(HS71, rel=1e-7)
    free = make(square, START)
    np.testing.assert_allclose(free.hessian(free.x0, np.zeros(0), 0.5), np.eye(4))
    with pytest.raises(ProblemError, match="gradient are made"):
        make(square, START, gradient=square)


def test_a_number_may_be_an_array_of_one_entry(library: str) -> None:
    def one(x: Any) -> Any:
        return square(x).reshape(1)

    assert optlab.check_derivatives(problem(one, START, jac=library)).ok
    made = getattr(optlab.adapters, f"{library}_problem")(one, START)
    assert optlab.check_derivatives(made).ok
    assert optlab.minimize(made).success
    assert minimize(one, START, jac=library).success


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda _x: 3.0, "fun returned"),
        (lambda x: x.reshape(1, -1), r"shape \(1, 2\)"),
    ],
)
def test_what_cannot_be_differentiated_is_named(
    library: str, function: Any, match: str
) -> None:
    with pytest.raises(ProblemError, match=match):
        minimize(function, [1.0, 2.0], jac=library)


def test_single_precision_is_refused() -> None:
    pytest.importorskip("torch")
    with pytest.raises(ProblemError, match=r"float32; torch\.float64 is needed"):
        minimize(lambda x: x.float().sum(), [1.0, 2.0], jac="torch")
    pytest.importorskip("jax")
    with pytest.raises(ProblemError, match="float32"):
        minimize(lambda x: x.astype("float32").sum(), [1.0, 2.0], jac="jax")


def test_torch_functions_may_branch_on_values() -> None:
    torch = pytest.importorskip("torch")

    def f(x: Any) -> Any:
        return (x**4).sum() if x[0] > 0 else 2.0 * (x**4).sum()

    def c(x: Any) -> Any:
        return torch.stack([x[0] * x[1], x[1] ** 2 if x[0] > 0 else x[1], x[0]])

    made = problem(f, [1.0, 2.0], jac="torch", constraints=NonlinearConstraint(c, -9, 9))
    assert optlab.check_derivatives(made, [1.0, 2.0]).ok
    assert optlab.check_derivatives(made, [-1.0, 2.0]).ok


def test_jax_leaves_the_precision_of_the_process_alone() -> None:
    jax = pytest.importorskip("jax")
    assert minimize(square, START, jac="jax").success
    assert jax.numpy.ones(2).dtype == np.float32


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter: Any = importlib.import_module(f"optlab_adapters.{name}.functions")
    if name == "torch":
        adapter._torch.cache_clear()
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=rf"optlab-npasa\[{name}\]"):
        minimize(square, START, jac=name)


def test_other_providers_can_register(monkeypatch: pytest.MonkeyPatch) -> None:
    def differentiate(function: Any, label: str) -> Differentiated:
        assert label == "fun"
        return Differentiated(function, lambda x: 2.0 * x, lambda _x, v: 2.0 * v[0] * np.eye(2))

    monkeypatch.setattr(providers, "_providers", {})
    providers.register_provider(DerivativeProvider("Symbolic", "for the test", differentiate))
    assert "symbolic" in providers.provider_names()
    result = minimize(square, [1.0, 2.0], jac="symbolic")
    assert result.success
    assert result.nhev > 0
    with pytest.raises(OptionError, match="known: 'jax', 'symbolic', 'torch'"):
        providers.derivative_provider("tensorflow")
