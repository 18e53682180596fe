from __future__ import annotations

import sys
from typing import Any

import pytest

import optlab

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn


def perceptron() -> tuple[Any, Any]:
    net = nn.Sequential(
        nn.Linear(6, 12), nn.Sigmoid(), nn.Linear(12, 8, bias=False), nn.ReLU(), nn.Linear(8, 3)
    )
    return net, torch.randn(5, 6)


def chain(padding: int = 0) -> tuple[Any, Any]:
    net = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=padding, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3, padding=padding),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * (16 if padding else 4), 3),
    )
    return net, torch.randn(4, 2, 8, 8)


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(8, 10, 1)
        self.back = nn.Conv2d(10, 8, 1, bias=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(x + self.back(torch.relu(self.inner(x))))
        return self.head(x.mean((2, 3)))


def with_statistics(net: Any) -> Any:
    """Give normalizations numbers that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return net.eval()


def outputs(net: Any, x: Any) -> Any:
    with torch.no_grad():
        return net(x)


def emptied(net: Any, rows: dict[str, list[int]]) -> dict[str, Any]:
    """Return masks that empty rows of weights."""
    masks = {}
    for name, numbers in rows.items():
        mask = torch.ones_like(net.get_parameter(name), dtype=torch.bool)
        mask[numbers] = False
        masks[name] = mask
    return masks


def masked(net: Any, masks: dict[str, Any]) -> Any:
    import copy

    other = copy.deepcopy(net)
    for name, mask in masks.items():
        other.get_parameter(name).data.mul_(mask)
    return other


CASES: dict[str, Any] = {
    "perceptron": (perceptron, {"0.weight": [0, 3, 7], "2.weight": [1, 2]}, (9, 6)),
    "chain": (chain, {"0.weight": [0, 1, 5], "3.weight": [2, 4]}, (5, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_smaller_network_computes_the_same(case: str) -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    build, rows, widths = CASES[case]
    net, x = build()
    with_statistics(net)
    masks = emptied(net, rows)
    smaller = pruning.remove_channels(net, masks, example_inputs=x)
    fresh = torch.randn(7, *x.shape[1:])
    wanted = outputs(masked(net, masks), fresh)
    assert outputs(smaller.model, fresh) == pytest.approx(wanted, abs=1e-5)
    layers = [m for m in smaller.model if isinstance(m, (nn.Linear, nn.Conv2d))]
    assert tuple(m.weight.shape[0] for m in layers[:2]) == widths
    assert smaller.stayed == {}
    assert smaller.removed == {name.removesuffix(".weight"): len(r) for name, r in rows.items()}
    assert smaller.parameters[1] == sum(p.numel() for p in smaller.model.parameters())
    assert smaller.macs[1] < smaller.macs[0]
    # The model that was given is as it was.
    assert sum(p.numel() for p in net.parameters()) == smaller.parameters[0]
    assert all(bool(net.get_parameter(name)[r].any()) for name, r in rows.items())


def test_a_channel_of_a_sum_goes_when_all_that_make_it_are_empty() -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = with_statistics(Residual()), torch.randn(4, 1, 7, 7)
    masks = emptied(
        net, {"first.weight": [0, 1, 2], "back.weight": [1, 2, 5], "inner.weight": [9]}
    )
    smaller = pruning.remove_channels(net, masks, example_inputs=x)
    fresh = torch.randn(6, 1, 7, 7)
    assert outputs(smaller.model, fresh) == pytest.approx(
        outputs(masked(net, masks), fresh), abs=1e-5
    )
    assert smaller.model.first.weight.shape[0] == smaller.model.back.weight.shape[0] == 6
    assert smaller.model.inner.weight.shape[:2] == (9, 6)
    assert smaller.stayed == {"first": 1, "back": 1}


def test_a_constant_beside_padding_stays_or_is_silenced() -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = chain(padding=1)
    with_statistics(net)
    norm = net[1]
    norm.bias.data[:3] = torch.tensor([2.0, -2.0, 0.0])
    norm.running_mean[:3] = 0.0
    masks = emptied(net, {"0.weight": [0, 1, 2]})
    smaller = pruning.remove_channels(net, masks, example_inputs=x)
    # relu(2) = 2 is seen by fewer taps at the edges; relu of the other two is 0.
    assert smaller.removed == {"0": 2}
    assert smaller.stayed == {"0": 1}
    assert outputs(smaller.model, x) == pytest.approx(outputs(masked(net, masks), x), abs=1e-5)
    silent = pruning.remove_channels(net, masks, example_inputs=x, constants="silence")
    assert silent.removed == {"0": 3}
    assert silent.stayed == {}
    reference = masked(net, masks)
    reference[1].bias.data[0] = 0.0
    assert outputs(silent.model, x) == pytest.approx(outputs(reference, x), abs=1e-5)
    assert norm.bias[0].item() == 2.0


def test_outputs_are_kept_and_one_channel_at_least() -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = perceptron()
    masks = emptied(net, {"0.weight": list(range(12)), "4.weight": [0]})
    smaller = pruning.remove_channels(net, masks, example_inputs=x)
    assert smaller.removed == {"0": 11}
    assert smaller.stayed == {"0": 1, "4": 1}
    assert outputs(smaller.model, x) == pytest.approx(outputs(masked(net, masks), x), abs=1e-5)


def test_the_channels_of_a_pruned_task_go() -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = chain()
    data = x.repeat(8, 1, 1, 1), torch.arange(32) % 3
    task = pruning.PruningTask(
        net,
        nn.functional.cross_entropy,
        data,
        density=0.5,
        unit="channel",
        scope="layerwise",
        dense=["8.weight"],
        batch_size=16,
    )
    optlab.minimize(task, method="magnitude", epochs=1.0, seed=0)
    smaller = pruning.remove_channels(task.model, task.masks(), example_inputs=x)
    assert smaller.removed == {"0": 4, "3": 3}
    net.eval()
    assert outputs(smaller.model, x) == pytest.approx(outputs(net, x), abs=1e-5)


class Wired(nn.Module):  # type: ignore[misc]
    """Two layers with something between or beside them."""

    def __init__(self, wiring: Any) -> None:
        super().__init__()
        self.a, self.b, self.wiring = nn.Linear(6, 8), nn.Linear(8, 3), wiring

    def forward(self, x: Any) -> Any:
        return self.wiring(torch.sigmoid(self.a(x)), self.b)


def test_bad_input() -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = perceptron()
    with pytest.raises(
        optlab.errors.ProblemError, match=r"shape \(3, 3\), the parameter \(12, 6\)"
    ):
        pruning.remove_channels(net, {"0.weight": torch.ones(3, 3)}, example_inputs=x)
    with pytest.raises(optlab.errors.ProblemError, match=r"for 7\.weight"):
        pruning.remove_channels(net, {"7.weight": torch.ones(3, 3)}, example_inputs=x)
    with pytest.raises(optlab.errors.OptionError, match="'fold' or 'silence'"):
        pruning.remove_channels(net, example_inputs=x, constants="drop")
    torch.nn.utils.prune.identity(net[0], "weight")
    with pytest.raises(
        optlab.errors.ProblemError, match=r"carries masks of torch\.nn\.utils\.prune"
    ):
        pruning.remove_channels(net, example_inputs=x)


@pytest.mark.parametrize(
    "wiring",
    [
        lambda y, b: b(torch.softmax(y, dim=-1)),
        lambda y, b: b(y - y.mean(dim=-1, keepdim=True)),
        lambda y, b: torch.cat([b(y), y], dim=1),
        lambda y, b: b(y) * y.mean(dim=-1, keepdim=True),
    ],
    ids=["softmax", "centred", "put out", "mean beside"],
)
def test_channels_that_are_mixed_or_put_out_stay(wiring: Any) -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = Wired(wiring), torch.randn(5, 6)
    masks = emptied(net, {"a.weight": [0]})
    smaller = pruning.remove_channels(net, masks, example_inputs=x)
    assert (smaller.removed, smaller.stayed) == ({}, {"a": 1})
    assert torch.equal(outputs(smaller.model, x), outputs(masked(net, masks), x))


def test_what_the_graph_does_not_see_is_found_by_the_outputs() -> None:
    pytest.importorskip("torch_pruning")
    from optlab.adapters import pruning

    torch.manual_seed(1)
    net, x = Wired(lambda y, b: b(y) * y.detach().sum()), torch.randn(5, 6)
    masks = emptied(net, {"a.weight": [0]})
    with pytest.raises(optlab.errors.ProblemError, match="mixes them"):
        pruning.remove_channels(net, masks, example_inputs=x)


def test_without_the_library(monkeypatch: Any) -> None:
    from optlab.adapters import pruning

    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(optlab.errors.MissingDependencyError, match="pruning"):
        pruning.remove_channels(perceptron()[0], example_inputs=perceptron()[1])
