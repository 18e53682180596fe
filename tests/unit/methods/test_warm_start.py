"""Warm starts: few iterations where the problem has moved a little, right answers whatever is handed in."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import tracemalloc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import planted
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import optlab
from optlab.core.method import WarmStart
from optlab.core.oracle import Oracle
from optlab.core.status import PointStatus
from optlab.linalg.structure import Structure
from optlab.methods.npasa import NPASA, warm
from optlab.typing import Vector
from optlab_problems import catalog

SOLVED = [name for name in catalog.names() if catalog.entry(name).outcome.value == "solved"]


def certified(problem: optlab.Problem, result: optlab.Result) -> bool:
    """Judge a result afresh, from nothing but its numbers."""
    cert = optlab.error_estimators(
        problem, result.x, result.multipliers.constraints, result.multipliers.bounds
    )
    worst = max(cert.dual, cert.complementarity)
    return cert.primal <= 1e-6 and worst <= 1e-6 * cert.scale


def tank(load: float, *, size: float = 1.0) -> optlab.Problem:
    """Nonlinear in objective and rows; with the load the upper bound and then the inequality bind."""

    def hessian(x: Vector, y: Vector, sigma: float) -> Vector:
        H = np.diag(sigma * size * np.array([2.0, 4.0 + 12.0 * x[1] ** 2, 1.0]))
        H[0, 1] += y[0]
        H[1, 0] += y[0]
        H[2, 2] += 2.0 * y[1]
        return H

    return optlab.Problem(
        objective=lambda x: (
            size * (x[0] ** 2 + 2.0 * x[1] ** 2 + x[1] ** 4 + 0.5 * (x[2] - 2.0) ** 2)
        ),
        gradient=lambda x: (
            size * np.array([2.0 * x[0], 4.0 * x[1] + 4.0 * x[1] ** 3, x[2] - 2.0])
        ),
        constraints=lambda x: np.array([x[0] * x[1] + x[0], x[2] ** 2 + x[0]]),
        jacobian=lambda x: np.array([[x[1] + 1.0, x[0], 0.0], [1.0, 0.0, 2.0 * x[2]]]),
        hessian=hessian,
        x0=[1.0, 1.0, 1.0],
        lb=[0.0, 0.0, 0.0],
        ub=[1.5, 2.0, 3.0],
        cl=[load, -np.inf],
        cu=[load, 4.5],
        linear=np.zeros(2, dtype=bool),
    )


def chain(
    p: float, n: int = 400, *, extra: bool = False, seen: list[Any] | None = None
) -> optlab.Problem:
    """Sparse: n variables, n / 2 nonlinear equalities; large enough for the sparse factorization."""
    half = n // 2
    even, odd = np.arange(0, n, 2), np.arange(1, n, 2)
    rows = np.repeat(np.arange(half), 2)
    cols = np.stack((even, odd), axis=1).ravel()

    def constraints(x: Vector) -> Vector:
        return x[even] ** 2 + x[odd] - p

    def jacobian(x: Vector) -> Any:
        data = np.stack((2.0 * x[even], np.ones(half)), axis=1).ravel()
        return sparse.csr_array((data, (rows, cols)), shape=(half, n))

    def hessian(x: Vector, y: Vector, sigma: float) -> Any:  # noqa: ARG001
        diagonal = np.full(n, 2.0 * sigma)
        diagonal[even] += 2.0 * y
        offsets: Any = [diagonal]
        if extra:
            offsets = [diagonal, np.full(n - 1, 1e-3 * sigma), np.full(n - 1, 1e-3 * sigma)]
            return sparse.csr_array(sparse.diags_array(offsets, offsets=[0, 1, -1]))
        return sparse.csr_array(sparse.diags_array(offsets, offsets=[0]))

    def objective(x: Vector) -> float:
        cross = 1e-3 * float(x[1:] @ x[:-1]) if extra else 0.0
        return float((x - 1.0) @ (x - 1.0)) + cross

    def gradient(x: Vector) -> Vector:
        g = 2.0 * (x - 1.0)
        if extra:
            g[:-1] += 1e-3 * x[1:]
            g[1:] += 1e-3 * x[:-1]
        return g

    if seen is not None:
        seen.append(weakref.ref(objective))
    return optlab.Problem(
        objective=objective,
        gradient=gradient,
        constraints=constraints,
        jacobian=jacobian,
        hessian=hessian,
        x0=np.full(n, 0.5),
        lb=0.0,
        ub=np.where(np.arange(n) % 4 == 1, 0.9, np.inf),
        cl=np.zeros(half),
        cu=np.zeros(half),
        linear=np.zeros(half, dtype=bool),
    )


# Few iterations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, "npasa") for name in SOLVED]
    + [
        (name, "pasa")
        for name in SOLVED
        if catalog.entry(name).kind.value not in ("nonlinear", "equality")
    ],
)
def test_solving_the_same_problem_again_takes_at_most_one_iteration(
    name: str, method: str
) -> None:
    sizes = {"n": 60} if name in ("chained-rosenbrock", "bounded-rosenbrock") else {}
    problem = catalog.load(name, **sizes)
    first = optlab.minimize(problem, method=method)
    again = optlab.minimize(problem, method=method, warm_start=first)
    assert first.success
    assert again.success
    assert again.iterations <= 1
    assert certified(problem, again)


def test_small_moves_take_one_factorization_each() -> None:
    last = optlab.minimize(tank(1.0), method="npasa")
    for load in np.linspace(1.01, 1.2, 20):
        problem = tank(float(load))
        last = optlab.minimize(problem, method="npasa", warm_start=last)
        cold = optlab.minimize(problem, method="npasa")
        assert certified(problem, last)
        assert last.iterations <= 2
        assert last.evaluations["hessian"] <= 2
        assert last.fun == pytest.approx(cold.fun, rel=1e-6)


def test_an_active_set_that_changes_is_followed() -> None:
    sides, last = set(), None
    for load in np.linspace(0.3, 4.4, 25):
        problem = tank(float(load))
        last = optlab.minimize(problem, method="npasa", warm_start=last)
        assert last.success
        assert certified(problem, last)
        cold = optlab.minimize(problem, method="npasa")
        assert last.fun == pytest.approx(cold.fun, rel=1e-6)
        y, z = last.multipliers.constraints, last.multipliers.bounds
        sides.add((*np.sign(np.round(z, 5)), np.sign(np.round(y[1], 5))))
    # Otherwise the test shows nothing.
    assert len(sides) >= 3


@pytest.mark.parametrize("move", [-0.1, 0.1])
def test_a_bound_that_moves_takes_its_variable_along(move: float) -> None:
    before = tank(3.5)
    first = optlab.minimize(before, method="npasa")
    assert first.multipliers.bounds[0] > 0.1
    problem = before.replace(ub=before.ub + np.array([move, 0.0, 0.0]))
    result = optlab.minimize(problem, method="npasa", warm_start=first)
    assert result.x[0] == pytest.approx(1.5 + move, abs=1e-12)
    assert result.iterations <= 2
    assert result.evaluations["hessian"] <= 2
    assert certified(problem, result)


@pytest.mark.parametrize("size", [1e-6, 1e5])
def test_scaled_problems_get_their_multipliers_scaled_along(size: float) -> None:
    first = optlab.minimize(tank(1.0, size=size), method="npasa", tol=1e-8)
    problem = tank(1.0, size=size)
    start = problem.replace(x0=np.array([0.2, 2.0, 3.0]))
    again = optlab.minimize(start, method="npasa", warm_start=first)
    assert again.iterations == 0
    moved = tank(1.01, size=size)
    result = optlab.minimize(moved, method="npasa", warm_start=first)
    assert result.iterations <= 2
    assert result.success


@pytest.mark.parametrize("method", ["npasa", "pasa"])
@pytest.mark.parametrize("presolve", [True, False])
def test_rows_that_presolve_removes_keep_their_share(method: str, presolve: bool) -> None:
    """A singleton row, two parallel rows and an equation; all but one of the pair bind."""
    A = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [0.0, 1.0, -1.0]])
    centre = np.array([2.0, 1.0, 0.5])

    def posed(move: float) -> optlab.Problem:
        return optlab.Problem(
            objective=lambda x: float(np.sum((x - centre) ** 2 + 0.1 * x**4)),
            gradient=lambda x: 2.0 * (x - centre) + 0.4 * x**3,
            hessian=lambda x, _y, sigma: sigma * np.diag(2.0 + 1.2 * x**2),
            constraints=lambda x: A @ x,
            jacobian=lambda _x: A,
            x0=np.zeros(3),
            cl=[-np.inf, -np.inf, -np.inf, 0.2],
            cu=[0.8 + move, 2.0 + move, 4.5, 0.2],
            linear=[True] * 4,
        )

    options = {"presolve": presolve}
    first = optlab.minimize(posed(0.0), method=method, options=options)
    assert np.all(first.multipliers.constraints[[0, 1]] > 0.1)
    for move in (0.0, 0.05, -0.05):
        problem = posed(move)
        result = optlab.minimize(problem, method=method, options=options, warm_start=first)
        # PASA starts from what is active at the point, and a row that has moved away is not.
        limit = 1 if method == "npasa" else 2
        assert result.iterations <= limit
        assert result.evaluations["hessian"] <= limit
        assert certified(problem, result)


@settings(max_examples=40)
@given(planted.planted(curved=True, min_rows=1), st.integers(0, 2**32 - 1))
def test_planted_problems_that_move_by_one_percent(problem: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = problem.problem()
    first = optlab.minimize(start, method="npasa", tol=1e-8)
    # The same roles with other numbers: the solution of the moved problem is known, too.
    x = problem.x + 0.01 * rng.uniform(-1.0, 1.0, problem.x.size)
    y, z = (v * (1.0 + 0.01 * rng.uniform(-1.0, 1.0, v.size)) for v in (problem.y, problem.z))
    shift = x - problem.x
    curved = 0.5 * problem.k * (x @ x - problem.x @ problem.x)
    rows = problem.A @ shift + curved
    slope = problem.A + np.outer(problem.k, x)
    moved = replace(
        problem,
        q=-(problem.Q @ x + slope.T @ y + z),
        cl=problem.cl + rows,
        cu=problem.cu + rows,
        lb=problem.lb + shift,
        ub=problem.ub + shift,
        x=x,
        y=y,
        z=z,
    )
    result = optlab.minimize(moved.problem(), method="npasa", tol=1e-8, warm_start=first)
    assert result.success
    np.testing.assert_allclose(result.x, x, atol=1e-5)
    assert result.iterations <= 3
    assert result.evaluations["hessian"] <= 4


# Nothing wrong is claimed ------------------------------------------------------------------------


@settings(max_examples=40)
@given(planted.planted(curved=True), st.integers(0, 2**32 - 1), st.floats(-3.0, 12.0))
def test_wild_warm_starts_do_no_harm(problem: Any, seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    m, n = problem.A.shape
    wild = WarmStart(
        10.0 ** min(size, 3.0) * rng.standard_normal(n),
        10.0**size * rng.standard_normal(m),
        10.0**size * rng.standard_normal(n),
        {"penalty": float(10.0**size), "structure": "nonsense"},
    )
    posed = problem.problem()
    result = optlab.minimize(posed, method="npasa", warm_start=wild)
    if result.point is PointStatus.STATIONARY:
        assert certified(posed, result)
        assert result.fun == pytest.approx(problem.value(), rel=1e-4, abs=1e-4)
    assert result.point is not PointStatus.INFEASIBLE_STATIONARY


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_multipliers_that_are_no_numbers_are_left_out(hole: float) -> None:
    first = optlab.minimize(tank(1.0), method="npasa")
    y = first.multipliers.constraints.copy()
    y[1] = hole
    broken = replace(first, multipliers=replace(first.multipliers, constraints=y))
    result = optlab.minimize(tank(1.1), method="npasa", warm_start=broken)
    bare = optlab.minimize(tank(1.1), method="npasa", warm_start=WarmStart(first.x))
    assert result.success
    np.testing.assert_array_equal(result.x, bare.x)


def test_points_and_sizes_that_do_not_fit_are_refused() -> None:
    first = optlab.minimize(tank(1.0), method="npasa")
    with pytest.raises(optlab.errors.ProblemError, match=r"shape \(3,\).*shape \(400,\)"):
        optlab.minimize(chain(1.0), method="npasa", warm_start=first)
    with pytest.raises(optlab.errors.ProblemError, match="not finite"):
        optlab.minimize(
            tank(1.0), method="npasa", warm_start=WarmStart(np.array([1.0, np.nan, 0.0]))
        )
    with pytest.raises(optlab.errors.OptionError, match="a dict; the Result"):
        optlab.minimize(tank(1.0), method="npasa", warm_start={"x": first.x})  # type: ignore[arg-type]


def test_a_problem_that_has_become_infeasible_is_called_so() -> None:
    first = optlab.minimize(tank(1.0), method="npasa")
    result = optlab.minimize(tank(9.0), method="npasa", warm_start=first)
    assert not result.success
    assert result.point is not PointStatus.STATIONARY
    assert result.certificate.primal > 1.0


def test_functions_that_fail_in_the_warm_sweep_cost_the_sweep_only() -> None:
    first = optlab.minimize(tank(1.0), method="npasa")
    moved = tank(1.3)
    calls = 0

    def hessian(x: Vector, y: Vector, sigma: float) -> Any:
        nonlocal calls
        calls += 1
        return np.full((3, 3), np.nan) if calls == 1 else moved.hessian(x, y, sigma)

    result = optlab.minimize(
        moved.replace(hessian=hessian), method="npasa", warm_start=first, seed=0
    )
    assert calls > 1
    assert result.success
    assert certified(moved, result)


def test_a_start_that_is_given_up_takes_the_better_multipliers() -> None:
    problem = tank(1.0)
    method = NPASA()
    reduced, inverse = method.prepare(Oracle(problem).as_problem())
    del inverse
    oracle = Oracle(reduced)
    wild = WarmStart(reduced.x0, np.array([1e6, -1e6]), np.zeros(reduced.n))
    state = method.init(oracle, reduced.x0, np.random.default_rng(0), warm=wild)
    assert state.warm is not None
    assert state.best.E1 > 1e5
    after = warm.given_up(state, state.warm)
    assert after.warm is None
    assert after.best.E1 < 1e2
    np.testing.assert_array_equal(after.best.x, state.best.x)


def test_the_watch_ends_after_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that never reduces E_1 is tried a few times, then the ordinary solve takes over."""
    first = optlab.minimize(tank(1.0), method="npasa")
    phases = []
    stuck = warm._step

    def useless(work: Any, at: Any, found: Any, wanted: float) -> Any:
        new = stuck(work, at, found, wanted)
        return None if new is None else replace(new, Em1=10.0 * at.Em1 + 1.0)

    monkeypatch.setattr(warm, "_step", useless)
    result = optlab.minimize(
        tank(1.2),
        method="npasa",
        warm_start=first,
        observers=[lambda _k, progress: phases.append(progress.extras["phase"])],
    )
    assert result.success
    assert phases.count("warm") == warm.PATIENCE - 1
    assert phases[-1] != "warm"


def test_results_of_other_methods_are_good_starts() -> None:
    pytest.importorskip("cyipopt")
    moved = tank(3.52)
    for one, other in (("ipopt", "npasa"), ("npasa", "ipopt")):
        first = optlab.minimize(tank(3.5), method=one)
        result = optlab.minimize(moved, method=other, warm_start=first)
        assert result.success
        assert certified(moved, result)
        if other == "npasa":
            assert result.iterations <= 2


# What is handed on -------------------------------------------------------------------------------


def test_analysed_patterns_change_nothing_but_the_cost() -> None:
    first = optlab.minimize(chain(0.8), method="npasa")
    structure = first.extras["structure"]
    assert isinstance(structure, Structure)
    assert structure
    plain_start = replace(first, extras={"penalty": first.extras["penalty"]})
    without = optlab.minimize(chain(0.81), method="npasa", warm_start=plain_start)
    result = optlab.minimize(chain(0.81), method="npasa", warm_start=first)
    np.testing.assert_array_equal(result.x, without.x)
    np.testing.assert_array_equal(
        result.multipliers.constraints, without.multipliers.constraints
    )
    assert result.iterations == without.iterations == 1
    # One owner at a time: it went on to the new result.
    assert structure.take() == []
    assert result.extras["structure"]


def test_another_pattern_is_analysed_afresh() -> None:
    first = optlab.minimize(chain(0.8), method="npasa")
    problem = chain(0.8, extra=True)
    result = optlab.minimize(problem, method="npasa", warm_start=first)
    cold = optlab.minimize(problem, method="npasa")
    assert result.success
    assert certified(problem, result)
    assert result.fun == pytest.approx(cold.fun, rel=1e-8)


def test_linear_rows_with_other_values_are_not_taken_for_the_old_ones() -> None:
    def posed(weight: float) -> optlab.Problem:
        n = 400
        A = sparse.csr_array(
            (np.full(n, weight), (np.arange(n) // 2, np.arange(n))), shape=(n // 2, n)
        )
        return optlab.Problem(
            objective=lambda x: float(x @ x),
            gradient=lambda x: 2.0 * x,
            hessian=lambda _x, _y, sigma: sparse.csr_array(2.0 * sigma * sparse.eye_array(n)),
            constraints=lambda x: A @ x,
            jacobian=lambda _x: A,
            x0=np.zeros(n),
            cl=np.ones(n // 2),
            cu=np.ones(n // 2),
            linear=np.ones(n // 2, dtype=bool),
        )

    for method in ("npasa", "pasa"):
        first = optlab.minimize(posed(1.0), method=method)
        result = optlab.minimize(posed(2.0), method=method, warm_start=first)
        np.testing.assert_allclose(result.x, 0.25, atol=1e-9)
        assert result.iterations <= 1


def test_results_can_be_stored_and_copied() -> None:
    first = optlab.minimize(chain(0.8), method="npasa")
    json.dumps(first.to_dict())
    assert "structure" not in json.dumps(first.to_dict())
    for twin in (pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert isinstance(twin.extras["structure"], Structure)
        assert not twin.extras["structure"]
        again = optlab.minimize(chain(0.81), method="npasa", warm_start=twin)
        assert again.iterations == 1
    assert first.extras["structure"]


def test_many_results_keep_few_analyses() -> None:
    results = [optlab.minimize(chain(0.8 + 0.01 * k, n=320), method="npasa") for k in range(7)]
    held = [bool(result.extras["structure"]) for result in results]
    assert held == [False] * 3 + [True] * 4
    # An emptied one costs an analysis, nothing else.
    again = optlab.minimize(chain(0.805, n=320), method="npasa", warm_start=results[0])
    assert again.success
    assert again.iterations == 1


def test_memory_does_not_grow_along_a_series() -> None:
    seen: list[Any] = []
    last: optlab.Result | None = None
    sizes = []
    tracemalloc.start()
    try:
        for k in range(16):
            problem = chain(0.8 + 0.002 * k, seen=seen)
            last = optlab.minimize(problem, method="npasa", warm_start=last)
            assert last.success
            del problem
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    alive = sum(ref() is not None for ref in seen)
    assert alive == 0
    # A tenth of one solve's arrays, for what Python itself keeps.
    assert max(sizes[10:]) - sizes[8] < 40_000
