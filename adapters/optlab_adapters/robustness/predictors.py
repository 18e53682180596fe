"""Classifiers in the one form that is evaluated: images to the numbers of classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlab.errors import ProblemError
from optlab_adapters.robustness.scores import answers

__all__ = ["Classifier", "accuracy", "classifier"]

Classifier = Callable[[NDArray[Any]], NDArray[np.intp]]
"""Images as the user gave them, shape (N, ...) -> classes, shape (N,)."""


def classifier(model: Any) -> Classifier:
    """Return a classifier.

    Parameters
    ----------
    model
        A function of images, which are passed on as they were given and answers scores, shape (N, K), or classes, shape (N,);
        or a torch module of K scores, which is given float32 tensors in [0, 1] of shape (N, C, H, W).

    Raises
    ------
    CapabilityError
        When it cannot be called.
    OptionError
        When it is a module in training mode.
    """
    answer = answers(model)
    return lambda images: _classes(answer(images), len(images))


def accuracy(
    predict: Classifier, batches: Iterable[NDArray[Any]], classes: NDArray[Any]
) -> float:
    """Return the share of images, given batch by batch, that get their own class."""
    found = np.concatenate([predict(batch) for batch in batches])
    return float((found == classes).mean())


def _classes(values: NDArray[Any], count: int) -> NDArray[np.intp]:
    if values.ndim not in (1, 2) or len(values) != count:
        raise ProblemError(
            f"the model answered shape {values.shape} for {count} images; scores of shape ({count}, K) or classes of "
            f"shape ({count},) are needed"
        )
    if values.ndim == 2:
        # A score that is not a number decides nothing; argmax would take its place as the class.
        undecided = np.isnan(values).any(axis=1)
        return np.where(undecided, -1, values.argmax(axis=1))
    return values.astype(np.intp)
