"""Laws of every estimator of gradients, whatever the variables, bounds and failures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from gradient_estimators import CASES, Case, N, ident
from hypothesis import given
from hypothesis import strategies as st

from optlab import zo
from optlab.methods.zeroth.estimators import Box
from optlab.typing import Indices, Vector

every = pytest.mark.parametrize("case", CASES, ids=ident)
seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Setting:
    """Where an estimate is made."""

    box: Box | None
    active: Indices | None
    seed: int


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    """Draw points on, near and far from bounds of every kind, and active sets down to none."""
    rng = np.random.default_rng(draw(seeds))
    x = rng.choice([-1e6, -1.0, 0.0, 1e-3, 0.1, 3.0], N) * rng.uniform(0.5, 1.5, N)
    rooms = [0.0, 1e-12, 1e-3, 4e-3, 1.0, np.inf]
    box = (
        Box(x, x - rng.choice(rooms, N), x + rng.choice(rooms, N))
        if draw(st.booleans())
        else None
    )
    active = None
    if draw(st.booleans()):
        active = np.flatnonzero(rng.random(N) < draw(st.sampled_from([0.0, 0.2, 0.7, 1.0])))
    return Setting(box, active, draw(seeds))


def plan_of(estimator: zo.AbstractEstimator, at: Setting) -> zo.Plan:
    return estimator.plan(N, np.random.default_rng(at.seed), box=at.box, active=at.active)


def values_for(plan: zo.Plan, seed: int) -> Vector:
    return np.random.default_rng(seed).standard_normal(plan.queries)


@every
@given(at=settings())
def test_the_count_is_exact_and_points_stay_within_bounds(case: Case, at: Setting) -> None:
    plan = plan_of(case.estimator, at)
    assert plan.queries == len(plan.shifts) == case.estimator.queries(N, at.active)
    assert plan.shifts.rows().shape == (plan.queries, N)
    if at.box is not None:
        points = plan.shifts.points(at.box.x)
        assert np.all((at.box.lb <= points) & (points <= at.box.ub))


@every
@given(at=settings())
def test_only_active_variables_move_and_have_a_gradient(case: Case, at: Setting) -> None:
    plan = plan_of(case.estimator, at)
    still = np.ones(N, dtype=bool)
    if at.active is not None:
        still[at.active] = False
    else:
        still[:] = False
    assert not np.any(plan.shifts.rows()[:, still])
    assert not np.any(plan.combine(values_for(plan, at.seed)).gradient[still])


@every
@given(at=settings(), share=st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_failures_are_counted_and_never_spread(case: Case, at: Setting, share: float) -> None:
    plan = plan_of(case.estimator, at)
    values = values_for(plan, at.seed)
    bad = np.random.default_rng(at.seed).random(values.size) < share
    values[bad] = np.nan
    estimate = plan.combine(values)
    assert np.all(np.isfinite(estimate.gradient))
    assert estimate.failed == np.count_nonzero(bad)
    assert estimate.queries == values.size
    assert np.isnan(estimate.standard_error) or estimate.standard_error >= 0.0


@every
@given(at=settings(), shift=st.floats(-10.0, 10.0), factor=st.floats(0.1, 10.0))
def test_a_constant_changes_nothing_and_a_factor_is_a_factor(
    case: Case, at: Setting, shift: float, factor: float
) -> None:
    plan = plan_of(case.estimator, at)
    values = values_for(plan, at.seed)
    one, other = plan.combine(values), plan.combine(factor * values + shift)
    # Rooms of 1e-12 make gradients of 1e12, in which the rounding of the shift shows.
    size = max(1.0, float(np.abs(one.gradient).max(initial=0.0)))
    np.testing.assert_allclose(
        other.gradient / size, factor * one.gradient / size, rtol=1e-9, atol=1e-9
    )
    if np.isfinite(one.f):
        assert other.f == pytest.approx(factor * one.f + shift, abs=1e-9)


@every
@given(seed=seeds, failed=st.booleans())
def test_units_of_the_variables_cancel(case: Case, seed: int, failed: bool) -> None:
    """Displacements are proportional to the scale and gradients to its inverse, for the same values."""
    if isinstance(case.estimator, zo.Subspace) and case.estimator.basis is not None:
        return  # its directions are given in the variables themselves
    rng = np.random.default_rng(seed)
    unit = np.exp(rng.uniform(-2.0, 2.0, N))
    own = 1.0 if case.estimator.scale is None else case.estimator.scale
    plans = [
        replace(case.estimator, scale=s).plan(N, np.random.default_rng(seed))
        for s in (own * np.ones(N), own * unit)
    ]
    np.testing.assert_allclose(
        plans[1].shifts.rows(), plans[0].shifts.rows() * unit, rtol=1e-12
    )
    values = values_for(plans[0], seed)
    if failed:
        values[-1] = np.nan
    one, other = (plan.combine(values) for plan in plans)
    np.testing.assert_allclose(other.gradient * unit, one.gradient, rtol=1e-9, atol=1e-9)


@every
@given(seed=seeds)
def test_the_same_generator_gives_the_same_estimate(case: Case, seed: int) -> None:
    at = Setting(None, None, seed)
    one, other = plan_of(case.estimator, at), plan_of(case.estimator, at)
    np.testing.assert_array_equal(one.shifts.rows(), other.shifts.rows())
    values = values_for(one, seed)
    first, again, copy = one.combine(values), one.combine(values), other.combine(values)
    np.testing.assert_array_equal(first.gradient, again.gradient)
    np.testing.assert_array_equal(first.gradient, copy.gradient)


@given(seed=seeds, central=st.booleans())
def test_cge_does_not_know_the_order_of_the_variables(seed: int, central: bool) -> None:
    rng = np.random.default_rng(seed)
    order, x = rng.permutation(N), rng.standard_normal(N)
    box = Box(x, x - rng.choice([0.0, 1e-3, 1.0], N), x + rng.choice([0.0, 2e-3, 1.0], N))
    weights = rng.standard_normal(N)

    def f(points: Vector) -> Vector:
        return np.asarray(np.sin(points * weights).sum(axis=1))

    def g(points: Vector) -> Vector:
        return np.asarray(np.sin(points * weights[order]).sum(axis=1))

    estimator = zo.CGE(central=central)
    plan = estimator.plan(N, rng, box=box)
    turned = Box(x[order], box.lb[order], box.ub[order])
    other = estimator.plan(N, rng, box=turned)
    straight = plan.combine(f(plan.shifts.points(x))).gradient
    permuted = other.combine(g(other.shifts.points(x[order]))).gradient
    np.testing.assert_allclose(permuted, straight[order], atol=1e-9)
