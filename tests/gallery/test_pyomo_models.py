"""The models written in Pyomo, against Kirchhoff's and bookkeeping laws, and another solver."""

from __future__ import annotations

import gallery
import numpy as np
import pytest

import optlab

pytest.importorskip("pyomo")


class TestPowerFlow:
    def test_the_cost_is_that_of_matpower(self) -> None:
        flow = gallery.solution("power_flow")
        gallery.assert_certified(flow.result)
        # MATPOWER's published objective for case14.
        assert flow.result.fun == pytest.approx(8081.53, abs=0.01)

    def test_another_solver_finds_the_same(self) -> None:
        pytest.importorskip("cyipopt")
        peer = optlab.minimize(gallery.script("power_flow").build(), method="ipopt")
        assert gallery.solution("power_flow").result.fun == pytest.approx(peer.fun, rel=1e-7)

    def test_kirchhoffs_laws_hold_at_every_bus(self) -> None:
        """Sum the complex powers into branches and shunts, branch by branch."""
        grid, flow = gallery.script("power_flow"), gallery.solution("power_flow")
        V = dict(zip(grid.BUSES, flow.voltages, strict=True))
        out = {bus: -1j * b * abs(V[bus]) ** 2 for bus, b in grid.SHUNTS.items()}
        for start, end, r, x, b, ratio in grid.BRANCHES:
            tapped = V[start] / ratio
            into = (tapped - V[end]) / (r + 1j * x) + 0.5j * b * tapped
            back = (V[end] - tapped) / (r + 1j * x) + 0.5j * b * V[end]
            out[start] = out.get(start, 0) + tapped * np.conj(into)
            out[end] = out.get(end, 0) + V[end] * np.conj(back)
        for bus, (megawatt, megavar) in grid.LOADS.items():
            made = flow.active.get(bus, 0.0) + 1j * flow.reactive.get(bus, 0.0)
            assert made - (megawatt + 1j * megavar) == pytest.approx(100 * out[bus], abs=1e-4)
        assert all(0.94 - 1e-6 <= abs(v) <= 1.06 + 1e-6 for v in flow.voltages)

    @pytest.mark.parametrize("bus", [1, 3, 14])
    def test_a_price_is_the_cost_of_one_more_megawatt(
        self, bus: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        grid, flow = gallery.script("power_flow"), gallery.solution("power_flow")
        active, reactive = grid.LOADS[bus]
        costs = []
        for step in (-0.1, 0.1):
            monkeypatch.setitem(grid.LOADS, bus, (active + step, reactive))
            costs.append(optlab.minimize(grid.build()).fun)
        price = flow.prices[grid.BUSES.index(bus)]
        assert price == pytest.approx((costs[1] - costs[0]) / 0.2, rel=1e-3)


class TestHydroCascade:
    def test_another_solver_finds_the_same_from_elsewhere(self) -> None:
        pytest.importorskip("cyipopt")
        hydro, schedule = gallery.script("hydro_cascade"), gallery.solution("hydro_cascade")
        gallery.assert_certified(schedule.result)
        model, rng = hydro.build(), np.random.default_rng(4)
        for r in hydro.RESERVOIRS:
            for t in hydro.HOURS:
                model.Q[r, t].value = rng.uniform(*hydro.DISCHARGE[r])
        peer = optlab.minimize(model, method="ipopt")
        assert schedule.result.fun == pytest.approx(peer.fun, rel=1e-8)

    def test_no_water_is_lost_and_demand_is_met(self) -> None:
        hydro, schedule = gallery.script("hydro_cascade"), gallery.solution("hydro_cascade")
        sources = {3: [(1, 2), (2, 3)], 4: [(3, 4)]}
        for r in range(1, 5):
            level = float(hydro.FIRST[r])
            for hour in range(24):
                level += hydro.INFLOW[r - 1, hour] - schedule.discharge[r - 1, hour]
                for above, delay in sources.get(r, []):
                    if hour >= delay:
                        level += schedule.discharge[above - 1, hour - delay]
                assert level == pytest.approx(schedule.volume[r - 1, hour], abs=1e-6)
                assert hydro.VOLUME[r][0] - 1e-6 <= level <= hydro.VOLUME[r][1] + 1e-6
            assert level == pytest.approx(hydro.LAST[r], abs=1e-6)
        supply = schedule.thermal + schedule.hydro.sum(axis=0)
        np.testing.assert_allclose(supply, hydro.DEMAND, atol=1e-4)
        cost = np.sum(5000 + 19.2 * schedule.thermal + 0.002 * schedule.thermal**2)
        assert cost == pytest.approx(schedule.result.fun, rel=1e-9)

    @pytest.mark.parametrize(("reservoir", "hour"), [(1, 1), (4, 12), (2, 20)])
    def test_the_value_of_water_is_what_one_more_unit_saves(
        self, reservoir: int, hour: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hydro, schedule = gallery.script("hydro_cascade"), gallery.solution("hydro_cascade")
        costs, rivers = [], hydro.INFLOW
        for step in (-0.1, 0.1):
            inflow = rivers.copy()
            inflow[reservoir - 1, hour - 1] += step
            monkeypatch.setattr(hydro, "INFLOW", inflow)
            costs.append(optlab.minimize(hydro.build()).fun)
        value = schedule.water_value[reservoir - 1, hour - 1]
        assert value == pytest.approx((costs[0] - costs[1]) / 0.2, rel=1e-2)
