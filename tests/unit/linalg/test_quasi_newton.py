"""Limited-memory BFGS: the compact form against the textbook recursion."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.linalg.quasi_newton import LimitedMemoryBFGS


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


def test_secant_equation_and_positive_definiteness() -> None:
    model = LimitedMemoryBFGS(6)
    for s, y in pairs(2, 6, 9):
        model.update(s, y)
        np.testing.assert_allclose(model.matrix().matvec(s), y, rtol=1e-8)
    assert np.linalg.eigvalsh(model.matrix().dense())[0] > 0.0


def test_negative_curvature_is_damped() -> None:
    model = LimitedMemoryBFGS(3)
    s = np.array([1.0, 0.5, 0.0])
    model.update(s, 2.0 * s)
    before = s @ model.matrix().matvec(s)
    model.update(s, -s)
    after = s @ model.matrix().matvec(s)
    assert after == pytest.approx(0.2 * before)
    assert np.linalg.eigvalsh(model.matrix().dense())[0] > 0.0


@pytest.mark.parametrize(
    ("s", "y"),
    [
        (np.zeros(2), np.ones(2)),
        (np.ones(2), np.array([np.nan, 1.0])),
        (np.ones(2), np.zeros(2)),
    ],
)
def test_pairs_that_say_nothing_are_refused(s: np.ndarray, y: np.ndarray) -> None:
    model = LimitedMemoryBFGS(2)
    assert not model.update(s, y)
    assert model.size == 0
    np.testing.assert_array_equal(model.matrix().dense(), np.eye(2))


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
