"""What every method that prunes must do, on sparse regression with a known support."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.registry import known_methods
from optlab.core.sampled import Block
from optlab.core.sparsity import Sparsity
from optlab.core.status import PointStatus, StopReason

PRUNERS = [
    m.info.name
    for m in known_methods()
    if m.__module__.startswith("optlab.") and m.info.handles_sparsity
]
TRUTH = np.array([3.0, 0.0, -2.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0, 0.5, -0.5])
"""Three entries of a matrix of ten, and a dense offset of two."""

OPTIONS: dict[str, dict[str, Any]] = {
    name: {"epochs": 150.0, "rule": optlab.zo.Momentum(momentum=0.9), "learning_rate": 0.05}
    for name in PRUNERS
}


def regression(sparsity: Any = "own", broken_at: int | None = None) -> optlab.Problem:
    rng = np.random.default_rng(3)
    A = rng.standard_normal((60, 12))
    b = A @ TRUTH
    calls = [0]

    def gradient(x: Any) -> Any:
        calls[0] += 1
        if broken_at is not None and calls[0] >= broken_at:
            raise FloatingPointError("the program crashed")
        return A.T @ (A @ x - b) / 60

    blocks = (Block("w", (2, 5), 0), Block("c", (2,), 10, prunable=False))
    own = Sparsity.of(blocks, 0.3)
    return optlab.Problem(
        objective=lambda x: float(np.sum((A @ x - b) ** 2) / 120),
        gradient=gradient,
        x0=0.1 * rng.standard_normal(12),
        sparsity=own if sparsity == "own" else sparsity,
    )


@pytest.mark.parametrize("method", PRUNERS)
def test_keeps_to_the_sparsity_and_repeats_itself(method: str) -> None:
    first, second = (
        optlab.minimize(regression(), method=method, seed=5, **OPTIONS[method])
        for _ in range(2)
    )
    assert np.array_equal(first.x, second.x)
    assert first.stop is StopReason.COMPLETED
    assert first.point is PointStatus.FEASIBLE
    assert first.success
    assert np.count_nonzero(first.x[:10]) == 3
    assert np.array_equal(first.extras["mask"][:10], first.x[:10] != 0)
    assert first.fun == pytest.approx(regression().objective(first.x))


@pytest.mark.parametrize("method", ["magnitude", "gmp", "lrr", "lth"])
def test_pruning_finds_the_support_and_the_weights(method: str) -> None:
    more: dict[str, Any] = {}
    if method == "magnitude":
        more = {"fine_tune_epochs": 400.0, "fine_tune_rate": 1.0}
    result = optlab.minimize(regression(), method=method, seed=0, **OPTIONS[method], **more)
    assert np.abs(result.x - TRUTH).max() < 5e-3, result


@pytest.mark.parametrize("method", PRUNERS)
def test_a_limit_leaves_the_iterate_and_says_what_it_is(method: str) -> None:
    result = optlab.minimize(regression(), method=method, seed=0, max_iter=3, **OPTIONS[method])
    assert result.stop is StopReason.MAX_ITER
    assert not result.success
    # Weights are still dense, and scores still keep more: more than the constraint allows.
    assert result.point is PointStatus.UNKNOWN
    assert result.certificate.primal > 0.0
    tickets = method in {"edge-popup", "biprop"}
    assert np.count_nonzero(result.x[:10]) == (4 if tickets else 10)


@pytest.mark.parametrize("method", PRUNERS)
def test_a_gradient_that_fails_ends_with_what_was_reached(method: str) -> None:
    result = optlab.minimize(regression(broken_at=7), method=method, seed=0, **OPTIONS[method])
    assert result.stop is StopReason.EVAL_ERROR
    assert "the program crashed" in result.message
    assert 6 <= result.iterations < 150  # a repeated mask costs no evaluation


@pytest.mark.parametrize("method", PRUNERS)
def test_sparsity_is_needed(method: str) -> None:
    with pytest.raises(optlab.errors.CapabilityError, match="does not say how many variables"):
        optlab.minimize(regression(sparsity=None), method=method)


def test_other_methods_refuse_sparsity() -> None:
    with pytest.raises(optlab.errors.CapabilityError, match="does not keep to the sparsity"):
        optlab.minimize(regression(), method="npasa")


def test_the_wrong_number_of_variables_is_refused() -> None:
    short = Sparsity.of((Block("w", (2, 5), 0),), 0.3)
    with pytest.raises(
        optlab.errors.ProblemError, match="about 10 variables, the problem has 12"
    ):
        regression(short)


@pytest.mark.parametrize("method", ["lth", "biprop"])
def test_an_interrupted_run_goes_on_to_the_same_numbers(method: str, tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    options = OPTIONS[method] | {"epochs": 20.0}
    whole = optlab.minimize(regression(), method=method, seed=1, **options)
    folder = tmp_path / "run"
    optlab.minimize(
        regression(), method=method, seed=1, max_iter=13, checkpoint=folder, **options
    )
    resumed = optlab.minimize(regression(), method=method, resume=folder, **options)
    assert np.array_equal(whole.x, resumed.x)
    assert resumed.stop is StopReason.COMPLETED
