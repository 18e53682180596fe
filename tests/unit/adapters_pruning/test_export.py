from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab

torch: Any = pytest.importorskip("torch")

CE: Any = torch.nn.functional.cross_entropy


def data(*shape: int) -> Any:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(120, *shape, generator=generator)
    flat = x.flatten(1)
    return x, (flat[:, 0] + flat[:, 1] > 0).long() + (flat[:, 2] > 0.5).long()


def floats() -> Any:
    linear = torch.nn.Linear
    return torch.nn.Sequential(linear(6, 24), torch.nn.ReLU(), linear(24, 3))


def bits() -> Any:
    from optlab.adapters import pruning

    nn = torch.nn
    return nn.Sequential(
        nn.Linear(6, 70, bias=False),
        nn.BatchNorm1d(70, affine=False),
        pruning.SignActivation(),
        nn.Linear(70, 70, bias=False),
        nn.BatchNorm1d(70, affine=False),
        pruning.SignActivation(),
        nn.Linear(70, 3, bias=False),
    )


def images() -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 2 * 2, 3),
    )


@pytest.mark.parametrize(
    ("net", "shape"),
    [(floats, (6,)), (bits, (6,)), (images, (1, 6, 6))],
    ids=["floats", "bits", "images"],
)
def test_a_ticket_runs_on_bits(net: Any, shape: tuple[int, ...], tmp_path: Any) -> None:
    from optlab.adapters import pruning

    torch.manual_seed(0)
    samples = data(*shape)
    ticket = pruning.MultiPrizeTicket(
        net(), CE, samples, density="search", options={"epochs": 4.0}, batch_size=40, low=0.2
    )
    optlab.minimize(ticket, method="bounded", max_eval=2)
    packed = ticket.export_packed()
    model = ticket.task.model
    mode = model.training
    model.eval()
    with torch.no_grad():
        wanted = model(samples[0]).numpy()
    model.train(mode)
    assert np.abs(wanted).max() > 0.1
    assert np.abs(packed(samples[0].numpy()) - wanted).max() < 1e-4
    # No float weights: two planes of words of 64 columns.
    assert packed.memory().weights == sum(m.numel() for m in ticket.task.masks().values())
    packed.save(tmp_path / "ticket")
    loaded = pruning.PackedNetwork.load(tmp_path / "ticket")
    assert np.array_equal(loaded(samples[0].numpy()), packed(samples[0].numpy()))


def test_the_model_keeps_its_mode_and_weights() -> None:
    from optlab.adapters import pruning

    torch.manual_seed(0)
    ticket = pruning.MultiPrizeTicket(
        bits(), CE, data(6), density=0.4, options={"epochs": 2.0}, batch_size=40
    )
    optlab.minimize(ticket, method="biprop", epochs=2.0, seed=0)
    model = ticket.task.model.train()
    before = ticket.task.vector()
    ticket.export_packed()
    assert model.training
    assert np.array_equal(ticket.task.vector(), before)


def test_what_is_not_binary_is_named() -> None:
    from optlab.adapters import pruning

    torch.manual_seed(0)
    ticket = pruning.MultiPrizeTicket(floats(), CE, data(6), batch_size=40)
    with pytest.raises(optlab.errors.ProblemError, match="the weights of 0 are not gain"):
        ticket.export_packed()
    task = pruning.PruningTask(
        floats(), CE, data(6), density=0.4, scope="layerwise", dense=["2.weight"]
    )
    optlab.minimize(task, method="biprop", epochs=2.0, seed=0)
    with pytest.raises(optlab.errors.ProblemError, match="the weights of 2 are not gain"):
        task.export_packed()
    packed = task.export_packed(keep_dense=True)
    with torch.no_grad():
        wanted = task.model(data(6)[0]).numpy()
    assert np.abs(packed(data(6)[0].numpy()) - wanted).max() < 1e-4
    assert packed.memory().weights == 6 * 24


def test_a_layer_without_packed_form_is_named() -> None:
    from optlab.adapters import pruning

    torch.manual_seed(0)
    net = floats()
    net[1] = torch.nn.Softplus()
    task = pruning.PruningTask(net, CE, data(6), density=0.4, scope="layerwise")
    optlab.minimize(task, method="biprop", epochs=1.0, seed=0)
    with pytest.raises(optlab.errors.CapabilityError, match="1 is a Softplus"):
        task.export_packed()
