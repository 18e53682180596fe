"""One conformance battery for every factorization backend that is installed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from optlab.linalg.factorization import (
    AbstractFactor,
    Inertia,
    LowerPattern,
    analyze,
    available_backends,
    is_available,
)

ALL = ("cholmod", "qdldl", "superlu", "ssids", "dense")
PIVOTING = ("ssids", "dense")


@pytest.fixture(params=ALL)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not is_available(name):
        pytest.skip(f"factorization backend {name} is not installed here")
    return name


def quasi_definite(rng: np.random.Generator, n: int, m: int, delta: float) -> np.ndarray:
    B = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.3)
    J = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.5)
    return np.block([[B @ B.T + np.eye(n), J.T], [J, -delta * np.eye(m)]])


def split(K: np.ndarray) -> tuple[LowerPattern, np.ndarray]:
    """Take the lower triangle; the diagonal is stored even where it is zero."""
    stored = (np.tril(K) != 0.0) | np.eye(K.shape[0], dtype=bool)
    cols, rows = np.nonzero(stored.T)
    indptr = np.concatenate(([0], np.cumsum(stored.sum(axis=0)))).astype(np.int32)
    return LowerPattern(K.shape[0], indptr, rows.astype(np.int32)), K[rows, cols]


def factor_of(K: np.ndarray, backend: str) -> AbstractFactor:
    pattern, values = split(K)
    return analyze(pattern, backend).factorize(values)


def inertia_of(K: np.ndarray) -> Inertia:
    values = np.linalg.eigvalsh(K)
    zero = 1e-10 * np.abs(values).max()
    counts = (values > zero).sum(), (values < -zero).sum(), (np.abs(values) <= zero).sum()
    return Inertia(*map(int, counts))


@pytest.mark.parametrize("seed", range(4))
def test_quasi_definite_matrices_are_solved_with_their_inertia(backend: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = 17 + seed, 6
    K = quasi_definite(rng, n, m, 1e-2)
    factor = factor_of(K, backend)
    assert factor.ok
    assert factor.inertia == inertia_of(K) == Inertia(n, m, 0)
    x = rng.standard_normal(n + m)
    np.testing.assert_allclose(factor.solve(K @ x), x, rtol=1e-9, atol=1e-9)
    X = rng.standard_normal((n + m, 3))
    np.testing.assert_allclose(factor.solve(K @ X), X, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_inertia_of_indefinite_matrices_agrees_with_the_eigenvalues(
    backend: str, seed: int
) -> None:
    rng = np.random.default_rng(100 + seed)
    n = 14
    K = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.4)
    # A dominant diagonal of both signs, so that the backends without pivoting are stable.
    K = K + K.T + np.diag(8.0 * np.where(rng.random(n) < 0.5, -1.0, 1.0))
    factor = factor_of(K, backend)
    assert factor.ok
    assert factor.inertia == inertia_of(K)


@pytest.mark.parametrize("backend", PIVOTING)
@pytest.mark.parametrize("seed", range(6))
def test_pivoting_backends_handle_zero_diagonals(backend: str, seed: int) -> None:
    if not is_available(backend):
        pytest.skip(f"factorization backend {backend} is not installed here")
    rng = np.random.default_rng(200 + seed)
    n, m = 11, 5
    W = rng.standard_normal((n, n))
    J = rng.standard_normal((m, n))
    K = np.block([[W + W.T, J.T], [J, np.zeros((m, m))]])
    np.fill_diagonal(K[:4, :4], 0.0)
    factor = factor_of(K, backend)
    assert factor.ok
    assert factor.inertia == inertia_of(K)
    x = rng.standard_normal(n + m)
    np.testing.assert_allclose(factor.solve(K @ x), x, rtol=1e-8, atol=1e-8)


def test_refactor_gives_the_new_matrix_and_leaves_the_old_factor_alone(backend: str) -> None:
    rng = np.random.default_rng(7)
    first, second = (quasi_definite(rng, 9, 3, 1.0) for _ in range(2))
    pattern, _ = split(np.ones_like(first))
    lower = pattern.indices, pattern.columns()
    factor = analyze(pattern, backend).factorize(first[lower])
    again = factor.refactor(second[lower])
    b = rng.standard_normal(12)
    np.testing.assert_allclose(first @ factor.solve(b), b, atol=1e-9)
    np.testing.assert_allclose(second @ again.solve(b), b, atol=1e-9)


@pytest.mark.parametrize(
    "K",
    [
        np.zeros((3, 3)),
        np.array([[0.0, 0.0], [0.0, 2.0]]),
        np.diag([1.0, np.nan, 2.0]),
        np.diag([1.0, np.inf, 2.0]),
    ],
    ids=["zero", "singular", "nan", "inf"],
)
def test_breakdown_is_a_value_and_not_an_exception(backend: str, K: np.ndarray) -> None:
    factor = factor_of(K, backend)
    assert not factor.ok
    assert factor.inertia.zero > 0


def test_a_singular_matrix_shows_its_zero_eigenvalues_in_the_dense_backend() -> None:
    K = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, -3.0]])
    assert factor_of(K, "dense").inertia == Inertia(1, 1, 1)


def test_inertia_does_not_depend_on_the_scale_of_rows() -> None:
    rng = np.random.default_rng(3)
    K = quasi_definite(rng, 6, 3, 0.0)
    scale = 10.0 ** rng.integers(-8, 8, 9)
    scaled = K * scale * scale[:, None]
    assert factor_of(scaled, "dense").inertia == Inertia(6, 3, 0)


def test_empty_matrices_are_fine(backend: str) -> None:
    pattern = LowerPattern(0, np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.int32))
    if backend == "qdldl":
        pytest.skip("qdldl has no matrices of order zero, and no caller makes one")
    factor = analyze(pattern, backend).factorize(np.zeros(0))
    assert factor.solve(np.zeros(0)).shape == (0,)


def test_patterns_without_a_diagonal_are_refused() -> None:
    with pytest.raises(ValueError, match="diagonal"):
        LowerPattern.of(sp.csc_array(np.array([[1.0, 0.0], [2.0, 0.0]])))


def test_unknown_backends_are_named_in_the_error() -> None:
    pattern, _ = split(np.eye(2))
    with pytest.raises(LookupError, match=r"'fast'.*dense"):
        analyze(pattern, "fast")


def test_there_is_always_a_backend() -> None:
    assert {"superlu", "dense"} <= set(available_backends())
