"""The mean squared errors of imagecorruptions, where it is installed (the maintained fork is imagecorruptions-imaug)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optlab_adapters.robustness import CorruptionSuite
from optlab_adapters.robustness.corruptions import CORRUPTIONS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    package = pytest.importorskip("imagecorruptions")

PHOTOS = pytest.importorskip("sklearn.datasets").load_sample_images().images
IMAGES = np.array([photo[s : s + 224, s : s + 224] for photo in PHOTOS for s in (0, 100, 200)])
SUITE = CorruptionSuite("all", scale="imagenet")

SPREAD = {"frost": 0.6, "fog": 0.4, "spatter": 0.5, "snow": 0.25, "motion_blur": 0.25}
"""Few images say little of these, and the texture of frost is another; the others are within 15 %."""


def squared(made: NDArray[Any]) -> float:
    return float(np.mean((made.astype(float) - IMAGES) ** 2))


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_errors_are_those_of_the_package(name: str) -> None:
    np.random.seed(0)  # noqa: NPY002, TID251 - the package draws from the global generator
    for severity in SUITE.levels:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = [
                package.corrupt(i, corruption_name=name, severity=severity) for i in IMAGES
            ]
        ratio = squared(SUITE.apply(IMAGES, name, severity)) / squared(np.array(theirs))
        assert abs(ratio - 1) < SPREAD.get(name, 0.15), (severity, ratio)
