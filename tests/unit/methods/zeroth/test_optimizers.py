"""The optimizers on estimated gradients: feasible, honest, resumable, and of use without tuning."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optlab
from optlab.core.oracle import Oracle
from optlab.core.packing import Arrays, pack, unpack
from optlab.core.problem import Problem
from optlab.core.registry import method_class
from optlab.core.sampled import AbstractSampled, Block
from optlab.core.shifts import AbstractShifts
from optlab.errors import CapabilityError, OptionError
from optlab.methods.zeroth.domain import Domain
from optlab.methods.zeroth.optimizers import ZOSGD, ZOAdam
from optlab.methods.zeroth.schedules import Cosine, PowerDecay
from optlab.methods.zeroth.svrg import SVRG
from optlab.typing import Vector

METHODS = ["zo-sgd", "zo-adam", "zo-sign", "zo-fzoo", "zo-muon", "spsa", "zo-svrg", "deepzero"]
N = 10


def valley(x: Vector) -> float:
    """Curvatures from 1 to 30, minimum 2 at (1, ..., 1)."""
    return float(np.linspace(1.0, 30.0, x.size) @ (x - 1.0) ** 2 + 2.0)


@dataclass(frozen=True)
class Regression(AbstractSampled):
    """Least squares with 12 weights in two blocks, eight batches of 16 samples."""

    steps_per_epoch: int = 8
    blocks: tuple[Block, ...] = (Block("W", (3, 3), 0), Block("b", (3,), 9, prunable=False))
    has_gradient: bool = True

    def data(self, key: int | None) -> tuple[Vector, Vector]:
        rng = np.random.default_rng(5)
        inputs = rng.standard_normal((128, 12))
        target = inputs @ np.linspace(-1.0, 1.0, 12) + 0.1 * rng.standard_normal(128)
        if key is None:
            return inputs, target
        some = slice(16 * (key % 8), 16 * (key % 8) + 16)
        return inputs[some], target[some]

    def values(
        self, x: Vector, shifts: AbstractShifts, key: int | None, _executor: object = None
    ) -> Vector:
        inputs, target = self.data(key)
        errors = shifts.points(x) @ inputs.T - target
        return np.asarray(np.mean(errors**2, axis=1))

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        inputs, target = self.data(key)
        error = inputs @ x - target
        return float(np.mean(error**2)), 2.0 * inputs.T @ error / target.size

    def loss(self, x: Vector) -> float:
        return self.gradient(x, None)[0]

    def problem(self) -> Problem:
        return Problem(objective=self.loss, x0=np.zeros(12), sampled=self)


def solve(name: str, problem: Problem, **more: Any) -> optlab.Result:
    return optlab.minimize(problem, method=name, seed=3, **more)


# Resuming ------------------------------------------------------------------------------------------


def stored(method: Any, state: Any) -> Any:
    """Send a state through JSON and arrays."""
    arrays: Arrays = {}
    text = json.dumps(pack(state, arrays))
    return unpack(json.loads(text), {k: v.copy() for k, v in arrays.items()}, method.records)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(METHODS),
    st.booleans(),
    st.integers(0, 2**31),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_a_run_that_is_stored_anywhere_goes_on_to_the_same_numbers(
    name: str, sampled: bool, seed: int, breaks: list[bool]
) -> None:
    """Broken between any two queries, also between those of one step."""
    problem = (
        Regression().problem()
        if sampled
        else Problem(objective=valley, x0=np.zeros(12), lb=-1.0, ub=3.0)
    )
    method: Any = method_class(name)()

    def path(broken: bool) -> list[Vector]:
        oracle = Oracle(problem)
        state = method.init(oracle, problem.x0, np.random.default_rng(seed))
        seen = []
        for stop in breaks:
            if method.stop(state) is not None:
                break
            query = method.ask(state)
            if broken and stop:
                state = stored(method, state)
                again = method.ask(state)
                assert np.array_equal(again.points, query.points)
            state = method.tell(state, query, oracle.values(query))
            seen.append(state.x)
        return seen

    assert all(np.array_equal(a, b) for a, b in zip(path(False), path(True), strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_the_driver_takes_the_steps_of_ask_and_tell(name: str) -> None:
    method: Any = method_class(name)()
    problem = Problem(objective=valley, x0=np.zeros(N))
    oracle = Oracle(problem)
    start = method.init(oracle, problem.x0, np.random.default_rng(0))
    assert oracle.counts["objective"] == 0
    driven, told = start, start
    for _ in range(5):
        driven = method.step(oracle, driven)
        while told.k < driven.k:
            query = method.ask(told)
            told = method.tell(told, query, oracle.values(query))
        assert np.array_equal(driven.x, told.x)
        assert driven.queries == told.queries
    assert oracle.counts["objective"] == driven.queries + told.queries


# Feasible ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*METHODS, "sgd", "adam"])
def test_no_point_outside_the_bounds_is_ever_asked_for(name: str) -> None:
    lb, ub = np.full(N, -0.5), np.full(N, 0.8)
    lb[3] = ub[3] = 0.25
    asked = []

    def objective(x: Vector) -> float:
        asked.append(x.copy())
        return valley(x)

    def gradient(x: Vector) -> Vector:
        return np.linspace(2.0, 60.0, N) * (x - 1.0)

    problem = Problem(objective=objective, gradient=gradient, x0=np.full(N, -3.0), lb=lb, ub=ub)
    result = solve(name, problem, max_eval=1500)
    points = np.array(asked)
    assert np.all((points >= lb) & (points <= ub))
    best = np.where(np.arange(N) == 3, 0.25, 0.8)
    # Few random directions at a corner are mostly wrong about the variable that matters least.
    share = 0.02 if name in ("zo-fzoo", "spsa") else 1e-5
    assert valley(result.x) - valley(best) <= share * (valley(lb) - valley(best))


@pytest.mark.parametrize("name", [*METHODS, "sgd", "adam"])
def test_every_iterate_satisfies_the_linear_rows(name: str) -> None:
    """min |x - 1|_D^2 over sum x = 0, x_0 - x_1 <= 0.2, with a Jacobian or without."""
    A = np.zeros((2, 6))
    A[0], A[1, :2] = 1.0, (1.0, -1.0)
    seen = []

    def callback(x: Vector) -> None:
        seen.append(x.copy())

    problem = Problem(
        objective=valley,
        gradient=lambda x: np.linspace(2.0, 60.0, 6) * (x - 1.0),
        x0=np.full(6, 2.0),
        constraints=lambda x: A @ x + 1.0,
        jacobian=(lambda _x: A) if name in ("sgd", "adam", "zo-adam") else None,
        cl=[1.0, -np.inf],
        cu=[1.0, 1.2],
        linear=[True, True],
    )
    result = solve(name, problem, max_eval=3000, callback=callback)
    for x in [*seen, result.x]:
        assert abs(x.sum()) <= 1e-9
        assert x[0] - x[1] <= 0.2 + 1e-9
    # x = 1 - lam / d with sum x = 0, where the inequality does not bind.
    d = np.linspace(1.0, 30.0, 6)
    best = 1.0 - 6.0 / np.sum(1.0 / d) / d
    assert best[0] - best[1] <= 0.2
    # A mask of one variable in six leaves little of the rows' face.
    share = 0.2 if name == "deepzero" else 0.05
    assert valley(result.x) - valley(best) <= share * (valley(np.zeros(6)) - valley(best))


def test_projection_in_a_weighted_norm_is_the_minimum_there() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    A = rng.standard_normal((2, 5))
    problem = Problem(
        objective=valley,
        x0=np.zeros(5),
        lb=-1.0,
        ub=1.0,
        constraints=lambda x: A @ x,
        cl=[0.3, -np.inf],
        cu=[0.3, 0.1],
        linear=[True, True],
    )
    domain = Domain.of(Oracle(problem))
    y, w = 2.0 * rng.standard_normal(5), rng.uniform(0.1, 10.0, 5)
    reference = minimize(
        lambda x: w @ (x - y) ** 2,
        np.zeros(5),
        jac=lambda x: 2.0 * w * (x - y),
        bounds=[(-1.0, 1.0)] * 5,
        constraints=[
            {"type": "eq", "fun": lambda x: A[0] @ x - 0.3},
            {"type": "ineq", "fun": lambda x: 0.1 - A[1] @ x},
        ],
        method="SLSQP",
        options={"ftol": 1e-14},
    ).x
    assert domain.project(y, w) == pytest.approx(reference, abs=1e-5)
    assert domain.violation(domain.project(y, w)) <= 1e-9


def test_nonlinear_rows_are_refused() -> None:
    problem = Problem(
        objective=valley,
        x0=np.zeros(2),
        constraints=lambda x: x[:1] ** 2,
        cl=[0.0],
        cu=[1.0],
        linear=[False],
    )
    with pytest.raises(CapabilityError, match="nonlinear"):
        solve("zo-sgd", problem, max_eval=10)


# Of use without tuning -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zo-sgd", "zo-adam", "zo-sign", "zo-fzoo", "zo-muon"])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_ten_variables_without_a_learning_rate_in_any_unit(name: str, unit: float) -> None:
    problem = Problem(objective=lambda x: unit * valley(x), x0=np.full(N, -2.0))
    result = solve(name, problem, max_eval=6000)
    assert result.fun / unit - 2.0 <= 1e-2 * (valley(problem.x0) - 2.0)


@pytest.mark.parametrize("name", ["zo-sgd", "zo-adam"])
def test_variables_of_different_units_between_bounds(name: str) -> None:
    """Micrometres beside megapascals: bounds tell the natural steps."""
    size = 10.0 ** np.array([-6.0, 0.0, 6.0])

    def objective(x: Vector) -> float:
        return valley(x / size)

    problem = Problem(objective=objective, x0=-4.0 * size, lb=-5.0 * size, ub=5.0 * size)
    result = solve(name, problem, max_eval=2000)
    assert result.x / size == pytest.approx(np.ones(3), abs=1e-2)


@pytest.mark.parametrize("name", [*METHODS, "sgd", "adam"])
def test_a_learning_task_without_a_learning_rate(name: str) -> None:
    task = Regression()
    problem = task.problem()
    if name in ("sgd", "adam"):
        problem = problem.replace(gradient=lambda x: task.gradient(x, None)[1])
    result = solve(name, problem, max_eval=12_000, max_iter=3000)
    start, best = task.loss(np.zeros(12)), 0.01
    assert task.loss(result.x) <= best + 0.05 * (start - best)
    if name != "zo-svrg":  # the only one without the noise of samples: it does converge
        assert result.stop in (optlab.StopReason.MAX_EVAL, optlab.StopReason.MAX_ITER)


def test_exact_gradients_of_samples_are_what_sgd_uses() -> None:
    task = Regression()
    problem = task.problem().replace(gradient=lambda x: task.gradient(x, None)[1])
    result = solve(
        "sgd", problem, max_epochs=2, learning_rate=0.05, schedule=optlab.zo.Cosine()
    )
    x, b = np.zeros(12), np.zeros(12)
    for k in range(16):
        b = 0.9 * b + task.gradient(x, k)[1]
        x = x - 0.05 * 0.5 * (1.0 + math.cos(math.pi * k / 16)) * b
    assert result.x == pytest.approx(x, rel=1e-12)
    assert result.iterations == 16


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_gradient_of_the_samples_certifies_the_end(name: str) -> None:
    """No differences: 2 n values of the average would be the dearest part of a training run."""
    keys = []

    class Watched(Regression):
        def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
            keys.append(key)
            return super().gradient(x, key)

    task = Watched()
    result = solve(name, task.problem(), max_iter=20, learning_rate=0.01)
    assert result.evaluations["objective"] <= 2
    assert keys[:20] == list(range(20))
    assert keys[20:] in ([None], [None, None])
    assert result.certificate.derivatives == "exact"
    assert result.certificate.dual == pytest.approx(
        np.abs(task.gradient(result.x, None)[1]).max()
    )


def test_samples_without_a_gradient_say_so() -> None:
    class Values(AbstractSampled):
        def values(self, *_: Any) -> Vector:
            return np.zeros(1)

    with pytest.raises(CapabilityError, match="Values has values only, no gradient"):
        Values().gradient(np.zeros(2), 0)
    problem = Problem(objective=valley, x0=np.zeros(2), sampled=Values())
    assert not problem.has_gradient
    assert Regression().problem().replace(sampled=None).has_gradient is False


def test_spalls_method_is_its_formula() -> None:
    """x <- x - a_k g_k with both gains, g_k from one pair of points."""
    result = solve(
        "spsa",
        Problem(objective=valley, x0=np.zeros(N), noisy=True),
        learning_rate=1e-3,
        max_eval=400,
    )
    spsa: Any = method_class("spsa")
    method = spsa(learning_rate=1e-3)
    state = method.init(
        Oracle(Problem(objective=valley, x0=np.zeros(N))), np.zeros(N), np.random.default_rng(3)
    )
    seed, x = state.scene.seed, np.zeros(N)
    rate, smoothing = PowerDecay(), PowerDecay(0.101, 0.0)
    for k in range(200):
        h = 5e-3 * smoothing(k, None)
        estimate = optlab.zo.SPSA(smoothing=h).gradient(
            valley, x, np.random.default_rng([seed, k])
        )
        x = x - 1e-3 * rate(k, 200) * estimate.gradient
    assert result.x == pytest.approx(x, rel=1e-9)


# Honest --------------------------------------------------------------------------------------------


def test_convergence_needs_the_norm_and_its_error_below_the_tolerance_three_times() -> None:
    seen = []
    result = solve(
        "zo-adam",
        Problem(objective=valley, x0=np.zeros(N)),
        estimator=optlab.zo.CGE(central=True),
        tol=1e-3,
        observers=[lambda _k, p: seen.append(p.extras["gnorm"] + 2.0 * p.extras["gnorm_se"])],
    )
    assert result.stop is optlab.StopReason.CONVERGED
    assert result.success
    assert result.point is optlab.PointStatus.FEASIBLE
    assert all(bound <= 1e-3 for bound in seen[-3:])
    assert not all(bound <= 1e-3 for bound in seen[-6:-3])
    assert np.linalg.norm(np.linspace(2.0, 60.0, N) * (result.x - 1.0)) <= 2e-3
    assert result.extras["estimated_gradient_norm"] <= 1e-3
    assert result.extras["standard_error"] == 0.0


def test_noise_keeps_a_run_from_claiming_anything() -> None:
    """The norm of an estimate at the solution is its own error; a run may not end there as converged."""
    rng = np.random.default_rng(0)

    def objective(x: Vector) -> float:
        return valley(x) + 0.1 * rng.standard_normal()

    result = solve(
        "zo-sgd",
        Problem(objective=objective, x0=np.zeros(N), noisy=True),
        estimator=optlab.zo.CGE(noise=0.1, curvature=30.0, repeats=2),
        max_eval=8000,
        tol=1e-2,
    )
    assert result.stop is optlab.StopReason.MAX_EVAL
    assert result.extras["standard_error"] > 1e-2
    assert valley(result.x) - 2.0 <= 0.02 * (valley(np.zeros(N)) - 2.0)
    # The value is an average: the lowest of thousands of noisy values would be far below.
    assert abs(result.fun - valley(result.x)) <= 0.3


def test_measured_noise_sets_the_displacements() -> None:
    rng = np.random.default_rng(1)
    asked = []

    def objective(x: Vector) -> float:
        asked.append(x.copy())
        return valley(x) + 0.1 * rng.standard_normal()

    solve(
        "zo-sgd",
        Problem(objective=objective, x0=np.zeros(N), noisy=True),
        estimator=optlab.zo.CGE(noise="estimate"),
        max_eval=7 + N + 1,
    )
    steps = np.abs(np.array(asked[8:])).max(axis=1)
    # sqrt(8)^(1/2) (noise / curvature)^(1/2) with a noise of 0.03 to 0.3.
    assert np.all((steps > 0.25) & (steps < 1.0))


def test_a_search_steps_round_what_cannot_be_evaluated() -> None:
    def objective(x: Vector) -> float:
        return valley(x) if x[0] < 1.2 else math.nan

    problem = Problem(objective=objective, x0=np.zeros(N))
    for name in ("zo-sgd", "zo-adam", "zo-fzoo"):
        assert solve(name, problem, max_eval=6000).fun <= 2.1


def test_an_anchor_takes_the_noise_of_samples_away() -> None:
    """Beside the anchor the corrected estimates scatter less than those of single samples."""
    task = Regression()
    problem = task.problem()
    estimator = optlab.zo.CGE(smoothing=1e-5)
    method = SVRG(rule=optlab.zo.SGD(), estimator=estimator, learning_rate=1e-3, anchor_every=8)
    oracle = Oracle(problem)
    state = method.init(oracle, np.zeros(12), np.random.default_rng(0))
    plain, corrected = [], []
    for k in range(16):
        x = state.x
        state = method.step(oracle, state)
        if k % 8:
            v = (x - state.x) / 1e-3
            truth = task.gradient(x, None)[1]
            corrected.append(np.linalg.norm(v - truth))
            plain.append(np.linalg.norm(task.gradient(x, k)[1] - truth))
    assert np.mean(corrected) < 0.1 * np.mean(plain)


def test_what_a_step_costs_is_known_before() -> None:
    scene = (
        ZOSGD()
        .init(
            Oracle(Problem(objective=valley, x0=np.zeros(N))),
            np.zeros(N),
            np.random.default_rng(0),
        )
        .scene
    )
    assert ZOSGD(estimator=optlab.zo.CGE(central=True)).queries_per_step(scene) == 2 * N
    assert ZOAdam(estimator=optlab.zo.RGE(count=7)).queries_per_step(scene) == 8
    result = solve(
        "zo-sgd",
        Problem(objective=valley, x0=np.zeros(N)),
        learning_rate=1e-3,
        max_iter=9,
        estimator=optlab.zo.RGE(count=7),
    )
    assert result.evaluations["objective"] == 72


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"patience": 0}, "patience"),
        ({"scale": np.array([1.0, -1.0])}, "positive"),
        ({"scale": np.ones(3)}, r"shape \(3,\)"),
        ({"schedule": Cosine()}, "without learning_rate"),
        ({"schedule": Cosine(), "learning_rate": 0.1}, "length of the run"),
        ({"max_epochs": 3}, "averages over samples"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        solve("zo-sgd", Problem(objective=valley, x0=np.zeros(2)), **options)


def test_an_empty_run_of_epochs_is_over_at_once() -> None:
    method = replace(ZOSGD(), max_epochs=1e-9)
    state = method.init(Oracle(Regression().problem()), np.zeros(12), np.random.default_rng(0))
    assert method.stop(state) is None
    state = method.step(Oracle(Regression().problem()), state)
    assert method.stop(state) is optlab.StopReason.MAX_ITER
