"""Burgers' equation and its correction, against conservation, an exact solution and differences."""

from __future__ import annotations

from typing import Any

import gallery
import numpy as np
import pytest
from scipy.special import ive

torch = pytest.importorskip("torch")


@pytest.fixture
def burgers() -> Any:
    return gallery.example("burgers")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def cole_hopf(x: np.ndarray, time: float, viscosity: float) -> np.ndarray:
    """Return the exact solution from u = sin x.

    u = -2 v phi_x / phi, where phi solves the heat equation from exp((cos x - 1) / (2 v)), whose Fourier coefficients
    are modified Bessel functions.
    """
    n = np.arange(1, 60)
    height = 2 * ive(n, 1 / (2 * viscosity)) * np.exp(-(n**2) * viscosity * time)
    phase = np.outer(x, n)
    phi = ive(0, 1 / (2 * viscosity)) + np.cos(phase) @ height
    slope = -np.sin(phase) @ (n * height)
    return np.asarray(-2 * viscosity * slope / phi)


def cells_of(function: Any, count: int) -> np.ndarray:
    """Return averages over cells, by sixteen points of each."""
    x = (np.arange(16 * count) + 0.5) * 2 * np.pi / (16 * count)
    return np.asarray(function(x).reshape(count, 16).mean(axis=1))


class TestSolver:
    def test_what_is_there_stays(self, burgers: Any, rng: np.random.Generator) -> None:
        u = rng.uniform(-1, 2, (7, 48))
        after = burgers.advance(u, 0.8, 40)
        np.testing.assert_allclose(after.sum(axis=1), u.sum(axis=1), rtol=1e-12)
        assert np.abs(after - u).max() > 0.1

    def test_nothing_rises_above_the_highest_value(
        self, burgers: Any, rng: np.random.Generator
    ) -> None:
        u = rng.uniform(-1, 1, (7, 48))
        after = burgers.advance(u, 0.8, 40)
        assert u.min() <= after.min() <= after.max() <= u.max()

    def test_it_converges_to_the_exact_solution_at_first_order(self, burgers: Any) -> None:
        viscosity, time, errors = 0.1, 1.0, []
        for count in (64, 128, 256):
            steps = 2 + int(time * 2.5 * max(count / 6.3, 2 * viscosity * (count / 6.3) ** 2))
            u = burgers.advance(cells_of(np.sin, count), time, steps, viscosity)
            exact = cells_of(lambda x: cole_hopf(x, time, viscosity), count)
            errors.append(np.abs(u - exact).mean())
        assert errors[0] < 0.02
        ratios = np.array(errors[:-1]) / errors[1:]
        assert ((ratios > 1.8) & (ratios < 2.2)).all()

    def test_the_fine_grid_is_nearer_to_the_exact_solution(self, burgers: Any) -> None:
        """With the steps of the example; the series of the exact solution wants more viscosity."""
        viscosity, time, errors = 0.1, 8 * burgers.STEP, []
        for count, steps in ((burgers.COARSE, 1), (burgers.FINE, burgers.FINE_STEPS)):
            u = cells_of(np.sin, count)
            for _ in range(8):
                u = burgers.advance(u, burgers.STEP, steps, viscosity)
            exact = cells_of(lambda x: cole_hopf(x, time, viscosity), count)
            errors.append(np.abs(u - exact).mean())
        assert errors[1] < 0.35 * errors[0]

    def test_tensors_give_what_arrays_give(
        self, burgers: Any, rng: np.random.Generator
    ) -> None:
        u, w = rng.standard_normal((3, 4, 32)), rng.standard_normal((3, burgers.WEIGHTS))
        ours = burgers.roll_out(u, 3, w)
        twins = burgers.roll_out(torch.from_numpy(u), 3, torch.from_numpy(w))
        for a, b in zip(ours, twins, strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-10, atol=1e-10)


class TestCorrection:
    def test_it_moves_u_about_but_makes_none(
        self, burgers: Any, rng: np.random.Generator
    ) -> None:
        w, u = rng.standard_normal((3, burgers.WEIGHTS)), rng.standard_normal((3, 5, 32))
        change = burgers.correction(w, u)
        assert change.shape == u.shape
        assert np.abs(change).max() > 0.01
        np.testing.assert_allclose(change.sum(axis=-1), 0, atol=1e-12)

    def test_the_circle_has_no_beginning(self, burgers: Any, rng: np.random.Generator) -> None:
        w, u = rng.standard_normal((1, burgers.WEIGHTS)), rng.standard_normal((1, 5, 32))
        turned = burgers.correction(w, np.roll(u, 7, axis=-1))
        np.testing.assert_allclose(turned, np.roll(burgers.correction(w, u), 7, axis=-1))

    def test_networks_together_are_networks_one_by_one(
        self, burgers: Any, rng: np.random.Generator
    ) -> None:
        w, u = rng.standard_normal((3, burgers.WEIGHTS)), rng.standard_normal((3, 5, 32))
        for k, change in enumerate(burgers.correction(w, u)):
            np.testing.assert_allclose(
                change, burgers.correction(w[k : k + 1], u[k : k + 1])[0]
            )


class TestRollOuts:
    @pytest.fixture
    def loop(self, burgers: Any, rng: np.random.Generator) -> Any:
        module = gallery.example("pde_correction")
        return module.RollOuts(burgers.simulations(3, 10, rng), 4, 5, seed=1)

    def test_doing_nothing_costs_1(self, burgers: Any, loop: Any) -> None:
        nothing = np.zeros(burgers.WEIGHTS)
        assert loop.problem(nothing).objective(nothing) == pytest.approx(1.0)

    def test_the_keys_of_an_epoch_go_through_the_starts(self, loop: Any) -> None:
        # 21 starts (7 moments of 3 simulations) make 4 whole minibatches of 5.
        assert loop.steps_per_epoch == 4
        starts = np.concatenate([loop.windows(key)[0] for key in (4, 5, 6, 7)])
        assert len(np.unique(starts, axis=0)) == 20
        every = {tuple(u) for u in loop.windows(None)[0]}
        assert len(every) == 21
        assert {tuple(u) for u in starts} <= every
        np.testing.assert_array_equal(loop.windows(4), loop.windows(4))

    def test_the_gradient_is_that_of_the_values(
        self, burgers: Any, loop: Any, rng: np.random.Generator
    ) -> None:
        import optlab

        x = burgers.initial_weights(rng)
        f, gradient = loop.gradient(x, 2)
        plan = optlab.zo.CGE(central=True, smoothing=1e-2).plan(x.size, rng)
        estimate = plan.combine(loop.values(x, plan.shifts, 2, None))
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(estimate.gradient, gradient, atol=2e-3 * scale)
        assert f == pytest.approx(float(loop.losses(x[None], loop.windows(2))[0]), rel=1e-9)

    def test_a_roll_out_that_blows_up_is_no_number_and_hurts_no_other(
        self, burgers: Any, loop: Any
    ) -> None:
        from optlab.core.shifts import DenseShifts

        shifts = np.zeros((2, burgers.WEIGHTS))
        shifts[1] = 1e4
        good, bad = loop.values(np.zeros(burgers.WEIGHTS), DenseShifts(shifts), None, None)
        assert good == pytest.approx(1.0, rel=1e-4)
        assert not bad < 1e6

    def test_training_in_the_loop_lowers_the_error_of_a_small_problem(self) -> None:
        module = gallery.example("pde_correction")
        small = module.Settings(simulations=4, steps=10, batch=4, pairs=100, queries=1600)
        answer = module.solve(1, small)
        error = answer["mean_absolute_error"]
        assert error[module.OFFLINE] < 0.8 * error[module.UNCORRECTED]
        assert error[module.CGE] < error[module.UNCORRECTED]
        assert answer["cost"][module.CGE]["queries"] <= 1600
        assert answer["cost"][module.BACKPROP]["queries"] == 0
        assert module.CGE in module.table(answer)
