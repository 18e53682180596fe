"""Random textures: clouds, and the synthetic stand-in for photographs of frost."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optlab_adapters.robustness.corruptions.streams import Streams

__all__ = ["clouds", "frost_textures"]

FROST_TEXTURES = 6
"""How many there are."""

_FROST_MEAN, _FROST_DEVIATION = 0.6, 0.15
"""About those of the photographs that it stands in for."""


def clouds(streams: Streams, size: int, decay: float) -> NDArray[np.float32]:
    """Return fields in [0, 1] by midpoint displacement, shape (N, m, m), m the power of two from ``size``.

    The fields are periodic. The displacement starts in proportion to 1 and falls by decay^2 at each halving [HD19].
    """
    m = max(2, _power_of_two(size))
    noise = streams.draw(lambda generator: generator.random(m * m, dtype=np.float32))
    noise = np.float32(2) * noise - np.float32(1)
    field = np.zeros((len(noise), m, m), dtype=np.float32)
    step, strength, used = m, 1.0, 0
    while step >= 2:
        half, cells = step // 2, m // step
        fresh = noise[:, used : used + 3 * cells**2].reshape(-1, 3, cells, cells)
        fresh = np.float32(strength) * fresh
        corners = field[:, ::step, ::step]
        pairs = corners + np.roll(corners, -1, 1)
        centres = (pairs + np.roll(pairs, -1, 2)) / 4 + fresh[:, 0]
        above = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 2)
        beside = centres + np.roll(centres, 1, 2) + pairs
        field[:, half::step, half::step] = centres
        field[:, ::step, half::step] = above / 4 + fresh[:, 1]
        field[:, half::step, ::step] = beside / 4 + fresh[:, 2]
        used += 3 * cells**2
        step, strength = half, strength / decay**2
    field -= field.min(axis=(1, 2), keepdims=True)
    highest: NDArray[np.float32] = field.max(axis=(1, 2), keepdims=True)
    return field / highest


@lru_cache(maxsize=2)
def frost_textures(size: int) -> NDArray[np.float32]:
    """Return periodic textures in [0, 1] with amplitudes that fall as one over frequency.

    They stand in for the photographs of the published benchmark, which are not in this package. They are fixed, as
    photographs would be: the seed of a suite chooses among them and where to cut. Shape (6, m, m), m the power of two from
    ``size``, 512 at least.
    """
    m = max(512, _power_of_two(size))
    generator = np.random.default_rng(0)
    white = np.fft.rfft2(generator.standard_normal((FROST_TEXTURES, m, m)))
    radius = np.hypot(np.fft.fftfreq(m)[:, None], np.fft.rfftfreq(m)[None, :])
    radius[0, 0] = np.inf
    fields = np.fft.irfft2(white / radius, s=(m, m))
    fields /= fields.std(axis=(1, 2), keepdims=True)
    textures = np.clip(_FROST_MEAN + _FROST_DEVIATION * fields, 0, 1).astype(np.float32)
    textures.setflags(write=False)
    return textures


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()
