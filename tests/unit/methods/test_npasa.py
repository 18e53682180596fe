from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.oracle import Oracle
from optlab.core.status import PointStatus, StopReason
from optlab.linesearch import LineSearchOptions
from optlab.methods.npasa import NPASA, phase_one, phase_two
from optlab.methods.npasa.augmented import AugmentedLagrangian
from optlab.methods.npasa.estimates import estimate
from optlab.methods.npasa.setup import balanced_penalty
from optlab_problems import catalog

QUADRATIC = ("hs39", "hs40", "hs43", "hs63", "hs71", "hs100", "maratos")


def started(problem: optlab.Problem) -> tuple[Any, Oracle]:
    """NPASA's first state on the reduced problem."""
    method = NPASA()
    reduced, _ = method.prepare(problem)
    oracle = Oracle(reduced)
    return method.init(oracle, reduced.x0, np.random.default_rng(0)), oracle


@pytest.mark.parametrize("name", catalog.names())
def test_packaged_problems_end_as_they_should(name: str) -> None:
    entry = catalog.entry(name)
    if name == "empty-polyhedron":
        with pytest.raises(optlab.errors.ProblemError):
            optlab.minimize(catalog.load(name), method="npasa")
        return
    small = {"n": 60} if name in ("chained-rosenbrock", "bounded-rosenbrock") else {}
    result = optlab.minimize(catalog.load(name, **small), method="npasa")
    expected = {
        "unbounded": PointStatus.UNBOUNDED_DIRECTION,
        "infeasible": PointStatus.INFEASIBLE_STATIONARY,
    }
    kind = str(entry.outcome.value if hasattr(entry.outcome, "value") else entry.outcome)
    if kind in expected:
        assert result.point is expected[kind]
        assert not result.success
    else:
        assert result.point is PointStatus.STATIONARY, result


@pytest.mark.parametrize("name", QUADRATIC)
def test_local_convergence_is_quadratic_in_phase_two(name: str) -> None:
    rows: list[tuple[str, float]] = []

    def watch(_k: int, progress: Any) -> None:
        extras = progress.extras
        rows.append((extras["phase"], math.hypot(extras["Em1"], extras["Ec"])))

    optlab.minimize(
        catalog.load(name), method="npasa", tol=1e-12, max_iter=60, observers=[watch]
    )
    floor = 1e-13
    end = next(k for k, (_, e) in enumerate(rows) if e <= 1e-12)
    assert [phase for phase, _ in rows[end - 1 : end + 1]] == ["two", "two"]
    ratios = [
        math.log(max(rows[k + 1][1], floor)) / math.log(rows[k][1])
        for k in range(end)
        if 1e-10 < rows[k][1] < 1e-1 and rows[k + 1][0] == "two"
    ]
    assert max(ratios) >= 1.6


def test_augmented_lagrangian_derivatives() -> None:
    state, _ = started(catalog.load("hs43"))
    work = state.work
    rng = np.random.default_rng(1)
    lam = rng.standard_normal(work.form.mh)
    objective = AugmentedLagrangian(work.form, work.curvature, work.slacks, lam, penalty=3.0)
    x = rng.standard_normal(work.form.n)
    step, eye = 1e-6, np.eye(x.size)
    numeric = np.array(
        [
            (objective.value(x + step * e) - objective.value(x - step * e)) / (2 * step)
            for e in eye
        ]
    )
    np.testing.assert_allclose(objective.gradient(x), numeric, atol=1e-5)
    model = objective.model(x)
    s = 1e-4 * rng.standard_normal(x.size)
    change = objective.gradient(x + s) - objective.gradient(x)
    assert model.jacobian is not None
    predicted = model.hessian @ s + model.jacobian.T @ (model.jacobian @ s) * 6.0
    np.testing.assert_allclose(predicted, change, atol=1e-3 * float(np.linalg.norm(change)))
    assert model.slope(s) == pytest.approx(float(objective.gradient(x) @ s))


def test_slack_reset_is_the_exact_minimiser() -> None:
    state, _ = started(catalog.load("hs43"))
    work = state.work
    rng = np.random.default_rng(2)
    lam = rng.standard_normal(work.form.mh)
    objective = AugmentedLagrangian(work.form, work.curvature, work.slacks, lam, penalty=0.7)
    x = np.clip(
        rng.standard_normal(work.form.n), work.form.polyhedron.lo, work.form.polyhedron.hi
    )
    best = objective.polish(x)
    assert objective.value(best) < objective.value(x)
    for _ in range(50):
        other = best.copy()
        other[work.slacks.columns] += 0.1 * rng.standard_normal(work.slacks.columns.size)
        other = np.clip(other, work.form.polyhedron.lo, work.form.polyhedron.hi)
        assert objective.value(other) >= objective.value(best)


def test_a_sweep_near_the_solution_squares_the_error() -> None:
    state, _ = started(catalog.load("hs40"))
    form = state.work.form
    solved = optlab.minimize(catalog.load("hs40"), method="npasa", tol=1e-12)
    x = solved.x + 1e-4
    near = estimate(form, x, solved.multipliers.constraints, np.zeros(0))
    swept = phase_two.sweep(state.work, near, 0.5, 1e-9)
    assert swept is not None
    assert swept.estimate.E1 <= 100.0 * near.E1**2


def test_a_sweep_is_refused_where_the_lagrangian_is_not_convex() -> None:
    """Maximum of x1 on the unit circle: stationary with the wrong curvature."""
    problem = optlab.Problem(
        objective=lambda x: float(x[0]),
        gradient=lambda _x: np.array([1.0, 0.0]),
        constraints=lambda x: np.array([x @ x]),
        jacobian=lambda x: 2.0 * x[None, :],
        hessian=lambda _x, y, _sigma: 2.0 * y[0] * np.eye(2),
        x0=[0.9, 0.3],
        cl=[1.0],
        cu=[1.0],
        linear=[False],
    )
    state, _ = started(problem)
    maximum = estimate(state.work.form, np.array([0.99, 0.12]), np.array([-0.5]), np.zeros(0))
    assert phase_two.sweep(state.work, maximum, 0.5, 1e-9) is None
    assert optlab.minimize(problem, method="npasa").x[0] == pytest.approx(-1.0)


def test_the_steps_of_a_sweep_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """E_1 rises in the first step from this start and falls far below it in the next ones."""
    state, _ = started(catalog.load("hs43"))
    errors: list[float] = []
    stepped = phase_two.stepped

    def watch(*arguments: Any) -> Any:
        errors.append((new := stepped(*arguments)).E1)
        return new

    monkeypatch.setattr(phase_two, "stepped", watch)
    swept = phase_two.sweep(state.work, state.best, 0.5, 1e-9)
    assert swept is not None
    assert errors[0] > 0.5 * state.best.E1
    assert swept.estimate.E1 <= 0.5 * state.best.E1
    assert 1 < len(errors) <= phase_two.PATIENCE
    monkeypatch.setattr(phase_two, "PATIENCE", len(errors) - 1)
    assert phase_two.sweep(state.work, state.best, 0.5, 1e-9) is None


def test_a_sweep_that_gets_lost_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = started(catalog.load("hs43"))
    lost = replace(state.best, Em1=1e6)
    calls: list[int] = []

    def astray(*_: Any) -> Any:
        calls.append(1)
        return lost

    monkeypatch.setattr(phase_two, "stepped", astray)
    assert phase_two.sweep(state.work, state.best, 0.5, 1e-9) is None
    assert len(calls) == 1


def test_phase_one_begins_with_a_penalty_for_where_it_begins() -> None:
    """|h| at the start is large, so that q was balanced far too low for where phase two has led."""
    method = NPASA()
    state, _ = started(catalog.load("hs43"))
    far = replace(state, penalty=1e-2, reference_Ec=np.inf)
    assert method._global(far).penalty >= balanced_penalty(far.f, far.work.form.h(far.best.x))
    later = replace(far, reference_Ec=1.0)
    assert method._open(later).penalty == 1e-2


def test_phase_one_gives_up_an_unbounded_augmented_lagrangian() -> None:
    """-x^3 with x = 0 as its constraint: L_q falls without bound for every q, from far out."""
    problem = optlab.Problem(
        objective=lambda x: -float(x[0] ** 3),
        gradient=lambda x: np.array([-3.0 * x[0] ** 2]),
        hessian=lambda x, _y, sigma: np.array([[-6.0 * sigma * x[0]]]),
        constraints=lambda x: np.array([x[0]]),
        jacobian=lambda _x: np.ones((1, 1)),
        x0=[3.0],
        cl=[0.0],
        cu=[0.0],
        linear=[False],
    )
    state, _ = started(problem)
    limits = phase_one.InnerLimits(0.1, 1e-6, 1e-8, 200)
    start = estimate(state.work.form, np.array([3.0]), np.zeros(1), np.zeros(0))
    sub = phase_one.open_subproblem(
        state.work, start, 1e-3, limits, LineSearchOptions(), cap=1e8
    )
    assert phase_one.advance(state.work, sub, 200)[1] is phase_one.Verdict.ESCAPED
    result = optlab.minimize(problem, method="npasa", options={"penalty": 1e-3})
    assert result.success
    assert result.x[0] == pytest.approx(0.0, abs=1e-6)


def test_phase_one_gives_up_a_fall_that_the_constraints_hardly_feel() -> None:
    """-x with atan(x) = 0: L_q falls without bound, and |h| stays below pi/2 all the way."""
    problem = optlab.Problem(
        objective=lambda x: -float(x[0]),
        gradient=lambda _x: np.array([-1.0]),
        hessian=lambda x, y, _sigma: np.array([[-2.0 * y[0] * x[0] / (1.0 + x[0] ** 2) ** 2]]),
        constraints=np.arctan,
        jacobian=lambda x: (1.0 / (1.0 + x**2))[None, :],
        x0=[0.5],
        cl=[0.0],
        cu=[0.0],
        linear=[False],
    )
    state, _ = started(problem)
    limits = phase_one.InnerLimits(0.1, 1e-6, 1e-8, 200)
    start = estimate(state.work.form, np.array([0.5]), np.zeros(1), np.zeros(0))
    sub = phase_one.open_subproblem(
        state.work, start, 1e-3, limits, LineSearchOptions(), cap=1e8
    )
    after, verdict = phase_one.advance(state.work, sub, 200)
    assert verdict is phase_one.Verdict.ESCAPED
    assert after.inner < 20
    result = optlab.minimize(problem, method="npasa", options={"penalty": 1e-3})
    assert result.success
    assert result.x[0] == pytest.approx(0.0, abs=1e-6)


def test_every_iterate_satisfies_the_linear_constraints() -> None:
    problem = catalog.load("hs14")
    assert problem.linear is not None
    rows: list[np.ndarray] = []

    def watch(_k: int, progress: Any) -> None:
        rows.append(np.array(progress.x))

    optlab.minimize(problem, method="npasa", observers=[watch])
    linear = np.flatnonzero(problem.linear)
    for x in rows:
        c = np.asarray(problem.constraints(x))[linear]
        assert np.all(c >= problem.cl[linear] - 1e-9)
        assert np.all(c <= problem.cu[linear] + 1e-9)


def test_a_warm_start_is_used() -> None:
    problem = catalog.load("hs100")
    cold = optlab.minimize(problem, method="npasa")
    warm = optlab.minimize(problem, method="npasa", warm_start=cold)
    assert warm.success
    assert warm.iterations <= 1 < cold.iterations


def test_limits_keep_the_best_point() -> None:
    result = optlab.minimize(catalog.load("hs106"), method="npasa", max_eval=5)
    assert result.stop is StopReason.MAX_EVAL
    assert result.evaluations["objective"] == 5
    assert np.all(np.isfinite(result.x))
    assert math.isfinite(result.certificate.primal)
