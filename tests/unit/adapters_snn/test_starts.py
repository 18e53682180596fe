"""Thresholds of least error, against a minimizer and formulas that know nothing of the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch


def thresholds(q: Any) -> list[Any]:
    return [m.threshold.detach() for m in q.modules() if isinstance(m, snn.QuantizedReLU)]


def error(x: Any, lam: float, levels: int) -> float:
    codes = np.clip(np.floor(x * levels / lam + 0.5), 0, levels)
    return float(np.mean((codes * lam / levels - x) ** 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.floats(1e-3, 1e3))
def test_no_threshold_has_much_less_error(seed: Any, steps: Any, unit: Any) -> None:
    x = unit * np.random.default_rng(seed).exponential(size=(1, 500))
    q = snn.quantize(
        nn.Sequential(nn.ReLU()), steps, calibration=torch.from_numpy(x), percentile=None
    ).double()
    (lam,) = thresholds(q)
    levels = 2**steps - 1
    least = min(error(x, t, levels) for t in np.linspace(0.002, 1.2, 600) * x.max())
    assert error(x, lam.item(), levels) <= 1.3 * least


def test_codes_that_exist_already_are_found() -> None:
    # Activations that are the codes of a threshold of 2.5: its error is 0, that of no other.
    x = torch.arange(-3.0, 8.0)[None] * (2.5 / 7.0)
    q = snn.quantize(nn.Sequential(nn.ReLU()), 3, calibration=x, percentile=None)
    assert thresholds(q)[0].item() == pytest.approx(2.5)
    assert torch.allclose(q(x), x.relu())


def test_fewer_bits_clip_more() -> None:
    x = torch.from_numpy(np.random.default_rng(0).exponential(size=(64, 100)))
    lams = [
        thresholds(snn.quantize(nn.Sequential(nn.ReLU()), t, calibration=x, percentile=None))[0]
        for t in (1, 2, 4, 8)
    ]
    assert lams == sorted(lams)
    assert lams[0] < 0.5 * lams[-1]


def test_every_channel_has_its_own() -> None:
    x = torch.randn(32, 3, 4, generator=torch.Generator().manual_seed(0))
    x *= torch.tensor([1.0, 10.0, 0.0])[:, None]
    model = nn.Sequential(nn.BatchNorm1d(3, affine=False).eval(), nn.ReLU())
    q = snn.quantize(model, 2, calibration=x, percentile=None, per_channel=True)
    whole = snn.quantize(model, 2, calibration=x, percentile=None)
    lam = thresholds(q)[0]
    assert 5.0 < lam[1] / lam[0] < 20.0
    # A silent channel has that of the layer.
    assert lam[2] == thresholds(whole)[0]
