"""Spiking networks fire the codes of the quantized network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import OptionError, ProblemError

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch

finite = st.floats(-1e4, 1e4, allow_nan=False, width=32)


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.one_norm = nn.BatchNorm2d(width)
        self.two = nn.Conv2d(width, width, 3, padding=1)
        self.two_norm = nn.BatchNorm2d(width, affine=False)

    def forward(self, x: Any) -> Any:
        y = nn.functional.relu(self.one_norm(self.one(x)))
        y = self.two_norm(self.two(y))
        y += x
        return y.relu()


def network(seed: int = 0) -> tuple[Any, Any]:
    """A residual network whose batch statistics are not trivial, in double precision."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        Residual(4),
        nn.Flatten(),
        nn.Linear(64, 12),
        nn.ReLU(),
        nn.Linear(12, 3),
    ).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    x = torch.randn(16, 1, 8, 8, dtype=torch.float64)
    for _ in range(3):
        model(x)
    return model.eval(), x


def quantized(steps: int, seed: int = 0) -> Any:
    model, x = network(seed)
    return snn.quantize(model, steps, calibration=x, percentile=99.0, max_pool="average"), x


@given(finite, st.floats(0.01, 100.0), st.integers(1, 8), st.sampled_from(["lsb", "msb"]))
def test_bits_fired_are_the_code(x: Any, lam: Any, steps: Any, order: Any) -> None:
    activation = snn.QuantizedReLU(steps, torch.tensor(lam)).double()
    value = torch.tensor([[x]], dtype=torch.float64)
    coding = snn.Coding(steps, "binary", order)
    spikes = coding.fire(activation.potential(value))
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(coding.decode(spikes), activation.codes(value))
    # Independent of both: the definition, in numpy.
    levels = 2**steps - 1
    stated = np.clip(np.floor(x * (levels / activation.threshold.item()) + 0.5), 0, levels)
    assert coding.decode(spikes).item() == stated


def test_neuron_by_hand() -> None:
    # u = 11.7 with T = 4: 11 = 1011 in binary. u = -3 gives no spikes, u = 99 all of them.
    potential = torch.tensor([11.7, -3.0, 99.0])
    assert snn.Coding(4, "binary", "msb").fire(potential).T.tolist() == [
        [1, 0, 1, 1],
        [0, 0, 0, 0],
        [1, 1, 1, 1],
    ]
    assert snn.Coding(4, "binary", "lsb").fire(potential)[:, 0].tolist() == [1, 1, 0, 1]


def test_integrate_and_fire_by_hand() -> None:
    # Start 1/2, current 0.4: 0.9, 1.3 -> fires, 0.3 left, 0.7, 1.1 -> fires.
    spikes = snn.Coding(4, "rate").integrate_and_fire(torch.full((4, 1), 0.4))
    assert spikes[:, 0].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("order", ["lsb", "msb"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
def test_no_code_differs(steps: Any, order: Any) -> None:
    q, x = quantized(steps)
    net = snn.convert(q, order=order)
    mismatches = net.mismatches(x)
    assert len(mismatches) == 4
    assert set(mismatches.values()) == {0}
    assert torch.allclose(net(x), q(x).detach(), rtol=0.0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_no_code_differs_in_random_networks(seed: Any, steps: Any) -> None:
    q, x = quantized(steps, seed)
    net = snn.convert(q)
    assert sum(net.mismatches(x).values()) == 0
    assert torch.allclose(net(x), q(x).detach(), rtol=0.0, atol=1e-11)


def test_the_comparison_sees_a_wrong_network() -> None:
    q, x = quantized(3)
    assert sum(snn.convert(q, bias_shift=False).mismatches(x).values()) > 0
    assert float((snn.convert(q, "rate")(x) - q(x)).detach().abs().max()) > 1e-3


def test_rate_codes_approach_the_network_without_quantization() -> None:
    model, x = network()
    model[3] = nn.AvgPool2d(2)
    q = snn.quantize(model, 4, calibration=x)
    errors = [
        float((snn.convert(q, "rate", steps=n)(x) - model(x)).detach().abs().max())
        for n in (16, 256, 2048)
    ]
    assert errors[2] < 0.1 * errors[0]


def test_latency_counts_the_longest_path() -> None:
    q, _ = quantized(3)
    assert snn.convert(q).latency == 3 * 4


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8), st.sampled_from(["binary", "rate"]))
def test_shifted_constants_arrive_once(seed: Any, steps: Any, mode: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    coding = snn.Coding(steps, mode)
    norm = nn.BatchNorm1d(3).double().eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.normal_(generator=generator)
    norm.running_var.uniform_(0.1, 2.0, generator=generator)
    currents = torch.randn(steps, 5, 3, generator=generator, dtype=torch.float64)
    wanted = norm(coding.accumulate(currents))
    whole = norm.bias.data.clone()
    norm.bias.data = snn.shifted_offset(norm, coding.levels).detach()
    got = coding.accumulate(torch.stack([norm(c) for c in currents]))
    assert torch.allclose(got, wanted, rtol=1e-10, atol=1e-10)
    assert torch.allclose(
        coding.levels * snn.shifted_bias(whole, coding.levels), whole, rtol=1e-12, atol=0.0
    )


def test_far_means_do_not_amplify_rounding() -> None:
    # A mean of 1000 deviations, 255 levels: a constant near 1000 at each step would arrive with 255 times its round-off,
    # nearly 0.01; the network itself rounds 1000 to 6e-5.
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8)
    ).eval()
    model[3].running_mean.fill_(-1000.0)
    model[3].bias.data.fill_(-1000.0)
    x = torch.randn(64, 4)
    q = snn.quantize(model, 8, calibration=x)
    assert float((snn.convert(q)(x) - q(x)).detach().abs().max()) < 1e-3


def test_straight_through_gradients() -> None:
    activation = snn.QuantizedReLU(2, 3.0)
    x = torch.tensor([[-1.0, 1.2, 5.0]], requires_grad=True)
    activation(x).sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0, 0.0]]
    # d h / d lam: round-off (h - x) / lam inside, 1 above, 0 below; h(1.2) = 1.
    assert activation.threshold.grad.item() == pytest.approx((1 - 1.2) / 3 + 1)


def test_per_channel_thresholds() -> None:
    activation = snn.QuantizedReLU(2, torch.tensor([3.0, 6.0]))
    x = torch.full((1, 2, 2, 2), 2.2)
    assert activation(x)[0, :, 0, 0].tolist() == [2.0, 2.0]
    assert activation.codes(x)[0, :, 0, 0].tolist() == [2.0, 1.0]


def test_the_model_is_not_touched() -> None:
    model, x = network()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    q = snn.quantize(model, 2, calibration=x, max_pool="average")
    for parameter in q.parameters():
        parameter.data.zero_()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


class Branches(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x


class Reused(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        y = nn.functional.relu(x, inplace=True)
        return x + y


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), "1 is a LayerNorm.*BatchNorm"),
        (nn.Sequential(nn.Conv2d(1, 4, 1), nn.GroupNorm(2, 4)), "1 is a GroupNorm.*BatchNorm"),
        (nn.Sequential(nn.Sequential(nn.GELU())), r"0\.0 is a GELU.*ReLU"),
        (nn.Sequential(nn.MaxPool2d(2)), "0 is a MaxPool2d.*max_pool='average'"),
        (Branches(), "cannot be traced.*control flow"),
        (Reused(), "in place"),
    ],
)
def test_unsupported(model: Any, words: Any) -> None:
    with pytest.raises(ProblemError, match=words):
        snn.quantize(model, 2)


@pytest.mark.parametrize("steps", [0, 17, 2.0, True, None])
def test_steps_out_of_range(steps: Any) -> None:
    with pytest.raises(OptionError, match="from 1 to 16"):
        snn.quantize(nn.Sequential(nn.ReLU()), steps)


def test_weights_that_are_not_finite() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].weight.data[0, 0] = float("nan")
    with pytest.raises(ProblemError, match=r"0\.weight"):
        snn.quantize(model, 2)


def test_what_cannot_be_converted() -> None:
    q, _ = quantized(2)
    with pytest.raises(ProblemError, match=r"BatchNorm2d.*call eval\(\)"):
        snn.convert(q.train())
    with pytest.raises(ProblemError, match="call quantize first"):
        snn.convert(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(ProblemError, match="is a ReLU; quantize"):
        snn.convert(nn.Sequential(nn.ReLU()))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from(["lsb", "msb"]))
def test_integers_are_equal_to_the_bit(seed: Any, steps: Any, order: Any) -> None:
    q, x = quantized(steps, seed)
    net = snn.convert(q, exact="integer", order=order)
    assert torch.equal(net(x), net.quantized_logits(x))
    assert set(net.mismatches(x).values()) == {0}
    spikes, whole = net.whole.run(x)[2], net.whole.run(x, spiking=False)
    assert whole[0].dtype == torch.int64
    assert all(set(s.unique().tolist()) <= {0, 1} for s in spikes.values())


def test_integers_are_near_the_network() -> None:
    # Fixed point may flip codes at a threshold, so the bound is on the bulk of the logits.
    q, x = quantized(4)
    net = snn.convert(q, exact="integer")
    assert float((net(x) - q(x)).detach().abs().median()) < 1e-3


def test_integers_with_thresholds_per_channel() -> None:
    q, x = quantized(3)
    for module in q.modules():
        if isinstance(module, snn.QuantizedReLU):
            module.threshold = nn.Parameter(
                module.threshold.detach() * torch.linspace(0.5, 1.5, 4).double()
            )
            break
    for exact in ("float", "integer"):
        net = snn.convert(q, exact=exact)
        assert set(net.mismatches(x).values()) == {0}
