"""The default zeroth-order method: accuracy, units, noise, samples, bounds, faults, storage."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls, rosen

import optlab
from optlab import Problem, StopReason
from optlab.core.control import Limits
from optlab.core.oracle import Oracle
from optlab.core.packing import pack, unpack
from optlab.core.sampled import AbstractSampled
from optlab.core.shifts import AbstractShifts, CoordinateShifts
from optlab.errors import EvaluationError, OptionError
from optlab.methods.zeroth.adaptive import AdaptiveZerothOrder
from optlab.methods.zeroth.adaptive.descent import CAUTION, DIRECTIONS, longest_rate
from optlab.methods.zeroth.adaptive.pairs import ROOM, pair_steps, parabolas
from optlab.methods.zeroth.adaptive.state import Phase, State
from optlab.methods.zeroth.domain import Domain
from optlab.methods.zeroth.state import Scene
from optlab.typing import Vector


class Least(AbstractSampled):
    """Mean over rows i of a sample of (a_i'x - b_i)^2 / 2."""

    def __init__(self, n: int, rows: int = 200, steps: int = 10, unit: float = 1.0) -> None:
        rng = np.random.default_rng(5)
        self.A = rng.standard_normal((rows, n))
        self.solution = rng.standard_normal(n)
        self.b = self.A @ self.solution + 0.1 * rng.standard_normal(rows)
        self.steps_per_epoch = steps
        self.unit = unit

    def some(self, key: int | None) -> Any:
        if key is None:
            return slice(None)
        size = len(self.b) // self.steps_per_epoch
        start = key % self.steps_per_epoch * size
        return slice(start, start + size)

    def values(
        self,
        x: Vector,
        shifts: AbstractShifts,
        key: int | None,
        executor: Any = None,  # noqa: ARG002
    ) -> Vector:
        some = self.some(key)
        residual = shifts.points(x) @ self.A[some].T - self.b[some]
        return np.asarray(0.5 * self.unit * (residual**2).mean(axis=1))

    def problem(self, **more: Any) -> Problem:
        def f(x: Vector) -> float:
            return float(0.5 * self.unit * np.mean((self.A @ x - self.b) ** 2))

        given: dict[str, Any] = {"objective": f, "x0": np.zeros(self.A.shape[1])}
        return Problem(sampled=self, **(given | more))


def noisy(f: Any, sigma: float, seed: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    return lambda x: float(f(x) + sigma * rng.standard_normal())


def started(problem: Problem, max_eval: int | None = None, **options: Any) -> Any:
    """Return method, oracle and first state."""
    method, oracle = AdaptiveZerothOrder(**options), Oracle(problem)
    oracle.set_limits(Limits(max_eval=max_eval))
    return method, oracle, method.init(oracle, problem.x0, np.random.default_rng(0))


# Exact values of few variables -----------------------------------------------------------------------


@pytest.mark.parametrize(("n", "budget"), [(2, 1000), (10, 4000), (20, 10_000)])
def test_rosenbrock(n: int, budget: int) -> None:
    result = optlab.minimize(
        rosen, np.tile([-1.2, 1.0], n // 2), method="zo", max_eval=budget, seed=0
    )
    assert np.allclose(result.x, 1.0, atol=1e-5)
    assert result.fun < 1e-10
    assert result.point is not optlab.PointStatus.STATIONARY


@settings(max_examples=15, deadline=None)
@given(f_unit=st.integers(-9, 9), x_unit=st.integers(-5, 5))
def test_units_of_f_and_x_do_not_matter(f_unit: int, x_unit: int) -> None:
    """The same numbers of evaluations solve a bowl in any units, when the scale tells the unit of x."""
    d, unit = np.array([1.0, 30.0, 900.0]), 10.0**x_unit
    target = np.array([1.0, -2.0, 0.5])

    def f(x: Any) -> float:
        u = np.asarray(x) / unit - target
        return float(10.0**f_unit * (u @ (d * u) + 1.0))

    result = optlab.minimize(
        f, np.zeros(3), method="zo", scale=np.array(unit), max_eval=200, seed=0, tol=1e-300
    )
    assert np.allclose(result.x / unit, target, atol=1e-4)


def test_badly_scaled_variables_need_no_scale() -> None:
    d = 10.0 ** np.array([-4.0, 0.0, 4.0, 8.0])
    result = optlab.minimize(
        lambda x: float((d * (x - 1.0) ** 2).sum()), np.zeros(4), method="zo", max_eval=500
    )
    assert np.allclose(result.x, 1.0, atol=1e-3)


def test_a_solution_at_bounds() -> None:
    problem = Problem(objective=rosen, x0=[-1.2, 1.0], lb=[-2.0, -2.0], ub=[0.5, 2.0])
    result = optlab.minimize(problem, method="zo", max_eval=2000, seed=0)
    assert np.allclose(result.x, [0.5, 0.25], atol=1e-6)
    assert result.stop is StopReason.CONVERGED


def test_variables_at_bounds_are_left_out_of_the_newton_step() -> None:
    """min x'Hx / 2 - b'x over x >= 0, H strongly coupled: solved by scipy's nnls on the Cholesky factor."""
    H = np.eye(6) + 5.0 * np.ones((6, 6)) + np.diag(np.arange(6.0))
    b = np.array([6.0, -9.0, 8.0, 3.0, -5.0, 9.0])
    factor = np.linalg.cholesky(H).T
    best = nnls(factor, np.linalg.solve(factor.T, b))[0]
    assert 1 <= np.sum(best == 0.0) <= 5
    problem = Problem(
        objective=lambda x: float(0.5 * x @ H @ x - b @ x), x0=np.ones(6), lb=np.zeros(6)
    )
    result = optlab.minimize(problem, method="zo", max_eval=600, seed=0)
    assert np.allclose(result.x, best, atol=1e-6)


def test_linear_rows() -> None:
    """min |x - (2, 1)|^2, x1 + x2 <= 2, x1 = 3 x2: at (1.5, 0.5)."""
    problem = Problem(
        objective=lambda x: float((x[0] - 2.0) ** 2 + (x[1] - 1.0) ** 2),
        x0=[0.0, 0.0],
        constraints=lambda x: np.array([x[0] + x[1], x[0] - 3.0 * x[1]]),
        cl=[-np.inf, 0.0],
        cu=[2.0, 0.0],
        linear=[True, True],
    )
    result = optlab.minimize(problem, method="zo", max_eval=2000, seed=0)
    assert np.allclose(result.x, [1.5, 0.5], atol=1e-5)


def test_ruggedness_that_hides_the_slope_is_looked_over() -> None:
    """Waves of length 1e-5 make small differences useless; larger ones see the bowl."""

    def f(x: Any) -> float:
        return float((np.asarray(x) ** 2).sum() + 1e-5 * np.sin(1e6 * np.asarray(x)).sum())

    result = optlab.minimize(f, [1.0, -2.0, 0.7], method="zo", max_eval=3000, seed=0)
    assert np.abs(result.x).max() < 0.05


def test_all_variables_fixed() -> None:
    problem = Problem(objective=rosen, x0=[0.0, 0.0], lb=[1.0, 1.0], ub=[1.0, 1.0])
    result = optlab.minimize(problem, method="zo", max_eval=10)
    assert np.array_equal(result.x, [1.0, 1.0])


@settings(max_examples=40, deadline=None)
@given(
    g=st.floats(-10, 10), c=st.floats(-10, 10), a=st.floats(0.1, 2), b=st.floats(0.1, 2),
    side=st.sampled_from([-1.0, 2.0]),
)  # fmt: skip
def test_parabolas_are_exact(g: float, c: float, a: float, b: float, side: float) -> None:
    first, second = np.array([a]), np.array([side * a * (1.0 + b)])

    def f(t: Vector) -> Vector:
        return g * t + 0.5 * c * t**2

    slope, bend = parabolas(first, second, f(first), f(second))
    assert slope[0] == pytest.approx(g, abs=1e-9 * (1.0 + abs(g) + abs(c)))
    assert bend[0] == pytest.approx(c, abs=1e-7 * (1.0 + abs(g) + abs(c)))
    line, flat = parabolas(first, second, f(first), np.array([np.nan]))
    assert line[0] == f(first)[0] / a
    assert flat[0] == 0.0


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1), h=st.floats(1e-6, 10))
def test_pairs_stay_within_the_bounds(place: float, h: float) -> None:
    lb, ub = np.array([-1.0, -np.inf]), np.array([2.0, 3.0])
    domain = Domain(lb=lb, ub=ub, A=np.zeros((0, 2)), bl=np.zeros(0), bu=np.zeros(0))
    x = np.array([-1.0 + 3.0 * place, 3.0 - place])
    scene = Scene(
        seed=0, domain=domain, scale=np.ones(2), sampled=False, noisy=False, blocks=(),
        evaluations=None, horizon=None, last_step=None, steps_per_epoch=1,
    )  # fmt: skip
    a, b = pair_steps(scene, x, np.full(2, h))
    for step in (a, b):
        assert np.all(x + step >= lb - 1e-12)
        assert np.all(x + step <= ub + 1e-12)
    assert np.all((a != 0.0) & (b != 0.0) & (a != b))


# Random directions -----------------------------------------------------------------------------------


def test_samples_are_averaged() -> None:
    task = Least(30)
    best = np.linalg.lstsq(task.A, task.b)[0]
    result = optlab.minimize(task.problem(), method="zo", max_epochs=40, seed=1)
    assert result.stop is StopReason.MAX_ITER
    assert result.extras["steps"] == 400
    # The answer is nearer to the least-squares solution than its statistical error.
    assert np.linalg.norm(result.x - best) < 0.5 * np.linalg.norm(best - task.solution)


def test_the_rate_is_the_greedy_one_of_a_quadratic() -> None:
    """f = |x|^2 / 2 L with H = L I: g'd / d'Hd is 1 / L times |P g|^2 / |d|^2 = q / (m L) for orthogonal u."""
    m, L = 600, 50.0
    problem = Problem(objective=lambda x: float(0.5 * L * x @ x), x0=np.ones(m), noisy=False)
    method, oracle, state = started(problem, 10_000)
    for _ in range(30):
        state = method.step(oracle, state)
    # d = (m / q) P g with the orthogonal projection P, so that r* = (q / m) / L.
    assert state.descent.rate == pytest.approx(DIRECTIONS / m / L, rel=1e-3)


@settings(max_examples=8, deadline=None)
@given(unit=st.integers(-8, 8))
def test_the_unit_of_a_sampled_objective_does_not_matter(unit: int) -> None:
    """A power of two changes no digit of the path."""
    plain, other = (
        optlab.minimize(Least(260, unit=u).problem(), method="zo", max_eval=2000, seed=1)
        for u in (1.0, 2.0**unit)
    )
    assert np.allclose(plain.x, other.x, rtol=1e-9, atol=1e-12)


def test_the_rate_falls_linearly_to_zero() -> None:
    problem = Problem(objective=lambda x: float(x @ x), x0=np.ones(600))
    method, oracle, state = started(problem, 3000)
    while state.scene.evaluations - state.queries >= DIRECTIONS + 2:
        before = state
        state = method.step(oracle, state)
        share = 1.0 - state.queries / 3000
        moved = np.linalg.norm(state.x - before.x)
        length = CAUTION * share * state.descent.rate * np.linalg.norm(state.direction)
        assert moved <= length * (1.0 + 1e-9)
    assert state.left < 0.02


def test_many_variables_descend() -> None:
    d = np.geomspace(1.0, 100.0, 2000)
    result = optlab.minimize(
        lambda x: float(0.5 * (d * (x - 1.0) ** 2).sum()),
        np.zeros(2000),
        method="zo",
        max_eval=12_000,
        seed=0,
    )
    assert result.fun < 0.2 * 0.5 * d.sum()


# Noise -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_noise_in_few_badly_scaled_variables(seed: int) -> None:
    """The error left is a small part of the noise of one value, though curvatures span six decades."""
    d = np.geomspace(1e-3, 1e3, 6)
    target = np.sqrt(1.0 / d)

    def f(x: Any) -> float:
        return float(0.5 * (d * (x - target) ** 2).sum())

    problem = Problem(objective=noisy(f, 0.05, seed), x0=np.zeros(6), noisy=True)
    result = optlab.minimize(problem, method="zo", max_eval=4000, seed=seed)
    assert f(np.zeros(6)) == pytest.approx(3.0)
    assert f(result.x) < 0.05
    assert 0.03 < result.extras["noise"] < 0.08
    assert result.stop is StopReason.MAX_EVAL


def test_noise_in_many_variables() -> None:
    problem = Problem(
        objective=noisy(lambda x: ((x - 1.0) ** 2).sum(), 0.1), x0=np.zeros(60), noisy=True
    )
    result = optlab.minimize(problem, method="zo", max_eval=5000, seed=0)
    assert ((result.x - 1.0) ** 2).sum() < 1.0


def test_pure_noise_goes_nowhere_far() -> None:
    problem = Problem(objective=noisy(lambda _: 0.0, 1.0), x0=np.zeros(4), lb=-1.0 * np.ones(4),
                      ub=np.ones(4), noisy=True)  # fmt: skip
    result = optlab.minimize(problem, method="zo", max_eval=2000, seed=0)
    assert np.all(np.abs(result.x) <= 1.0)
    assert not result.success


def test_a_step_crosses_a_part_of_the_box_at_most() -> None:
    """Where a function bends down all the way, its parabola has no lowest point and sets no rate."""
    width = np.array([1.0, 100.0, 1e4])
    problem = Problem(
        objective=noisy(lambda x: -np.sum((x / width - 0.4) ** 2), 0.01),
        x0=0.5 * width,
        lb=np.zeros(3),
        ub=width,
        noisy=True,
    )
    method, oracle, state = started(problem, 2000)
    for _ in range(40):
        state = method.step(oracle, state)
    assert state.descent is not None
    assert np.isfinite(state.descent.rate)
    # The rate was at most ten times what the next step may have, and that is a part of the box.
    direction = np.array([1.0, -3.0, 1e3])
    step = longest_rate(state, direction) * np.abs(direction)
    assert np.max(step / width) == pytest.approx(ROOM)
    asked = replace(state, phase=Phase.STEP, direction=direction)
    asked = replace(asked, descent=replace(state.descent, probe=1e9))
    points = method.ask(asked).points
    assert np.all((points >= 0.0) & (points <= width))


def test_a_noisy_solution_at_bounds() -> None:
    """Every point asked for is within the bounds, and a bound does not hold what wants to leave it."""
    lb, ub, asked = np.zeros(3), np.array([1.0, 10.0, 1e3]), []
    measure = noisy(lambda x: ((x / ub - [0.3, 1.2, -0.1]) ** 2).sum(), 0.01)

    def f(x: Any) -> float:
        asked.append(x.copy())
        return float(measure(x))

    problem = Problem(objective=f, x0=np.array([1.0, 0.0, 1e3]), lb=lb, ub=ub, noisy=True)
    result = optlab.minimize(problem, method="zo", max_eval=3000, seed=0)
    assert np.all(np.array(asked) >= lb)
    assert np.all(np.array(asked) <= ub)
    assert np.allclose(result.x / ub, [0.3, 1.0, 0.0], atol=0.05)


# Faults ----------------------------------------------------------------------------------------------


def test_points_that_fail_are_left_out() -> None:
    """A tenth of the values is missing; the answer is found all the same."""
    rng = np.random.default_rng(0)

    def f(x: Any) -> float:
        return math.nan if rng.random() < 0.1 else float(((x - 1.0) ** 2).sum())

    result = optlab.minimize(f, np.zeros(5), method="zo", max_eval=2000, seed=0)
    assert np.allclose(result.x, 1.0, atol=1e-2)


def test_no_values_at_all_end_the_run() -> None:
    result = optlab.minimize(lambda _: math.nan, np.zeros(3), method="zo", max_eval=100)
    assert result.stop is StopReason.EVAL_ERROR


def test_too_few_values_for_a_step() -> None:
    problem = Problem(objective=lambda x: float(x @ x), x0=np.ones(2))
    method, _, state = started(problem)
    query = method.ask(state)
    state = method.tell(state, query, np.arange(7.0) ** 2)
    query = method.ask(state)
    values = np.full(len(query), np.nan)
    with pytest.raises(EvaluationError, match="gives too few values for a step: 0 of"):
        method.tell(state, query, values)


def test_a_wall_is_not_stepped_over() -> None:
    """Trial steps that give nothing shorten the rate."""

    def f(x: Any) -> float:
        return math.inf if np.linalg.norm(x) > 1.5 * 20.0 else float(((x - 0.5) ** 2).sum())

    result = optlab.minimize(f, np.ones(400), method="zo", max_eval=3000, seed=0)
    assert result.fun < 50.0


@pytest.mark.parametrize(
    "options",
    [{"max_epochs": 0.0}, {"scale": np.array([1.0, -1.0])}, {"scale": np.ones(3)}, {"max_epochs": 3}],
)  # fmt: skip
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        optlab.minimize(rosen, [0.0, 0.0], method="zo", max_eval=10, **options)


# States ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exact", "noisy", "sampled"])
def test_a_packed_state_goes_on_the_same(kind: str) -> None:
    problem = {
        "exact": Problem(objective=rosen, x0=np.zeros(4)),
        "noisy": Problem(objective=lambda x: rosen(x) + 0.1 * math.sin(1e9 * x.sum()),
                         x0=np.zeros(4), noisy=True),
        "sampled": Least(300).problem(),
    }[kind]  # fmt: skip
    method, oracle, state = started(problem, 5000)
    for _ in range(7):
        state = method.step(oracle, state)
    arrays: dict[str, Any] = {}
    other = unpack(pack(state, arrays), arrays, method.records)
    for _ in range(5):
        query = method.ask(state)
        again = method.ask(other)
        assert np.array_equal(query.points, again.points)
        values = oracle.values(query)
        state = method.tell(state, query, values)
        other = method.tell(other, again, values)
    assert np.array_equal(state.x, other.x)


def test_phases_and_ways() -> None:
    """Few exact variables: along coordinates; no budget for it, or many variables: along random directions."""

    def way(n: int, max_eval: int) -> State:
        problem = Problem(objective=lambda x: float(x @ x + 1.0), x0=np.ones(n))
        method, oracle, state = started(problem, max_eval)
        query = method.ask(state)
        told: State = method.tell(state, query, oracle.values(query))
        assert told.phase == Phase.GRADIENT
        is_newton = isinstance(method.ask(told).shifts, CoordinateShifts)
        assert is_newton == (told.newton is not None) != (told.descent is not None)
        return told

    assert way(10, 1000).newton is not None
    assert way(10, 200).descent is not None
    assert way(300, 100_000).descent is not None


def test_share_left() -> None:
    problem = Problem(objective=rosen, x0=np.zeros(2))
    _, _, state = started(problem, 200)
    assert replace(state, queries=50).left == 0.75
    assert replace(state, queries=500).left == 0.0
    _, _, state = started(problem)
    assert replace(state, queries=500).left == 1.0
