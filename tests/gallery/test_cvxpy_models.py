"""The models written in CVXPY, against Clarabel, chemistry, statics and other iterations."""

from __future__ import annotations

from typing import Any

import gallery
import numpy as np
import pytest

cp: Any = pytest.importorskip("cvxpy")


class TestFlame:
    def test_the_optimum_is_the_published_one(self) -> None:
        flame, series = gallery.script("flame"), gallery.solution("flame")
        for result in series.results:
            gallery.assert_certified(result)
        middle = list(flame.PRESSURES).index(1.0)
        # Hock and Schittkowski, problem 112.
        assert series.results[middle].fun == pytest.approx(-47.76109, abs=1e-5)

    def test_every_species_is_in_equilibrium_with_its_elements(self) -> None:
        flame, series = gallery.script("flame"), gallery.solution("flame")
        enthalpy = flame.ENTHALPY + np.log(flame.PRESSURES)[:, None]
        species = enthalpy + np.log(series.fractions)
        np.testing.assert_allclose(species, series.potentials @ flame.ATOMS, atol=1e-6)

    def test_atoms_are_kept(self) -> None:
        flame, series = gallery.script("flame"), gallery.solution("flame")
        atoms = series.fractions @ flame.ATOMS.T
        np.testing.assert_allclose(
            atoms / atoms[:, :1] * 2, [[2, 1, 1]] * len(atoms), rtol=1e-8
        )

    def test_clarabel_agrees_in_values_and_duals(self) -> None:
        flame, series = gallery.script("flame"), gallery.solution("flame")
        for k in (0, -1):
            model = flame.build()
            model.log_pressure.value = np.log(flame.PRESSURES[k])
            model.problem.solve(solver="CLARABEL")
            assert series.results[k].fun == pytest.approx(model.problem.value, rel=1e-6)
            np.testing.assert_allclose(
                series.potentials[k], -model.balance.dual_value, rtol=1e-4
            )

    def test_pressure_favours_fewer_molecules(self) -> None:
        flame, series = gallery.script("flame"), gallery.solution("flame")
        moles = 2 / (series.fractions @ flame.ATOMS[0])
        assert (np.diff(moles) < 0).all()


class TestPortfolio:
    def test_clarabel_finds_the_same_portfolios(self) -> None:
        portfolio = gallery.script("portfolio")
        pairs = zip(
            (portfolio.FREE, portfolio.DEAR), gallery.solution("portfolio"), strict=True
        )
        for costs, frontier in pairs:
            model = portfolio.build(costs)
            for k, target in enumerate(portfolio.TARGETS):
                gallery.assert_certified(frontier.results[k])
                model.target.value = target
                model.problem.solve(solver="CLARABEL")
                np.testing.assert_allclose(frontier.weights[k], model.weights.value, atol=2e-4)

    def test_the_books_balance(self) -> None:
        portfolio = gallery.script("portfolio")
        pairs = zip(
            (portfolio.FREE, portfolio.DEAR), gallery.solution("portfolio"), strict=True
        )
        for (share, impact), frontier in pairs:
            moved = frontier.weights - portfolio.HOLDINGS
            np.testing.assert_allclose(frontier.trades, moved, atol=1e-7)
            paid = share * np.abs(moved).sum(axis=1) + impact * (moved**2).sum(axis=1)
            spent = frontier.weights.sum(axis=1) + paid
            assert (spent <= 1 + 1e-6).all()
            assert (frontier.weights @ portfolio.MEAN >= 1 + portfolio.TARGETS - 1e-6).all()
            assert (frontier.weights >= -1e-9).all()

    def test_costs_cost(self) -> None:
        free, dear = gallery.solution("portfolio")
        assert (dear.risk > free.risk).all()
        assert (np.diff(dear.risk) > 0).all()
        turnover = [np.abs(frontier.trades).sum() for frontier in (free, dear)]
        assert turnover[1] < turnover[0]


class TestPhoneCalls:
    def test_the_line_is_a_fixed_point_of_expectation_maximization(self) -> None:
        """EM for Student's distribution with one degree of freedom (Lange, Little, Taylor 1989)."""
        model, lines = gallery.script("phone_calls"), gallery.solution("phone_calls")
        gallery.assert_certified(lines.result)
        A = np.column_stack([np.ones_like(model.TIME), model.TIME])
        line, square = lines.huber, 1.0
        for _ in range(3000):
            weight = 2 / (1 + (model.CALLS - A @ line) ** 2 / square)
            line = np.linalg.solve(A.T @ (weight[:, None] * A), A.T @ (weight * model.CALLS))
            square = np.mean(weight * (model.CALLS - A @ line) ** 2)
        np.testing.assert_allclose(lines.cauchy, line, rtol=1e-6)
        assert lines.scale == pytest.approx(np.sqrt(square), rel=1e-6)

    def test_hubers_line_is_clarabels(self) -> None:
        model, lines = gallery.script("phone_calls"), gallery.solution("phone_calls")
        line = cp.Variable(2)
        misfit = model.CALLS - line[0] - line[1] * model.TIME
        cp.Problem(cp.Minimize(cp.sum(cp.huber(misfit, 1.0)))).solve(solver="CLARABEL")
        np.testing.assert_allclose(lines.huber, line.value, atol=1e-4)

    def test_only_cauchys_line_passes_through_the_years_that_are_right(self) -> None:
        model, lines = gallery.script("phone_calls"), gallery.solution("phone_calls")
        right = (model.YEARS < 1963) | (model.YEARS > 1970)

        def error(line: np.ndarray) -> float:
            return float(np.abs(model.CALLS - line[0] - line[1] * model.TIME)[right].mean())

        assert error(lines.cauchy) < 0.15
        assert 3 * error(lines.cauchy) < error(lines.huber) < error(lines.squares)


class TestTenBarTruss:
    def test_the_weight_is_the_published_one(self) -> None:
        design = gallery.solution("ten_bar_truss")
        gallery.assert_certified(design.result)
        assert design.result.fun == pytest.approx(5060.85, abs=0.01)

    def test_the_stiffness_matrix_gives_the_same_displacements(self) -> None:
        """Assemble element matrices in the textbook way and solve K u = f."""
        truss, design = gallery.script("ten_bar_truss"), gallery.solution("ten_bar_truss")
        K = np.zeros((12, 12))
        for (i, j), area in zip(truss.BARS, design.areas, strict=True):
            dx, dy = truss.JOINTS[j] - truss.JOINTS[i]
            length = np.hypot(dx, dy)
            c, s = dx / length, dy / length
            block = np.array([[c * c, c * s], [c * s, s * s]])
            where = [2 * i, 2 * i + 1, 2 * j, 2 * j + 1]
            element = np.block([[block, -block], [-block, block]])
            K[np.ix_(where, where)] += truss.MODULUS * area / length * element
        displacements = np.linalg.solve(K[:8, :8], truss.LOADS)
        np.testing.assert_allclose(design.displacements, displacements, atol=1e-5)
        assert np.abs(displacements).max() <= truss.SAG + 1e-5
        assert np.abs(displacements).max() >= truss.SAG - 1e-5

    def test_the_limits_hold_and_the_weight_is_recomputed(self) -> None:
        truss, design = gallery.script("ten_bar_truss"), gallery.solution("ten_bar_truss")
        assert design.areas.min() >= truss.SLENDER - 1e-9
        assert np.abs(design.stresses).max() <= truss.STRESS + 1e-4
        lengths = [360.0] * 6 + [360 * np.sqrt(2)] * 4
        assert 0.1 * np.dot(lengths, design.areas) == pytest.approx(design.result.fun, rel=1e-9)
