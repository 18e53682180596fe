"""The learned codec: where training starts, what it improves, the constrained form, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from optlab.adapters import compression as cp
from optlab.errors import CapabilityError, OptionError, ParseError, ProblemError

torch = pytest.importorskip("torch")

SHORT = cp.Training(steps=60, rounds=3, patches=24, side=32, batch_size=8, width=6)


def pictures(*shape: int) -> Any:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), (0, 2, 2, 0)[: len(shape)])
    values = 128 + 50 * smooth / smooth.std() + 3 * rng.standard_normal(shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def start_of(images: Any) -> cp.Linear:
    return cp.Linear(step=16.0).fit(images)


@pytest.mark.parametrize("shape", [(2, 48, 40), (2, 37, 50, 3)])
def test_training_starts_at_the_linear_codec(shape: tuple[int, ...]) -> None:
    from optlab_adapters.compression.network import CodecNetwork

    images = pictures(*shape)
    linear = start_of(images)
    codec = cp.Learned(CodecNetwork(linear).eval())
    for image in images:
        one, other = codec.encode(image), linear.encode(image)
        assert abs(len(one) - len(other)) <= 8
        difference = codec.decode(one).astype(int) - linear.decode(other)
        # Single precision may round a few latents the other way.
        assert (np.abs(difference) > 1).mean() < 0.05


def test_training_lowers_what_it_minimizes_and_rates_can_be_set() -> None:
    images = pictures(3, 64, 64)
    start = start_of(images)
    still = cp.train_codec(
        images, start, trade_off=0.02,
        training=cp.Training(steps=1, patches=24, side=32, batch_size=8, width=6, learning_rate=1e-9),
    )  # fmt: skip
    trained = cp.train_codec(images, start, trade_off=0.02, training=SHORT)
    before, after = (0.02 * t.distortion + t.bpp for t in (still, trained))
    assert after < before
    assert trained.multiplier == pytest.approx(50)
    found = cp.rate_control(trained.codec, images[0], 1.0)
    assert 0.9 < found.bpp <= 1.0
    assert cp.psnr(found.codec.decode(found.stream), images[0]) > 25


def test_the_multiplier_is_positive_where_the_rate_binds() -> None:
    images = pictures(3, 64, 64)
    start = start_of(images)
    bound, free = (cp.train_codec(images, start, bpp=b, training=SHORT) for b in (0.5, 1.5))
    assert bound.bpp < free.bpp <= 1.5
    assert bound.distortion > free.distortion
    assert bound.multiplier > 0
    assert bound.trade_off == pytest.approx(1 / bound.multiplier)
    assert (free.multiplier, free.trade_off) == (0.0, np.inf)


def test_training_repeats() -> None:
    images = pictures(2, 40, 40)
    short = cp.Training(steps=4, rounds=2, patches=8, side=32, batch_size=4, width=4)
    torch.manual_seed(1)
    one = cp.train_codec(images, start_of(images), bpp=1.0, training=short)
    torch.manual_seed(2)
    other = cp.train_codec(images, start_of(images), bpp=1.0, training=short)
    assert (one.bpp, one.distortion) == (other.bpp, other.distortion)


def test_bad_input() -> None:
    images = pictures(2, 40, 40)
    start = start_of(images)
    for options in ({}, {"bpp": 1.0, "trade_off": 1.0}, {"bpp": 0.0}, {"trade_off": np.inf}):
        with pytest.raises(OptionError, match="exactly one"):
            cp.train_codec(images, start, training=SHORT, **options)
    with pytest.raises(ProblemError, match="squares of 64"):
        cp.train_codec(images, start, bpp=1.0)
    with pytest.raises(ProblemError, match="3 channels"):
        cp.train_codec(pictures(2, 40, 40, 3), start, bpp=1.0, training=SHORT)
    with pytest.raises(CapabilityError, match="fit"):
        cp.train_codec(images, cp.Linear(), bpp=1.0, training=SHORT)
    from optlab_adapters.compression.network import CodecNetwork

    codec = cp.Learned(CodecNetwork(start).eval())
    stream = codec.encode(images[0])
    for damaged in (b"", stream[:6], stream[:-20], b"KL" + stream[2:], start.encode(images[0])):
        with pytest.raises(ParseError):
            codec.decode(damaged)
    with pytest.raises(ProblemError, match="3 channels"):
        codec.encode(pictures(1, 16, 16, 3)[0])
