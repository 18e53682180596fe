"""What a classifier answers for images, whichever form the classifier has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab.typing import Vector
from optlab_adapters.robustness.images import unit_images

__all__ = ["Scorer", "answers", "planes", "scorer"]

Scorer = Callable[[NDArray[Any]], Vector]
"""Images, shape (N, ...) -> scores, shape (N, K)."""


def answers(model: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function of images that answers what the model does, as an array.

    Parameters
    ----------
    model
        A function of images, which are passed on as they are given; or a torch module, which is given float32 tensors in [0, 1] of
        shape (N, C, H, W).

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
    return lambda images: np.asarray(model(images))


def scorer(model: Any) -> Scorer:
    """Return a function of images that answers finite scores; the model and errors are those of :func:`answers`.

    When called, it raises ProblemError for answers of another shape than (N, K), or that are not finite.
    """
    answer = answers(model)

    def score(images: NDArray[Any]) -> Vector:
        values = np.asarray(answer(images), dtype=np.float64)
        if values.ndim != 2 or len(values) != len(images) or not np.isfinite(values).all():
            raise ProblemError(
                f"the model answered shape {values.shape} for {len(images)} images; finite scores of shape "
                f"({len(images)}, K) are needed"
            )
        return values

    return score


def planes(images: NDArray[Any], module: Any, torch: Any) -> Any:
    """Return images as a float32 tensor of shape (N, C, H, W) where the module's parameters are."""
    first = next(module.parameters(), None)
    ordered = np.ascontiguousarray(unit_images(images).transpose(0, 3, 1, 2))
    return torch.from_numpy(ordered).to(None if first is None else first.device)


def _of_module(model: Any, torch: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def answer(images: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            scores: NDArray[Any] = model(planes(images, model, torch)).cpu().numpy()
        return scores

    return answer
