"""Spectra: Parseval, a known wave, rings and bands that are counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optlab.errors import OptionError, ProblemError
from optlab_adapters.robustness import bands, frequency, log_spectrum, psd, radial

RNG = np.random.default_rng(4)


@given(high=st.integers(1, 12), wide=st.integers(1, 12), channels=st.sampled_from([0, 1, 3]))
def test_mean_power_is_the_mean_square(high: int, wide: int, channels: int) -> None:
    shape = (3, high, wide, channels) if channels else (3, high, wide)
    images = RNG.standard_normal(shape)
    each = psd(images, per_image=True)
    np.testing.assert_allclose(
        each.mean(axis=(1, 2)), (images**2).reshape(3, -1).mean(axis=1), rtol=1e-10
    )
    np.testing.assert_allclose(psd(images), each.mean(axis=0))
    np.testing.assert_allclose(bands(each).sum(axis=-1), 1)


@pytest.mark.parametrize(("size", "waves"), [(32, 5), (33, 16), (16, 8), (20, 1)])
def test_a_wave_is_at_its_frequency_and_nowhere_else(size: int, waves: int) -> None:
    wave = 0.3 * np.cos(2 * np.pi * waves * np.arange(size) / size)
    images = np.broadcast_to(wave, (1, size, size))
    power = psd(images)
    at = np.isclose(frequency((size, size)), waves / size) & (power > 1e-9)
    assert at.sum() == (1 if 2 * waves == size else 2)
    np.testing.assert_allclose(power[at].sum() / size**2, (images**2).mean())
    assert power[~at].max() < 1e-20
    rings = radial(power)
    assert rings.argmax() == waves
    assert np.delete(rings, waves).max() < 1e-20


def test_white_noise_has_its_variance_on_every_ring() -> None:
    images = 0.2 * RNG.standard_normal((400, 32, 24))
    rings = radial(psd(images))
    assert rings.shape == (13,)
    np.testing.assert_allclose(rings, 0.04, rtol=0.2)
    np.testing.assert_allclose(rings[4:], 0.04, rtol=0.03)


def test_rings_by_hand() -> None:
    power = np.zeros((4, 4))
    # Frequency 0, the four neighbours with their corners at sqrt(2), and the two Nyquist lines.
    power[2, 2] = 7
    power[2, 1], power[2, 3], power[1, 2], power[3, 2] = 1, 2, 3, 4
    power[1, 1] = 6
    rings = radial(power)
    assert rings[0] == 7
    assert rings[1] == (1 + 2 + 3 + 4 + 6) / 8
    assert rings[2] == 0


def test_bands_by_hand() -> None:
    power = np.ones((8, 8))
    place = 2 * frequency((8, 8))
    expected = [(place < 0.5).sum(), ((place >= 0.5) & (place < 1)).sum(), (place >= 1).sum()]
    np.testing.assert_allclose(bands(power, (0.5, 1.0)), np.array(expected) / 64)
    assert bands(np.zeros((8, 8))).tolist() == [0, 0, 0]


def test_bytes_are_taken_as_zero_to_one() -> None:
    images = RNG.integers(0, 256, (2, 8, 8), dtype=np.uint8)
    np.testing.assert_allclose(psd(images), psd(images / 255))


def test_log_spectrum_of_images_of_32_pixels_has_17_rings() -> None:
    images = RNG.random((5, 32, 32, 3))
    made = log_spectrum(images)
    assert made.shape == (5, 17)
    np.testing.assert_allclose(np.exp(made[2]), radial(psd(images[2:3])))
    assert np.isfinite(log_spectrum(np.zeros((1, 8, 8)))).all()


@pytest.mark.parametrize(
    "images", [np.zeros((4, 4)), np.zeros((0, 4, 4)), np.full((1, 2, 2), np.inf)]
)
def test_wrong_images(images: NDArray[Any]) -> None:
    with pytest.raises(ProblemError):
        psd(images)


def test_wrong_spectra_and_edges() -> None:
    with pytest.raises(ProblemError, match="H, W"):
        radial(np.zeros(4))
    for edges in ((0.5, 0.2), (0.0,), (np.nan,)):
        with pytest.raises(OptionError, match="rising"):
            bands(np.ones((4, 4)), edges)
