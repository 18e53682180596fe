"""A suite of corruptions: which ones, how strong, and from which seed [HD19]."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import OptionError
from optlab.typing import is_a
from optlab_adapters.robustness.corruptions import CORRUPTIONS, Scale, Streams, names_of
from optlab_adapters.robustness.images import as_images, in_form_of, unit_images

__all__ = ["CorruptionSuite"]

_BLOCK = 2**19
"""Values that are corrupted at once: 2 MB, so that a step's arrays stay in the cache."""


@dataclass(frozen=True)
class CorruptionSuite:
    """Seeded corruptions of images.

    The randomness of image i comes from (seed, corruption, severity, i) and nothing else, so the same seed gives the same
    bytes for any split of a data set into batches.

    Parameters
    ----------
    names
        ``"common"`` (15), ``"heldout"`` (4), ``"all"`` (19), or the names of some.
    severities
        Some of 1 to 5.
    scale
        Whose parameters: ``"cifar"`` for images of about 32 pixels, ``"imagenet"`` for about 224. Both work at any size.
    seed
        Whole number, not negative.

    Raises
    ------
    OptionError
        For a name, severity, scale or seed that is none.

    Examples
    --------
    >>> import numpy as np
    >>> suite = CorruptionSuite(["contrast", "brightness"], severities=[5])
    >>> for name, severity in suite:
    ...     print(name, severity, suite.apply(np.full((1, 2, 2), 0.25), name, severity)[0, 0, 0])
    contrast 5 0.25
    brightness 5 0.550000011920929
    """

    names: str | Iterable[str] = "common"
    severities: int | Iterable[int] = (1, 2, 3, 4, 5)
    scale: Scale = "cifar"
    seed: int = 0

    def __post_init__(self) -> None:
        names, severities = self.names, self.severities
        if isinstance(names, str):
            names = (names,) if names in CORRUPTIONS else names_of(names)
        object.__setattr__(self, "names", tuple(names))
        severities = (severities,) if isinstance(severities, int) else severities
        object.__setattr__(self, "severities", tuple(severities))
        if not self.names or not self.severities:
            raise OptionError("a suite needs at least one corruption and one severity")
        for name in self.names:
            _check_name(name)
        for severity in self.levels:
            _check_severity(severity)
        if self.scale not in ("cifar", "imagenet"):
            raise OptionError(f"scale is {self.scale!r}; 'cifar' or 'imagenet' is needed")
        if not _is_count(self.seed):
            raise OptionError(f"seed is {self.seed!r}; a whole number >= 0 is needed")

    @property
    def corruptions(self) -> tuple[str, ...]:
        """Names, in the order of the suite."""
        return tuple(self.names)

    @property
    def levels(self) -> tuple[int, ...]:
        """Severities, in the order of the suite."""
        return tuple(self.severities)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Go through all (name, severity), severities innermost."""
        return ((name, severity) for name in self.corruptions for severity in self.levels)

    def __len__(self) -> int:
        return len(self.corruptions) * len(self.levels)

    def apply(
        self, images: ArrayLike, name: str, severity: int, start: int = 0
    ) -> NDArray[Any]:
        """Corrupt images.

        Parameters
        ----------
        images
            uint8, or floating point in [0, 1]; shape (N, H, W) or (N, H, W, C) with C = 1 or 3.
        name, severity
            Which corruption, and how strong, 1 to 5; they need not be of the suite.
        start
            Number of the first image in its data set.

        Returns
        -------
        NDArray
            New images of the same shape and type. The work is done in single precision.

        Raises
        ------
        OptionError
            For a name, severity or start that is none.
        ProblemError
            For images of another shape, type or range.
        """
        _check_name(name)
        _check_severity(severity)
        if not _is_count(start):
            raise OptionError(
                f"start is {start!r}; the number of the first image, >= 0, is needed"
            )
        given = as_images(images)
        chosen = CORRUPTIONS[name]
        level = chosen.level(severity, self.scale)
        result = np.empty_like(given, order="C")
        block = max(1, _BLOCK // max(1, given[0].size)) if len(given) else 1
        for first in range(0, len(given), block):
            part = given[first : first + block]
            indices = range(start + first, start + first + len(part))
            streams = Streams(self.seed, name, severity, indices)
            damaged = chosen.function(unit_images(part), level, streams)
            result[first : first + block] = in_form_of(damaged, part)
        return result


def _is_count(value: object) -> bool:
    return is_a(value, int, np.integer) and not isinstance(value, bool) and value >= 0  # type: ignore[operator]


def _check_name(name: str) -> None:
    if name not in CORRUPTIONS:
        raise OptionError(f"{name!r} is no corruption; there are {', '.join(CORRUPTIONS)}")


def _check_severity(severity: int) -> None:
    if not (_is_count(severity) and 1 <= severity <= 5):
        raise OptionError(f"severity is {severity!r}; a whole number from 1 to 5 is needed")
