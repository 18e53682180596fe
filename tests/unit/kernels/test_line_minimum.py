"""The dual line search: against brute force, and compiled against plain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optlab.kernels import line_minimum as module
from optlab.kernels.line_minimum import DualLine, line_minimum, line_minimum_numpy


def random_line(seed: int) -> DualLine:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    A = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.7)
    lam = rng.standard_normal(m) * (rng.random(m) < 0.6)
    d = rng.standard_normal(m) * (rng.random(m) < 0.8)
    lo = np.where(rng.random(n) < 0.5, -rng.random(n), -np.inf)
    hi = np.where(rng.random(n) < 0.5, rng.random(n), np.inf)
    bl, bu = -rng.random(m), rng.random(m)
    equal = rng.random(m) < 0.3
    bl[equal] = bu[equal]
    # Absent sides, where neither lam nor d needs them.
    bu[(lam <= 0.0) & (d <= 0.0) & ~equal] = np.inf
    bl[(lam >= 0.0) & (d >= 0.0) & ~equal] = -np.inf
    y = 3.0 * rng.standard_normal(n)
    return DualLine(y - A.T @ lam, A.T @ d, lo, hi, lam, d, bl, bu)


def derivative(line: DualLine, t: float) -> float:
    """phi' just after t, straight from its definition."""
    lam = line.lam + t * line.d
    side = np.where((lam > 0.0) | ((lam == 0.0) & (line.d > 0.0)), line.bu, line.bl)
    moving = line.d != 0.0
    x = np.clip(line.u - t * line.w, line.lo, line.hi)
    return float(line.d[moving] @ side[moving] - line.w @ x)


@pytest.mark.parametrize("seed", range(300))
def test_derivative_passes_zero_at_the_minimiser(seed: int) -> None:
    line = random_line(seed)
    t = line_minimum_numpy(line)
    scale = 1.0 + np.abs(line.d).sum() + np.abs(line.w) @ np.abs(line.u)
    if t == math.inf:
        assert derivative(line, 1e6) <= 1e-8 * scale
        return
    assert derivative(line, t + 1e-9 * (1.0 + t)) >= -1e-7 * scale
    if t > 0.0:
        assert derivative(line, t * (1.0 - 1e-9) - 1e-12) <= 1e-7 * scale


@pytest.mark.parametrize("seed", range(300))
def test_compiled_and_plain_versions_agree(seed: int) -> None:
    pytest.importorskip("numba", reason="numba is not installed: only the NumPy twin exists")
    from optlab.kernels.compiled import line_minimum_compiled

    line = random_line(seed)
    assert line_minimum_compiled(*line) == pytest.approx(
        line_minimum_numpy(line), rel=1e-10, abs=1e-13
    )


def test_thresholds_of_both_versions_are_the_same() -> None:
    pytest.importorskip("numba", reason="numba is not installed: only the NumPy twin exists")
    from optlab.kernels import compiled

    assert compiled.ZERO_SLOPE == module.ZERO_SLOPE
    assert compiled.ZERO_DERIVATIVE == module.ZERO_DERIVATIVE


def test_large_lines_take_the_compiled_version_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("numba", reason="numba is not installed: only the NumPy twin exists")
    monkeypatch.setattr(module, "use_numba", lambda size: size > 0)
    line = random_line(5)
    assert line_minimum(line) == pytest.approx(line_minimum_numpy(line))


def test_a_line_without_lower_bound_says_so() -> None:
    one = np.ones(1)
    line = DualLine(one, one, -one, one, 0.0 * one, one, -one, -2.0 * one)
    assert line_minimum(line) == math.inf


def test_a_known_minimiser() -> None:
    """min 1/2 (x - 3)^2 with x <= 1: phi(lam) has its minimum at lam = 2."""
    one = np.ones(1)
    free = np.array([np.inf])
    line = DualLine(3.0 * one, one, -free, free, 0.0 * one, one, -free, one)
    assert line_minimum(line) == 2.0
