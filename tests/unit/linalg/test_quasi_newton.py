"""BFGS, full and with limited memory, against the textbook recursion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.linalg.quasi_newton import DenseBFGS, LimitedMemoryBFGS

BOTH = pytest.mark.parametrize("kind", [DenseBFGS, LimitedMemoryBFGS])


def dense(model: DenseBFGS | LimitedMemoryBFGS) -> np.ndarray:
    matrix: Any = model.matrix()
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.dense())


def bfgs(B: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    Bs = B @ s
    return np.asarray(B - np.outer(Bs, Bs) / (s @ Bs) + np.outer(y, y) / (s @ y))


def pairs(seed: int, n: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    R = rng.standard_normal((n, n))
    H = R @ R.T + np.eye(n)
    steps = rng.standard_normal((count, n)) * 10.0 ** rng.uniform(-6, 2, (count, 1))
    return [(s, H @ s) for s in steps]


@pytest.mark.parametrize("count", [1, 3, 6])
def test_compact_form_equals_the_recursion_over_the_last_pairs(count: int) -> None:
    n, memory = 8, 4
    model = LimitedMemoryBFGS(n, memory)
    history = pairs(0, n, count)
    for s, y in history:
        assert model.update(s, y)
    s, y = history[-1]
    B = (y @ y) / (s @ y) * np.eye(n)
    for s, y in history[-memory:]:
        B = bfgs(B, s, y)
    np.testing.assert_allclose(model.matrix().dense(), B, rtol=1e-7, atol=1e-7 * abs(B).max())
    v = np.random.default_rng(1).standard_normal(n)
    np.testing.assert_allclose(model.inverse_times(B @ v), v, rtol=1e-6, atol=1e-6)


def test_the_full_matrix_equals_the_recursion_over_all_pairs() -> None:
    model = DenseBFGS(8)
    history = pairs(4, 8, 15)
    s, y = history[0]
    B = (s @ y) / (s @ s) * np.eye(8)
    for s, y in history:
        assert model.update(s, y)
        B = bfgs(B, s, y)
    np.testing.assert_allclose(model.matrix(), B, rtol=1e-7, atol=1e-7 * abs(B).max())
    assert model.size == 15


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_conjugate_steps_teach_the_whole_hessian(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    R = rng.standard_normal((n, n))
    H = R @ R.T / np.linalg.norm(R) ** 2 + np.eye(
        n
    )  # so well conditioned that nothing is damped
    # Columns of the inverse Cholesky factor are conjugate with respect to H.
    steps = np.linalg.inv(np.linalg.cholesky(H)).T
    model = DenseBFGS(n)
    for s in steps.T:
        assert model.update(s, H @ s)
    np.testing.assert_allclose(model.matrix(), H, rtol=1e-6, atol=1e-8 * abs(H).max())


def test_a_matrix_that_was_handed_out_does_not_change() -> None:
    model = DenseBFGS(4)
    history = pairs(5, 4, 2)
    model.update(*history[0])
    before = model.matrix()
    copy = before.copy()
    model.update(*history[1])
    np.testing.assert_array_equal(before, copy)
    assert not np.array_equal(model.matrix(), copy)
    np.testing.assert_array_equal(model.matrix(), model.matrix().T)
    model.clear()
    np.testing.assert_array_equal(model.matrix(), np.eye(4))


@BOTH
def test_secant_equation_and_positive_definiteness(kind: Any) -> None:
    model = kind(6)
    for s, y in pairs(2, 6, 9):
        model.update(s, y)
        np.testing.assert_allclose(dense(model) @ s, y, rtol=1e-8, atol=1e-12 * abs(y).max())
    assert np.linalg.eigvalsh(dense(model))[0] > 0.0


@BOTH
def test_negative_curvature_is_damped(kind: Any) -> None:
    model = kind(3)
    s = np.array([1.0, 0.5, 0.0])
    model.update(s, 2.0 * s)
    before = s @ dense(model) @ s
    model.update(s, -s)
    after = s @ dense(model) @ s
    assert after == pytest.approx(0.2 * before)
    assert np.linalg.eigvalsh(dense(model))[0] > 0.0


@pytest.mark.parametrize(
    ("s", "y"),
    [
        (np.zeros(2), np.ones(2)),
        (np.ones(2), np.array([np.nan, 1.0])),
        (np.zeros(2), np.zeros(2)),
    ],
)
@BOTH
def test_pairs_that_say_nothing_are_refused(kind: Any, s: np.ndarray, y: np.ndarray) -> None:
    model = kind(2)
    assert not model.update(s, y)
    assert model.size == 0
    np.testing.assert_array_equal(dense(model), np.eye(2))
    model.update(np.ones(2), np.array([3.0, 1.0]))
    learned = dense(model)
    assert not model.update(s, y)
    np.testing.assert_array_equal(dense(model), learned)


@BOTH
def test_steps_of_extreme_length_leave_a_finite_positive_definite_model(kind: Any) -> None:
    model = kind(3)
    rng = np.random.default_rng(8)
    for exponent in (-160.0, -100.0, -8.0, 0.0, 8.0, 100.0):
        s = 10.0**exponent * rng.standard_normal(3)
        model.update(s, s * np.array([1.0, 10.0, 100.0]))
        assert np.isfinite(dense(model)).all()
        assert np.linalg.eigvalsh(dense(model))[0] > 0.0


def test_inverse_on_a_face_touches_free_variables_only() -> None:
    model = LimitedMemoryBFGS(5)
    for s, y in pairs(3, 5, 3):
        model.update(s, y)
    free = np.array([True, False, True, True, False])
    v = np.arange(1.0, 6.0)
    d = model.inverse_times(v, free)
    assert not d[~free].any()
    assert d @ v > 0.0
    changed = np.where(free, v, -99.0)
    np.testing.assert_array_equal(model.inverse_times(changed, free), d)


def test_repeated_steps_do_not_break_the_compact_form() -> None:
    model = LimitedMemoryBFGS(4, 5)
    s = np.array([1.0, 2.0, 3.0, 4.0])
    for k in range(7):
        model.update(s, (1.0 + 1e-3 * k) * s)
        assert np.isfinite(model.matrix().dense()).all()


@BOTH
def test_a_gradient_that_never_changed_is_that_of_a_flat_function(kind: Any) -> None:
    model = kind(3)
    assert model.update(np.ones(3), np.zeros(3))
    assert model.size == 0
    np.testing.assert_allclose(dense(model), 1e-6 * np.eye(3))
    model.update(np.ones(3), np.full(3, 2.0))
    np.testing.assert_allclose(dense(model) @ np.ones(3), np.full(3, 2.0))
    learned = dense(model)
    model.update(np.ones(3), np.zeros(3))  # no longer flat: one more pair that says nothing
    np.testing.assert_array_equal(dense(model), learned)
