"""Codecs: round trips, rates, and what they say to damaged streams and wrong images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from optlab.adapters import compression as cp
from optlab.errors import CapabilityError, OptionError, ParseError, ProblemError

pytest.importorskip("PIL")

CLASSIC = [cp.Jpeg(), cp.Jpeg2000(), cp.WebP(), cp.Avif()]


def picture(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Return smooth noise with some grain."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), (3, 3, 0)[: len(shape)])
    values = 128 + 50 * smooth / smooth.std() + 4 * rng.standard_normal(shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def fitted(image: Any, **options: Any) -> cp.Linear:
    return cp.Linear(**options).fit(image[None])


@pytest.mark.parametrize("shape", [(64, 64, 3), (50, 37, 3), (64, 64), (41, 66)])
@pytest.mark.parametrize(
    "codec", [*CLASSIC, None], ids=lambda c: "linear" if c is None else c.name
)
def test_decoded_images_are_near(codec: Any, shape: tuple[int, ...]) -> None:
    image = picture(shape)
    chosen = fitted(image, step=4.0) if codec is None else codec.at(codec.span[1])
    decoded = chosen.decode(chosen.encode(image))
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert cp.psnr(decoded, image) > 32
    assert isinstance(chosen, cp.VariableRate)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 9, 3), (2, 70)])
@pytest.mark.parametrize(
    "codec", [*CLASSIC, None], ids=lambda c: "linear" if c is None else c.name
)
def test_tiny_images_have_streams(codec: Any, shape: tuple[int, ...]) -> None:
    image = np.full(shape, 77, dtype=np.uint8)
    chosen = fitted(image) if codec is None else codec
    decoded = chosen.decode(chosen.encode(image))
    assert decoded.shape == shape
    assert np.abs(decoded.astype(int) - 77).max() <= 3


@pytest.mark.parametrize(
    "codec", [*CLASSIC, None], ids=lambda c: "linear" if c is None else c.name
)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_cut_streams_are_refused(codec: Any, share: float) -> None:
    image = picture((64, 64, 3))
    chosen = fitted(image) if codec is None else codec
    stream = chosen.encode(image)
    with pytest.raises(ParseError):
        chosen.decode(stream[: int(share * len(stream))])


def test_streams_of_other_codecs_are_refused() -> None:
    image = picture((64, 64, 3))
    linear = fitted(image)
    for writer in [*CLASSIC, linear]:
        for reader in [*CLASSIC, linear]:
            if writer is not reader:
                with pytest.raises(ParseError):
                    reader.decode(writer.encode(image))


@pytest.mark.parametrize(
    "codec", [*CLASSIC, None], ids=lambda c: "linear" if c is None else c.name
)
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8)), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8), np.uint8), np.zeros(8, np.uint8),
        np.zeros((8, 8), np.uint16), np.zeros((2, 8, 8, 3), np.uint8),
    ],
)  # fmt: skip
def test_wrong_images_are_refused(codec: Any, image: Any) -> None:
    chosen = fitted(picture((16, 16, 3))) if codec is None else codec
    with pytest.raises(ProblemError, match=r"type|shape"):
        chosen.encode(image)


def test_the_linear_codec_says_what_it_lacks() -> None:
    colour, grey = picture((16, 16, 3)), picture((16, 16))
    with pytest.raises(CapabilityError, match="fit"):
        cp.Linear().encode(colour)
    with pytest.raises(ProblemError, match="1 channels"):
        fitted(colour).encode(grey)
    stream = fitted(colour, block=4).encode(colour)
    with pytest.raises(ParseError, match="blocks of 4"):
        fitted(colour).decode(stream)
    with pytest.raises(OptionError, match="rank"):
        fitted(grey, rank=65)
    for options in ({"step": 0.0}, {"step": np.nan}, {"block": 0}, {"rank": 0}):
        with pytest.raises(OptionError):
            cp.Linear(**options)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (3,)]), st.integers(1, 9))
def test_linear_streams_hold_the_rounded_coefficients(
    high: int, wide: int, channels: tuple[int, ...], block: int
) -> None:
    rng = np.random.default_rng(high + 41 * wide)
    image = rng.integers(0, 256, (high, wide, *channels), dtype=np.uint8)
    codec = fitted(image, block=block, step=1 / 16)
    # An orthonormal basis: a coefficient is wrong by a thirty-second, pixels by less than a half for these sizes.
    assert (codec.decode(codec.encode(image)) == image).all()


def test_fine_steps_give_the_projection() -> None:
    image = picture((64, 64))
    codec = fitted(image, rank=6, step=2.0**-11)
    assert codec.components is not None
    from optlab_adapters.compression.linear import blocks_of, image_of

    exact = image_of(codec.components.project(blocks_of(image, 8)), (64, 64, 1), 8)
    decoded = codec.decode(codec.encode(image))
    assert np.abs(decoded.astype(int) - exact).max() <= 1
    assert (decoded != exact).mean() < 0.01


@pytest.mark.parametrize(
    "codec", [*CLASSIC, None], ids=lambda c: "linear" if c is None else c.name
)
def test_rate_control_finds_the_finest_setting(codec: Any) -> None:
    image = picture((64, 64, 3), seed=3)
    chosen = fitted(image) if codec is None else codec
    found = cp.rate_control(chosen, image, 1.5)
    assert found.bpp == cp.bits_per_pixel(found.stream, image) <= 1.5
    assert found.stream == found.codec.encode(image)
    assert found.encodings < 40
    if chosen.whole:
        rates = {
            q: cp.bits_per_pixel(chosen.at(q).encode(image), image)
            for q in range(int(chosen.span[0]), 101)
        }
        best = max(q for q, rate in rates.items() if rate <= 1.5)
        # The rate of some formats goes a little up and down.
        assert rates[best] - 0.05 <= found.bpp
    else:
        # JPEG 2000 cuts its stream at ends of coding passes.
        assert found.bpp > 1.3


def test_rates_out_of_reach() -> None:
    image = picture((64, 64, 3))
    with pytest.raises(OptionError, match=r"at least .* bits per pixel"):
        cp.rate_control(cp.Jpeg(), image, 0.05)
    generous = cp.rate_control(cp.Jpeg(), image, 50.0)
    assert generous.setting == 100
    assert generous.encodings == 2
    for bpp in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(OptionError, match="bpp"):
            cp.rate_control(cp.Jpeg(), image, bpp)

    class Fixed:
        name = "fixed"

        def encode(self, image: Any) -> bytes:
            return bytes(image)

        def decode(self, stream: bytes) -> Any:
            return stream

    with pytest.raises(CapabilityError, match="Fixed"):
        cp.rate_control(Fixed(), image, 1.0)


@pytest.mark.parametrize("quality", [-1, 101])
def test_qualities_have_a_range(quality: int) -> None:
    with pytest.raises(OptionError, match="quality"):
        cp.WebP(quality)


def test_psnr_and_similarity() -> None:
    image = picture((192, 200, 3))
    rng = np.random.default_rng(1)
    assert cp.psnr(image, image) == np.inf
    assert cp.ms_ssim(image, image) == pytest.approx(1, abs=1e-12)
    assert cp.psnr(image.astype(float) + 2, image) == pytest.approx(20 * np.log10(255 / 2))
    noise = [
        cp.ms_ssim(image + s * rng.standard_normal(image.shape), image) for s in (5, 20, 80)
    ]
    assert 1 > noise[0] > noise[1] > noise[2] > 0
    # A brighter image differs in luminance only, a flatter one in structure.
    assert cp.ms_ssim(image + 10.0, image) > cp.ms_ssim(0.5 * image + 64, image)
    with pytest.raises(ProblemError, match="shapes"):
        cp.psnr(image, image[1:])
    with pytest.raises(ProblemError, match="11 pixels"):
        cp.ms_ssim(image[:10], image[:10])


def test_similarity_at_one_scale_is_that_of_a_maintained_package() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    image = picture((21, 21))
    other = np.clip(image + 9 * np.random.default_rng(2).standard_normal(image.shape), 0, 255)
    theirs = metrics.structural_similarity(
        image.astype(float), other, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, truncate=3.5,
    )  # fmt: skip
    # 21 pixels have one scale; the package averages over the same inner pixels.
    assert cp.ms_ssim(other, image) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(
    "codec", [*CLASSIC, None], ids=lambda c: "linear" if c is None else c.name
)
def test_noise_at_the_finest_setting_is_encoded(codec: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    chosen = fitted(noise) if codec is None else codec
    finest = chosen.at(chosen.span[1])
    assert finest.decode(finest.encode(noise)).shape == noise.shape


@given(st.binary(max_size=200), st.integers(0, 5))
def test_bytes_at_random_are_refused(junk: bytes, which: int) -> None:
    linear = fitted(picture((16, 16)))
    codec = [*CLASSIC, linear, linear][which]
    head = {4: linear.encode(picture((16, 16)))[:7]}.get(
        which, codec.encode(picture((16, 16)))[:12]
    )
    for stream in (junk, head + junk):
        try:
            decoded = codec.decode(stream)
        except ParseError:
            continue
        assert decoded.dtype == np.uint8
