"""What theory says of the estimators: order of the bias, exactness, means and variances."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_estimators import CASES, Case, N, ident

from optlab import zo
from optlab.methods.zeroth.estimators import AbstractEstimator, Box
from optlab.typing import Vector

POINT = np.linspace(-1.0, 1.5, N)
G = np.cos(np.arange(N)) + 0.3


def smooth(x: Vector) -> Vector:
    """Evaluate rows (k, n) -> (k,): no vanishing derivative of any order."""
    rows = np.exp(0.4 * x).sum(axis=-1) + np.sin(x.sum(axis=-1))
    return np.asarray(rows + 0.3 * x[..., 0] ** 3)


def smooth_gradient(x: Vector) -> Vector:
    g = 0.4 * np.exp(0.4 * x) + np.cos(x.sum())
    return np.asarray(g + 0.9 * x[0] ** 2 * (np.arange(N) == 0))


def linear(x: Vector) -> Vector:
    return x @ G + 2.0


def estimates(estimator: AbstractEstimator, runs: int, box: Box | None = None) -> Vector:
    """Return independent estimates for the linear function, (runs, N)."""
    rng = np.random.default_rng(42)
    x = np.zeros(N) if box is None else box.x
    found = []
    for _ in range(runs):
        plan = estimator.plan(N, rng, box=box)
        found.append(plan.combine(linear(plan.shifts.points(x))).gradient)
    return np.array(found)


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_the_table_states_the_cost(case: Case) -> None:
    assert case.estimator.queries(N) == case.queries


def test_the_table_has_every_estimator() -> None:
    assert {type(case.estimator) for case in CASES} == set(zo.ESTIMATORS)


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_bias_is_of_first_order_forward_and_second_order_central(case: Case) -> None:
    """With the same displacements, the estimate for f leaves that for its linear part by O(h) or O(h^2)."""
    g = smooth_gradient(POINT)
    widest = 1.0 if case.estimator.scale is None else float(case.estimator.scale.max())
    smoothing = np.array([0.02, 0.01, 0.005]) / widest
    errors = []
    for h in smoothing:
        plan = case.with_smoothing(float(h)).plan(N, np.random.default_rng(3))
        points = plan.shifts.points(POINT)
        bent, straight = plan.combine(smooth(points)), plan.combine(points @ g)
        errors.append(np.linalg.norm(bent.gradient - straight.gradient))
    order = np.polyfit(np.log(smoothing), np.log(errors), 1)[0]
    assert order == pytest.approx(2.0 if case.estimator.symmetric else 1.0, abs=0.1)


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_central_differences_make_no_error_on_quadratic_functions(case: Case) -> None:
    H = np.random.default_rng(0).standard_normal((N, N))
    H = H + H.T
    g = H @ POINT + G
    plan = case.with_smoothing(0.1).plan(N, np.random.default_rng(3))
    points = plan.shifts.points(POINT)
    values = 0.5 * np.einsum("ki,ij,kj->k", points, H, points) + points @ G
    error = plan.combine(values).gradient - plan.combine(points @ g).gradient
    if case.estimator.symmetric:
        assert np.abs(error).max() < 1e-11
    else:
        assert np.abs(error).max() > 1e-3


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_the_mean_is_the_gradient_or_its_projection(case: Case) -> None:
    found = estimates(case.estimator, 1 if case.exact else 4000)
    target = case.target(G)
    if case.exact:
        np.testing.assert_allclose(found[0], target, atol=1e-10)
        return
    error = found.std(axis=0) / np.sqrt(len(found))
    assert np.all(error > 0.0)
    assert np.abs((found.mean(axis=0) - target) / error).max() < 4.5


@pytest.mark.parametrize(
    ("law", "theory"),
    [
        ("gaussian", lambda q: (N + 1) / q),
        ("rademacher", lambda q: (N - 1) / q),
        ("sphere", lambda q: (N - 1) / q),
        ("orthogonal", lambda q: (N - q) / q),
    ],
)
@pytest.mark.parametrize("q", [1, 4, 9])
def test_relative_variance_of_random_directions(law: str, theory: object, q: int) -> None:
    """E|g - grad|^2 / |grad|^2 as h -> 0; a linear function is that limit."""
    assert callable(theory)
    found = estimates(zo.RGE(count=q, law=law), 6000)  # type: ignore[arg-type]
    share = ((found - G) ** 2).sum(axis=1) / (G @ G)
    spread = share.std() / np.sqrt(len(share))
    assert spread < 0.03 * theory(q)
    assert abs(share.mean() - theory(q)) < 4.5 * spread


def test_spsa_is_the_central_difference_along_signs() -> None:
    """One pair: relative variance n - 1, and g_i = (f(x + c D) - f(x - c D)) / (2 c D_i) [Spa92]."""
    plan = zo.SPSA(smoothing=0.1).plan(N, np.random.default_rng(0))
    points = plan.shifts.points(POINT)
    ahead, behind = smooth(points)
    signs = (points[0] - POINT) / 0.1
    np.testing.assert_allclose(np.abs(signs), 1.0)
    expected = (ahead - behind) / (0.2 * signs)
    np.testing.assert_allclose(plan.combine(smooth(points)).gradient, expected)
    share = ((estimates(zo.SPSA(), 4000) - G) ** 2).sum(axis=1) / (G @ G)
    assert share.mean() == pytest.approx(N - 1, rel=0.05)


def test_antithetic_pairs_are_central_differences() -> None:
    one, other = (
        zo.RGE(count=4, central=c, antithetic=not c).plan(N, np.random.default_rng(1))
        for c in (True, False)
    )
    a = one.combine(smooth(one.shifts.points(POINT)))
    b = other.combine(smooth(other.shifts.points(POINT)))
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-12)
    assert b.f == smooth(POINT)
    assert b.queries == a.queries + 1


@pytest.mark.parametrize("count", [3, 7])
def test_importance_is_best_in_proportion_to_the_gradient(count: int) -> None:
    """Poisson-like variance sum g_i^2 (1 / pi_i - 1): least for pi_i proportional to |g_i|."""
    spread = {}
    for name, importance in (("equal", None), ("best", np.abs(G))):
        found = estimates(zo.CGE(count=count, importance=importance), 3000)
        spread[name] = ((found - G) ** 2).sum(axis=1).mean()
    equal = (G @ G) * (N / count - 1)
    assert spread["equal"] == pytest.approx(equal, rel=0.05)
    assert spread["best"] < 0.8 * equal


def test_without_replacement_varies_less() -> None:
    means = [
        ((estimates(zo.CGE(count=8, replacement=r), 2000) - G) ** 2).sum(axis=1).mean()
        for r in (False, True)
    ]
    assert means[0] == pytest.approx((G @ G) * (N / 8 - 1), rel=0.05)
    assert means[1] == pytest.approx((G @ G) * (N - 1) / 8, rel=0.05)


BOUNDED = [
    zo.RGE(count=5),
    zo.RGE(count=5, central=True),
    zo.RGE(count=5, antithetic=True, scale=np.linspace(0.5, 2.0, N)),
    zo.RGE(count=5, law="rademacher"),
    zo.SPSA(pairs=2),
    zo.CGE(count=4),
    zo.CGE(central=True),
]


@pytest.mark.parametrize("estimator", BOUNDED, ids=lambda e: type(e).__name__)
def test_bounds_do_not_bias_independent_entries(estimator: AbstractEstimator) -> None:
    """In a corner, near a bound, between narrow bounds and free: the mean stays the gradient."""
    h = estimator.smoothing
    lb = np.resize([0.0, -np.inf, -0.3 * h, -0.2 * h], N)
    ub = np.resize([np.inf, 0.0, np.inf, 0.7 * h], N)
    found = estimates(estimator, 6000, Box(np.zeros(N), lb, ub))
    error = found.std(axis=0) / np.sqrt(len(found)) + 1e-12
    assert np.abs((found.mean(axis=0) - G) / error).max() < 4.5


def test_orthogonal_directions_stay_exact_between_bounds() -> None:
    h = 0.1
    lb, ub = np.resize([0.0, -h / 9, 0.0], N), np.resize([1.0, 1.0, 0.0], N)
    box = Box(np.zeros(N), lb, ub)
    found = estimates(zo.RGE(count=None, law="orthogonal", smoothing=h), 3, box)
    np.testing.assert_allclose(found, np.tile(np.where(ub > 0.0, G, 0.0), (3, 1)), atol=1e-8)
