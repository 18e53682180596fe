"""Forms of networks: thresholds per channel, one and three dimensions, shared and pre-activated layers; what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import CapabilityError, OptionError, ProblemError

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
ADAPTIVE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
OVERLAPPING = {"kernel_size": 3, "stride": 2, "padding": 1}


def model_of(axes: int, pool: Any) -> Any:
    return (
        nn.Sequential(
            CONVS[axes](2, 4, 3, padding=1),
            nn.ReLU(),
            CONVS[axes](4, 6, 3, padding=1, groups=2),
            nn.ReLU(),
            pool,
            nn.Dropout(),
            nn.Flatten(),
            nn.LazyLinear(5),
            nn.ReLU(),
            nn.Linear(5, 3),
        )
        .double()
        .eval()
    )


@pytest.mark.parametrize("exact", ["float", "integer"])
@pytest.mark.parametrize("kind", ["overlapping", "adaptive"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_and_pools_in_all_dimensions(axes: Any, kind: Any, exact: Any) -> None:
    torch.manual_seed(axes)
    pool = POOLS[axes](**OVERLAPPING) if kind == "overlapping" else ADAPTIVE[axes](2)
    model = model_of(axes, pool)
    x = torch.randn(6, 2, *(4,) * axes, dtype=torch.float64)
    model(x)
    q = snn.quantize(model, 3, calibration=x, per_channel=True)
    net = snn.convert(q, exact=exact)
    report = net.report(x)
    assert report.mismatches == 0
    assert report.codes == 6 * (10 * 4**axes + 5)
    if exact == "integer":
        assert torch.equal(net(x), net.quantized_logits(x))
        # Fixed point has 16 bits: near the network, but for codes at a threshold.
        assert float((net(x) - q(x)).detach().abs().median()) < 1e-2
    else:
        assert torch.allclose(net(x), q(x), rtol=0.0, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(70.0, 100.0))
def test_thresholds_of_channels_are_their_quantiles(seed: Any, percentile: Any) -> None:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    model[0].bias.data = torch.tensor([3.0, -99.0, 3.0])
    x = torch.randn(8, 1, 5, 5)
    q = snn.quantize(model, 2, calibration=x, percentile=percentile, per_channel=True)
    seen = model(x).transpose(0, 1).flatten(1)
    (lam,) = (m.threshold for m in q.modules() if isinstance(m, snn.QuantizedReLU))
    assert lam.shape == (3,)
    for channel in (0, 2):
        below = float((seen[channel] <= lam[channel]).double().mean())
        assert below == pytest.approx(percentile / 100, abs=1 / seen.shape[1])
    # A silent channel has the threshold of the layer.
    whole = snn.quantize(model, 2, calibration=x, percentile=percentile)
    assert lam[1] == next(
        m.threshold for m in whole.modules() if isinstance(m, snn.QuantizedReLU)
    )


def test_thresholds_of_channels_from_scratch() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(3, 5), nn.Dropout(), nn.ReLU(),
    ).double()  # fmt: skip
    q = snn.quantize(model, 2, per_channel=True)
    lams = [m.threshold for m in q.modules() if isinstance(m, snn.QuantizedReLU)]
    assert [lam.shape[0] for lam in lams] == [3, 3, 5]
    assert all(bool((lam == 8.0).all()) and lam.dtype == torch.float64 for lam in lams)
    flattened = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.ReLU())
    with pytest.raises(OptionError, match="pass calibration, or per_channel=False"):
        snn.quantize(flattened, 2, per_channel=True)


class PreActivated(nn.Module):  # type: ignore[misc]
    """Batch normalization and activation before the convolution, with an identity connection around both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.middle = nn.BatchNorm2d(3)
        self.last = nn.Linear(48, 2)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.stem(x))
        z = self.conv(torch.relu(self.norm(y))) + y
        return self.last(torch.flatten(torch.relu(self.middle(z)), 1))


def test_normalization_before_convolutions() -> None:
    torch.manual_seed(0)
    model, x = PreActivated().double(), torch.randn(32, 1, 4, 4, dtype=torch.float64)
    for _ in range(3):
        model(x)
    q = snn.quantize(model.eval(), 4, calibration=x)
    net = snn.convert(q)
    assert net.report(x).mismatches == 0
    assert torch.allclose(net(x), q(x), rtol=0.0, atol=1e-12)
    with pytest.raises(CapabilityError, match=r"norm is batch normalization.*exact='float'"):
        snn.convert(q, exact="integer")


class Shared(nn.Module):  # type: ignore[misc]
    """One convolution and one ReLU, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x: Any) -> Any:
        return self.conv(self.relu(self.norm(self.conv(self.relu(self.conv(x))))))


def test_shared_modules() -> None:
    torch.manual_seed(0)
    model, x = Shared().double(), torch.randn(16, 2, 4, 4, dtype=torch.float64)
    model(x)
    q = snn.quantize(model.eval(), 3, calibration=x)
    net = snn.convert(q)
    # Two neuron layers, each with its own threshold, from one ReLU; the convolution sees the input and spikes.
    assert len(net.pipeline.stages) == 2
    assert net.report(x).mismatches == 0
    assert [layer.work.source for layer in net.report(x).synapses] == [
        "input",
        "spikes",
        "spikes",
    ]
    assert torch.allclose(net(x), q(x), rtol=0.0, atol=1e-12)
    with pytest.raises(CapabilityError, match="norm is batch normalization"):
        snn.convert(q, exact="integer")


class Branches(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x


class Loops(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        for _ in range(int(x[0, 0])):
            x = torch.relu(x)
        return x


class Two(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any, y: Any) -> Any:
        return torch.relu(x + y)


class Views(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return torch.relu(x).view(x.size(0), -1)


class Accumulates(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        return self.relu(x) + x


def nested(module: Any) -> Any:
    return nn.Sequential(nn.Identity(), nn.Sequential(module))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nested(nn.LayerNorm(4)), r"1\.0 is a LayerNorm.*use BatchNorm"),
        (nested(nn.GroupNorm(2, 4)), r"1\.0 is a GroupNorm.*use BatchNorm"),
        (nested(nn.InstanceNorm2d(4)), r"1\.0 is a InstanceNorm2d.*replace it"),
        (nested(nn.GELU()), r"1\.0 is a GELU.*use ReLU"),
        (nested(nn.Sigmoid()), r"1\.0 is a Sigmoid.*replace it"),
        (nested(nn.LSTM(4, 4)), r"1\.0 is a LSTM.*replace it"),
        (nested(Branches()), r"1\.0 \(Branches\) cannot be traced.*control flow"),
        (nested(Loops()), r"1\.0 \(Loops\) cannot be traced.*control flow"),
        (nested(Accumulates()), r"1\.0\.relu changes in place.*inplace=False"),
        (nested(Views()), r"size in 1\.0 has no spiking form.*flatten, not view"),
        (Two(), "the model has 2 inputs; one is needed"),
    ],
)
def test_refused_with_path_and_advice(model: Any, words: Any) -> None:
    with pytest.raises(ProblemError, match=words):
        snn.quantize(model, 2)


def test_values_that_are_not_finite() -> None:
    model = nested(nn.BatchNorm1d(3))
    model[1][0].running_var[1] = float("inf")
    with pytest.raises(ProblemError, match=r"1\.0\.running_var.*not finite; train or load"):
        snn.quantize(model, 2)
    plain = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    for inputs in (torch.full((1, 2), float("nan")), torch.zeros(0, 2)):
        with pytest.raises(ProblemError, match="calibration needs inputs"):
            snn.quantize(plain, 2, calibration=inputs)
    q = snn.quantize(plain, 2)
    lam = q.get_submodule("_1_spiking").threshold
    for value, words in ((0.0, "_1_spiking.*not positive"), (float("nan"), "_1_spiking")):
        lam.data.fill_(value)
        with pytest.raises(ProblemError, match=words):
            snn.convert(q)


def test_modes() -> None:
    model = nested(nn.BatchNorm1d(3))
    model.append(nn.ReLU())
    q = snn.quantize(model.train(), 2)
    with pytest.raises(ProblemError, match=r"1\.0 is a BatchNorm1d.*call eval\(\)"):
        snn.convert(q)
    batch = nested(nn.BatchNorm1d(3, track_running_stats=False)).append(nn.ReLU()).eval()
    with pytest.raises(ProblemError, match=r"1\.0 is a BatchNorm1d.*running statistics"):
        snn.convert(snn.quantize(batch, 2))
    dropout = nested(nn.Dropout()).append(nn.ReLU()).train()
    with pytest.raises(ProblemError, match=r"1\.0 is dropout in training mode; call eval\(\)"):
        snn.convert(snn.quantize(dropout, 2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": 3}, "steps is 3; a binary code of this network has 2"),
        ({"mode": "rate", "steps": 0}, "steps is 0"),
        ({"mode": "phase"}, "mode is 'phase'"),
        ({"order": "big"}, "order is 'big'"),
        ({"exact": "half"}, "exact is 'half'"),
        ({"exact": "integer", "mode": "rate"}, "mode='binary'"),
        ({"exact": "integer", "bias_shift": False}, "bias_shift=True"),
    ],
)
def test_options_of_convert(arguments: Any, words: Any) -> None:
    q = snn.quantize(nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval(), 2)
    with pytest.raises(OptionError, match=words):
        snn.convert(q, **arguments)


@pytest.mark.parametrize("steps", [0, 17, -1, 1.5, "4", True])
def test_steps_out_of_range(steps: Any) -> None:
    for make in (snn.QuantizedReLU, snn.Coding):
        with pytest.raises(OptionError, match=r"steps is .*from 1 to 16"):
            make(steps)
