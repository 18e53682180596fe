"""Values of the test files against closed forms, and derivatives against differences, in all plans."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from optlab_problems.sif import SifModel
from optlab_problems.sif import model as model_module

DATA = Path(__file__).parents[2] / "data" / "sif"

Rows = Callable[[Any], list[float]]


def hs6(x: Any) -> list[float]:
    return [(1 - x[0]) ** 2, 10 * (x[1] - x[0] ** 2)]


def hs71(x: Any) -> list[float]:
    a, b, c, d = x
    return [a * d * (a + b + c) + c, a * b * c * d - 25, a * a + b * b + c * c + d * d - 40]


def chained_rosenbrock(x: Any) -> list[float]:
    return [sum(100 * (b - a * a) ** 2 + (a - 1) ** 2 for a, b in pairwise(x))]


def quadratic_section(x: Any) -> list[float]:
    a, b = x
    return [1 + a - 2 * b + 2 * a * a + b * b - a * b, a + b - 1, a - b - 2]


def logic(x: Any) -> list[float]:
    a, b = x
    t = a - 1
    huber = 0.5 * t * t if abs(t) <= 1.5 else 1.5 * abs(t) - 0.5 * 1.5**2
    clamped = min(max(a, -1.0), 2.0)
    return [huber + abs(b) ** 3 + math.sin(2 * a) * math.cos(b), b + clamped**2]


def internal(x: Any) -> list[float]:
    a, b, c, d = x
    product = math.exp(0.1 * (a - b + 2 * c)) * (b + c)
    return [
        (product - 1) ** 4 / 2 + 3 * c * c + d * math.sin(a),
        math.sqrt(1 + (3 * a + product) ** 2),
        a + 2 * d * math.sin(a) - 0.5,
    ]


CASES: dict[str, Rows] = {
    "HS6": hs6,
    "FREE": hs6,
    "HS71": hs71,
    "CHAINROS": chained_rosenbrock,
    "QUADSEC": quadratic_section,
    "LOGIC": logic,
    "INTERN": internal,
}
PLANS = ["scalar", "dense arrays", "sparse arrays"]


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Choose how problems are evaluated."""
    chosen: str = request.param
    if chosen != "scalar":
        monkeypatch.setattr(model_module, "_SCALAR_OPERATIONS", -1)
    return chosen


def load(name: str, plan: str) -> SifModel:
    model = SifModel(DATA / f"{name}.SIF", dense=plan != "sparse arrays")
    expected = "ScalarPlan" if plan == "scalar" else "VectorPlan"
    assert type(model._plan).__name__ == expected
    return model


def points(model: SifModel) -> list[np.ndarray]:
    """Return the start point and points on all branches of the files."""
    rng = np.random.default_rng(7)
    n = model.structure.n
    return [model.structure.x0, *rng.uniform(-3, 4, size=(6, n)), np.full(n, 1.25)]


def dense(matrix: Any) -> np.ndarray:
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix)


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_the_formula(name: str, plan: str) -> None:
    model = load(name, plan)
    for x in points(model):
        f, *c = CASES[name](x.tolist())
        assert model.objective(x) == pytest.approx(f, rel=1e-13, abs=1e-13)
        assert model.constraints(x) == pytest.approx(c, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_first_derivatives_match_differences(name: str, plan: str) -> None:
    model = load(name, plan)
    rows = CASES[name]
    for x in points(model):
        numeric = central_differences(lambda z: np.array(rows(z.tolist())), x)
        assert model.gradient(x) == pytest.approx(numeric[0], rel=2e-6, abs=2e-6)
        jacobian = dense(model.jacobian(x))
        assert jacobian.shape == (numeric.shape[0] - 1, x.size)
        assert jacobian == pytest.approx(numeric[1:], rel=2e-6, abs=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_hessian_matches_differences_of_gradients(name: str, plan: str) -> None:
    model = load(name, plan)
    m = model.structure.cl.size
    y, sigma = np.cos(np.arange(m)) - 0.3, 0.7

    def lagrangian_gradient(z: np.ndarray) -> np.ndarray:
        return sigma * model.gradient(z) + dense(model.jacobian(z)).T @ y

    for x in points(model):
        hessian = dense(model.hessian(x, y, sigma))
        numeric = central_differences(lagrangian_gradient, x)
        assert hessian == pytest.approx(numeric, rel=5e-6, abs=5e-5)
        assert np.array_equal(hessian, hessian.T)
        v = np.sin(np.arange(x.size) + 1.0)
        assert model.hprod(x, y, sigma, v) == pytest.approx(hessian @ v, rel=1e-12, abs=1e-11)


def central_differences(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    columns = []
    for i in range(x.size):
        step = 1e-5 * max(1.0, abs(x[i]))
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        columns.append((function(up) - function(down)) / (up[i] - down[i]))
    return np.array(columns).T


def test_hand_computed_values_of_hs71(plan: str) -> None:
    # At (1, 5, 5, 1): f = 1*1*(1+5+5) + 5, c = (25 - 25, 1+25+25+1 - 40).
    model = load("HS71", plan)
    x = model.structure.x0
    assert model.objective(x) == 16.0
    assert model.constraints(x).tolist() == [0.0, 12.0]
    assert model.gradient(x).tolist() == [12.0, 1.0, 2.0, 11.0]
    assert dense(model.jacobian(x)).tolist() == [[25.0, 5.0, 5.0, 25.0], [2.0, 10.0, 10.0, 2.0]]
    assert dense(model.hessian(x, np.zeros(2), 1.0)).tolist() == [
        [2.0, 1.0, 1.0, 12.0],
        [1.0, 0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0, 1.0],
        [12.0, 1.0, 1.0, 0.0],
    ]


@pytest.mark.parametrize("name", CASES)
def test_points_beyond_the_domain_never_raise(name: str, plan: str) -> None:
    """Overflow and undefined operations give Inf or NaN, without warnings (which are errors here)."""
    model = load(name, plan)
    y = np.ones(model.structure.cl.size)
    for value in (1e200, -1e200, np.inf, np.nan):
        x = np.full(model.structure.n, value)
        assert isinstance(model.objective(x), float)
        # FREE and HS6 among others must notice: nothing that depends on x is finite there.
        assert not np.isfinite(model.objective(x)) or name == "LOGIC"
        model.gradient(x)
        model.constraints(x)
        model.jacobian(x)
        model.hessian(x, y, 1.0)
        model.hprod(x, y, 1.0, x)
