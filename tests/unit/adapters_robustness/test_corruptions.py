"""Single corruptions against what their definitions say."""

from __future__ import annotations

import colorsys
import io
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optlab.errors import MissingDependencyError
from optlab_adapters.robustness import CorruptionSuite, bands, psd
from optlab_adapters.robustness.corruptions.blur import _disc
from optlab_adapters.robustness.corruptions.sampling import between_pixels, enlarged, streaked
from optlab_adapters.robustness.corruptions.streams import Streams
from optlab_adapters.robustness.corruptions.textures import clouds, frost_textures

SUITE = CorruptionSuite("all", seed=1)
COLOURS = np.random.default_rng(0).random((4, 12, 12, 3))


def test_noises_have_their_moments() -> None:
    grey = np.full((8, 64, 64), 0.5)
    count = grey.size
    for name, severity, deviation in (
        ("gaussian_noise", 3, 0.08),
        ("shot_noise", 5, np.sqrt(0.5 / 50)),
        ("speckle_noise", 5, 0.2 * 0.5),
    ):
        noise = SUITE.apply(grey, name, severity) - 0.5
        assert abs(noise.mean()) < 5 * deviation / np.sqrt(count)
        assert noise.std() == pytest.approx(deviation, rel=0.02)


def test_shot_noise_counts_photons() -> None:
    counts = SUITE.apply(np.full((2, 32, 32), 0.3), "shot_noise", 5) * 50
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-4)


def test_impulses_are_salt_and_pepper_in_equal_parts() -> None:
    made = SUITE.apply(np.full((16, 64, 64), 0.5), "impulse_noise", 5)
    assert set(np.unique(made)) == {0.0, 0.5, 1.0}
    for value in (0.0, 1.0):
        share = (made == value).mean()
        assert share == pytest.approx(0.035, abs=5 * np.sqrt(0.035 / made.size))


def test_contrast_by_hand() -> None:
    image = np.array([[[0.0, 0.4], [0.8, 0.4]]])
    made = SUITE.apply(image, "contrast", 2)
    np.testing.assert_allclose(made, [[[0.2, 0.4], [0.6, 0.4]]], atol=1e-6)


def by_pixel(images: NDArray[Any], change: Any) -> NDArray[np.float64]:
    flat = [
        colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel)))
        for pixel in images.reshape(-1, 3).tolist()
    ]
    return np.array(flat).reshape(images.shape)


@pytest.mark.parametrize(("severity", "raised"), [(1, 0.05), (5, 0.3)])
def test_brightness_raises_the_value(severity: int, raised: float) -> None:
    images = COLOURS.copy()
    images[0, 0, 0] = 0
    expected = by_pixel(images, lambda h, s, v: (h, s, min(v + raised, 1)))
    made = SUITE.apply(images, "brightness", severity)
    np.testing.assert_allclose(made, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("severity", "factor", "offset"), [(1, 0.3, 0), (2, 0.1, 0), (3, 1.5, 0), (5, 2.5, 0.2)]
)
def test_saturate_changes_the_saturation(severity: int, factor: float, offset: float) -> None:
    images = COLOURS.copy()
    images[0, 0, 0], images[0, 0, 1] = 0, 0.4
    expected = by_pixel(images, lambda h, s, v: (h, min(factor * s + offset, 1), v))
    made = SUITE.apply(images, "saturate", severity)
    np.testing.assert_allclose(made, expected, atol=2e-6)


def test_pixelate_by_hand() -> None:
    row = np.arange(8.0) / 10
    image = np.broadcast_to(row, (1, 8, 8))
    # Severity 5 at this scale keeps a quarter: two columns of four.
    made = CorruptionSuite(scale="imagenet").apply(image, "pixelate", 5)
    np.testing.assert_allclose(
        made[0], np.broadcast_to([0.15] * 4 + [0.55] * 4, (8, 8)), atol=1e-6
    )


@pytest.mark.parametrize("size", [18, 32, 50])
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_pixelate_is_pillows_box(size: int, severity: int) -> None:
    pillow = pytest.importorskip("PIL.Image")
    image = (np.random.default_rng(2).random((size, size, 3)) * 255).astype(np.uint8)
    fewer = int(size * (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1])
    small = pillow.fromarray(image).resize((fewer, fewer), pillow.Resampling.BOX)
    expected = np.asarray(small.resize((size, size), pillow.Resampling.BOX))
    made = SUITE.apply(image[None], "pixelate", severity)[0]
    # Pillow rounds once more, between rows and columns.
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_jpeg_is_pillows() -> None:
    pillow = pytest.importorskip("PIL.Image")
    image = (COLOURS[0] * 255).astype(np.uint8)
    file = io.BytesIO()
    pillow.fromarray(image).save(file, "JPEG", quality=40)
    made = SUITE.apply(image[None], "jpeg_compression", 5)[0]
    assert (made == np.asarray(pillow.open(file))).all()


@pytest.mark.parametrize("scale", ["cifar", "imagenet"])
@pytest.mark.parametrize(
    "name", ["defocus_blur", "glass_blur", "motion_blur", "gaussian_blur", "zoom_blur"]
)
def test_blurs_keep_constants_and_lose_high_frequencies(name: str, scale: Any) -> None:
    suite = CorruptionSuite("all", scale=scale)
    constant = np.full((2, 16, 16), 0.4)
    np.testing.assert_allclose(suite.apply(constant, name, 5), 0.4, atol=1e-5)
    noise = np.random.default_rng(3).random((4, 32, 32))
    before, after = (
        (bands(power) * power.sum())[2]
        for power in (psd(noise - 0.5), psd(suite.apply(noise, name, 5) - 0.5))
    )
    assert after < 0.9 * before


def test_a_disc_is_round_normed_and_as_wide_as_its_radius() -> None:
    sharp = _disc(3, 0.1)
    inside = sharp > 1e-6
    # Whole points with r^2 + c^2 <= 9.
    assert inside.sum() == 29
    np.testing.assert_allclose(sharp[inside], 1 / 29)
    for radius, softness in ((0.3, 0.4), (1.5, 0.1), (10, 0.5)):
        disc = _disc(radius, softness)
        assert disc.sum() == pytest.approx(1)
        np.testing.assert_allclose(disc, disc.T)
        np.testing.assert_allclose(disc, disc[::-1])


def test_a_streak_is_one_sided_and_in_its_direction() -> None:
    image = np.zeros((3, 21, 21, 1), dtype=np.float32)
    image[:, 10, 10] = 1
    made = streaked(image, 2, 2.0, np.array([0, 90, 45], dtype=np.float32))
    weights = np.exp(-(np.arange(5) ** 2) / 8)
    weights /= weights.sum()
    # Pixel p takes from p + i d, so the light goes against d.
    np.testing.assert_allclose(made[0, 10, 6:11, 0], weights[::-1], rtol=1e-6)
    np.testing.assert_allclose(made[1, 6:11, 10, 0], weights[::-1], rtol=1e-6)
    diagonal = np.diagonal(made[2, ..., 0])
    assert diagonal.sum() == pytest.approx(1)
    assert made.sum() == pytest.approx(3)


def test_enlarging_a_slope_keeps_a_slope() -> None:
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32), (1, 40, 40)).copy()
    made = enlarged(ramp, 1.25)
    # 32 pixels stretched over 40 places, end to end.
    np.testing.assert_allclose(made[0, 7], 4 + np.arange(40) * 31 / 39, rtol=1e-5)
    assert (enlarged(ramp, 1.0) == ramp).all()


def test_sampling_between_pixels_is_linear_and_mirrored() -> None:
    row, column = np.mgrid[:6, :5].astype(float)
    plane = (2 * row + 3 * column).astype(np.float32)[None, ..., None]
    made = between_pixels(plane, row[None] / 2 + 0.25, column[None] / 2)
    np.testing.assert_allclose(made[0, ..., 0], row + 0.5 + 1.5 * column, atol=1e-5)
    outside = between_pixels(plane, row[None] - 6, column[None])
    mirrored = plane[0, [4, 5, 4, 3, 2, 1], :, 0]
    np.testing.assert_allclose(outside[0, ..., 0], mirrored, atol=1e-5)


def test_glass_takes_pixels_from_near_places_before_it_blurs() -> None:
    row, column = np.mgrid[:24, :24]
    # A deviation of 0.05 is no blur.
    rows, columns = SUITE.apply(np.stack([row, column]) / 255, "glass_blur", 1, start=4) * 255
    np.testing.assert_allclose(rows, np.rint(rows), atol=1e-4)
    # The border stays; a pixel may come from further than one away, since values are handed on.
    assert (rows[0] == 0).all()
    assert (np.rint(columns[:, 0]) == 0).all()
    moved = np.abs(rows - row)
    assert 0.3 < (moved > 0.5).mean() < 0.95
    assert 0.3 < moved.mean() < 1.5


def test_clouds_and_frost_fill_their_range_and_are_rough_as_said() -> None:
    streams = Streams(0, "fog", 1, range(6))
    soft, rough = (clouds(Streams(0, "fog", 1, range(6)), 50, d) for d in (3.0, 1.4))
    for field in (soft, rough, clouds(streams, 1, 2.0)):
        assert field.min() == 0
        assert field.max() == 1
    assert soft.shape == (6, 64, 64)
    centred = [f - f.mean(axis=(1, 2), keepdims=True) for f in (soft, rough)]
    assert bands(psd(centred[0]))[2] < 0.1 * bands(psd(centred[1]))[2]
    assert frost_textures(600).shape == (6, 1024, 1024)
    assert frost_textures(32).mean() == pytest.approx(0.6, abs=0.01)


def test_fog_keeps_the_brightest_value_possible() -> None:
    made = SUITE.apply(COLOURS, "fog", 5)
    assert (made.max(axis=(1, 2, 3)) <= COLOURS.max(axis=(1, 2, 3)) + 1e-6).all()
    assert made.std() < COLOURS.std()


def test_snow_whitens_and_mud_darkens() -> None:
    dark, light = np.full((3, 32, 32, 3), 0.2), np.full((3, 32, 32, 3), 0.9)
    assert SUITE.apply(dark, "snow", 4).mean() > 0.25
    made = SUITE.apply(light, "spatter", 5)
    changed = made < 0.9 - 1e-6
    assert 0.001 < changed.mean() < 0.5
    # Mud is brown: most red, least blue.
    darkest = made.reshape(-1, 3)[made.sum(axis=3).argmin()]
    assert darkest[0] > darkest[1] > darkest[2]


def test_elastic_keeps_constants_and_moves_little() -> None:
    constant = np.full((2, 32, 32), 0.7)
    np.testing.assert_allclose(SUITE.apply(constant, "elastic_transform", 5), 0.7, atol=1e-5)
    row, column = np.mgrid[:32, :32] / 31
    planes = np.stack([row, column])
    for severity in (1, 5):
        made = SUITE.apply(planes, "elastic_transform", severity)
        moved = np.abs(made - planes)[:, 8:-8, 8:-8] * 31
        assert 0 < moved.mean() < 4


def test_jpeg_without_pillow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        MissingDependencyError, match=r"jpeg_compression needs Pillow.*\[images\]"
    ):
        SUITE.apply(COLOURS, "jpeg_compression", 1)
