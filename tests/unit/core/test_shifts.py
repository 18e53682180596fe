from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.core.asktell import Query
from optlab.core.journal import digest
from optlab.core.sampled import Block
from optlab.core.shifts import CoordinateShifts, DenseShifts
from optlab.errors import ProblemError


@given(st.integers(1, 6), st.data())
def test_coordinates_mean_the_same_as_rows(n: int, data: st.DataObject) -> None:
    index = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=8)), dtype=np.intp)
    step = np.array(
        data.draw(st.lists(st.floats(-2, 2), min_size=index.size, max_size=index.size)),
        dtype=np.float64,
    )
    sparse = CoordinateShifts(n, index, step)
    x = np.arange(1.0, n + 1.0)
    expected = np.array([x + s * np.eye(n)[i] for i, s in zip(index, step, strict=True)])
    dense = DenseShifts(expected.reshape(-1, n) - x)
    np.testing.assert_allclose(sparse.points(x), dense.points(x))
    assert len(sparse) == len(dense) == index.size
    half = index.size // 2
    np.testing.assert_array_equal(sparse.part(half, index.size).rows(), sparse.rows(half))
    np.testing.assert_array_equal(dense.part(0, half).rows(), dense.rows(0, half))


def test_rows_are_copies() -> None:
    base = np.ones((2, 3))
    DenseShifts(base).rows()[0, 0] = 7.0
    assert base[0, 0] == 1.0


@pytest.mark.parametrize(
    ("index", "step"), [([0, 1], [1.0]), ([3], [1.0]), ([-1], [1.0]), ([[0]], [[1.0]])]
)
def test_bad_coordinates_are_refused(index: list[int], step: list[float]) -> None:
    with pytest.raises(ProblemError):
        CoordinateShifts(3, np.array(index), np.array(step))


def test_dense_shifts_have_two_dimensions() -> None:
    with pytest.raises(ProblemError, match=r"\(k, n\)"):
        DenseShifts(np.zeros(3))


def test_a_digest_tells_queries_apart() -> None:
    x, index = np.zeros(3), np.array([0, 1])
    base = Query(x, CoordinateShifts(3, index, np.array([1.0, 2.0])), 4)
    others = [
        Query(x + 1e-300, base.shifts, 4),
        Query(x, base.shifts, 5),
        Query(x, base.shifts, None),
        Query(x, CoordinateShifts(3, index[::-1].copy(), np.array([1.0, 2.0])), 4),
        Query(x, CoordinateShifts(3, index, np.array([1.0, 2.5])), 4),
        Query(x, DenseShifts(base.shifts.rows()), 4),
    ]
    marks = [digest(q) for q in (base, *others)]
    assert len(set(marks)) == len(marks)
    assert digest(Query(x.copy(), base.shifts, 4)) == marks[0]


def test_a_block_knows_its_end() -> None:
    block = Block("weight", (3, 4), 5)
    assert (block.size, block.stop) == (12, 17)
    assert Block("scalar", (), 0).size == 1
