"""What does not change the problem does not change the answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import Planted, planted

import optlab

METHODS = ["pasa", "npasa"]
seeds = st.integers(0, 2**32 - 1)


def solved(case: Planted, method: str) -> optlab.Result:
    result = optlab.minimize(case.problem(), method=method, tol=1e-8)
    assert result.success, result
    return result


@pytest.mark.parametrize("method", METHODS)
@given(case=planted(min_rows=1), seed=seeds)
def test_row_scaling(method: str, case: Planted, seed: int) -> None:
    factors = 10.0 ** np.random.default_rng(seed).uniform(-1, 1, case.cl.size)
    scaled = solved(case.with_rows_scaled(factors), method)
    np.testing.assert_allclose(scaled.x, solved(case, method).x, atol=1e-5)


@given(case=planted(curved=True, min_rows=1), seed=seeds)
def test_row_scaling_of_curved_rows(case: Planted, seed: int) -> None:
    factors = 10.0 ** np.random.default_rng(seed).uniform(-1, 1, case.cl.size)
    scaled = solved(case.with_rows_scaled(factors), "npasa")
    np.testing.assert_allclose(scaled.x, solved(case, "npasa").x, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@given(case=planted(), seed=seeds)
def test_order_of_the_variables(method: str, case: Planted, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(case.x.size)
    permuted = solved(case.with_variables_permuted(order), method)
    plain = solved(case, method)
    np.testing.assert_allclose(permuted.x, plain.x[order], atol=1e-5)
    assert permuted.fun == pytest.approx(plain.fun, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@given(case=planted(), seed=seeds)
def test_translation(method: str, case: Planted, seed: int) -> None:
    shift = np.random.default_rng(seed).uniform(-10, 10, case.x.size)
    moved = solved(case.translated(shift), method)
    np.testing.assert_allclose(moved.x - shift, solved(case, method).x, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@given(case=planted(curved=False), seed=seeds)
def test_start_point(method: str, case: Planted, seed: int) -> None:
    x0 = np.random.default_rng(seed).uniform(-5, 5, case.x.size)
    result = optlab.minimize(case.problem(x0), method=method, tol=1e-8)
    assert result.success, result
    np.testing.assert_allclose(result.x, case.x, atol=1e-5)
