"""From a converted network to a graph of what every simulator has.

Batch normalization is folded; every bias becomes b / S, the input is x / S at each step; spikes, worth theta = lam / S here,
get height 1: theta goes into the weights that follow, or, where there are none (residual connections), into a scale.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from optlab.errors import CapabilityError, OptionError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.exchange.graph import Part, Scale, SpikingGraph
from optlab_adapters.snn.exchange.neurons import BinaryNeurons, Membranes
from optlab_adapters.snn.folding import fold_norms
from optlab_adapters.snn.graph import ADDITIONS
from optlab_adapters.snn.shift import shifted_bias

if TYPE_CHECKING:
    from optlab_adapters.snn.coding import Coding
    from optlab_adapters.snn.network import SpikingNetwork

__all__ = ["spiking_graph"]

PASSES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)


def spiking_graph(net: SpikingNetwork, input_shape: tuple[int, ...] | None) -> SpikingGraph:
    """Return the network as a graph.

    Parameters
    ----------
    net : SpikingNetwork
        From :func:`optlab.adapters.snn.convert`, in floating point with bias shift.
    input_shape : tuple of int or None
        Shape of one input. None: that of the last inputs, or from the first layer, if it is Linear.

    Raises
    ------
    CapabilityError
        When a layer, or the network's arithmetic, has no form in the graph.
    OptionError
        When the shape of the input is needed, or does not fit.
    """
    if net.whole is not None or net.shift is None:
        raise CapabilityError(
            "only networks in floating point with bias shift can be written; convert with exact='float', bias_shift=True"
        )
    folded = fold_norms(net.traced)
    known = net.input_shape if input_shape is None else tuple(input_shape)
    shape = _first_shape(folded) if known is None else known
    weight = next(folded.parameters())
    try:
        ShapeProp(folded).propagate(torch.zeros(1, *shape).to(weight))
    except RuntimeError as error:
        raise OptionError(
            f"input_shape is {shape}, which the network does not take: {error.__cause__ or error}"
        ) from error
    return _Builder(folded, net.coding).graph()


def _first_shape(traced: fx.GraphModule) -> tuple[int, ...]:
    source = next(node for node in traced.graph.nodes if node.op == "placeholder")
    for user in source.users:
        layer = traced.get_submodule(str(user.target)) if user.op == "call_module" else None
        if isinstance(layer, nn.Linear):
            return (layer.in_features,)
    raise OptionError(
        "the shape of one input is not known; run the network once, or pass input_shape=, such as (1, 28, 28)"
    )


@dataclass(frozen=True)
class _Sent:
    """What a part sends: its name, and what a height of 1 is worth (None: 1), a number or one per channel."""

    name: str
    worth: torch.Tensor | None = None


class _Builder:
    """Walks the traced network and lists parts and edges."""

    def __init__(self, traced: fx.GraphModule, coding: Coding) -> None:
        self.traced, self.coding = traced, coding
        self.parts: dict[str, Part] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.edges: list[tuple[str, str]] = []
        self.sent: dict[fx.Node, list[_Sent]] = {}

    def graph(self) -> SpikingGraph:
        """Return the graph."""
        source = sink = ""
        for node in self.traced.graph.nodes:
            if node.op == "output":
                sink = node.name
                self._connect(self._scaled(self.sent[node.args[0]]), sink)
                self.shapes[sink] = self.shapes[self.edges[-1][0]]
            elif node.op == "placeholder":
                source = node.name
                self.shapes[source] = _shape(node)
                self.sent[node] = [_Sent(source)]
            elif node.target in ADDITIONS or node.target == "add":
                self.sent[node] = [s for given in node.args for s in self.sent[given]]
            else:
                self.sent[node] = self._part(node)
        return SpikingGraph(
            self.parts,
            self.edges,
            source,
            sink,
            self.shapes[source],
            self.shapes[sink],
            self.coding,
        )

    def _part(self, node: fx.Node) -> list[_Sent]:
        """Add the part of a node; return what it sends."""
        layer = self._layer(node)
        before = self.sent[node.all_input_nodes[0]]
        if isinstance(layer, PASSES):
            return before
        worth = None
        part: Part
        if isinstance(layer, QuantizedReLU):
            before = self._scaled(before)
            worth = layer.threshold.detach() / self.coding.levels
            part = _neurons(worth, _shape(node), self.coding)
        elif len(before) > 1 or not _carries(layer, before[0].worth):
            before = self._scaled(before)
            part = _shifted(layer, None, self.coding)
        elif isinstance(layer, WEIGHTED):
            part = _shifted(layer, before[0].worth, self.coding)
        else:
            part, worth = layer, before[0].worth
            if worth is not None and worth.ndim and isinstance(layer, nn.Flatten):
                worth = worth.repeat_interleave(_shape(node)[0] // worth.numel())
        self.parts[node.name] = part
        self.shapes[node.name] = _shape(node)
        self._connect(before, node.name)
        return [_Sent(node.name, worth)]

    def _scaled(self, sent: list[_Sent]) -> list[_Sent]:
        """Return the same with heights that are worth 1, by scales where it must be."""
        return [s if s.worth is None else self._scale(s.name, s.worth) for s in sent]

    def _scale(self, name: str, worth: torch.Tensor) -> _Sent:
        scale, shape = f"{name}_scale", self.shapes[name]
        while scale in self.parts:
            scale += "_"
        self.parts[scale] = Scale(_spread(worth, shape))
        self.shapes[scale] = shape
        self.edges.append((name, scale))
        return _Sent(scale)

    def _connect(self, before: list[_Sent], name: str) -> None:
        for sent in before:
            edge = (sent.name, name)
            if edge in self.edges:  # x + x: NIR has each edge once.
                one = next(self.traced.parameters()).new_ones(())
                edge = (self._scale(sent.name, one.detach()).name, name)
            self.edges.append(edge)

    def _layer(self, node: fx.Node) -> nn.Module:
        """Return the operation as a module."""
        name = str(getattr(node.target, "__name__", node.target))
        if node.op == "call_module":
            layer = self.traced.get_submodule(str(node.target))
        elif name in MODULES:
            layer = MODULES[name](*node.args[1:], **node.kwargs)
        else:
            raise CapabilityError(f"{name} has no form in NIR; use a module")
        return _supported(str(node.target), layer, _shape(node.all_input_nodes[0]))


def _flatten(start_dim: int = 0, end_dim: int = -1) -> nn.Module:
    return nn.Flatten(start_dim, end_dim)


def _identity(*_args: Any, **_options: Any) -> nn.Module:
    return nn.Identity()


MODULES: dict[str, Callable[..., nn.Module]] = {
    "flatten": _flatten,
    "contiguous": _identity,
    functional.dropout.__name__: _identity,
    functional.avg_pool2d.__name__: nn.AvgPool2d,
    functional.adaptive_avg_pool2d.__name__: nn.AdaptiveAvgPool2d,
}
"""Functions and methods as modules."""


def _shape(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of one sample of what the node computes."""
    return tuple(node.meta["tensor_meta"].shape[1:])


def _spread(worth: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return one number, or one per channel, in the shape of neurons (C, ...)."""
    along = worth if worth.ndim == 0 else worth.reshape(-1, *(1,) * (len(shape) - 1))
    return along.expand(shape)


def _neurons(theta: torch.Tensor, shape: tuple[int, ...], coding: Coding) -> Part:
    threshold = _spread(theta, shape)
    if coding.mode == "binary":
        return BinaryNeurons(threshold, coding)
    one = torch.ones_like(threshold)
    return Membranes(one, one, 0 * one, threshold, None, threshold / 2, closed=True)


def _carries(layer: nn.Module, worth: torch.Tensor | None) -> bool:
    """Whether a worth can wait until after the layer, or goes into its weights."""
    if worth is None or worth.ndim == 0 or not isinstance(layer, nn.Flatten):
        return True
    return (layer.start_dim, layer.end_dim) == (1, -1)


def _shifted(layer: nn.Module, worth: torch.Tensor | None, coding: Coding) -> nn.Module:
    """Return the layer for spikes of height 1 that are worth so much, with the bias of a step."""
    if not isinstance(layer, WEIGHTED):
        return layer
    shifted: Any = copy.deepcopy(layer)
    weight = shifted.weight.detach()
    if worth is not None and worth.ndim:
        # Weights (outputs, inputs / groups, ...), inputs and outputs in the order of the groups.
        groups = getattr(layer, "groups", 1)
        rows = worth.reshape(groups, -1).repeat_interleave(len(weight) // groups, 0)
        weight = weight * rows.reshape(*rows.shape, *(1,) * (weight.ndim - 2))
    elif worth is not None:
        weight = weight * worth
    shifted.weight = nn.Parameter(weight, requires_grad=False)
    bias = shifted.bias
    if bias is not None:
        shifted.bias = nn.Parameter(
            shifted_bias(bias.detach(), coding.levels), requires_grad=False
        )
    module: nn.Module = shifted
    return module


def _supported(path: str, layer: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Return the layer as one of those that NIR has; refuse others."""
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        layer = _window(path, layer, shape)
    if isinstance(layer, (QuantizedReLU, nn.Flatten, *PASSES)):
        return layer
    if isinstance(layer, nn.AvgPool2d):
        if layer.ceil_mode or layer.divisor_override or not _whole_windows(layer):
            raise CapabilityError(
                f"{path} averages windows of different sizes, or by another divisor, which NIR cannot say"
            )
        return layer
    if isinstance(layer, WEIGHTED) and getattr(layer, "padding_mode", "zeros") == "zeros":
        if isinstance(layer, nn.Linear) and len(shape) != 1:
            raise CapabilityError(f"{path} acts on inputs of shape {shape}; flatten them first")
        return layer
    raise CapabilityError(
        f"{path} ({type(layer).__name__}) has no form in NIR; Conv1d and Conv2d with zero padding, Linear, AvgPool2d, "
        "AdaptiveAvgPool2d and Flatten have"
    )


def _whole_windows(pool: nn.AvgPool2d) -> bool:
    return pool.count_include_pad or pool.padding in {0, (0, 0)}


def _window(path: str, pool: nn.AdaptiveAvgPool2d, shape: tuple[int, ...]) -> nn.AvgPool2d:
    """Return adaptive pooling with equal windows as average pooling."""
    out: Any = pool.output_size
    wanted = out if isinstance(out, tuple) else (out, out)
    sizes = [(s, s if w is None else w) for s, w in zip(shape[-2:], wanted, strict=True)]
    if any(s % w for s, w in sizes):
        raise CapabilityError(
            f"{path} has windows of unequal sizes, {shape[-2:]} to {out}; average by AvgPool2d"
        )
    (height, width) = (s // w for s, w in sizes)
    return nn.AvgPool2d((height, width))
