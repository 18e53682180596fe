"""Warm starts and second rounds of the interior-point peers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.status import StopReason
from optlab.typing import Vector

INTERIOR = ("ipopt", "pounce")


def _portfolio(c: Vector) -> optlab.Problem:
    """A convex QP: 20 shares, sum one, many of them zero at the solution."""
    n = c.size
    rng = np.random.default_rng(5)
    factor = rng.standard_normal((6, n)) / 3.0
    Q = factor.T @ factor + 0.05 * np.eye(n)
    return optlab.Problem(
        objective=lambda x: float(0.5 * x @ Q @ x + c @ x),
        gradient=lambda x: Q @ x + c,
        hessian=lambda _x, _y, sigma: sigma * Q,
        constraints=lambda x: np.array([x.sum()]),
        jacobian=lambda _x: np.ones((1, n)),
        cl=[1.0],
        cu=[1.0],
        linear=[True],
        lb=0.0,
        x0=np.full(n, 1.0 / n),
    )


def _degenerate() -> optlab.Problem:
    """min |x|^2 over x >= 0: bounds active with multipliers zero, no strict complementarity."""
    return optlab.Problem(
        objective=lambda x: float(np.sum(x**2)),
        gradient=lambda x: 2.0 * x,
        hessian=lambda x, _y, sigma: 2.0 * sigma * np.eye(x.size),
        lb=0.0,
        x0=np.full(3, 2.0),
    )


@pytest.mark.parametrize("method", INTERIOR)
def test_warm_start_saves_iterations_on_a_series(method: str) -> None:
    base = np.random.default_rng(1).standard_normal(20)
    cold = warm = 0
    last = None
    for k in range(5):
        problem = _portfolio(base * (1.0 + 0.01 * np.random.default_rng(k).standard_normal(20)))
        first = optlab.minimize(problem, method=method)
        again = (
            first if last is None else optlab.minimize(problem, method=method, warm_start=last)
        )
        assert first.success
        assert again.success, again
        assert again.fun == pytest.approx(first.fun, abs=1e-6)
        if last is not None:
            cold += first.iterations
            warm += again.iterations
        last = again
    assert 2 * warm <= cold, (warm, cold)


@pytest.mark.parametrize("method", INTERIOR)
def test_warm_start_without_multipliers_is_a_plain_start(method: str) -> None:
    from optlab.core.method import WarmStart

    problem = _portfolio(np.linspace(-1.0, 1.0, 20))
    x = np.full(20, 0.05)
    plain = optlab.minimize(problem, x, method=method)
    bare = optlab.minimize(problem, method=method, warm_start=WarmStart(x))
    assert bare.iterations == plain.iterations
    assert np.array_equal(bare.x, plain.x)


@pytest.mark.parametrize("method", INTERIOR)
def test_second_round_reaches_what_the_checker_asks_for(method: str) -> None:
    seen: list[tuple[int, Any]] = []
    problem = _degenerate()
    once = optlab.minimize(problem, method=method, options={"tightens": False})
    twice = optlab.minimize(
        problem, method=method, observers=[lambda k, p: seen.append((k, p.x))]
    )
    assert once.stop is twice.stop is StopReason.CONVERGED
    assert once.certificate.complementarity > 1e-6
    assert not once.success
    assert twice.success, twice
    assert twice.iterations > once.iterations
    # One run in the eyes of the observers: numbered through, no iterate twice.
    assert [k for k, _ in seen] == list(range(twice.iterations + 1))
    points = [tuple(x) for _, x in seen]
    assert len(set(points)) == len(points)


@pytest.mark.parametrize("method", INTERIOR)
def test_bounds_are_kept_unless_asked_otherwise(method: str) -> None:
    """The objective is not defined outside the bounds, where the peers' default would go."""
    calls: list[float] = []

    def objective(x: Vector) -> float:
        calls.append(float(x.min()))
        return float(np.sum(x))

    problem = optlab.Problem(
        objective=objective, gradient=np.ones_like, hessian=lambda _x, _y, _s: np.zeros((3, 3)),
        lb=0.0, x0=np.ones(3),
    )  # fmt: skip
    assert optlab.minimize(problem, method=method).success
    assert min(calls) >= 0.0
    calls.clear()
    options = {"bound_relax": 1e-4}
    optlab.minimize(problem, method=method, options=options)
    assert min(calls) < 0.0


@pytest.mark.parametrize("method", INTERIOR)
def test_options_reach_the_peer(method: str) -> None:
    problem = _portfolio(np.linspace(-1.0, 1.0, 20))
    loose = optlab.minimize(
        problem,
        method=method,
        options={"tightens": False, "peer_options": {"tol": 1e-2, "compl_inf_tol": 1e-2}},
    )
    strict = optlab.minimize(problem, method=method)
    assert loose.iterations < strict.iterations
