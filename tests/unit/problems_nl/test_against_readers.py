"""The same files in other projects' readers: values and derivatives agree to rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nl_files import binary
from pyomo_models import MODELS, shared, written

from optlab import Problem, check_derivatives
from optlab.typing import Vector
from optlab_problems.nl import read_nl

pyo = pytest.importorskip("pyomo.environ")

RTOL = 1e-9


def close(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0.0) <= RTOL * max(
        1.0, np.abs(expected).max(initial=0.0)
    )


def points(problem: Problem) -> list[Vector]:
    rng = np.random.default_rng(7)
    return [problem.x0 + 0.02 * rng.standard_normal(problem.n) for _ in range(2)]


@pytest.fixture(params=sorted(MODELS))
def model_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.nl"
    path.write_bytes(written(MODELS[request.param](pyo)))
    return path


def test_pounce_computes_the_same(model_file: Path) -> None:
    other: Any = pytest.importorskip("pounce").read_nl(str(model_file))
    problem = read_nl(model_file, dense=True)
    n, m = problem.n, problem.m
    assert (other.n, other.m) == (n, m)
    y = np.random.default_rng(3).standard_normal(m)
    for x in points(problem):
        close(problem.objective(x), other.objective(x))
        close(problem.gradient(x), other.gradient(x))
        close(problem.constraints(x), other.constraints(x))
        jacobian = np.zeros((m, n))
        np.add.at(
            jacobian, tuple(map(np.asarray, other.jacobian_structure())), other.jacobian(x)
        )
        close(problem.jacobian(x), jacobian)
        rows, columns = map(np.asarray, other.hessian_structure())
        hessian = np.zeros((n, n))
        np.add.at(hessian, (rows, columns), other.hessian(x, lam=y, obj_factor=0.7))
        full = hessian + np.tril(hessian, -1).T + np.triu(hessian, 1).T
        close(problem.hessian(x, y, 0.7), full)
        v = np.linspace(-1.0, 1.0, n)
        close(problem.hprod(x, y, 0.7, v), full @ v)


# casadi does not read inverse hyperbolic functions, which one model has.
@pytest.mark.parametrize("model_file", sorted(MODELS.keys() - {"functions"}), indirect=True)
@pytest.mark.parametrize("encoding", ["text", "<"])
def test_casadi_computes_the_same(model_file: Path, encoding: str) -> None:
    casadi = pytest.importorskip("casadi")
    if encoding != "text":
        model_file.write_bytes(binary(model_file.read_bytes(), encoding))
    builder = casadi.NlpBuilder()
    builder.import_nl(str(model_file))
    x, g = casadi.vertcat(*builder.x), casadi.vertcat(*builder.g)
    lam, sigma = type(x).sym("lam", g.shape[0]), type(x).sym("sigma")
    lagrangian = sigma * builder.f + casadi.dot(lam, g)
    first = casadi.Function(
        "first", [x], [builder.f, casadi.gradient(builder.f, x), g, casadi.jacobian(g, x)]
    )
    second = casadi.Function("second", [x, lam, sigma], [casadi.hessian(lagrangian, x)[0]])
    problem = read_nl(model_file, dense=True)
    y = np.random.default_rng(3).standard_normal(problem.m)
    for at in points(problem):
        f, gradient, c, jacobian = (np.array(value) for value in first(at))
        close(problem.objective(at), f.item())
        close(problem.gradient(at), gradient.ravel())
        close(problem.constraints(at), c.ravel())
        close(problem.jacobian(at), jacobian)
        close(problem.hessian(at, y, 0.7), np.array(second(at, y, 0.7)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_files_are_the_same_problem(model_file: Path, order: str) -> None:
    text = read_nl(model_file)
    coded = read_nl(binary(model_file.read_bytes(), order))
    (x, _), y = points(text), np.ones(text.m)
    assert coded.objective(x) == text.objective(x)
    assert np.array_equal(coded.constraints(x), text.constraints(x))
    assert np.array_equal(np.asarray(coded.jacobian(x)), np.asarray(text.jacobian(x)))
    assert np.array_equal(
        np.asarray(coded.hessian(x, y, 1.0)), np.asarray(text.hessian(x, y, 1.0))
    )
    for name in ("x0", "lb", "ub", "cl", "cu", "linear"):
        assert np.array_equal(getattr(coded, name), getattr(text, name))


def test_differences_agree(model_file: Path) -> None:
    problem = read_nl(model_file)
    found = check_derivatives(problem, points(problem)[0])
    assert found, found


def test_a_shared_chain_is_computed_once() -> None:
    long = read_nl(written(shared(pyo, 60)))
    layout = long.objective.__self__._evaluator.layout  # type: ignore[attr-defined]
    # Written out, the chain doubles with every link; shared it is a few operations each.
    assert layout.size < 10 * 60
