"""Random numbers that belong to an image, whatever batch it comes in.

Image i of a corruption at a severity draws from the Philox generator with a key made of (seed, corruption, severity) and
the counter i 2^192: streams of different images never meet, and none depends on what was drawn before.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Streams"]


class Streams:
    """One generator per image of a batch.

    Parameters
    ----------
    seed
        Whole number, not negative.
    name, severity
        Which corruption, and how strong.
    indices
        Numbers of the images in the data set.
    """

    def __init__(self, seed: int, name: str, severity: int, indices: Iterable[int]) -> None:
        entropy = [seed, zlib.crc32(name.encode()), severity]
        key = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
        self.generators = [
            np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, index]))
            for index in indices
        ]

    def draw(
        self, sample: Callable[[np.random.Generator], NDArray[Any] | float]
    ) -> NDArray[Any]:
        """Call ``sample`` with each image's generator; return the values, shape (N, ...), in single precision."""
        return np.array([sample(generator) for generator in self.generators], dtype=np.float32)

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return standard normal numbers of this shape for every image."""
        return self.draw(lambda generator: generator.standard_normal(shape, dtype=np.float32))

    def uniform(
        self, low: float, high: float, shape: tuple[int, ...] = ()
    ) -> NDArray[np.float32]:
        """Return uniform numbers of this shape for every image."""
        return self.draw(lambda generator: generator.uniform(low, high, shape))
