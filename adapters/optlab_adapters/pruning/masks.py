"""Masks of parameters, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from optlab.errors import ProblemError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["multiply_masks"]


def multiply_masks(parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set to zero what masks leave out of parameters.

    Raises
    ------
    ProblemError
        When they are those of another architecture; names the parameter. Nothing is changed then.
    """
    for name, mask in masks.items():
        if name not in parameters:
            raise ProblemError(
                f"a mask is for {name}, which the model does not prune; it prunes {list(parameters)}"
            )
        if mask.shape != parameters[name].shape:
            raise ProblemError(
                f"the mask of {name} has shape {tuple(mask.shape)}, the parameter "
                f"{tuple(parameters[name].shape)}; masks of the same architecture are needed"
            )
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask.to(parameters[name].dtype))
