"""Accuracy under every corruption of a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from optlab.errors import OptionError, ProblemError
from optlab_adapters.robustness.images import as_images
from optlab_adapters.robustness.predictors import accuracy, classifier
from optlab_adapters.robustness.table import RobustnessTable

if TYPE_CHECKING:
    from optlab_adapters.robustness.suite import CorruptionSuite

__all__ = ["evaluate"]


def evaluate(
    model: Any,
    suite: CorruptionSuite,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    batch_size: int = 500,
) -> RobustnessTable:
    """Measure a classifier on clean images and under every corruption of a suite.

    Corrupted images are made batch by batch and never stored.

    Parameters
    ----------
    model
        A function of images, given as ``images`` are, that answers scores, shape (N, K), or classes, shape (N,); or a torch
        module in evaluation mode, given float32 tensors in [0, 1] of shape (N, C, H, W).
    suite
        Corruptions, severities, scale and seed.
    images
        uint8, or floating point in [0, 1]; shape (N, H, W) or (N, H, W, C).
    labels
        Classes, shape (N,).
    batch_size
        Images at a time. The corrupted images do not depend on it.

    Returns
    -------
    RobustnessTable
        Accuracy for each corruption and severity.

    Raises
    ------
    ProblemError
        For images or labels of another form, or answers that do not fit the images.
    OptionError
        For a module in training mode or a batch size below 1.
    CapabilityError
        When the model cannot be called.
    """
    given, classes = as_images(images), np.asarray(labels)
    if classes.shape != (len(given),) or not len(given):
        raise ProblemError(
            f"{len(given)} images have labels of shape {classes.shape}; as many of each are needed, one at least"
        )
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size!r}; 1 or more is needed")
    predict = classifier(model)
    starts = range(0, len(given), batch_size)
    clean = accuracy(predict, (given[s : s + batch_size] for s in starts), classes)
    found = [
        accuracy(
            predict,
            (suite.apply(given[s : s + batch_size], name, severity, s) for s in starts),
            classes,
        )
        for name, severity in suite
    ]
    return RobustnessTable(
        suite.corruptions,
        suite.levels,
        np.array(found).reshape(len(suite.corruptions), len(suite.levels)),
        clean,
        len(given),
        {"scale": suite.scale, "seed": int(suite.seed)},
    )
