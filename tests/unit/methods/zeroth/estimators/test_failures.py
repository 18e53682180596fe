"""Values that fail are left out, and nothing else changes; wrong settings are refused with reasons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gradient_estimators import BLOCKS, CASES, Case, N, ident

from optlab import zo
from optlab.core.sampled import Block
from optlab.errors import OptionError
from optlab.methods.zeroth.estimators import Box, Plan
from optlab.typing import Vector

G = np.linspace(-1.0, 2.0, N)


def linear(plan: Plan) -> Vector:
    return np.asarray(plan.shifts.rows() @ G + 3.0)


@pytest.mark.parametrize("case", CASES, ids=ident)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_value_at_all(case: Case, bad: float) -> None:
    estimate = case.estimator.plan(N, np.random.default_rng(0)).combine(
        np.full(case.queries, bad)
    )
    assert not np.any(estimate.gradient)
    assert estimate.failed == estimate.queries == case.queries
    assert np.isnan(estimate.f)
    assert np.isnan(estimate.standard_error)


@pytest.mark.parametrize("case", CASES, ids=ident)
def test_one_failure_is_counted_and_leaves_finite_numbers(case: Case) -> None:
    plan = case.estimator.plan(N, np.random.default_rng(1))
    values = linear(plan)
    values[-1] = np.inf
    estimate = plan.combine(values)
    assert estimate.failed == 1
    assert np.all(np.isfinite(estimate.gradient))
    assert np.any(estimate.gradient)
    assert values[-1] == np.inf, "the caller's values are not changed"


def test_a_failed_coordinate_is_zero_and_the_others_stay() -> None:
    for central in (False, True):
        plan = zo.CGE(central=central).plan(N, np.random.default_rng(0))
        values = linear(plan)
        values[6] = np.nan
        failed = 3 if central else 5
        expected = np.where(np.arange(N) == failed, 0.0, G)
        np.testing.assert_allclose(plan.combine(values).gradient, expected, atol=1e-9)


def test_a_failed_direction_leaves_the_mean_of_the_others() -> None:
    plan = zo.RGE(count=4, smoothing=0.1).plan(N, np.random.default_rng(0))
    directions = plan.shifts.rows()[1:] / 0.1
    values = linear(plan)
    values[2] = np.nan
    kept = directions[[0, 2, 3]]
    np.testing.assert_allclose(plan.combine(values).gradient, (kept @ G) @ kept / 3.0)


def test_a_failed_orthogonal_direction_leaves_a_smaller_span() -> None:
    plan = zo.RGE(count=4, law="orthogonal", smoothing=0.1).plan(N, np.random.default_rng(0))
    directions = plan.shifts.rows()[1:] / 0.1
    values = linear(plan)
    values[2] = np.nan
    kept = directions[[0, 2, 3]]
    np.testing.assert_allclose(
        plan.combine(values).gradient, N / 3.0 * (kept @ G) @ kept, atol=1e-12
    )


@pytest.mark.parametrize("law", ["gaussian", "orthogonal"])
def test_half_an_antithetic_pair_still_tells_the_slope(law: str) -> None:
    plan = zo.RGE(count=4, law=law, antithetic=True).plan(N, np.random.default_rng(0))  # type: ignore[arg-type]
    whole = plan.combine(linear(plan))
    values = linear(plan)
    values[[1, 4]] = np.nan
    part = plan.combine(values)
    np.testing.assert_allclose(part.gradient, whole.gradient, atol=1e-9)
    assert part.failed == 2


def test_a_failed_repeat_is_left_out_of_its_average() -> None:
    plan = zo.CGE(repeats=3, smoothing=1.0).plan(1, np.random.default_rng(0))
    estimate = plan.combine(np.array([0.0, 2.0, 0.0, np.nan, 0.0, 4.0]))
    assert estimate.gradient == pytest.approx([3.0])
    assert (estimate.queries, estimate.failed) == (6, 1)
    # Scatter of (2, 4) over 4 - 1 - ... spare values: 2 / 3; three values at x, two at x + h.
    assert estimate.standard_error == pytest.approx(
        np.sqrt(2.0 / 3.0 * (1.0 / 3.0 + 1.0 / 2.0))
    )


def test_without_the_value_at_the_point_forward_differences_say_nothing() -> None:
    for estimator in (zo.CGE(), zo.RGE(), zo.RGE(law="orthogonal")):
        plan = estimator.plan(N, np.random.default_rng(0))
        values = linear(plan)
        values[0] = np.nan
        estimate = plan.combine(values)
        assert not np.any(estimate.gradient)
        assert np.isnan(estimate.f)
        assert np.isnan(estimate.standard_error)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: zo.CGE(smoothing=0.0), "smoothing is 0.0"),
    (lambda: zo.CGE(smoothing=np.nan), "smoothing is nan"),
    (lambda: zo.CGE(smoothing=np.inf), "smoothing is inf"),
    (lambda: zo.CGE(scale=np.array([1.0, 0.0])), "scale must be"),
    (lambda: zo.RGE(repeats=0), "repeats is 0; a whole number of at least 1"),
    (lambda: zo.RGE(repeats=2.0), "repeats is 2.0"),  # type: ignore[arg-type]
    (lambda: zo.RGE(noise=-1.0), "noise is -1.0"),
    (lambda: zo.RGE(noise="guess"), "noise is 'guess'"),  # type: ignore[arg-type]
    (lambda: zo.RGE(curvature=0.0), "curvature is 0.0"),
    (lambda: zo.RGE(count=0), "count is 0"),
    (lambda: zo.RGE(count=True), "count is True"),
    (lambda: zo.RGE(law="cauchy"), "gaussian, rademacher, sphere, orthogonal"),  # type: ignore[arg-type]
    (lambda: zo.RGE(central=True, antithetic=True), "exclude each other"),
    (lambda: zo.CGE(count=-1), "count is -1"),
    (lambda: zo.CGE(importance=np.ones(3)), "give count too"),
    (lambda: zo.CGE(replacement=True), "give count too"),
    (lambda: zo.CGE(count=1, importance=np.array([1.0, 0.0])), "one positive number"),
    (lambda: zo.SPSA(pairs=0), "pairs is 0"),
    (lambda: zo.Subspace(rank=0), "rank is 0"),
    (lambda: zo.Subspace(key=-1), "key is -1"),
    (lambda: zo.Subspace(basis=np.ones(3)), "basis has shape"),
    (lambda: zo.Subspace(basis=np.full((3, 1), np.nan)), "finite numbers"),
    (lambda: zo.Subspace(basis=np.ones((3, 1)), key=1), "leave it out where a basis is given"),
    (zo.LowRank, "blocks is empty"),
    (lambda: zo.LowRank(blocks=BLOCKS, rank=0), "rank is 0"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def drawn(estimator: zo.AbstractEstimator, **more: object) -> Callable[[], object]:
    return lambda: estimator.plan(N, np.random.default_rng(0), **more)  # type: ignore[arg-type]


THREE = np.zeros(3)

WRONG_HERE: list[tuple[Callable[[], object], str]] = [
    (drawn(zo.CGE(scale=np.ones(3))), "scale has shape"),
    (drawn(zo.CGE(count=2, importance=np.ones(3))), "importance has shape"),
    (drawn(zo.CGE(coordinates=np.array([1, 1]))), "different numbers of variables"),
    (drawn(zo.CGE(coordinates=np.array([N]))), f"from 0 to {N - 1}"),
    (drawn(zo.CGE(), active=np.array([2, 1])), "increasing order"),
    (drawn(zo.CGE(), active=np.array([-1, 1])), "from -1 to 1"),
    (drawn(zo.RGE(), box=Box(THREE, THREE, THREE)), "x of the box has shape"),
    (drawn(zo.Subspace(basis=np.ones((3, 1)))), "basis has 3 rows"),
    (drawn(zo.LowRank(blocks=(*BLOCKS, Block("more", (3,), N)))), "the blocks cover"),
    (drawn(zo.CGE(noise="estimate")), "noise is not known yet"),
]


@pytest.mark.parametrize(
    ("make", "message"), WRONG_HERE, ids=[message for _, message in WRONG_HERE]
)
def test_settings_that_do_not_fit_the_variables(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        make()
