"""Ternary weights found in arrays, or given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import ProblemError
from optlab.kernels.ternary import unpack_bits
from optlab_adapters.pruning.packed import TernaryWeight


def found(weight: Any, tolerance: float = 1e-5) -> TernaryWeight:
    ternary = TernaryWeight.find(weight, tolerance)
    assert ternary is not None
    return ternary


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 6),
    columns=st.integers(1, 90),
    density=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_ternary_weights_are_found_again(
    seed: int, rows: int, columns: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((rows, columns)) < density
    signs = rng.choice([-1.0, 1.0], mask.shape)
    gain = (rng.random(rows) + 1e-3).astype(np.float32)
    weight = (gain[:, None] * mask * signs).astype(np.float32)
    ternary = found(weight)
    np.testing.assert_array_equal(ternary.mask, mask)
    np.testing.assert_allclose(ternary.dense(), weight, rtol=1e-6)
    matrix = ternary.matrix(np.zeros(rows, dtype=np.float32))
    entries = 1 * unpack_bits(matrix.positive, columns) - unpack_bits(matrix.negative, columns)
    np.testing.assert_array_equal(entries, mask * signs)


@pytest.mark.parametrize(
    "weight",
    [
        [[1.0, -1.0, 0.5]],
        [[1.0, -1.001]],
        [[1.0, np.nan]],
        [[np.inf, 1.0]],
    ],
)
def test_other_weights_are_not(weight: Any) -> None:
    assert TernaryWeight.find(np.array(weight)) is None


def test_tolerance_is_relative_to_the_row() -> None:
    rows = np.array([[1e-6, -1e-6 * (1 + 1e-6), 0.0], [100.0, 1e-4, -100.0001]])
    ternary = found(rows)
    np.testing.assert_array_equal(ternary.mask, [[1, 1, 0], [1, 0, 1]])
    assert TernaryWeight.find(rows, 1e-8) is None


def test_one_gain_serves_all_rows_and_rows_may_be_empty() -> None:
    ternary = TernaryWeight([[1, 0], [0, 0]], [[-2.0, 0.0], [0.0, 0.0]], 0.5)
    np.testing.assert_array_equal(ternary.dense(), [[-0.5, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1, 1]], [[1]], 1.0), "the mask has shape"),
        (([1, 1], [1, 1], 1.0), "the mask has shape"),
        (([[1, 1]], [[1, 1]], [1.0, 2.0]), "the gain has 2 entries"),
        (([[1, 1]], [[1, 1]], np.nan), "not finite"),
        (([[1, 1]], [[1, 0]], 1.0), "is 0 or nan"),
        (([[1, 1]], [[1, np.nan]], 1.0), "is 0 or nan"),
    ],
)
def test_weights_that_contradict_themselves(arguments: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        TernaryWeight(*arguments)
