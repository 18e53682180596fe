"""The spike penalty."""

from __future__ import annotations

from typing import Any

import pytest

from optlab import minimize

torch: Any = pytest.importorskip("torch")
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch


def task(penalty: float, repeat: int = 1) -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).double()
    x = torch.randn(64, 4, dtype=torch.float64)
    y = (x[:, 0] > 0).long()
    q = snn.quantize(model, 3, calibration=x)
    data = (x.repeat(repeat, 1), y.repeat(repeat))
    return snn.SpikeTrainingTask(
        q, nn.functional.cross_entropy, data, batch_size=64 * repeat, spike_penalty=penalty
    )


def test_penalty_is_the_spikes_of_a_sample_for_any_batch() -> None:
    plain, penalized, twice = task(0.0), task(0.01), task(0.01, repeat=2)
    x = plain.vector()
    # The generator's state is that of the data: seed 0, then the layers.
    torch.manual_seed(0)
    torch.nn.Linear(4, 16), torch.nn.Linear(16, 2)
    inputs = torch.randn(64, 4, dtype=torch.float64)
    spikes = snn.convert(plain.model.eval()).run(inputs)[1].spikes
    per_sample = sum(float(s.sum()) for s in spikes.values()) / 64
    assert penalized.objective(x) - plain.objective(x) == pytest.approx(0.01 * per_sample)
    assert twice.objective(x) == pytest.approx(penalized.objective(x), rel=1e-12)


def test_training_with_the_penalty_fires_less() -> None:
    fired = []
    for penalty in (0.0, 0.02):
        trained = task(penalty)
        minimize(trained, method="sgd", max_iter=60)
        net = snn.convert(trained.model.eval())
        torch.manual_seed(1)
        fired.append(sum(net.run(torch.randn(256, 4).double())[1].per_neuron().values()))
    assert fired[1] < 0.9 * fired[0]
