"""Smaller layers instead of zeros: channels without weights are taken out of a network by torch-pruning.

Output channel c of a layer whose weights W[c] are all zero emits a number that does not depend on the input: its bias, then what
normalization and activation make of that. Where such a constant v reaches a layer with weights V, it is

    V x = V_{-c} x_{-c} + V_c v,

so that the channel can go when V_c v, summed over the taps of a kernel, is added to that layer's bias. That is exact except at the edges
of images that are padded with zeros, where fewer taps see v: there the channel stays unless v = 0. Which layers a channel goes
through is found by the dependency graph of torch-pruning [FMSMW23].
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.nn.utils import prune

from optlab.errors import MissingDependencyError, OptionError, ProblemError
from optlab_adapters.pruning.masks import multiply_masks

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Smaller", "remove_channels"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_EXACT = 1e-4
"""Largest difference of outputs, relative to the largest output, that is rounding."""


@dataclass(frozen=True)
class Smaller:
    """A network without the channels that had no weights, in evaluation mode.

    Attributes
    ----------
    model : torch.nn.Module
    parameters, macs : (int, int)
        Numbers before and after; multiply-accumulates for the example inputs.
    removed : dict of str to int
        Channels taken out, by layer.
    stayed : dict of str to int
        Channels without weights that could not be taken out exactly, by layer.
    """

    model: nn.Module
    parameters: tuple[int, int]
    macs: tuple[int, int]
    removed: dict[str, int]
    stayed: dict[str, int]


def remove_channels(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    *,
    example_inputs: Any,
    constants: Literal["fold", "silence"] = "fold",
) -> Smaller:
    """Return a smaller network that computes what the masked one does in evaluation mode.

    Parameters
    ----------
    model
        Linear and convolutional layers, batch normalization, functions of single entries, sums, concatenations, flattening.
        It is not changed.
    masks
        By names of parameters, such as those of :meth:`PruningTask.masks`; None: the zeros of the weights as they are.
    example_inputs
        A tensor of inputs, or a tuple of them; the outputs of both networks are compared on it.
    constants
        ``"fold"``: what channels without weights emit is added to biases; exact. ``"silence"``: their biases and
        normalizations are set to zero before, which changes the function, so that all of them can go; the returned
        network equals the silenced one.

    Raises
    ------
    ProblemError
        When masks are those of another architecture, the model carries those of ``torch.nn.utils.prune``, or the outputs
        come out different since an operation mixes channels.
    OptionError
        For another ``constants``.
    MissingDependencyError
        Without torch-pruning.
    """
    try:
        import torch_pruning  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependencyError("torch-pruning", "pruning", "remove_channels") from error
    if constants not in ("fold", "silence"):
        raise OptionError(f"constants is {constants!r}; 'fold' or 'silence' is needed")
    if prune.is_pruned(model):
        raise ProblemError(
            "the model carries masks of torch.nn.utils.prune; call torch.nn.utils.prune.remove on its modules first"
        )
    inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    work = copy.deepcopy(model).eval()
    multiply_masks(dict(work.named_parameters()), masks or {})
    surgeon = _Surgeon(work, inputs, torch_pruning)
    if constants == "silence":
        surgeon.silence()
    with torch.no_grad():
        wanted = work(*inputs)
    before = surgeon.count()
    removed, stayed = surgeon.operate()
    with torch.no_grad():
        _compare(work(*inputs), wanted)
    after = surgeon.count()
    return Smaller(work, (before[1], after[1]), (before[0], after[0]), removed, stayed)


class _Surgeon:
    """Takes channels out of a network, layer by layer."""

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...], library: Any) -> None:
        self.model, self.inputs, self.library = model, inputs, library
        self.names = {module: name for name, module in model.named_modules()}
        self.inputs_of: dict[Any, list[Tensor]] = {}
        self.graph = library.DependencyGraph().build_dependency(model, example_inputs=inputs)

    def count(self) -> tuple[int, int]:
        """Return multiply-accumulates and parameters."""
        macs, _ = self.library.utils.count_ops_and_params(self.model, self.inputs)
        return int(macs), sum(p.numel() for p in self.model.parameters())

    def layers(self) -> list[tuple[Any, Any]]:
        """Return layers with weights, and how torch-pruning takes output channels out of them."""
        functions = self.library
        kinds = (
            (nn.Linear, functions.prune_linear_out_channels),
            (_CONVOLUTIONS, functions.prune_conv_out_channels),
        )
        return [
            (module, function)
            for module in self.model.modules()
            for kind, function in kinds
            if isinstance(module, kind)
        ]

    def silence(self) -> None:
        """Set what comes after weights of zero, biases and normalizations, to zero."""
        with torch.no_grad():
            for layer, function in self.layers():
                for channel in _without_weights(layer):
                    items = self._items(layer, function, channel)
                    if items is None or not self._all_zero(items):
                        continue
                    for module, indices, _ in items:
                        if isinstance(module, _NORMS):
                            _zero(module.weight, indices)
                        if isinstance(module, _NORMS) or (module is layer):
                            _zero(module.bias, indices)

    def operate(self) -> tuple[dict[str, int], dict[str, int]]:
        """Take out what can be taken out exactly; return the numbers of channels that went, and that stayed."""
        removed, stayed = dict[str, int](), dict[str, int]()
        for layer, function in self.layers():
            zero = _without_weights(layer)
            if not zero:
                continue
            going = self._foldable(layer, function, zero)
            group = self.graph.get_pruning_group(layer, function, idxs=going) if going else None
            if group is not None and self.graph.check_pruning_group(group):
                for channel in going:
                    self._fold(layer, function, channel)
                group.prune()
                removed[self.names[layer]] = len(going)
            left = len(_without_weights(layer))
            if left:
                stayed[self.names[layer]] = left
        return removed, stayed

    # One channel ------------------------------------------------------------------------------------

    def _items(self, layer: Any, function: Any, channel: int) -> list[Any] | None:
        """Return (module, indices, whether they are inputs of weights) for all that a channel goes through.

        None where it ends in the output of the network, or meets a module in which it is not alone.
        """
        items: list[Any] = []
        for dependency, indices in self.graph.get_pruning_group(
            layer, function, idxs=[channel]
        ):
            module = dependency.target.module
            if isinstance(module, (nn.Linear, *_CONVOLUTIONS)):
                if getattr(module, "groups", 1) != 1:
                    return None
                consumed = not self.graph.is_out_channel_pruning_fn(dependency.handler)
                items.append((module, list(indices), consumed))
            elif isinstance(module, _NORMS):
                items.append((module, list(indices), False))
            elif not isinstance(module, _passing(self.library)):
                return None
        return items if any(consumed for _, _, consumed in items) else None

    def _all_zero(self, items: list[Any]) -> bool:
        """Whether every layer that makes the channel, by itself or as a part of a sum, has no weights for it."""
        return all(
            not module.weight[indices].any()
            for module, indices, consumed in items
            if not consumed and not isinstance(module, _NORMS)
        )

    def _foldable(self, layer: Any, function: Any, zero: list[int]) -> list[int]:
        """Return the channels whose constants can be added to biases."""
        self.inputs_of = self._received()
        found = []
        for channel in zero:
            items = self._items(layer, function, channel)
            if items is None or not self._all_zero(items):
                continue
            if all(
                self._constant(module, indices) is not None
                for module, indices, consumed in items
                if consumed
            ):
                found.append(channel)
        return found[1:] if len(found) == layer.weight.shape[0] else found

    def _constant(self, module: Any, indices: list[int]) -> Tensor | None:
        """Return the numbers, (indices,), that a layer is given there; None where they cannot be folded."""
        calls = self.inputs_of.get(module, [])
        parts = []
        for given in calls:
            axis = (
                -1
                if isinstance(module, nn.Linear)
                else given.dim() - len(module.kernel_size) - 1
            )
            parts.append(given.movedim(axis, 0)[indices].flatten(1))
        if not parts:
            return None
        values = torch.cat(parts, dim=1)
        if not bool((values == values[:, :1]).all()):
            return None
        constant: Tensor = values[:, 0]
        return None if bool(constant.any()) and _padded(module) else constant

    def _fold(self, layer: Any, function: Any, channel: int) -> None:
        """Add a channel's constants to the biases of those that it reaches."""
        with torch.no_grad():
            for module, indices, consumed in self._items(layer, function, channel) or []:
                constant = self._constant(module, indices) if consumed else None
                if constant is None or not bool(constant.any()):
                    continue
                # A kernel sees the constant at each of its taps.
                shift = (
                    module.weight[:, indices]
                    .reshape(len(module.weight), len(indices), -1)
                    .sum(-1)
                    @ constant
                )
                if module.bias is None:
                    module.bias = nn.Parameter(torch.zeros_like(shift))
                module.bias += shift

    def _received(self) -> dict[Any, list[Tensor]]:
        """Return what every layer is given, for the example inputs and for the same numbers in another order."""
        found: dict[Any, list[Tensor]] = {}
        with torch.no_grad(), _watched([layer for layer, _ in self.layers()], found):
            self.model(*self.inputs)
            self.model(*(_shuffled(x) for x in self.inputs))
        return found


def _passing(library: Any) -> tuple[type, ...]:
    """Return torch-pruning's nodes of operations in which channels keep apart."""
    ops = library.ops
    return (ops._ElementWiseOp, ops._ConcatOp, ops._SplitOp, ops._ReshapeOp)


def _without_weights(layer: Any) -> list[int]:
    return [int(c) for c in (~layer.weight.flatten(1).any(dim=1)).nonzero().flatten()]


def _zero(tensor: Tensor | None, indices: list[int]) -> None:
    if tensor is not None:
        tensor[indices] = 0.0


def _padded(module: Any) -> bool:
    """Whether a layer pads with zeros."""
    if (
        isinstance(module, nn.Linear)
        or module.padding_mode != "zeros"
        or module.padding == "valid"
    ):
        return False
    if module.padding == "same":
        return any(k > 1 for k in module.kernel_size)
    return any(p > 0 for p in module.padding)


def _shuffled(x: Any) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0))
    return x.flatten()[order.to(x.device)].view_as(x)


@contextmanager
def _watched(layers: list[Any], found: dict[Any, list[Tensor]]) -> Iterator[None]:
    """Record the inputs of layers."""
    handles = [
        layer.register_forward_pre_hook(
            lambda module, given: found.setdefault(module, []).append(given[0].detach())
        )
        for layer in layers
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _compare(found: Tensor, wanted: Tensor) -> None:
    """Check that outputs are the same.

    Raises
    ------
    ProblemError
        When they are not.
    """
    if found.shape != wanted.shape:
        raise ProblemError(
            f"outputs have shape {tuple(found.shape)} without the channels, {tuple(wanted.shape)} with them; channels that are "
            "outputs of the network must keep weights"
        )
    scale = max(1.0, float(wanted.abs().max()))
    worst = float((found - wanted).abs().max())
    if not worst <= _EXACT * scale:
        raise ProblemError(
            f"outputs differ by {worst:.2g} without the channels; an operation of the model (softmax, layer normalization, a mean "
            "over channels) mixes them, and such a model cannot be made smaller in this way"
        )
