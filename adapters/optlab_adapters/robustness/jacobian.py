"""How strongly the scores of a network react to its images: the norm of its Jacobian."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab_adapters.robustness.images import as_images
from optlab_adapters.robustness.scores import answers, planes

__all__ = ["jacobian_norm"]


def jacobian_norm(model: Any, images: ArrayLike, *, batch_size: int = 100) -> float:
    """Return the root of the mean over images of ||J||_F^2, J the Jacobian of all scores by all pixels.

    It is exact: one backward pass for each class and batch. For a network that standardises its images outside itself, put the
    standardisation in, or divide as it does; J is by values in [0, 1].

    Parameters
    ----------
    model
        A torch module in evaluation mode, which is given float32 tensors in [0, 1] of shape (N, C, H, W) and answers (N, K), each
        row from its own image alone.
    images
        uint8, or floating point in [0, 1]; shape (N, H, W) or (N, H, W, C).
    batch_size
        Images at a time.

    Raises
    ------
    CapabilityError
        For anything but a torch module.
    OptionError
        For a module in training mode or a batch size below 1.
    ProblemError
        For no images, images of another form, or answers of another shape.
    """
    given = as_images(images)
    if not len(given):
        raise ProblemError("there are no images; one at least is needed")
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size!r}; 1 or more is needed")
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise CapabilityError(
            f"{type(model).__name__} has no derivatives here; the norm of a Jacobian needs a torch module"
        )
    answers(model)  # Refuses a module in training mode.
    starts = range(0, len(given), batch_size)
    total = sum(_squares(model, given[s : s + batch_size], torch) for s in starts)
    return float(np.sqrt(total / len(given)))


def _squares(model: Any, images: NDArray[Any], torch: Any) -> float:
    """Return the sum of the squares of all derivatives of all images."""
    inputs = planes(images, model, torch).requires_grad_()
    with torch.enable_grad():
        scores = model(inputs)
        if scores.ndim != 2 or len(scores) != len(images):
            raise ProblemError(
                f"the model answered shape {tuple(scores.shape)} for {len(images)} images; ({len(images)}, K) is needed"
            )
        # Rows do not mix, so the gradient of a column's sum holds every image's own.
        of_class = [
            torch.autograd.grad(column.sum(), inputs, retain_graph=True)[0]
            for column in scores.unbind(1)
        ]
    return sum(float((gradient.double() ** 2).sum()) for gradient in of_class)
