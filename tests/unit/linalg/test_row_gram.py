"""Products of rows with themselves: any storage and size, and from face to face."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.linalg import row_gram
from optlab.linalg.row_gram import FaceGram, RowGram


def rows_of(density: float, full: bool, m: int = 40, n: int = 70) -> tuple[RowGram, np.ndarray]:
    rng = np.random.default_rng(3)
    A = rng.standard_normal((m, n)) * (rng.random((m, n)) < density)
    return RowGram(A if full else sp.csr_array(A)), A


@pytest.mark.parametrize("small", [0, 40_000])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("density", [0.02, 0.5, 1.0])
def test_products(
    density: float, full: bool, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_gram, "SMALL_ENTRIES", small)
    gram, A = rows_of(density, full)
    rng = np.random.default_rng(1)
    for part in (0.0, 0.4, 1.0):
        W, F = rng.random(40) < part, rng.random(70) < max(part, 0.4)
        w = rng.uniform(0.1, 3.0, 70)
        for weights in (None, w):
            face = A[np.ix_(W, F)] * (1.0 if weights is None else weights[F])
            np.testing.assert_allclose(gram.product(W, F, weights), face @ face.T, atol=1e-12)
    np.testing.assert_allclose(gram.row_squares(w), ((A * w) ** 2).sum(axis=1))


def test_sparse_rows_stay_sparse_where_the_array_would_be_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_gram, "FULL_ENTRIES_MAX", 10)
    gram, A = rows_of(0.9, full=False)
    monkeypatch.setattr(gram, "array", lambda: pytest.fail("made an array"))
    every = np.ones(40, dtype=bool), np.ones(70, dtype=bool)
    np.testing.assert_allclose(gram.product(*every), A @ A.T, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), full=st.booleans())
def test_a_walk_over_faces_gives_what_each_face_gives(seed: int, full: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_gram, "SMALL_ENTRIES", 0)
        gram, A = rows_of(0.6, full)
        rng = np.random.default_rng(seed)
        A[:, :3] *= 1e6
        gram = RowGram(A if full else sp.csr_array(A))
        faces = FaceGram(gram)
        W, F = rng.random(40) < 0.9, rng.random(70) < 0.7
        for _ in range(12):
            expected = A[np.ix_(W, F)] @ A[np.ix_(W, F)].T
            found = faces.product(W, F)
            size = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
            assert np.all(np.abs(found - expected) <= 1e-11 * size + 1e-300)
            found[:] = np.nan  # The caller may do what it likes with it.
            W = W & (rng.random(40) < 0.95) if rng.random() < 0.8 else rng.random(40) < 0.9
            F = F ^ (rng.random(70) < rng.choice([0.0, 0.05, 0.5]))


def test_neighbouring_faces_cost_the_columns_that_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_gram, "SMALL_ENTRIES", 0)
    gram, _ = rows_of(0.6, full=True)
    widths: list[int] = []
    whole = gram.product

    def counted(W: np.ndarray, F: np.ndarray) -> np.ndarray:
        widths.append(int(F.sum()))
        return whole(W, F)

    monkeypatch.setattr(gram, "product", counted)
    faces = FaceGram(gram)
    W, F = np.ones(40, dtype=bool), np.ones(70, dtype=bool)
    faces.product(W, F)
    F[:4] = False
    faces.product(W, F)
    W[:20] = False
    faces.product(W, F)
    F[:2] = True
    faces.product(W, F)
    assert widths == [70, 4, 2]
