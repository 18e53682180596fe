from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from descent import Targets

import optlab
from optlab import Problem, StopReason
from optlab.core.control import Limits
from optlab.core.driver_in_place import InPlaceDoor, run_in_place
from optlab.core.in_place import VectorInPlace
from optlab.errors import CapabilityError, OptionError
from optlab.methods.zeroth.mezo import MeZO, Trail

N = 12


def f(x: Any) -> float:
    return float(((x - 1.0) ** 2).sum())


def problem(**more: Any) -> Problem:
    given: dict[str, Any] = {"objective": f, "x0": np.zeros(N)}
    return Problem(**(given | more))


def test_it_finds_the_minimum_with_a_rate() -> None:
    result = optlab.minimize(
        problem(), method="mezo", learning_rate=0.02, max_iter=2000, seed=1
    )
    assert np.allclose(result.x, 1.0, atol=1e-2)
    assert result.evaluations["objective"] == 4001  # the last one where the run ended
    assert result.fun == pytest.approx(f(result.x))
    assert "norm of its gradient" in result.message
    assert not result.success


def test_a_step_is_what_the_paper_says() -> None:
    """One step by hand: g = (f(x + hz) - f(x - hz)) / 2h, x <- x - r g z, with z drawn again."""
    method = MeZO(learning_rate=0.1, smoothing=1e-2)
    result = optlab.minimize(problem(), method=method, max_iter=1, seed=4)
    root = int(np.random.default_rng(4).integers(2**62))
    words = np.random.SeedSequence((root, 0)).generate_state(1, np.uint64)
    z = np.random.default_rng(int(words[0] >> np.uint64(1))).standard_normal(N)
    slope = (f(1e-2 * z) - f(-1e-2 * z)) / 2e-2
    assert result.extras["slopes"] == pytest.approx([slope])
    np.testing.assert_allclose(result.x, -0.1 * slope * z, atol=1e-14)


def test_the_history_rebuilds_the_run_to_the_bit() -> None:
    def wild(x: Any) -> float:
        return float("nan") if np.sin(1e5 * x[0]) > 0.9 else f(x)

    for method in (MeZO(), MeZO(learning_rate=0.01, weight_decay=0.1)):
        result = optlab.minimize(problem(objective=wild), method=method, max_iter=1500, seed=2)
        slopes = result.extras["slopes"]
        assert slopes.size == 1500
        assert np.isnan(slopes).any()
        task = VectorInPlace(problem())
        method.rebuild(task, result.extras)
        assert np.array_equal(task.vector(), result.x)


def test_the_slopes_measure_the_gradient() -> None:
    """E g^2 = |grad f|^2: at a point that hardly moves, the reported norm is within four standard errors."""
    result = optlab.minimize(problem(), method="mezo", learning_rate=1e-9, max_iter=600, seed=3)
    norm = 2.0 * np.sqrt(N)
    found, error = result.extras["estimated_gradient_norm"], result.extras["standard_error"]
    assert abs(found - norm) < 4.0 * error
    assert error < 0.1 * norm


def test_a_resumed_run_is_the_unbroken_one(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    targets = np.random.default_rng(0).standard_normal((5, N))
    calls = 0

    def stated(stop_at: int = -1) -> Problem:
        class Failing(Targets):
            def values(self, *given: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == stop_at:
                    raise KeyboardInterrupt
                return super().values(*given)

        sampled = Failing(targets)
        return problem(objective=lambda x: sampled.at(x, None), sampled=sampled)

    given: dict[str, Any] = {"method": "mezo", "seed": 8, "max_epochs": 6}
    whole = optlab.minimize(stated(), **given)
    assert whole.iterations == 30
    assert whole.stop is StopReason.MAX_ITER
    calls = 0
    broken = optlab.minimize(stated(34), checkpoint=tmp_path, **given)
    assert broken.stop is StopReason.USER
    calls = 0
    resumed = optlab.minimize(stated(), resume=tmp_path, **given)
    assert np.array_equal(resumed.x, whole.x)
    assert resumed.fun == whole.fun
    assert calls == 60 - 33


def test_an_interrupted_step_puts_the_variables_back() -> None:
    calls = 0

    def g(x: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return f(x)

    task = VectorInPlace(problem(objective=g, x0=np.full(N, 0.5)))
    run_in_place(MeZO(smoothing=0.1), task, Limits(), seed=0)
    np.testing.assert_allclose(task.vector(), 0.5, atol=1e-15)


def test_the_budget_is_exact() -> None:
    for budget in (0, 1, 2, 5):
        calls = 0

        def g(x: Any) -> float:
            nonlocal calls
            calls += 1
            return f(x)

        result = optlab.minimize(problem(objective=g), method="mezo", max_eval=budget, seed=0)
        assert result.stop is StopReason.MAX_EVAL
        assert calls == result.evaluations["objective"] == budget


def test_losses_that_are_never_finite_end_the_run() -> None:
    def raises(x: Any) -> float:
        raise RuntimeError(x)

    for broken in (raises, lambda _x: float("inf")):
        result = optlab.minimize(problem(objective=broken), method="mezo", seed=0)
        assert result.stop is StopReason.EVAL_ERROR
        assert "not finite in 10 steps" in result.message
        assert np.array_equal(result.x, np.zeros(N))


def test_callbacks_see_the_point_and_may_stop() -> None:
    seen: list[Any] = []

    def callback(x: Any) -> bool:
        seen.append(x)
        return len(seen) == 3

    result = optlab.minimize(problem(), method="mezo", callback=callback, seed=0)
    assert result.stop is StopReason.USER
    assert result.iterations == 2
    assert seen[-1].shape == (N,)
    assert np.array_equal(seen[-1], result.x)


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(CapabilityError, match="bounds"):
        optlab.minimize(problem(lb=-1.0), method="mezo")
    with pytest.raises(OptionError, match="smoothing"):
        MeZO(smoothing=0.0)
    with pytest.raises(OptionError, match="learning_rate"):
        MeZO(learning_rate=-1.0)


def test_trails_grow_without_changing() -> None:
    trail = Trail()
    seen = []
    for i in range(2500):
        seen.append(trail)
        trail = trail.plus(float(i))
    np.testing.assert_array_equal(trail.array, np.arange(2500.0))
    for i in (0, 1, 1023, 1024, 1025, 2047, 2499):
        assert len(seen[i]) == i
        np.testing.assert_array_equal(seen[i].array, np.arange(float(i)))


def test_the_door_counts_the_average_apart() -> None:
    sampled = Targets(np.zeros((3, N)))
    door = InPlaceDoor(VectorInPlace(problem(sampled=sampled)))
    assert door.average() == N
    assert (door.counts["objective"], door.counts["average"]) == (0, 1)


def test_there_and_back_is_exact() -> None:
    task = VectorInPlace(problem(x0=np.linspace(0.1, 3.7, N)))
    for move in (1e-3, -2e-3, 1e-3):
        task.shift(7, move)
    assert np.array_equal(task.vector(), np.linspace(0.1, 3.7, N))
    task.shift(7, 0.5)
    task.shift(8, 0.25)
    z7, z8 = (np.random.default_rng(s).standard_normal(N) for s in (7, 8))
    np.testing.assert_allclose(task.vector(), np.linspace(0.1, 3.7, N) + 0.5 * z7 + 0.25 * z8)
