"""The reported standard error is the error that occurs, for noisy values and random directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from gradient_estimators import CASES, IMPORTANCE, Case, N, basis, ident, project

from optlab import zo
from optlab.methods.zeroth.estimators import AbstractEstimator
from optlab.typing import Vector

G = np.sin(np.arange(N)) + 0.5
H = 0.01


@dataclass(frozen=True)
class Noisy:
    """An estimator whose error is what its values and draws make it; ``noise`` in units of the smoothing."""

    name: str
    estimator: AbstractEstimator
    noise: float = 0.0
    projected: bool = False


def known(noise: float, **settings: object) -> dict[str, object]:
    """Return settings with a noise that is known but leaves the smoothing at H."""
    relative = H**2 / np.sqrt(8.0) if not settings.get("central") else H**3 / 3.0
    return {"noise": noise * H, "curvature": noise * H / relative, **settings}


NOISY = [
    Noisy("forward", zo.CGE(**known(0.5)), 0.5),  # type: ignore[arg-type]
    Noisy("central", zo.CGE(**known(0.5, central=True)), 0.5),  # type: ignore[arg-type]
    Noisy("repeats tell the noise", zo.CGE(smoothing=H, repeats=4), 0.5),
    Noisy("repeats, central", zo.CGE(smoothing=H, repeats=2, central=True), 0.5),
    Noisy("drawn", zo.CGE(smoothing=H, count=5), 0.0),
    Noisy("drawn, noisy", zo.CGE(**known(0.5, count=5, importance=IMPORTANCE)), 0.5),  # type: ignore[arg-type]
    Noisy("replacement", zo.CGE(smoothing=H, count=5, replacement=True), 0.0),
    Noisy(
        "replacement, noisy",
        zo.CGE(**known(0.5, count=5, replacement=True, importance=IMPORTANCE)),  # type: ignore[arg-type]
        0.5,
    ),
    Noisy("gaussian", zo.RGE(smoothing=H, count=8), 0.0),
    Noisy("gaussian, noise unknown", zo.RGE(smoothing=H, count=8, central=True), 2.0),
    Noisy("gaussian, shared base", zo.RGE(smoothing=H, count=8), 2.0),
    Noisy("rademacher", zo.RGE(smoothing=H, count=8, law="rademacher", repeats=2), 1.0),
    Noisy("sphere", zo.RGE(smoothing=H, count=8, law="sphere", antithetic=True), 0.2),
    Noisy("spsa", zo.SPSA(smoothing=H, pairs=6), 1.0),
    Noisy("orthogonal", zo.RGE(smoothing=H, count=5, law="orthogonal"), 0.0),
    Noisy("orthogonal, scaled", zo.RGE(count=5, law="orthogonal", scale=IMPORTANCE), 0.0),
    Noisy("orthogonal, noisy", zo.RGE(smoothing=H, count=9, law="orthogonal", repeats=3), 0.5),
    Noisy("orthogonal, residual", zo.RGE(smoothing=H, count=3 * N, law="orthogonal"), 0.5),
    Noisy("low rank", zo.LowRank(blocks=CASES[-1].estimator.blocks, count=8), 0.0),  # type: ignore[attr-defined]
    Noisy("subspace", zo.Subspace(basis=basis(), count=2), 0.0, projected=True),
    Noisy(
        "subspace, noisy",
        zo.Subspace(smoothing=H, basis=basis(), repeats=3),
        0.5,
        projected=True,
    ),
]


@pytest.mark.parametrize("case", NOISY, ids=lambda c: c.name)
def test_the_root_mean_square_error_is_the_standard_error(case: Noisy) -> None:
    rng = np.random.default_rng(7)
    target = project(basis())(G) if case.projected else G
    errors, claims = [], []
    for _ in range(3000):
        plan = case.estimator.plan(N, rng)
        values = plan.shifts.rows() @ G
        estimate = plan.combine(values + case.noise * H * rng.standard_normal(values.size))
        errors.append(float(((estimate.gradient - target) ** 2).sum()))
        claims.append(estimate.standard_error**2)
    assert np.mean(claims) == pytest.approx(np.mean(errors), rel=0.08)
    assert np.mean(errors) > 0.0


@pytest.mark.parametrize("case", [c for c in CASES if c.exact], ids=ident)
def test_nothing_left_to_chance_has_no_error(case: Case) -> None:
    plan = case.estimator.plan(N, np.random.default_rng(0))
    error = plan.combine(plan.shifts.rows() @ G).standard_error
    assert error == pytest.approx(0.0, abs=1e-10)


def test_one_direction_does_not_tell_its_error() -> None:
    for estimator in (
        zo.RGE(count=1),
        zo.SPSA(),
        zo.LowRank(blocks=CASES[-1].estimator.blocks, count=1),  # type: ignore[attr-defined]
        zo.CGE(count=1, replacement=True),
    ):
        plan = estimator.plan(N, np.random.default_rng(0))
        assert np.isnan(plan.combine(plan.shifts.rows() @ G).standard_error)


def test_known_noise_beats_the_scatter_of_repeats() -> None:
    """With both, the number that the user gave counts."""
    settings = known(1.0, repeats=2)
    plan = zo.CGE(**settings).plan(N, np.random.default_rng(0))  # type: ignore[arg-type]
    rows = plan.shifts.rows()
    error = plan.combine(rows @ G).standard_error
    step = float(rows.max())
    assert error == pytest.approx(H * np.sqrt(N) / step)


def values_of(rows: Vector) -> Vector:
    return np.asarray(rows @ G + 1.0)


def test_what_failed_counts_as_unknown_in_the_error() -> None:
    plan = zo.CGE(smoothing=H).plan(N, np.random.default_rng(0))
    values = values_of(plan.shifts.rows())
    values[[3, 8]] = np.nan
    estimate = plan.combine(values)
    rest = np.delete(G, [2, 7])
    assert estimate.standard_error == pytest.approx(np.sqrt(2.0 * (rest**2).mean()))
