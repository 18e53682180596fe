"""Counting the entries of a factor."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from optlab.kernels.elimination import factor_nnz, factor_nnz_plain


def eliminate(K: np.ndarray) -> int:
    """Count the entries of L by symbolic elimination on the dense pattern."""
    pattern = K != 0.0
    n = K.shape[0]
    for k in range(n):
        below = np.flatnonzero(pattern[k + 1 :, k]) + k + 1
        pattern[np.ix_(below, below)] = True
    return int(np.tril(pattern).sum())


@pytest.mark.parametrize("seed", range(8))
def test_count_equals_symbolic_elimination(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 20
    B = rng.random((n, n)) < 0.08
    K = (B | B.T | np.eye(n, dtype=bool)).astype(float)
    order = rng.permutation(n)
    full = sp.csr_array(K)
    expected = eliminate(K[np.ix_(order, order)])
    assert factor_nnz(full.indptr, full.indices, order, 10**9) == expected


def test_count_stops_soon_after_the_limit() -> None:
    full = sp.csr_array(np.ones((50, 50)))
    count = factor_nnz(full.indptr, full.indices, np.arange(50), 100)
    assert 100 < count < 200


def test_compiled_and_plain_versions_agree() -> None:
    pytest.importorskip("numba", reason="numba is not installed: only the plain twin exists")
    from optlab.kernels.compiled import factor_nnz_compiled

    full = sp.csr_array(sp.random_array((60, 60), density=0.05, rng=1) + sp.eye_array(60))
    full = sp.csr_array(full + full.T)
    order = np.random.default_rng(0).permutation(60)
    inverse = np.argsort(order)
    arguments = (full.indptr, full.indices, order, inverse, 10**6)
    assert factor_nnz_compiled(*arguments) == factor_nnz_plain(*arguments)
