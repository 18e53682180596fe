from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.oracle import Oracle
from optlab.core.sampled import Block
from optlab.core.sparsity import Sparsity
from optlab.core.status import StopReason
from optlab.methods.compact.compressor import State
from optlab.methods.compact.pruners import (
    GradualMagnitude,
    LearningRateRewinding,
    LotteryTicket,
    OneShotMagnitude,
)
from optlab.methods.compact.tickets import Biprop, EdgePopup

SHAPE = (4, 5)
N = 20


def bowl(density: float = 0.25, target: Any = None, **more: Any) -> optlab.Problem:
    center = np.linspace(-1.0, 2.0, N) if target is None else target
    return optlab.Problem(
        objective=lambda x: float(np.sum((x - center) ** 2) / 2),
        gradient=lambda x: x - center,
        x0=np.full(N, 0.5),
        sparsity=Sparsity.of((Block("w", SHAPE, 0),), density, **more),
    )


def states(method: Any, problem: optlab.Problem) -> list[State]:
    """Return all states of a run."""
    oracle = Oracle(problem)
    state = method.init(oracle, problem.x0, np.random.default_rng(0))
    run = [state]
    while method.stop(state) is None:
        state = method.step(oracle, state)
        run.append(state)
    return run


SLOW: dict[str, Any] = {
    "rule": optlab.zo.SGD(),
    "schedule": optlab.zo.Constant(),
    "learning_rate": 0.1,
}


def test_one_shot_prunes_once_to_the_largest() -> None:
    run = states(OneShotMagnitude(epochs=3.0, fine_tune_epochs=2.0, **SLOW), bowl())
    assert [int(s.mask.sum()) for s in run] == [20, 20, 20, 5, 5, 5]
    assert [s.rate for s in run[1:]] == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01])
    before = run[2].u - 0.1 * (run[2].u - np.linspace(-1.0, 2.0, N))
    assert set(np.flatnonzero(run[3].mask)) == set(np.argsort(-np.abs(before))[:5])


def test_gradual_pruning_follows_the_cubic() -> None:
    run = states(GradualMagnitude(epochs=20.0, begin=0.1, end=0.6, **SLOW), bowl())
    wanted = []
    for k in range(21):
        t = min(1.0, max(0.0, (k / 20 - 0.1) / 0.5))
        wanted.append(max(1, round(20 * (0.25 + 0.75 * (1 - t) ** 3))))
    assert [int(s.mask.sum()) for s in run] == wanted


def test_rounds_thin_geometrically_and_start_their_rates_anew() -> None:
    method = LearningRateRewinding(
        epochs=2.0, rounds=2, rule=optlab.zo.SGD(), schedule=optlab.zo.Linear()
    )
    run = states(method, bowl())
    assert [int(s.mask.sum()) for s in run] == [20, 20, 10, 10, 5, 5, 5]
    assert [s.rate for s in run[1:]] == pytest.approx([0.1, 0.05] * 3)
    # Weights go on: nothing but the pruning happens between legs.
    kept = run[2].mask
    stepped = run[1].u - 0.05 * (run[1].u - np.linspace(-1.0, 2.0, N))
    assert np.array_equal(run[2].u, np.where(kept, stepped, 0.0))


def test_lottery_tickets_go_back_to_early_weights() -> None:
    run = states(LotteryTicket(epochs=3.0, rounds=1, rewind_epochs=1.0, **SLOW), bowl())
    early, begun = run[1].u, run[3]
    assert np.array_equal(begun.u, np.where(begun.mask, early, 0.0))
    start = states(LotteryTicket(epochs=3.0, rounds=1, rewind_epochs=0.0, **SLOW), bowl())
    assert np.array_equal(start[3].u, np.where(start[3].mask, 0.5, 0.0))


def test_momentum_does_not_outlive_a_leg() -> None:
    method = LearningRateRewinding(
        epochs=2.0, rounds=1, rule=optlab.zo.Momentum(), schedule=optlab.zo.Constant()
    )
    run = states(method, bowl())
    assert not run[2].memory["sum"].any()
    assert run[1].memory["sum"].any()


def test_biprop_is_the_best_binary_weight_of_its_mask() -> None:
    run = states(Biprop(epochs=30.0, **SLOW), bowl())
    state = run[-1]
    kept = state.mask
    gain = np.unique(np.abs(state.weights[kept]))
    assert gain.size == 1
    assert np.array_equal(np.sign(state.weights), np.where(kept, np.sign(state.frozen), 0.0))

    def error(alpha: float) -> float:
        return float(np.sum((state.frozen - alpha * np.sign(state.frozen))[kept] ** 2))

    assert error(gain[0]) <= min(error(0.999 * gain[0]), error(1.001 * gain[0]))
    assert all(np.array_equal(s.frozen, run[0].frozen) for s in run)


def test_edge_popup_keeps_its_weights() -> None:
    problem = bowl()
    run = states(EdgePopup(epochs=30.0, weights="given", **SLOW), problem)
    assert set(np.unique(run[-1].weights)) == {0.0, 0.5}
    assert np.count_nonzero(run[-1].weights) == 5


def test_scores_move_along_the_straight_through_gradient() -> None:
    """With one step of plain descent: s <- s - rate (dF/dw) W sign(s)."""
    problem = bowl()
    method = EdgePopup(epochs=2.0, **SLOW)
    first, second = states(method, problem)[:2]
    gradient = problem.gradient(first.weights)
    wanted = first.u - 0.1 * gradient * first.frozen * np.sign(first.u)
    assert second.u == pytest.approx(wanted, abs=1e-15)


def test_scores_find_the_mask_of_the_lowest_loss() -> None:
    """All weights 1, target 1 on five places and far below zero on the others: the mask is those five."""
    target = np.full(N, -1.0)
    places = [1, 4, 7, 12, 19]
    target[places] = 1.0
    problem = bowl(target=target).replace(x0=np.ones(N))
    run = states(EdgePopup(epochs=60.0, weights="given", **SLOW), problem)
    assert np.flatnonzero(run[-1].mask).tolist() == places


def test_drawn_weights_keep_the_variance_and_the_seed() -> None:
    shape = (200, 300)
    sparsity = Sparsity.of((Block("w", shape, 0),), 0.1)
    n = 200 * 300
    problem = optlab.Problem(
        objective=lambda x: float(x @ x),
        gradient=lambda x: 2 * x,
        x0=np.zeros(n),
        sparsity=sparsity,
    )
    state = Biprop().init(Oracle(problem), problem.x0, np.random.default_rng(1))
    again = Biprop().init(Oracle(problem), problem.x0, np.random.default_rng(1))
    assert np.array_equal(state.frozen, again.frozen)
    assert np.array_equal(state.u, again.u)
    assert float(np.var(state.frozen)) == pytest.approx(2 / (0.1 * 300), rel=0.03)
    constant = Biprop(weights="constant").init(
        Oracle(problem), problem.x0, np.random.default_rng(1)
    )
    assert np.abs(constant.frozen) == pytest.approx(np.sqrt(2 / (0.1 * 300)))


def test_global_tickets_come_down_from_one_half() -> None:
    run = states(Biprop(epochs=20.0, anneal_epochs=5.0, **SLOW), bowl(0.1))
    counts = [int(s.mask.sum()) for s in run]
    assert counts[0] == 10
    assert counts[5:] == [2] * 16
    assert all(a >= b for a, b in itertools.pairwise(counts))
    layerwise = states(Biprop(epochs=3.0, **SLOW), bowl(0.1, scope="layerwise"))
    assert [int(s.mask.sum()) for s in layerwise] == [2] * 4


@pytest.mark.parametrize("trains", [False, True])
def test_what_is_not_prunable_stays_unless_asked(trains: bool) -> None:
    blocks = (Block("w", (2, 5), 0), Block("c", (2,), 10, prunable=False))
    problem = optlab.Problem(
        objective=lambda x: float(np.sum((x - 1.0) ** 2)),
        gradient=lambda x: 2 * (x - 1.0),
        x0=np.zeros(12),
        sparsity=Sparsity.of(blocks, 0.5),
    )
    result = optlab.minimize(problem, method="edge-popup", seed=0, trains_rest=trains, **SLOW)
    assert result.x[10:] == pytest.approx(1.0 if trains else 0.0, abs=0.02)


def test_a_lost_layer_ends_the_run_with_its_name_and_the_weights() -> None:
    blocks = (Block("first", (2, 5), 0), Block("second", (2, 5), 10))
    target = np.concatenate([np.full(10, 5.0), np.full(10, 0.01)])
    problem = optlab.Problem(
        objective=lambda x: float(np.sum((x - target) ** 2) / 2),
        gradient=lambda x: x - target,
        x0=np.zeros(20),
        sparsity=Sparsity.of(blocks, 0.2),
    )
    result = optlab.minimize(problem, method="lrr", seed=0)
    assert result.stop is StopReason.EVAL_ERROR
    assert "second would lose all of its 10 weights" in result.message
    assert result.x[:10] == pytest.approx(5.0, rel=0.2)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("lrr", {"rounds": 0}, "rounds is 0"),
        ("lrr", {"epochs": 0.0}, "epochs is 0.0"),
        ("lth", {"epochs": 2.0, "rewind_epochs": 2.0}, "rewind_epochs is 2.0"),
        ("gmp", {"begin": 0.8}, "0 <= begin < end <= 1"),
        ("magnitude", {"fine_tune_epochs": -1.0}, "fine_tune_epochs is -1.0"),
        ("magnitude", {"learning_rate": 0.0}, "learning_rate is 0.0"),
        ("biprop", {"weights": "mine"}, "weights is 'mine'"),
        ("biprop", {"anneal_epochs": 0.0}, "anneal_epochs is 0.0"),
    ],
)
def test_bad_options(method: str, options: Any, message: str) -> None:
    with pytest.raises(optlab.errors.OptionError, match=re.escape(message)):
        optlab.minimize(bowl(), method=method, **options)


def test_rates_that_are_too_long_say_so() -> None:
    result = optlab.minimize(bowl(), method="lrr", learning_rate=1e200, seed=0)
    assert result.stop is StopReason.EVAL_ERROR
    assert "objective(x) is inf" in result.message
    assert np.isfinite(result.x).all()
