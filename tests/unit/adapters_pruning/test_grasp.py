from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
CE: Any = nn.functional.cross_entropy


def data() -> Any:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(64, 6, generator=generator).double()
    return x, (x[:, 0] + x[:, 1] > 0).long()


def network(width: int = 20, activation: Any = nn.ReLU) -> Any:
    torch.manual_seed(0)
    layers = nn.Linear(6, width), nn.Linear(width, width), nn.Linear(width, 2)
    return nn.Sequential(layers[0], activation(), layers[1], activation(), layers[2]).double()


def task(net: Any = None, **options: Any) -> Any:
    net = network() if net is None else net
    return optlab.adapters.TrainingTask(net, CE, data(), **options)


def test_densities_keep_the_total_and_are_those_of_the_task() -> None:
    from optlab.adapters import pruning

    net = network()
    before = task(net).vector()
    found = pruning.grasp_densities(task(net), 0.2, seed=1)
    assert np.array_equal(task(net).vector(), before)
    sizes = {"0.weight": 120, "2.weight": 400, "4.weight": 40}
    assert list(found) == list(sizes)
    counts = {name: found[name] * size for name, size in sizes.items()}
    assert sum(counts.values()) == pytest.approx(round(0.2 * 560))
    assert found == pruning.grasp_densities(task(net), 0.2, seed=1)
    pruned = pruning.PruningTask(net, CE, data(), density=found, batch_size=32)
    optlab.minimize(pruned, method="lrr", epochs=1.0, rounds=1, seed=0)
    kept = {name: int(mask.sum()) for name, mask in pruned.masks().items()}
    assert kept == {name: round(count) for name, count in counts.items()}


def test_many_directions_agree_with_second_derivatives() -> None:
    from optlab.adapters import pruning

    # A smooth network, so that differences of gradients have a limit.
    net = network(12, nn.Tanh)
    weights = list(net.parameters())
    inputs, targets = data()
    loss = CE(net(inputs), targets)
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    along = sum((g * g.detach()).sum() for g in gradients)
    products = torch.autograd.grad(along, weights)
    scores = [
        (w.detach() * h).abs().flatten()
        for w, h in zip(weights, products, strict=True)
        if w.dim() == 2
    ]
    threshold = torch.cat(scores).topk(48).values.min()
    exact = np.array([float((s >= threshold).double().mean()) for s in scores])
    densities = pruning.grasp_densities(task(net), 0.2, directions=4000, smoothing=1e-3)
    found = np.array(list(densities.values()))
    assert np.argsort(found).tolist() == np.argsort(exact).tolist()
    assert found == pytest.approx(exact, abs=0.1)


def test_bad_input() -> None:
    from optlab.adapters import pruning

    for density in (0.0, 1.0, 1.5):
        with pytest.raises(optlab.errors.OptionError, match="density is"):
            pruning.grasp_densities(task(), density)
    norm = nn.Sequential(nn.BatchNorm1d(6)).double()
    with pytest.raises(optlab.errors.ProblemError, match="nothing to prune"):
        pruning.grasp_densities(task(norm), 0.5)


def test_a_layer_that_would_lose_all_weights_is_named() -> None:
    from optlab.adapters import pruning

    net = network()
    # Its scores are zero, since the products with its weights are.
    net[2].weight.data.zero_()
    with pytest.raises(optlab.errors.ProblemError, match=r"2\.weight would lose all weights"):
        pruning.grasp_densities(task(net), 0.1)
