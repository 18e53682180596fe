"""Many displaced parameters of one layer in one forward, from what they change.

The displaced layer and the layers up to the next linear one are evaluated for the one channel that changes
(:mod:`optlab_adapters.torch.training.channels`), the rest for k networks that differ in their features and share
their parameters: dense layers as one product, others through ``torch.func.vmap``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional

from optlab_adapters.torch.training.calls import is_plain
from optlab_adapters.torch.training.channels import (
    ELEMENTWISE,
    can_be_displaced,
    displaced,
    joined,
    joins,
    keeps,
    kept,
)

if TYPE_CHECKING:
    from optlab.typing import Indices
    from optlab_adapters.torch.training.chain import Pass
    from optlab_adapters.torch.training.parameters import Parameters

__all__ = ["Layered", "known_input"]

PRECISIONS = (torch.float32, torch.float64)
"""In narrower ones the order of the sums shows."""


@dataclass(frozen=True, slots=True)
class _Course:
    """What the base pass says about displacements of one stage."""

    around: tuple[torch.Tensor, torch.Tensor]
    """Input and output of the displaced layer."""

    alone: tuple[Any, ...]
    """The layers after it that work on every channel alone."""

    linear: Any
    """The linear layer after those, or None."""

    last: tuple[torch.Tensor, torch.Tensor]
    """Its input and output; without one, the features there, twice."""

    rest: tuple[Callable[..., Any], ...]
    """The stages after it."""


class Layered:
    """Evaluates displacements within one parameter of a layer.

    Parameters
    ----------
    parameters
        Of the module.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._own: dict[tuple[int, int], bool] = {}
        """By start and tensor: whether what comes after the stage does not use the tensor."""

        self._base: Pass | None = None
        self._courses: dict[int, _Course | None] = {}
        """Of the starts of the last base pass."""

    def values(
        self, base: Pass, start: int, tensor: int, places: Indices, steps: torch.Tensor
    ) -> torch.Tensor | None:
        """Return the losses with one entry of a tensor moved, (k,); None where the layer is not known.

        Parameters
        ----------
        base, start, tensor, places
            As for :meth:`optlab_adapters.torch.training.batched.Batched.values`.
        steps
            (k,) what is added to the entries.
        """
        wanted = self._parameters.tensors[tensor]
        layer = base.stages(start)[0]
        names = [n for n in ("weight", "bias") if getattr(layer, n, None) is wanted]
        if len(names) != 1 or wanted.dtype not in PRECISIONS:
            return None
        course = self._course(base, start)
        if course is None or not self._is_own(base, start, tensor, course):
            return None
        channel = displaced(layer, names[0], course.around, places, steps)
        for stage in course.alone:
            channel = kept(stage, channel)
        if course.linear is None:
            value = channel.spread(course.last[0])
        else:
            value = joined(course.linear, course.last, channel)
        for stage in course.rest:
            value = _through(stage, value)
        return _losses(base, value)

    def _course(self, base: Pass, start: int) -> _Course | None:
        if self._base is not base:
            self._base, self._courses = base, {}
        if start not in self._courses:
            self._courses[start] = _course(base, start)
            base.restore()
        return self._courses[start]

    def _is_own(self, base: Pass, start: int, tensor: int, course: _Course) -> bool:
        """Whether a displacement of the tensor leaves alone what comes after the layer, the loss included."""
        if (start, tensor) not in self._own:
            data, rest = self._parameters.tensors[tensor].data, base.stages(start)[1:]
            before = _ended(base, rest, course.around[1])
            kept_values = data.clone()
            data.mul_(1.25).add_(0.125)
            try:
                after = _ended(base, rest, course.around[1])
            finally:
                data.copy_(kept_values)
            if not before.isfinite():
                return False  # says nothing; the next batch may
            self._own[start, tensor] = torch.equal(before, after)
        return self._own[start, tensor]


def known_input(base: Pass, start: int) -> torch.Tensor | None:
    """Return the input of the first stage of a pass if its displacements are known, else None."""
    arguments, keywords = base.given(start)
    if keywords or len(arguments) != 1 or not isinstance(arguments[0], torch.Tensor):
        return None
    return arguments[0] if can_be_displaced(base.stages(start)[0], arguments[0]) else None


def _course(base: Pass, start: int) -> _Course | None:
    """Follow the base pass from a displaced layer on; None where the layer is not known or a number not finite."""
    first, *later = base.stages(start)
    inputs = known_input(base, start)
    if inputs is None:
        return None
    outputs = first(inputs)
    # Layers may overwrite what they are given.
    features, width = outputs.clone(), 1
    alone: list[Any] = []
    while later and keeps(later[0], features, width):
        alone.append(later.pop(0))
        if type(alone[-1]) is nn.Flatten:
            width *= features[0, 0].numel()
        features = alone[-1](features)
    linear, last = None, (features, features)
    if later and joins(later[0], features, width):
        linear = later.pop(0)
        last = features, linear(features)
    if not all(bool(t.sum().isfinite()) for t in (inputs, outputs, *last)):
        # A change from a number that is not finite says nothing.
        return None
    return _Course((inputs, outputs), tuple(alone), linear, last, tuple(later))


def _ended(
    base: Pass, rest: tuple[Callable[..., Any], ...], features: torch.Tensor
) -> torch.Tensor:
    """Return the loss of features."""
    value: Any = features.clone()
    for stage in rest:
        value = stage(value)
    loss = base.judged(value)
    base.restore()
    return loss


def _through(stage: Any, value: torch.Tensor) -> Any:
    """Apply a stage to the features of k networks, (k, b, ...)."""
    kind = type(stage) if is_plain(stage) else None
    made: Any
    if kind in ELEMENTWISE:
        made = stage(value)
    elif kind is nn.Linear and value.ndim == 3:
        # One product, laid out (c, k b) like what comes from the layer before.
        columns = value.permute(2, 0, 1).flatten(1)
        if stage.bias is None:
            made = stage.weight @ columns
        else:
            made = torch.addmm(stage.bias.unsqueeze(1), stage.weight, columns)
        made = made.view(-1, *value.shape[:2]).permute(1, 2, 0)
    else:
        made = vmap(stage)(value)
    return made


def _losses(base: Pass, outputs: Any) -> torch.Tensor:
    """Return the losses of the outputs of k networks, (k,)."""
    loss, target = base.loss, base.batch.target
    dense = isinstance(outputs, torch.Tensor) and outputs.ndim == 3
    if dense and _is_cross_entropy(loss) and _are_classes(target):
        return _cross_entropies(loss, outputs, target)
    found: torch.Tensor = vmap(lambda output: base.judged(output).reshape(()))(outputs)
    return found


def _is_cross_entropy(loss: Any) -> bool:
    """Whether a loss is torch's mean cross entropy, all classes weighing the same."""
    if type(loss) is nn.CrossEntropyLoss:
        return loss.reduction == "mean" and loss.weight is None
    return loss is functional.cross_entropy


def _are_classes(target: Any) -> bool:
    return (
        isinstance(target, torch.Tensor) and target.ndim == 1 and not target.is_floating_point()
    )


def _cross_entropies(loss: Any, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross entropies of k outputs: torch goes through classes far apart in memory much faster."""
    k, b, _ = outputs.shape
    options: dict[str, Any] = {"ignore_index": -100, "label_smoothing": 0.0}
    if isinstance(loss, nn.Module):
        options = {name: getattr(loss, name) for name in options}
    logits = outputs.permute(2, 0, 1).contiguous().view(1, -1, k * b)
    counted = int((target != options["ignore_index"]).sum())
    each: torch.Tensor = functional.cross_entropy(
        logits, target.expand(k, b).reshape(1, -1), reduction="none", **options
    )
    return each.view(k, b).sum(1) / counted
