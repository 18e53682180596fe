"""Fourier heat maps: the waves, symmetry, a map that is known, and runs that go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optlab.errors import OptionError, ProblemError, ResumeError
from optlab_adapters.robustness import fourier_heatmap, fourier_map, psd, wave

IMAGES = 0.5 + 0.01 * np.random.default_rng(0).standard_normal((6, 8, 8, 3))


@given(
    high=st.integers(1, 9),
    wide=st.integers(1, 9),
    row=st.integers(-9, 9),
    column=st.integers(-9, 9),
)
def test_a_wave_is_real_of_norm_one_and_of_one_frequency(
    high: int, wide: int, row: int, column: int
) -> None:
    made = wave((high, wide), row, column)
    assert np.linalg.norm(made) == pytest.approx(1)
    at = {(row % high, column % wide), (-row % high, -column % wide)}
    found = np.argwhere(np.abs(np.fft.fft2(made)) > 1e-9)
    assert {(int(r), int(c)) for r, c in found} == at


@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (6, 9)])
def test_a_map_of_the_power_at_one_frequency_shows_that_frequency(
    shape: tuple[int, int],
) -> None:
    images = np.full((3, *shape), 0.5)

    def power(changed: NDArray[Any]) -> float:
        return float(psd(changed - 0.5)[shape[0] // 2 + 2, shape[1] // 2 - 1])

    made = fourier_map(power, images, eps=0.3)
    assert made.values.shape == shape
    assert made.worst() in ((2, -1), (-2, 1))
    assert made.at(2, -1) == made.at(-2, 1)
    # Half of the square of eps, over H W, at each of the two frequencies, times H W.
    assert made.at(2, -1) == pytest.approx(0.3**2 / 2, rel=1e-5)
    others = np.sort(made.values.ravel())[:-2]
    assert others.max() < 1e-10


def test_maps_are_symmetric_and_ask_for_each_pair_once() -> None:
    calls = []

    def function(changed: NDArray[Any]) -> float:
        calls.append(changed)
        return float(len(calls))

    values = fourier_map(function, IMAGES).values
    # Four frequencies of 8 x 8 are their own mirror images.
    assert len(calls) == (64 - 4) // 2 + 4
    assert (values[1:, 1:] == values[:0:-1, :0:-1]).all()
    assert (values[0, 1:] == values[0, :0:-1]).all()


def test_changes_have_the_norm_and_signs_asked_for() -> None:
    seen: list[NDArray[Any]] = []

    def keep(changed: NDArray[Any]) -> float:
        seen.append(changed - IMAGES)
        return 0.0

    made = fourier_map(keep, IMAGES, eps=0.5, largest=1)
    assert made.values.shape == (3, 3)
    assert made.first_row == -1
    for change in seen:
        norms = np.linalg.norm(change.reshape(6, 64, 3), axis=1)
        np.testing.assert_allclose(norms, 0.5, rtol=1e-4)
    # Signs differ between images and channels.
    first = np.sign(seen[0][:, 0, 0, :])
    assert set(first.ravel()) == {-1.0, 1.0}


def test_the_error_of_a_classifier_that_hears_one_frequency() -> None:
    def deaf_but_for_low(images: NDArray[Any]) -> NDArray[np.bool_]:
        power = psd(images / 255 - 0.5, per_image=True)
        heard: NDArray[np.bool_] = power[:, 4, 5] > 0.01
        return heard

    images = np.full((4, 8, 8), 128, dtype=np.uint8)
    made = fourier_heatmap(deaf_but_for_low, images, np.zeros(4), eps=1.0)
    expected = np.zeros((8, 8))
    expected[4, 5] = expected[4, 3] = 1
    assert (made.values == expected).all()
    assert "0 to 1, largest at (0, -1)" in str(made)


def test_a_stopped_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "map.jsonl"
    calls = [0]

    def stops(changed: NDArray[Any]) -> float:
        calls[0] += 1
        if calls[0] == 10:
            raise KeyboardInterrupt
        return float(changed.std())

    with pytest.raises(KeyboardInterrupt):
        fourier_map(stops, IMAGES, file=file)
    with file.open("a") as killed:
        killed.write("[3, ")
    whole = fourier_map(stops, IMAGES, file=file)
    assert calls[0] == 34 + 1
    assert (whole.values == fourier_map(lambda x: float(x.std()), IMAGES).values).all()
    assert (fourier_map(stops, IMAGES, file=file).values == whole.values).all()
    assert calls[0] == 34 + 1


def test_files_of_other_runs(tmp_path: Path) -> None:
    file = tmp_path / "map.jsonl"
    fourier_map(np.mean, IMAGES, file=file, largest=0)
    for images, options in ((IMAGES[:5], {}), (IMAGES, {"eps": 2.0}), (IMAGES, {"seed": 1})):
        with pytest.raises(ResumeError, match="other images or settings"):
            fourier_map(np.mean, images, file=file, **options)
    file.write_text("[]\nnull\n")
    with pytest.raises(ResumeError, match="no journal"):
        fourier_map(np.mean, IMAGES, file=file)


def test_bad_input() -> None:
    for eps in (0.0, -1.0, np.nan):
        with pytest.raises(OptionError, match="eps"):
            fourier_map(np.mean, IMAGES, eps=eps)
    with pytest.raises(OptionError, match="largest"):
        fourier_map(np.mean, IMAGES, largest=-1)
    with pytest.raises(ProblemError, match="no images"):
        fourier_map(np.mean, IMAGES[:0])
    with pytest.raises(ProblemError, match="labels"):
        fourier_heatmap(lambda x: x, IMAGES, np.zeros(5))
    with pytest.raises(IndexError, match="not on the map"):
        fourier_map(np.mean, IMAGES, largest=1).at(-3, 0)


def test_drawing_and_file(tmp_path: Path) -> None:
    made = fourier_map(lambda x: float(x.std()), IMAGES, largest=2)
    drawn = ET.fromstring(made.plot()._repr_svg_())
    # One more for the ground.
    assert sum(element.tag.endswith("rect") for element in drawn.iter()) == 25 + 1
    made.save(tmp_path / "map.json")
    assert json.loads((tmp_path / "map.json").read_text()) == made.to_dict()


WEIGHTS = np.random.default_rng(4).standard_normal((6, 9))


def of_a_linear_function() -> NDArray[Any]:
    """Return <w, U> for every frequency from one transform of w: sqrt(2 / (H W)) Re F(w), or Re F(w) / sqrt(H W) where real."""
    real = np.fft.fft2(WEIGHTS).real / np.sqrt(WEIGHTS.size)
    rows, columns = np.indices(WEIGHTS.shape)
    own_mirror = (2 * rows % 6 == 0) & (2 * columns % 9 == 0)
    product: NDArray[Any] = np.fft.fftshift(np.where(own_mirror, 1, np.sqrt(2)) * real)
    return product


def test_the_map_of_a_linear_function_is_its_transform() -> None:
    grey = np.full((3, 6, 9), 0.5)

    def squared(changed: NDArray[Any]) -> float:
        return float((((changed - grey) * WEIGHTS).sum(axis=(1, 2)) ** 2).mean())

    made = fourier_map(squared, grey, eps=0.4)
    np.testing.assert_allclose(made.values, 0.16 * of_a_linear_function() ** 2, atol=1e-6)


def test_a_linear_classifier_errs_where_a_wave_moves_it_beyond_its_margin() -> None:
    product = np.abs(of_a_linear_function())
    count, eps = 60, 0.4
    # A margin in the widest gap, so that single precision does not decide.
    steps = np.sort(np.unique(product.round(9)))
    widest = int(np.diff(steps).argmax())
    margin = eps * (steps[widest] + steps[widest + 1]) / 2

    def classify(images: NDArray[Any]) -> NDArray[np.bool_]:
        beyond: NDArray[np.bool_] = ((images - 0.5) * WEIGHTS).sum(axis=(1, 2)) > -margin
        return beyond

    made = fourier_heatmap(classify, np.full((count, 6, 9), 0.5), np.ones(count), eps=eps)
    errs = eps * product > margin
    assert 0 < errs.sum() < errs.size
    assert (made.values[~errs] == 0).all()
    # Only waves of one sign lead across the border: half of the images, as coins fall.
    assert (np.abs(made.values[errs] - 0.5) < 4 * 0.5 / np.sqrt(count)).all()
