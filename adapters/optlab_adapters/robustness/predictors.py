"""Classifiers in the one form that is evaluated: images to the numbers of classes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab_adapters.robustness.images import unit_images

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
    # A module can only come from a torch that is imported already.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        if model.training:
            raise OptionError(
                "the model is in training mode, so its answers depend on the batch; call model.eval(), or pass "
                "a function of images if that is what you want to evaluate"
            )
        return _of_module(model, torch)
    if not callable(model):
        raise CapabilityError(
            f"{type(model).__name__} is no classifier; a function of images or a torch module is needed"
        )
    return lambda images: _classes(model(images), len(images))


def accuracy(
    predict: Classifier, batches: Iterable[NDArray[Any]], classes: NDArray[Any]
) -> float:
    """Return the share of images, given batch by batch, that get their own class."""
    found = np.concatenate([predict(batch) for batch in batches])
    return float((found == classes).mean())


def _of_module(model: Any, torch: Any) -> Classifier:
    def predict(images: NDArray[Any]) -> NDArray[np.intp]:
        first = next(model.parameters(), None)
        device = None if first is None else first.device
        planes = np.ascontiguousarray(unit_images(images).transpose(0, 3, 1, 2))
        with torch.no_grad():
            scores = model(torch.from_numpy(planes).to(device))
        return _classes(scores.cpu().numpy(), len(images))

    return predict


def _classes(answer: Any, count: int) -> NDArray[np.intp]:
    values = np.asarray(answer)
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
