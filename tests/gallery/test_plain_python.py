"""The models written as plain functions, against geometry, mechanics and SciPy."""

from __future__ import annotations

from typing import Any

import gallery
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import approx_fprime, least_squares

import optlab


class TestCirclePacking:
    def test_the_radius_is_the_one_proved_optimal(self) -> None:
        result = gallery.solution("circle_packing")
        gallery.assert_certified(result)
        # Peikert, Wuertz, Monagan, de Groot 1991.
        assert result.x[-1] == pytest.approx(0.148204322565, abs=1e-9)

    def test_no_circle_overlaps_another_or_the_border(self) -> None:
        *centres, radius = gallery.solution("circle_packing").x
        x, y = np.reshape(centres, (2, -1))
        for i in range(x.size):
            assert radius - 1e-9 <= min(x[i], y[i], 1 - x[i], 1 - y[i])
            for j in range(i):
                assert np.hypot(x[i] - x[j], y[i] - y[j]) >= 2 * radius - 1e-9

    def test_derivatives(self) -> None:
        packing, rng = gallery.script("circle_packing"), np.random.default_rng(1)
        x, y = rng.random(2 * packing.CIRCLES + 1), rng.standard_normal(packing.PAIRS.size)
        J = packing.gaps_jacobian(x).toarray()
        np.testing.assert_allclose(J, approx_fprime(x, packing.gaps), atol=1e-6)
        H = packing.gaps_hessian(x, y)
        by_differences = approx_fprime(x, lambda p: packing.gaps_jacobian(p).T @ y)
        np.testing.assert_allclose(H, by_differences, atol=1e-6)


class TestCartPole:
    def test_it_swings_up_and_another_solver_finds_nothing_better(self) -> None:
        model, result = gallery.script("cart_pole"), gallery.solution("cart_pole")
        gallery.assert_certified(result)
        state, force = model.split(result.x)
        np.testing.assert_allclose(state[:, 0], 0)
        np.testing.assert_allclose(state[:, -1], model.END)
        assert np.abs(state[0]).max() <= model.REACH
        assert np.abs(force).max() <= model.FORCE
        pytest.importorskip("cyipopt")
        elsewhere = optlab.minimize(model.effort, **model.build(), method="ipopt")
        assert result.fun <= elsewhere.fun + 1e-6
        here = optlab.minimize(
            model.effort, **{**model.build(), "x0": result.x}, method="ipopt"
        )
        assert result.fun == pytest.approx(here.fun, rel=1e-7)
        np.testing.assert_allclose(result.x, here.x, atol=1e-3)

    def test_each_step_obeys_lagranges_equations_and_the_motors_work_lifts_the_pole(
        self,
    ) -> None:
        """The equations in the form M(q) q'' = ..., solved by another integrator."""
        model = gallery.script("cart_pole")
        state, force = model.split(gallery.solution("cart_pole").x)
        m, l, g = model.POLE, model.LENGTH, model.GRAVITY

        def motion(t: float, s: np.ndarray, parabola: np.ndarray) -> np.ndarray:
            _, angle, speed, spin, _ = s
            c, push = np.cos(angle), np.polyval(parabola, t)
            mass = [[model.CART + m, m * l * c], [c, l]]
            load = [push + m * l * spin**2 * np.sin(angle), -g * np.sin(angle)]
            return np.concatenate([[speed, spin], np.linalg.solve(mass, load), [push * speed]])

        work = 0.0
        for k in range(model.STEPS):
            parabola = np.polyfit([0, model.H / 2, model.H], force[2 * k : 2 * k + 3], 2)
            start = np.append(state[:, k], work)
            path = solve_ivp(motion, (0, model.H), start, args=(parabola,), rtol=1e-9)
            np.testing.assert_allclose(path.y[:4, -1], state[:, k + 1], atol=0.02)
            work = path.y[4, -1]
        assert work == pytest.approx(2 * m * g * l, rel=0.01)


class TestLynxAndHare:
    def test_the_fit_is_that_of_scipys_least_squares(self) -> None:
        model, result = gallery.script("lynx_and_hare"), gallery.solution("lynx_and_hare")
        gallery.assert_certified(result)

        def volterra(
            _t: float, z: np.ndarray, a: float, b: float, c: float, d: float
        ) -> list[float]:
            return [(a - b * z[1]) * z[0], (d * z[0] - c) * z[1]]

        def residuals(x: np.ndarray) -> Any:
            p, years = np.exp(x), model.YEARS - 1900.0
            path = solve_ivp(
                volterra, (0, 20), p[4:], "LSODA", years, args=p[:4], rtol=1e-9, atol=1e-9
            )
            return (np.log(path.y) - np.log([model.HARES, model.LYNXES])).ravel()

        peer = least_squares(residuals, model.GUESS, xtol=1e-10)
        assert result.fun == pytest.approx(2 * peer.cost, rel=1e-6)
        np.testing.assert_allclose(np.exp(result.x), np.exp(peer.x), rtol=1e-4)

    def test_the_rates_are_those_published(self) -> None:
        """Posterior means and deviations of Carpenter 2018."""
        rates = np.exp(gallery.solution("lynx_and_hare").x[:4])
        means, deviations = [0.55, 0.028, 0.80, 0.024], [0.065, 0.004, 0.09, 0.004]
        assert (np.abs(rates - means) <= deviations).all()

    def test_the_orbit_keeps_volterras_invariant(self) -> None:
        model, x = gallery.script("lynx_and_hare"), gallery.solution("lynx_and_hare").x
        alpha, beta, gamma, delta = np.exp(x[:4])
        (U, V), _ = model.simulate(x)
        invariant = delta * np.exp(U) - gamma * U + beta * np.exp(V) - alpha * V
        np.testing.assert_allclose(invariant, invariant[0], rtol=1e-7)

    def test_gradient(self) -> None:
        model = gallery.script("lynx_and_hare")
        value, gradient = model.misfit(model.GUESS)
        steps = approx_fprime(model.GUESS, lambda x: model.misfit(x)[0], 1e-6)
        np.testing.assert_allclose(gradient, steps, atol=1e-3 * value)


class TestEuropeByRoad:
    def test_scipys_robust_least_squares_finds_no_better_map(self) -> None:
        model, result = gallery.script("europe_by_road"), gallery.solution("europe_by_road")
        gallery.assert_certified(result)
        start = np.append(model.TRUTH[model.SOUGHT].ravel() / 1000, 1.3)
        peer = least_squares(
            model.errors, start, loss="soft_l1", f_scale=model.DELTA, xtol=1e-12
        )
        assert result.fun == pytest.approx(peer.cost, rel=1e-7)
        np.testing.assert_allclose(result.x, peer.x, atol=1e-4)

    def test_the_cities_are_near_their_places(self) -> None:
        model, result = gallery.script("europe_by_road"), gallery.solution("europe_by_road")
        away = np.linalg.norm(model.places(result.x) - model.TRUTH, axis=1)
        assert not away[model.KNOWN].any()
        assert np.median(away[model.SOUGHT]) < 100
        assert away.max() < 400

    def test_the_wrong_entries_stand_out(self) -> None:
        model, result = gallery.script("europe_by_road"), gallery.solution("europe_by_road")
        worst = np.argsort(-np.abs(model.errors(result.x)))[:4]
        pairs = {(model.NAMES[model.FIRST[k]], model.NAMES[model.SECOND[k]]) for k in worst}
        assert {
            ("Copenhagen", "Hook of Holland"), ("Cologne", "Geneva"), ("Athens", "Rome"),
        } <= pairs  # fmt: skip
        straight = np.linalg.norm(model.TRUTH[model.FIRST] - model.TRUTH[model.SECOND], axis=1)
        assert model.ROADS[worst[0]] < straight[worst[0]] / 2

    def test_the_map_keeps_distances_within_a_few_percent(self) -> None:
        """Haversine distances on the sphere, to check the projection."""
        model = gallery.script("europe_by_road")
        north, east = np.radians(list(model.CITIES.values())).T
        i, j = model.FIRST, model.SECOND
        half = np.sin((north[i] - north[j]) / 2) ** 2 + np.cos(north[i]) * np.cos(north[j]) * (
            np.sin((east[i] - east[j]) / 2) ** 2
        )
        sphere = 2 * 6371 * np.arcsin(np.sqrt(half))
        flat = np.linalg.norm(model.TRUTH[i] - model.TRUTH[j], axis=1)
        np.testing.assert_allclose(flat, sphere, rtol=0.03)

    def test_gradient(self) -> None:
        model = gallery.script("europe_by_road")
        x = model.build(np.random.default_rng(3))["x0"]
        steps = approx_fprime(x, lambda p: model.misfit(p)[0])
        np.testing.assert_allclose(model.misfit(x)[1], steps, atol=1e-5)
