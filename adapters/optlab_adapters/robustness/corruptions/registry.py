"""The corruptions by name, each a function of images, a level and random streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optlab.errors import OptionError
from optlab_adapters.robustness.corruptions.streams import Streams

__all__ = ["CORRUPTIONS", "Corruption", "Images", "Scale", "corruption", "names_of"]

Images: TypeAlias = NDArray[np.float32]
"""Images in [0, 1], shape (N, H, W, C) with C = 1 or 3."""

Level: TypeAlias = Any
"""Parameters of one severity: a number, or a tuple of them in the order of the publication."""

Function: TypeAlias = Callable[[Images, Level, Streams], Images]
"""(images, level, streams) -> new images, which the suite clips to [0, 1]."""

Scale: TypeAlias = Literal["cifar", "imagenet"]
"""Whose severities: those published for images of 32 pixels or of 224."""


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Attributes
    ----------
    name : str
    function : callable
    cifar, imagenet : tuple
        Levels of the severities 1 to 5 at the two scales.
    heldout : bool
        Whether it is one of the four that are kept for choosing settings [HD19].
    """

    name: str
    function: Function
    cifar: tuple[Level, ...]
    imagenet: tuple[Level, ...]
    heldout: bool

    def level(self, severity: int, scale: Scale) -> Level:
        """Return the parameters of a severity, 1 to 5."""
        levels = self.cifar if scale == "cifar" else self.imagenet
        return levels[severity - 1]


CORRUPTIONS: dict[str, Corruption] = {}
"""Name -> corruption: noise, blur, weather, digital, each in the order of the publication."""


def corruption(
    name: str, *, cifar: tuple[Level, ...], imagenet: tuple[Level, ...], heldout: bool = False
) -> Callable[[Function], Function]:
    """Register a function as a corruption.

    Raises
    ------
    OptionError
        When the name is taken, or there are not five levels at each scale.
    """

    def register(function: Function) -> Function:
        if name in CORRUPTIONS:
            raise OptionError(
                f"a corruption named {name!r} is registered already; choose another"
            )
        if not len(cifar) == len(imagenet) == 5:
            raise OptionError(
                f"{name} has {len(cifar)} and {len(imagenet)} levels; five of each are needed"
            )
        CORRUPTIONS[name] = Corruption(name, function, cifar, imagenet, heldout)
        return function

    return register


def names_of(group: str) -> tuple[str, ...]:
    """Return the names in a group: ``common``, ``heldout`` or ``all``.

    Raises
    ------
    OptionError
        When there is no such group.
    """
    if group not in ("common", "heldout", "all"):
        raise OptionError(
            f"{group!r} is no group of corruptions; use 'common', 'heldout', 'all' or a list of names"
        )
    return tuple(
        c.name
        for c in CORRUPTIONS.values()
        if group == "all" or c.heldout == (group == "heldout")
    )
