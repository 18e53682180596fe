"""Paths between images, what is measured along them, and the norm of Jacobians: known answers and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab_adapters.robustness import (
    consistent_distance,
    fourier_path,
    high_frequency_fraction,
    jacobian_norm,
    path_metrics,
)

RNG = np.random.default_rng(8)
IMAGES = RNG.uniform(0, 1, (8, 10, 12, 3)).astype(np.float32)


def low(shape: tuple[int, int]) -> NDArray[np.bool_]:
    half = int(0.2 * min(shape))
    rows, columns = (np.arange(-(n // 2), n - n // 2) for n in shape)
    return (np.abs(rows)[:, None] <= half) & (np.abs(columns)[None, :] <= half)


def spectrum(image: NDArray[Any]) -> NDArray[Any]:
    return np.fft.fftshift(np.fft.fft2(image))


@given(high=st.integers(1, 13), wide=st.integers(1, 13), seed=st.integers(0, 99))
def test_amplitudes_within_the_square_are_blended_and_all_else_stays(
    high: int, wide: int, seed: int
) -> None:
    # Positive means, so that no phase at a real entry of the transform is torn between pi and -pi.
    first, last = np.random.default_rng(seed).uniform(0, 1, (2, high, wide))
    path = fourier_path(first, last, "amplitude", 5)
    assert path.shape == (5, high, wide)
    np.testing.assert_allclose(path[0], first, atol=1e-12)
    for t, image in zip(np.linspace(0, 1, 5), path, strict=True):
        found, source, target = spectrum(image), spectrum(first), spectrum(last)
        expected = np.abs(source).copy()
        inside = low((high, wide))
        expected[inside] = ((1 - t) * np.abs(source) + t * np.abs(target))[inside]
        np.testing.assert_allclose(np.abs(found), expected, atol=1e-9)
        # Where there is amplitude, the phase is that of the first image.
        seen = (expected > 1e-6) & (np.abs(source) > 1e-6)
        turned = found[seen] / source[seen]
        np.testing.assert_allclose(turned.imag / np.abs(turned), 0, atol=1e-6)
        assert (turned.real > 0).all()


def test_phases_within_the_square_are_blended_and_amplitudes_stay() -> None:
    size, half = 16, 3
    across = 2 * np.pi * np.arange(size) / size
    # Waves of two cycles a quarter of a period apart, and one of high frequency that only the first has.
    first = np.tile(1 + np.cos(2 * across) + 0.5 * np.cos(5 * across), (size, 1))
    last = np.tile(1 + np.cos(2 * across + np.pi / 2), (size, 1))
    path = fourier_path(first, last, "phase", 3)
    assert half < 5
    for t, image in zip((0, 0.5, 1), path, strict=True):
        expected = 1 + np.cos(2 * across + t * np.pi / 2) + 0.5 * np.cos(5 * across)
        np.testing.assert_allclose(image, np.tile(expected, (size, 1)), atol=1e-6)


def test_channels_go_their_own_ways() -> None:
    whole = fourier_path(IMAGES[0], IMAGES[1], "phase", 4)
    for c in range(3):
        alone = fourier_path(IMAGES[0, ..., c], IMAGES[1, ..., c], "phase", 4)
        np.testing.assert_allclose(whole[..., c], alone, atol=1e-12)


@pytest.mark.parametrize(("waves", "fraction"), [(3, 0.0), (20, 1.0), (50, 0.0)])
def test_the_fraction_of_a_known_spectrum(waves: int, fraction: float) -> None:
    # 100 steps have 51 frequencies, of which 6 to 49 are high and the last is left out.
    wave = np.cos(2 * np.pi * waves * np.arange(100) / 100)
    assert high_frequency_fraction(np.stack([wave, -wave], axis=1)) == pytest.approx(
        fraction, abs=1e-12
    )
    # A mean adds 100 p at frequency 0, a wave of amplitude a adds 50 a.
    mixed = high_frequency_fraction(np.stack([0.5 + 0.25 * wave, 0.5 - 0.25 * wave], axis=1))
    amplitude = 12.5 if waves < 50 else 25.0
    assert mixed == pytest.approx(fraction * amplitude / (50 + amplitude))


def test_the_distance_to_the_first_change() -> None:
    steady = np.tile([0.2, 0.7, 0.1], (100, 1))
    assert consistent_distance(steady) == 100
    changed = steady.copy()
    changed[[37, 80]] = [0.9, 0.05, 0.05]
    assert consistent_distance(changed) == 37


def test_paths_of_a_model_are_averaged_over_disjoint_pairs() -> None:
    given_images = []

    def model(images: NDArray[Any]) -> NDArray[Any]:
        given_images.append(images)
        assert images.dtype == np.float32
        return 3 * images.reshape(len(images), -1)[:, :4].astype(float)

    made = path_metrics(model, IMAGES, "amplitude", steps=20)
    assert (made.paths, made.steps) == (4, 20)
    starts = [path[0] for path in given_images]
    assert len({start.tobytes() for start in starts}) == 4
    exponents = [np.exp(model(path)) for path in list(given_images)]
    tables = [e / e.sum(axis=1, keepdims=True) for e in exponents]
    assert made.high_frequency_fraction == pytest.approx(
        np.mean([high_frequency_fraction(p) for p in tables])
    )
    assert made.consistent_distance == pytest.approx(
        np.mean([consistent_distance(p) for p in tables])
    )
    assert path_metrics(model, IMAGES, "amplitude", steps=20) == made
    fewer = path_metrics(model, IMAGES, "phase", paths=2, steps=20)
    assert fewer.paths == 2


def test_grey_bytes_and_a_constant_model() -> None:
    bytes_ = (255 * IMAGES[..., 0]).astype(np.uint8)
    made = path_metrics(lambda x: np.tile([1.0, 0.0], (len(x), 1)), bytes_, "phase", steps=30)
    assert made.consistent_distance == 30
    assert made.high_frequency_fraction == pytest.approx(0, abs=1e-12)


def test_bad_input() -> None:
    def model(images: NDArray[Any]) -> NDArray[Any]:
        return images.reshape(len(images), -1)

    with pytest.raises(ProblemError, match="two of one shape"):
        fourier_path(IMAGES[0], IMAGES[1, :5], "phase")
    with pytest.raises(OptionError, match="'amplitude' or 'phase'"):
        fourier_path(IMAGES[0], IMAGES[1], "angle")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="2 images or more"):
        path_metrics(model, IMAGES, "phase", steps=1)
    with pytest.raises(ProblemError, match="8 images make 4 pairs; 5 are needed"):
        path_metrics(model, IMAGES, "phase", paths=5)
    with pytest.raises(ProblemError, match="1 images make 0 pairs"):
        path_metrics(model, IMAGES[:1], "phase")
    with pytest.raises(OptionError, match="paths is 0"):
        path_metrics(model, IMAGES, "phase", paths=0)
    with pytest.raises(CapabilityError, match="int is no classifier"):
        path_metrics(3, IMAGES, "phase")
    for wrong in (lambda x: np.zeros(len(x)), lambda x: np.full((len(x), 2), np.nan)):
        with pytest.raises(ProblemError, match="finite scores of shape"):
            path_metrics(wrong, IMAGES, "phase")
    for function in (high_frequency_fraction, consistent_distance):
        with pytest.raises(ProblemError, match=r"\(steps, K\) is needed"):
            function(np.zeros(5))


def test_the_jacobian_of_a_linear_network_is_its_matrix() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(360, 5)).eval()
    expected = float(torch.linalg.norm(model[1].weight.detach()))
    assert jacobian_norm(model, IMAGES) == pytest.approx(expected, rel=1e-5)
    # Images of different norms: 2 x_i for a sum of squares.
    squares = _squares(torch)
    expected = float(np.sqrt((4 * IMAGES**2).sum(axis=(1, 2, 3)).mean()))
    assert jacobian_norm(squares, IMAGES) == pytest.approx(expected, rel=1e-5)
    assert jacobian_norm(squares, IMAGES, batch_size=3) == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        assert jacobian_norm(squares, IMAGES) == pytest.approx(expected, rel=1e-5)


def test_jacobians_that_are_not_there() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(CapabilityError, match="torch module"):
        jacobian_norm(lambda x: x, IMAGES)
    model = _squares(torch)
    with pytest.raises(OptionError, match="training mode"):
        jacobian_norm(model.train(), IMAGES)
    with pytest.raises(OptionError, match="batch_size"):
        jacobian_norm(model.eval(), IMAGES, batch_size=0)
    with pytest.raises(ProblemError, match="no images"):
        jacobian_norm(model, IMAGES[:0])
    with pytest.raises(ProblemError, match=r"\(8, K\) is needed"):
        jacobian_norm(torch.nn.Identity().eval(), IMAGES)


def _squares(torch: Any) -> Any:
    class Squares(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return (x**2).sum(dim=(1, 2, 3))[:, None]

    return Squares().eval()
