"""The colouring kernel: the plain and the compiled version agree, and colour as greedy does."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from optlab.kernels import coloring
from optlab.kernels.coloring import color_in_order, star_color


def greedy(mask: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Colour the columns from the definition."""
    meets = (mask.T.astype(int) @ mask.astype(int)) > 0
    colors = np.full(mask.shape[1], -1)
    for j in order:
        taken = set(colors[meets[j]].tolist())
        colors[j] = next(c for c in range(mask.shape[1] + 1) if c not in taken)
    return colors


def pattern(
    mask: np.ndarray,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    by_row, by_column = sp.csr_array(mask), sp.csc_array(mask)
    return (by_row.indptr, by_row.indices), (by_column.indptr, by_column.indices)


@pytest.mark.parametrize("size", [10**9, 0], ids=["plain", "compiled"])
@given(m=st.integers(1, 12), n=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_both_versions_are_the_greedy_colouring(size: int, m: int, n: int, seed: int) -> None:
    if size == 0:
        pytest.importorskip("numba")
    rng = np.random.default_rng(seed)
    mask = rng.random((m, n)) < 0.3
    order = rng.permutation(n)[: rng.integers(0, n + 1)].astype(np.intp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coloring, "use_numba", lambda entries: entries >= size)
        colors = color_in_order(*pattern(mask), order)
    np.testing.assert_array_equal(colors, greedy(mask, order))


@pytest.mark.parametrize("size", [10**9, 0], ids=["plain", "compiled"])
@given(n=st.integers(1, 12), density=st.floats(0.05, 0.8), seed=st.integers(0, 2**32 - 1))
def test_star_colours_leave_no_path_of_four_with_two_colours(
    size: int, n: int, density: float, seed: int
) -> None:
    if size == 0:
        pytest.importorskip("numba")
    rng = np.random.default_rng(seed)
    half = np.triu(rng.random((n, n)) < density, 1)
    edges = half | half.T
    graph = sp.csr_array(edges)
    order = rng.permutation(n).astype(np.intp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coloring, "use_numba", lambda entries: entries >= size)
        colors = star_color((graph.indptr, graph.indices), order)
    assert colors.min() == 0
    # Two colours together must induce stars only: no vertex pair of degree two that is joined.
    for a in range(colors.max() + 1):
        assert not edges[np.ix_(colors == a, colors == a)].any()
        for b in range(a):
            part = np.flatnonzero((colors == a) | (colors == b))
            inside = edges[np.ix_(part, part)]
            inner = inside.sum(axis=1) >= 2
            assert not inside[np.ix_(inner, inner)].any()
