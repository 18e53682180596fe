from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.status import StopReason

torch: Any = pytest.importorskip("torch")


def model(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 16),
        torch.nn.BatchNorm1d(16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 3),
    )


def data(n: int = 96) -> Any:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(n, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()


def task(net: Any = None, **options: Any) -> Any:
    from optlab.adapters import pruning

    net = model() if net is None else net
    options = {"density": 0.3, "batch_size": 32} | options
    return pruning.PruningTask(net, torch.nn.functional.cross_entropy, data(), **options)


def test_a_pruned_network_learns_and_is_what_the_result_says() -> None:
    pruned = task()
    before = pruned.accuracy()
    result = optlab.minimize(pruned, method="lrr", epochs=20.0, rounds=2, seed=0)
    assert result.stop is StopReason.COMPLETED
    assert result.success
    assert pruned.accuracy() > max(before, 0.85)
    prunable = 6 * 16 + 16 * 3
    assert sum(int(m.sum()) for m in pruned.masks().values()) == round(0.3 * prunable)
    assert set(pruned.kept()) == {"0.weight", "3.weight"}
    # Biases and normalization stay dense.
    assert np.count_nonzero(result.x) > round(0.3 * prunable) + 16


@pytest.mark.parametrize("method", ["edge-popup", "biprop"])
def test_tickets_of_random_weights(method: str) -> None:
    pruned = task(scope="layerwise", density=0.5)
    result = optlab.minimize(pruned, method=method, epochs=40.0, seed=0)
    assert pruned.accuracy() > 0.7, result
    for name, share in pruned.kept().items():
        assert share == pytest.approx(0.5), name
    if method == "biprop":
        for layer in (pruned.model[0], pruned.model[3]):
            assert layer.weight.detach().abs().unique().numel() == 2  # 0 and the gain


def test_masks_are_read_by_other_programs() -> None:
    pruned = task()
    optlab.minimize(pruned, method="magnitude", epochs=3.0, seed=0)
    inputs = data()[0]
    pruned.model.eval()
    wanted = pruned.model(inputs)
    masks = pruned.masks()
    pruned.mark()
    net = pruned.model
    assert torch.nn.utils.prune.is_pruned(net)
    assert torch.equal(net[0].weight_mask.bool(), masks["0.weight"])
    assert torch.equal(net(inputs), wanted)
    torch.nn.utils.prune.remove(net[0], "weight")
    assert torch.equal(net[0].weight != 0, masks["0.weight"])


def test_masks_of_another_run() -> None:
    first = task()
    optlab.minimize(first, method="magnitude", epochs=3.0, seed=0)
    second = task(model(seed=7))
    second.apply_masks(first.masks())
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.masks().values(), second.masks().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: masks.pop("3.weight"), "no mask for 3.weight"),
        (
            lambda masks: masks.update(x=masks["3.weight"]),
            "for x, which the model does not prune",
        ),
        (
            lambda masks: masks.update({"3.weight": masks["0.weight"]}),
            r"mask of 3.weight has shape \(16, 6\), the parameter \(3, 16\)",
        ),
    ],
)
def test_masks_of_another_architecture(change: Any, message: str) -> None:
    pruned = task()
    masks = dict(pruned.masks())
    change(masks)
    with pytest.raises(optlab.errors.ProblemError, match=message):
        pruned.apply_masks(masks)


def test_channels_and_layers_that_stay_dense() -> None:
    pruned = task(unit="channel", density=0.5, dense=["3.weight"])
    optlab.minimize(pruned, method="magnitude", epochs=3.0, seed=0)
    rows = pruned.masks()["0.weight"].double().mean(dim=1)
    assert sorted(rows.tolist()) == [0.0] * 8 + [1.0] * 8
    assert bool((pruned.model[3].weight != 0).all())


def test_shared_weights_are_one_block() -> None:
    class Tied(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Linear(6, 6)
            self.b = torch.nn.Linear(6, 6)
            self.b.weight = self.a.weight
            self.out = torch.nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.out(self.b(self.a(x).relu()).relu())

    torch.manual_seed(0)
    pruned = task(Tied(), density=0.5, scope="layerwise")
    optlab.minimize(pruned, method="gmp", epochs=4.0, seed=0)
    assert list(pruned.kept()) == ["a.weight", "out.weight"]
    assert pruned.model.a.weight is pruned.model.b.weight
    assert pruned.kept()["a.weight"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": 0}, r"density is 0; a number in \(0, 1\)"),
        ({"density": 1.0}, "a task without pruning is a TrainingTask"),
        ({"density": None}, "one of the two is needed"),
        ({"density": None, "sparsity": 1.0}, "sparsity is 1.0"),
        ({"sparsity": 0.5}, "density is 0.3 and sparsity is 0.5"),
        ({"density": {"0.weight": 1.0, "3.weight": 1.0}}, "all densities are 1"),
        ({"density": 0.005, "scope": "layerwise"}, "leaves 0.weight nothing"),
        ({"dense": ["4.weight"]}, "dense names '4.weight'"),
    ],
)
def test_bad_input(options: Any, message: str) -> None:
    with pytest.raises(optlab.errors.OptionError, match=message):
        task(**options)


def test_a_model_without_weights_to_prune() -> None:
    with pytest.raises(optlab.errors.ProblemError, match="nothing to prune"):
        task(torch.nn.BatchNorm1d(6))


def test_sign_activation_has_the_stated_derivative() -> None:
    from optlab.adapters import pruning

    x = torch.tensor([-2.0, -0.25, 0.0, 0.5, 1.0], requires_grad=True)
    y = pruning.SignActivation()(x)
    y.sum().backward()
    assert y.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    assert x.grad.tolist() == [0.0, 1.5, 2.0, 1.0, 0.0]


@pytest.mark.parametrize("method", ["lrr", "biprop"])
def test_an_interrupted_run_goes_on_to_the_same_network(method: str, tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    options = {"epochs": 4.0} | ({"rounds": 1} if method == "lrr" else {})
    whole = task()
    wanted = optlab.minimize(whole, method=method, seed=0, options=options)
    torn = task()
    first = optlab.minimize(
        torn, method=method, seed=0, options=options, max_iter=7, checkpoint=tmp_path / "run"
    )
    assert first.stop is StopReason.MAX_ITER
    # What is trained so far is in the model, at the density in force.
    assert np.array_equal(torn.vector().astype(np.float32), first.x.astype(np.float32))
    again = task()
    result = optlab.minimize(
        again, method=method, seed=0, options=options, resume=tmp_path / "run"
    )
    assert result.stop is StopReason.COMPLETED
    assert np.array_equal(result.x, wanted.x)
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.masks().values(), whole.masks().values(), strict=True)
    )
