from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import optlab
from optlab import Problem, StopReason
from optlab.core.sampled import AbstractSampled, Block
from optlab.core.shifts import CoordinateShifts
from optlab.errors import OptionError
from optlab.methods.zeroth.deepzero import DeepZero
from optlab.methods.zeroth.grasp import grasp_ratios, grasp_scores, kept_counts, ranked
from optlab.methods.zeroth.rules import Momentum

BLOCKS = (
    Block("first", (8, 5), 0),
    Block("bias", (5,), 40, prunable=False),
    Block("second", (5, 4), 45),
)
N = 65
EPOCH = 3


@dataclass
class Bowl(AbstractSampled):
    """Curved weights around a target that depends on the sample; notes what it is asked."""

    asked: list[Any] = field(default_factory=list)
    blocks = BLOCKS
    steps_per_epoch = EPOCH
    curvature: Any = field(default_factory=lambda: np.linspace(0.5, 2.0, N))

    def at(self, x: Any, key: int | None) -> float:
        target = 1.0 if key is None else 1.0 + 0.01 * (key % EPOCH - 1)
        return float(0.5 * (self.curvature * (x - target) ** 2).sum())

    def values(self, x: Any, shifts: Any, key: int | None, executor: Any) -> Any:  # noqa: ARG002
        self.asked.append((shifts, key))
        return np.array([self.at(p, key) for p in shifts.points(x)])


def solve(bowl: Bowl | None = None, **more: Any) -> optlab.Result:
    bowl = Bowl() if bowl is None else bowl
    problem = Problem(
        objective=lambda x: bowl.at(x, None), x0=np.linspace(-1, 1, N), sampled=bowl
    )
    given_: dict[str, Any] = {
        "sparsity": 0.8,
        "seed": 1,
        "max_iter": 20,
        "grasp_directions": 30,
    }
    return optlab.minimize(problem, method="deepzero", **(given_ | more))


def masks(bowl: Bowl) -> list[Any]:
    """Return the coordinates of every step, the point itself left out."""
    found = [s for s, _ in bowl.asked if isinstance(s, CoordinateShifts)]
    return [s.index[s.step != 0.0] for s in found]


def test_scores_are_those_of_the_paper() -> None:
    """-x (Hg), here with the exact Hessian of a quadratic."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((6, 6))
    H, x = A @ A.T, rng.standard_normal(6)
    g = H @ x
    found = grasp_scores(x, g, H @ (x + 1e-3 * g), 1e-3)
    np.testing.assert_allclose(found, -x * (H @ g), rtol=1e-9)


@given(st.integers(0, 10_000), st.floats(0.0, 0.99))
def test_ratios_keep_the_largest_scores_over_all_layers(seed: int, sparsity: float) -> None:
    scores = np.random.default_rng(seed).standard_normal(N)
    kept = ranked(scores, BLOCKS, sparsity)
    assert kept.size == max(1, round((1.0 - sparsity) * 60))
    assert not set(range(40, 45)) & set(kept.tolist())
    rest = np.setdiff1d([*range(40), *range(45, N)], kept)
    if rest.size:
        assert np.abs(scores[kept]).min() >= np.abs(scores[rest]).max()
    ratios = grasp_ratios(scores, BLOCKS, sparsity)
    assert ratios[1] == 0.0
    sizes = np.array([40, 5, 20])
    np.testing.assert_allclose(
        (1.0 - ratios)[[0, 2]] * sizes[[0, 2]], kept_counts(kept, BLOCKS)[[0, 2]]
    )


def test_masks_are_fresh_every_k_epochs_with_the_same_shares() -> None:
    bowl = Bowl()
    solve(bowl, refresh_epochs=2)
    steps = masks(bowl)
    assert len(steps) == 20
    period = 2 * EPOCH
    for k, mask in enumerate(steps):
        assert np.array_equal(mask, steps[k // period * period])
        assert set(range(40, 45)) <= set(mask.tolist())
    assert not np.array_equal(steps[0], steps[period])
    counts = {tuple(kept_counts(m, BLOCKS)) for m in steps}
    assert len(counts) == 1
    assert sum(counts.pop()) == 12 + 5


def test_the_fixed_mask_is_that_of_the_scores_and_the_uniform_one_asks_for_none() -> None:
    bowl = Bowl()
    solve(bowl, mask="fixed")
    steps = masks(bowl)
    assert all(np.array_equal(m, steps[0]) for m in steps)
    uniform = Bowl()
    result = solve(uniform, mask="uniform")
    assert tuple(kept_counts(masks(uniform)[0], BLOCKS)) == (8, 5, 4)
    assert result.evaluations["objective"] == 20 * (8 + 5 + 4 + 1)


def test_evaluations_are_counted_to_the_last() -> None:
    result = solve()
    assert result.evaluations["objective"] == 2 * (30 + 1) + 20 * (12 + 5 + 1)
    limited = solve(max_iter=None, max_eval=2 * 31 + 7 * 18 + 17)
    assert limited.stop is StopReason.MAX_EVAL
    assert limited.iterations == 7


def test_it_trains_and_moves_inactive_weights_by_momentum_only() -> None:
    plain: dict[str, Any] = {"rule": Momentum(momentum=0.5), "refresh_epochs": 1}
    result = solve(max_iter=None, max_epochs=60, sparsity=0.5, **plain)
    assert result.iterations == 60 * EPOCH
    assert np.abs(result.x - 1.0).max() < 0.15
    assert np.abs(result.x - 1.0).mean() < 0.02
    still = solve(max_iter=1, rule=Momentum(momentum=0.9))
    moved = np.flatnonzero(still.x != np.linspace(-1, 1, N))
    assert moved.size == 17


def test_it_never_claims_to_have_converged_from_part_of_the_gradient() -> None:
    bowl = Bowl(curvature=np.zeros(N))
    result = solve(bowl, max_iter=30)
    assert result.stop is StopReason.MAX_ITER
    assert np.isnan(result.extras["standard_error"])


def test_a_resumed_run_is_the_unbroken_one(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    whole = solve(max_iter=15)
    solve(max_iter=4, checkpoint=optlab.Checkpoint(tmp_path, every=0.0))
    resumed = solve(max_iter=15, resume=tmp_path)
    # The schedule is that of the run which is continued, so only the first steps agree.
    again = solve(max_iter=4)
    assert resumed.iterations == 15
    assert not np.array_equal(whole.x, again.x)
    constant: dict[str, Any] = {"schedule": optlab.zo.Constant()}
    whole = solve(max_iter=15, **constant)
    other = tmp_path / "other"
    solve(max_iter=4, checkpoint=optlab.Checkpoint(other, every=0.0), **constant)
    assert np.array_equal(solve(max_iter=15, resume=other, **constant).x, whole.x)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sparsity": 1.0}, "sparsity"),
        ({"mask": "random"}, "mask is 'random'"),
        ({"refresh_epochs": 0.0}, "refresh_epochs"),
        ({"grasp_directions": 0}, "grasp_directions"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        DeepZero(**options)
