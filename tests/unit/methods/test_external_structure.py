"""Fixed patterns: values come in the order that was announced, and strays are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import optlab
from optlab.errors import ProblemError
from optlab.methods.external.structure import Structure
from optlab.typing import Vector


def _matrix(seed: int, shape: tuple[int, int], density: float) -> Any:
    rng = np.random.default_rng(seed)
    return sparse.random_array(shape, density=density, rng=rng, format="csr")


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.floats(0.0, 1.0),
    st.booleans(),
)
def test_values_rebuild_the_matrix(
    seed: int, shape: tuple[int, int], density: float, dense: bool
) -> None:
    matrix = _matrix(seed, shape, density)
    given_matrix = matrix.toarray() if dense else matrix
    structure = Structure("jacobian", [given_matrix])
    for _ in range(2):  # the second time by the remembered index arrays
        values = structure.values(given_matrix)
        again = sparse.coo_array((values, (structure.rows, structure.columns)), shape=shape)
        assert np.array_equal(again.toarray(), matrix.toarray())


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.0, 1.0), st.booleans())
def test_lower_triangle_rebuilds_a_symmetric_matrix(
    seed: int, n: int, density: float, dense: bool
) -> None:
    half = _matrix(seed, (n, n), density)
    matrix = (half + half.T).tocsr()
    given_matrix = matrix.toarray() if dense else matrix
    structure = Structure("hessian", [given_matrix], lower=True)
    assert np.all(structure.columns <= structure.rows)
    values = structure.values(given_matrix)
    lower = sparse.coo_array((values, (structure.rows, structure.columns)), shape=(n, n))
    full = lower.toarray() + np.tril(lower.toarray(), -1).T
    assert np.allclose(full, matrix.toarray())


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_union_of_two_patterns_holds_both(first: int, second: int) -> None:
    a, b = _matrix(first, (4, 5), 0.4), _matrix(second, (4, 5), 0.4)
    structure = Structure("jacobian", [a, b])
    for matrix in (a, b, a):
        values = structure.values(matrix)
        again = sparse.coo_array((values, (structure.rows, structure.columns)), shape=(4, 5))
        assert np.array_equal(again.toarray(), matrix.toarray())


def test_a_stray_entry_is_refused_with_its_place() -> None:
    structure = Structure("jacobian", [sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0]]))])
    with pytest.raises(ProblemError, match="row 1, column 0"):
        structure.values(sparse.csr_array(np.array([[1.0, 0.0], [3.0, 1.0]])))
    # An entry that is zero may be anywhere.
    stray = sparse.csr_array((np.array([1.0, 0.0, 1.0]), [0, 0, 1], [0, 1, 3]), shape=(2, 2))
    assert structure.values(stray).tolist() == [1.0, 1.0]


def test_a_dense_value_may_follow_a_sparse_pattern() -> None:
    structure = Structure("jacobian", [sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0]]))])
    assert structure.values(np.array([[5.0, 0.0], [0.0, 6.0]])).tolist() == [5.0, 6.0]


def _dropping() -> optlab.Problem:
    """A problem whose Jacobian loses its second entry at the start, where x1 = 0."""

    def jacobian(x: Vector) -> Any:
        return sparse.csr_array(np.array([[1.0, 2.0 * x[1]]]))

    return optlab.Problem(
        objective=lambda x: float((x[0] - 2.0) ** 2 + (x[1] - 1.0) ** 2),
        gradient=lambda x: 2.0 * (x - np.array([2.0, 1.0])),
        constraints=lambda x: np.array([x[0] + x[1] ** 2]),
        jacobian=jacobian,
        cl=[-np.inf],
        cu=[1.0],
        linear=[False],
        x0=[0.0, 0.0],
    )


@pytest.mark.parametrize("method", ["ipopt", "pounce", "uno"])
def test_pattern_that_moves_is_refused(method: str) -> None:
    with pytest.raises(ProblemError, match="explicit zeros"):
        optlab.minimize(_dropping(), method=method)


@pytest.mark.parametrize("method", ["ipopt", "pounce"])
def test_more_points_find_the_whole_pattern(method: str) -> None:
    result = optlab.minimize(_dropping(), method=method, options={"pattern_points": 3})
    assert result.success, result
    # x0 = 1 - x1^2 on the curve, and 2 (x1^2 + 1) 2 x1 + 2 (x1 - 1) = 0 there.
    root = np.roots([4.0, 0.0, 6.0, -2.0])
    x1 = float(root[np.abs(root.imag) < 1e-12].real[0])
    assert result.x == pytest.approx([1.0 - x1**2, x1], abs=1e-6)
