"""Every packaged problem's derivatives against central differences, at seeded random points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optlab import Problem
from optlab.typing import Vector
from optlab_problems import catalog

SMALL = {"n": 13}
"""Sized problems are differenced at a size that is neither square (n != m) nor slow."""
POINTS = 3
STEP = 1e-5
"""Relative step; the error of a central difference is then about 1e-10 in f's own scale."""


def load(name: str) -> Problem:
    return catalog.load(name, **(SMALL if catalog.entry(name).sizes else {}))


def points(problem: Problem, name: str) -> list[Vector]:
    rng = np.random.default_rng(sum(map(ord, name)))
    spread = 0.3 * (1.0 + np.abs(problem.x0))
    return [problem.x0 + spread * rng.standard_normal(problem.n) for _ in range(POINTS)]


def central(function: Callable[[Vector], Vector], x: Vector) -> Vector:
    """Return the derivative of a vector function, one column per variable."""
    columns = []
    for j in range(x.size):
        h = STEP * (1.0 + abs(x[j]))
        forward, backward = x.copy(), x.copy()
        forward[j] += h
        backward[j] -= h
        columns.append((function(forward) - function(backward)) / (forward[j] - backward[j]))
    return np.stack(columns, axis=-1)


def dense(matrix: object) -> Vector:
    toarray = getattr(matrix, "toarray", None)
    return np.asarray(toarray() if toarray is not None else matrix)


def assert_close(got: Vector, want: Vector, magnitude: float) -> None:
    # Differences cancel digits of the function's own magnitude, so the tolerance follows it.
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6 * (1.0 + magnitude))


@pytest.mark.parametrize("name", catalog.names())
def test_gradient_is_the_derivative_of_the_objective(name: str) -> None:
    problem = load(name)
    for x in points(problem, name):
        want = central(lambda v: np.array([problem.objective(v)]), x)[0]
        assert_close(problem.gradient(x), want, abs(problem.objective(x)))


@pytest.mark.parametrize("name", [n for n in catalog.names() if load(n).m])
def test_jacobian_is_the_derivative_of_the_rows(name: str) -> None:
    problem = load(name)
    for x in points(problem, name):
        want = central(problem.constraints, x)
        assert_close(
            dense(problem.jacobian(x)), want, float(np.abs(problem.constraints(x)).max())
        )


@pytest.mark.parametrize("name", catalog.names())
def test_hessian_is_the_derivative_of_the_lagrangian_gradient(name: str) -> None:
    problem = load(name)
    rng = np.random.default_rng(7)
    for x in points(problem, name):
        y, sigma = rng.standard_normal(problem.m), 0.7

        def lagrangian_gradient(v: Vector, y: Vector = y, sigma: float = sigma) -> Vector:
            rows = dense(problem.jacobian(v))
            return np.asarray(sigma * problem.gradient(v) + rows.T @ y)

        want = central(lagrangian_gradient, x)
        assert_close(
            dense(problem.hessian(x, y, sigma)),
            want,
            float(np.abs(lagrangian_gradient(x)).max()),
        )


@pytest.mark.parametrize("name", [n for n in catalog.names() if load(n).m])
def test_rows_declared_linear_are_and_the_others_are_not(name: str) -> None:
    problem = load(name)
    assert problem.linear is not None
    first, second = (dense(problem.jacobian(x)) for x in points(problem, name)[:2])
    changes = np.abs(first - second).max(axis=1) > 0
    np.testing.assert_array_equal(~changes, problem.linear)


@pytest.mark.parametrize("name", [e.name for e in catalog.entries() if e.sizes])
def test_dense_and_sparse_forms_agree_and_the_pattern_is_fixed(name: str) -> None:
    # The same formula serves both forms; only the assembly differs, and a first window of a
    # large problem must look like the small one.
    large, small = catalog.load(name, n=400), catalog.load(name, n=40)
    x = 0.5 + 0.25 * np.sin(np.arange(400.0))
    y = np.cos(np.arange(float(large.m)))
    hessian: Any = large.hessian(x, y, 1.0)
    again: Any = large.hessian(x * 0.0, y * 0.0, 0.0)
    np.testing.assert_array_equal(hessian.indices, again.indices)
    np.testing.assert_array_equal(hessian.indptr, again.indptr)
    assert hessian.has_canonical_format
    assert isinstance(small.hessian(x[:40], y[: small.m], 1.0), np.ndarray)
    window = slice(0, 30)
    np.testing.assert_allclose(
        hessian.toarray()[window, window],
        np.asarray(small.hessian(x[:40], y[: small.m], 1.0))[window, window],
        rtol=1e-14,
        atol=1e-14,
    )
    if large.m:
        np.testing.assert_allclose(
            dense(large.jacobian(x))[:8, window],
            np.asarray(small.jacobian(x[:40]))[:8, window],
            rtol=1e-14,
        )
