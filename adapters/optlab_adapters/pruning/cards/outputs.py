"""Probabilities that models give to classes, and the images and labels they are asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from optlab.errors import ProblemError
from optlab_adapters.torch.modes import evaluating

__all__ = ["Card", "Tensor", "images_of", "labels_of", "probabilities"]

Tensor = torch.Tensor

Card: TypeAlias = torch.nn.Module | Callable[[Any], Any]
"""A module; or a function from images to logits as arrays, such as a :class:`PackedNetwork`."""

_CHUNK = 250
"""Images that a model sees at once."""


def images_of(images: Any) -> Tensor:
    """Return images, (N, channels, height, width), floating point in [0, 1].

    Raises
    ------
    ProblemError
        For anything else.
    """
    found = torch.as_tensor(images).detach().cpu()
    if found.ndim != 4 or not found.is_floating_point() or 0 in found.shape:
        raise ProblemError(
            f"images are {found.dtype} of shape {tuple(found.shape)}; floating-point images of shape "
            "(N, channels, height, width), at least one, are needed (divide bytes by 255)"
        )
    low, high = float(found.min()), float(found.max())
    # Also true for NaN.
    if not (low >= 0.0 and high <= 1.0):
        raise ProblemError(
            f"images have values from {low:g} to {high:g}; values in [0, 1] are needed: put a "
            "standardization into the models"
        )
    return found


def labels_of(labels: Any, count: int) -> Tensor:
    """Return the labels of ``count`` images, (N,), whole numbers.

    Raises
    ------
    ProblemError
        For anything else.
    """
    found = torch.as_tensor(labels)
    if found.shape != (count,) or found.is_floating_point():
        raise ProblemError(
            f"labels are {found.dtype} of shape {tuple(found.shape)}; a whole number for each of the "
            f"{count} images is needed"
        )
    return found


@torch.no_grad()
def probabilities(name: str, card: Card, images: Tensor) -> Tensor:
    """Return the softmax of a model's logits in evaluation mode, (N, classes), double precision.

    Raises
    ------
    ProblemError
        When the model fails on the images, or does not give a row of finite logits for each; names it.
    """
    found = []
    for part in torch.split(images, _CHUNK):
        try:
            logits = _called(card, part)
        except (RuntimeError, ValueError) as error:
            raise ProblemError(
                f"card {name} fails on images of shape {tuple(part.shape)}: {error}"
            ) from error
        if logits.ndim != 2 or len(logits) != len(part):
            raise ProblemError(
                f"card {name} makes {tuple(logits.shape)} of images of shape {tuple(part.shape)}; a row of "
                "logits for each image is needed"
            )
        if not bool(torch.isfinite(logits).all()):
            raise ProblemError(f"card {name} has logits that are not finite")
        found.append(torch.softmax(logits.double(), dim=1))
    return torch.cat(found)


def _called(card: Card, images: Tensor) -> Tensor:
    if isinstance(card, torch.nn.Module):
        tensor = next(card.parameters(), images)
        with evaluating(card):
            logits: Tensor = card(images.to(tensor)).cpu()
        return logits
    return torch.from_numpy(np.asarray(card(images.numpy())))
