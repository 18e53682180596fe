"""The bias shift as a reduction: a network whose layers work step by step, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch


class Network(nn.Module):  # type: ignore[misc]
    """Biases of all kinds behind neurons, one layer that sees the input as well, a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(2, 2, 3, padding=1)
        self.plain = nn.Conv2d(2, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(2)
        self.bare = nn.BatchNorm2d(2, affine=False)
        self.last = nn.Linear(32, 3)

    def forward(self, x: Any) -> Any:
        first = torch.relu(self.norm(self.twice(x)))
        second = torch.relu(self.bare(self.plain(first)) + self.twice(first))
        return self.last(torch.flatten(second, 1))


def quantized(steps: int, seed: int) -> tuple[Any, Any]:
    torch.manual_seed(seed)
    model = Network().double()
    x = torch.randn(8, 2, 4, 4, dtype=torch.float64) + 0.5
    nn.init.uniform_(model.norm.weight, 0.5, 2.0)
    nn.init.normal_(model.norm.bias)
    model(x)
    return snn.quantize(model.eval(), steps, calibration=x), x


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from(["binary", "rate"]))
def test_the_shifted_network_needs_no_further_shift(seed: Any, steps: Any, mode: Any) -> None:
    q, x = quantized(steps, seed)
    coding = snn.Coding(steps, mode)
    shifted, inverse = snn.BiasShift(coding).apply(q)
    wanted = snn.SpikingNetwork(q, coding).run(x)
    found = snn.SpikingNetwork(shifted, coding, bias_shift=False).run(x)
    assert torch.equal(found[0], wanted[0])
    assert all(torch.equal(s, wanted[1].spikes[k]) for k, s in found[1].spikes.items())
    assert torch.allclose(inverse.back(shifted)(x), q(x), rtol=0.0, atol=1e-11)


def test_formulas_by_hand() -> None:
    q, _ = quantized(3, seed=1)
    shift = snn.BiasShift(snn.Coding(3))
    shifted, inverse = shift.apply(q)
    assert torch.allclose(7 * shifted.last.bias, q.last.bias)
    # S times the constant of the shifted normalization is that of the unshifted one.
    x = torch.zeros(1, 2, 1, 1, dtype=torch.float64)
    assert torch.allclose(7 * shifted.bare(x), q.bare(x))
    assert torch.allclose(shifted.bare(x + 1) - shifted.bare(x), q.bare(x + 1) - q.bare(x))
    back = inverse.layer(shift.layer(q.norm))
    assert torch.allclose(back.bias, q.norm.bias)
    assert inverse.layer(q.plain) is q.plain


def test_layers_on_the_input_keep_their_constants() -> None:
    q, _ = quantized(2, seed=2)
    shifted, _ = snn.BiasShift(snn.Coding(2)).apply(q)
    assert shifted.twice is q.twice
    assert shifted.norm is q.norm
    assert torch.allclose(3 * shifted.twice_on_spikes.bias, q.twice.bias)


def test_the_network_given_stays_as_it_is() -> None:
    q, x = quantized(2, seed=3)
    before, state = q(x), {k: v.clone() for k, v in q.state_dict().items()}
    shifted, _ = snn.BiasShift(snn.Coding(2)).apply(q)
    shifted.last.bias.data.zero_()
    assert torch.equal(q(x), before)
    assert all(torch.equal(v, state[k]) for k, v in q.state_dict().items())


@pytest.mark.parametrize(("mode", "latency"), [("binary", [0, 3, 6]), ("rate", [0, 1, 5])])
def test_pipeline(mode: Any, latency: Any) -> None:
    q, _ = quantized(3, seed=0)
    steps = 3 if mode == "binary" else 4
    pipeline = snn.convert(q, mode, steps=steps).pipeline
    assert [s.first for s in pipeline.stages] == latency[:2]
    assert [s.last - s.first + 1 for s in pipeline.stages] == [steps, steps]
    assert pipeline.latency == latency[2]
    assert pipeline.throughput == 1 / steps
    assert pipeline.steps_for(10) == latency[2] + 9 * steps


def test_residual_connections_wait() -> None:
    class Long(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            a = torch.relu(x)
            return torch.relu(torch.relu(torch.relu(a)) + a)

    net = snn.convert(snn.quantize(Long(), 2).eval())
    assert [s.waits for s in net.pipeline.stages] == [0, 0, 0, 4]
    assert net.latency == 8
