"""Matrices in one form: the values are those given, the pattern grows and never shrinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from optlab.core.functions.patterns import FixedPattern, WeightedSum, stacked
from optlab.errors import ProblemError

FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr"]


def some(draw: Any, shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.where(rng.random(shape) < draw(st.floats(0.0, 1.0)), rng.normal(size=shape), 0.0)


@st.composite
def sequences(draw: st.DrawFn) -> list[tuple[np.ndarray, str]]:
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    return [(some(draw, shape), draw(st.sampled_from(FORMATS))) for _ in range(4)]


@given(sequences())
def test_values_are_kept_and_patterns_only_grow(sequence: list[tuple[np.ndarray, str]]) -> None:
    fixed = FixedPattern("J", (sequence[0][0].shape[0], sequence[0][0].shape[1]))
    entries: set[tuple[int, int]] = set()
    before: Any = None
    for dense, form in sequence:
        matrix: Any = fixed(sp.csr_array(dense).asformat(form))
        np.testing.assert_array_equal(matrix.toarray(), dense)
        assert matrix.has_canonical_format
        rows, columns = matrix.nonzero() if matrix.nnz == 0 else matrix.tocoo().coords
        now = set(zip(rows.tolist(), columns.tolist(), strict=True))
        assert entries <= now
        if now == entries and before is not None:
            assert matrix.indices is before.indices
        entries, before = now, matrix


def test_duplicates_are_added_and_explicit_zeros_kept() -> None:
    fixed = FixedPattern("J", (2, 2))
    raw = sp.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    matrix: Any = fixed(raw)
    assert matrix.nnz == 2
    np.testing.assert_array_equal(matrix.toarray(), [[0.0, 3.0], [0.0, 0.0]])


def test_the_first_call_decides_between_dense_and_sparse() -> None:
    dense, sparse = FixedPattern("J", (2, 2)), FixedPattern("J", (2, 2))
    assert isinstance(dense(np.eye(2)), np.ndarray)
    assert isinstance(dense(sp.eye_array(2)), np.ndarray)
    assert sp.issparse(sparse(sp.eye_array(2)))
    later: Any = sparse(np.ones((2, 2)))
    np.testing.assert_array_equal(later.toarray(), np.ones((2, 2)))


def test_what_is_seen_first_is_not_changed_by_what_comes_later() -> None:
    fixed = FixedPattern("J", (1, 2))
    buffer = sp.csr_array(np.array([[1.0, 0.0]]))
    first: Any = fixed(buffer)
    kept = first.toarray()
    fixed(sp.csr_array(np.array([[2.0, 3.0]])))
    np.testing.assert_array_equal(first.toarray(), kept)


@pytest.mark.parametrize(
    ("raw", "match"),
    [(np.ones(3), r"J returned shape \(3,\)"), (np.ones((1, 2, 2)), "J returned shape"),
     (sp.eye_array(3), r"shape \(3, 3\); shape \(2, 2\)"), ("text", "J returned a str"),
     (np.ones(4), r"J returned shape \(4,\)")],
)  # fmt: skip
def test_wrong_shapes_are_named(raw: Any, match: str) -> None:
    with pytest.raises(ProblemError, match=match):
        FixedPattern("J", (2, 2))(raw)


@pytest.mark.parametrize(("shape", "size"), [((1, 3), 3), ((3, 1), 3), ((1, 1), 1)])
def test_a_vector_is_one_row_or_one_column(shape: tuple[int, int], size: int) -> None:
    matrix = FixedPattern("J", shape)(np.arange(size))
    assert matrix.shape == shape


@given(st.data())
def test_sums_and_stacks_are_those_of_dense_matrices(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    total, stack = WeightedSum(n), stacked(n)
    forms = data.draw(st.lists(st.booleans(), min_size=1, max_size=3))
    fixed = [FixedPattern(f"part {k}", (n, n)) for k in range(len(forms))]
    for _ in range(3):
        dense = [some(data.draw, (n, n)) for _ in forms]
        parts = [
            part(sp.csr_array(M) if form else M)
            for part, M, form in zip(fixed, dense, forms, strict=True)
        ]
        weights = [float(k + 1) for k in range(len(forms))]
        summed: Any = total(list(zip(weights, parts, strict=True)))
        below: Any = stack(parts)
        expected = sum(w * M for w, M in zip(weights, dense, strict=True))
        np.testing.assert_allclose(
            summed.toarray() if sp.issparse(summed) else summed, expected, atol=1e-14
        )
        np.testing.assert_array_equal(
            below.toarray() if sp.issparse(below) else below, np.vstack(dense)
        )
