"""What the layers of a spiking network do: multiplications and accumulations, counted from the spikes.

* A layer on the input multiplies once: the input is a constant current (direct encoding), so its products are kept.
* A layer on spikes adds a weight for every spike and every connection of it: accumulations.
* A layer on currents, with no neurons between it and the layer before, multiplies at every step.

Average pooling passes every spike on once; batch normalization is taken to be folded. Products with padding are no
connections, neither here nor in the quantized network. Not counted: additions of biases and residual connections, shifts and
comparisons of neurons, and all movement of data, which on real machines may cost more than the arithmetic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import fx
from torch.nn import functional

from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.graph import ADDITIONS, BIASED, NORMS

if TYPE_CHECKING:
    from torch import nn

    from optlab_adapters.snn.coding import Coding

__all__ = ["LayerWork", "OperationCounter"]

Source = Literal["input", "spikes", "currents"]


@dataclass(frozen=True)
class LayerWork:
    """What a convolution or Linear does for one image, on average.

    Attributes
    ----------
    name : str
        Path of the layer; layers that are called twice are listed twice.
    source : {"input", "spikes", "currents"}
        What it is applied to.
    macs : float
        Multiply-accumulates of the quantized network, which is also the number of connections.
    multiplications : float
        Multiply-accumulates of the spiking network.
    accumulations : float
        Additions of a weight.
    """

    name: str
    source: Source
    macs: float
    multiplications: float
    accumulations: float

    @property
    def dense(self) -> LayerWork:
        """The same layer in the quantized network, which multiplies for every connection."""
        return replace(self, multiplications=self.macs, accumulations=0.0)


@dataclass(frozen=True)
class _Layer:
    """A call of a layer: what it is applied to, and how many connections leave each entry of that."""

    name: str
    source: Source
    fan_out: torch.Tensor


class OperationCounter:
    """Adds up the operations of a network over batches of images.

    Parameters
    ----------
    traced : torch.fx.GraphModule
        The quantized network.
    coding : Coding
    """

    def __init__(self, traced: fx.GraphModule, coding: Coding) -> None:
        self._traced, self._coding = traced, coding
        self._layers: dict[fx.Node, _Layer] = {}
        self._accumulations: dict[fx.Node, float] = {}
        self._images = 0

    def add(self, x: torch.Tensor, fired: dict[str, torch.Tensor]) -> None:
        """Count a batch: inputs (N, ...), and how many spikes each neuron fired, (N, ...) by layer."""
        if not self._layers:
            planner = _Planner(self._traced)
            planner.run(x[:1])
            self._layers = planner.layers
            self._accumulations = dict.fromkeys(self._layers, 0.0)
        counter = _Spikes(self._traced, {name: s.double() for name, s in fired.items()})
        counter.run(x)
        for node, layer in self._layers.items():
            if layer.source == "spikes":
                reached = counter.reaching[node] * layer.fan_out
                self._accumulations[node] += float(reached.sum())
        self._images += len(x)

    def layers(self) -> tuple[LayerWork, ...]:
        """Return the operations of every layer for one image, on average."""
        return tuple(self._work(node, layer) for node, layer in self._layers.items())

    def _work(self, node: fx.Node, layer: _Layer) -> LayerWork:
        macs = float(layer.fan_out.sum())
        passes = {"input": 1, "spikes": 0, "currents": self._coding.steps}[layer.source]
        added = self._accumulations[node] / self._images
        return LayerWork(layer.name, layer.source, macs, passes * macs, added)


Value = TypeVar("Value")


class _Walk(fx.Interpreter, ABC):
    """Tells additions from the other operations, however they are written."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.node: fx.Node

    def run_node(self, n: fx.Node) -> Any:
        self.node = n
        return super().run_node(n)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target in ADDITIONS:
            return self.added(args[0], args[1])
        return self.mapped(lambda v: target(v, *args[1:], **kwargs), args[0])

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target == "add":
            return self.added(args[0], args[1])
        return self.mapped(lambda v: getattr(v, target)(*args[1:], **kwargs), args[0])

    @abstractmethod
    def added(self, a: Any, b: Any) -> Any:
        """Return the sum."""

    @abstractmethod
    def mapped(self, operation: Any, value: Any) -> Any:
        """Return what pooling and the like make of a value."""


class _Planner(_Walk):
    """Runs one image through; says of every layer what it is applied to and where its connections go."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.layers: dict[fx.Node, _Layer] = {}

    def run(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return super().run((x, "input"))

    def call_module(self, target: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        module, (value, source) = self.fetch_attr(target), args[0]
        if isinstance(module, BIASED):
            self.layers[self.node] = _Layer(str(target), source, _fan_out(module, value))
            source = "input" if source == "input" else "currents"
        elif isinstance(module, QuantizedReLU):
            source = "spikes"
        return module(value), source

    def added(self, a: Any, b: Any) -> Any:
        source = a[1] if a[1] == b[1] else "currents"
        return a[0] + b[0], source

    def mapped(self, operation: Any, value: Any) -> Any:
        return operation(value[0]), value[1]


class _Spikes(_Walk):
    """Carries the numbers of spikes from the neurons to the layers; None is anything else."""

    def __init__(self, traced: fx.GraphModule, spikes: dict[str, torch.Tensor]) -> None:
        super().__init__(traced)
        self.spikes = spikes
        self.reaching: dict[fx.Node, torch.Tensor] = {}

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> None:
        super().placeholder(target, args, kwargs)

    def call_module(self, target: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        module, value = self.fetch_attr(target), args[0]
        if isinstance(module, QuantizedReLU):
            return self.spikes[str(target)]
        if isinstance(module, BIASED):
            if value is not None:
                self.reaching[self.node] = value
            return None
        return value if isinstance(module, NORMS) else self.mapped(module, value)

    def added(self, a: Any, b: Any) -> Any:
        return None if a is None or b is None else a + b

    def mapped(self, operation: Any, value: Any) -> Any:
        if value is None:
            return None
        after = operation(value)
        return after * (value.numel() / after.numel())


def _fan_out(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return, for every entry of an input (1, ...), to how many outputs it is connected: the gradient of their number."""
    layer: Any = module
    with torch.enable_grad():
        entries = torch.ones_like(x, dtype=torch.float64, requires_grad=True)
        ones = torch.ones_like(layer.weight, dtype=torch.float64)
        if isinstance(module, torch.nn.Linear):
            outputs = functional.linear(entries, ones)
        else:
            outputs = layer._conv_forward(entries, ones, None)
        (fan_out,) = torch.autograd.grad(outputs.sum(), entries)
    return fan_out
