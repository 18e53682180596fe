"""Integer mode: the spiking network and the quantized one in the same whole numbers, equal bit for bit.

Batch normalization is folded into convolutions, weights and thresholds are multiples of 2^-16, pooling sums, biases are
injected once. Sums of whole numbers do not depend on their order, so bits weighted afterwards give what codes give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from optlab.errors import CapabilityError, ProblemError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.folding import fold_norms
from optlab_adapters.snn.graph import ADDITIONS, BIASED, LINEAR_MODULES, POOLS

if TYPE_CHECKING:
    from optlab_adapters.snn.coding import Coding

__all__ = ["IntegerNetwork"]

UNIT = 2**16
"""Fixed point: numbers are multiples of 1/UNIT."""

EXACT = 2**53
"""Whole numbers below are exact in double precision, in which convolutions are done."""


@dataclass(frozen=True)
class Fixed:
    """Currents (stream + constant) / denominator: whole numbers, spikes of shape (T, N, ...) or None."""

    stream: torch.Tensor | None
    constant: torch.Tensor
    denominator: int

    def over(self, denominator: int) -> Fixed:
        """Return the same value over a multiple of the denominator."""
        factor = denominator // self.denominator
        stream = None if self.stream is None else self.stream * factor
        return Fixed(stream, self.constant * factor, denominator)


class IntegerNetwork:
    """The network in integers, run on the codes as wholes (``spiking=False``) or bit by bit.

    Raises
    ------
    CapabilityError
        When batch normalization does not follow a convolution, or a layer has no integer form.
    """

    def __init__(self, traced: fx.GraphModule, coding: Coding) -> None:
        self.traced = fold_norms(traced)
        self.coding = coding

    @torch.no_grad()
    def run(
        self, x: torch.Tensor, *, spiking: bool = True
    ) -> tuple[torch.Tensor, int, dict[str, torch.Tensor]]:
        """Return the logits as int64, their denominator, and the spikes (or codes) of every neuron layer."""
        simulation = _Integers(self.traced, self.coding if spiking else None, self.coding)
        fixed = Fixed(None, _whole(x.double() * UNIT), UNIT)
        out = simulation.run(fixed)
        return simulation.integrated(out), out.denominator, simulation.fired


def _whole(x: torch.Tensor) -> torch.Tensor:
    return torch.round(x).to(torch.int64)


class _Integers(fx.Interpreter):
    """Runs the graph in int64; neurons send bits, or codes where ``coding`` is None."""

    def __init__(self, traced: fx.GraphModule, coding: Coding | None, binary: Coding) -> None:
        super().__init__(traced)
        self.coding, self.binary = coding, binary
        self.fired: dict[str, torch.Tensor] = {}

    def integrated(self, value: Fixed) -> torch.Tensor:
        """Return what arrives over all steps, the constant once."""
        if value.stream is None:
            return value.constant
        total = value.stream[0] if self.coding is None else self.coding.accumulate(value.stream)
        return total + value.constant

    def call_module(self, target: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Fixed:
        module, value = self.fetch_attr(target), args[0]
        if isinstance(module, QuantizedReLU):
            return self._neurons(str(target), module, value)
        if isinstance(module, BIASED):
            return _affine(module, value)
        if isinstance(module, tuple(POOLS)):
            return _pool(str(target), module, value)
        if isinstance(module, LINEAR_MODULES):
            return _mapped(value, module, value.denominator)
        raise CapabilityError(
            f"{target} ({type(module).__name__}) has no integer form; use exact='float'"
        )

    def call_function(
        self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Fixed:
        if target in ADDITIONS:
            return _sum(args[0], args[1])
        if target is torch.flatten:
            value = args[0]
            return _mapped(
                value, lambda v: torch.flatten(v, *args[1:], **kwargs), value.denominator
            )
        raise CapabilityError(
            f"{target.__name__} has no integer form; use a module or exact='float'"
        )

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fixed:
        if target == "add":
            return _sum(args[0], args[1])
        value = args[0]
        return _mapped(
            value, lambda v: getattr(v, target)(*args[1:], **kwargs), value.denominator
        )

    def _neurons(self, name: str, module: QuantizedReLU, value: Fixed) -> Fixed:
        potential = self.integrated(value)
        size = module.along_channels(potential).double() / module.levels
        threshold = _whole(size * value.denominator)
        if not bool((threshold > 0).all()):
            raise ProblemError(
                f"{name} has a threshold below 2^-16; scale the network or train again"
            )
        start = potential + threshold // 2
        if self.coding is None:
            spikes = torch.div(start, threshold, rounding_mode="floor").clamp(0, module.levels)[
                None
            ]
        else:
            spikes = _bits(start, threshold, self.coding)
        self.fired[name] = spikes
        stream = spikes * _whole(size * UNIT)
        return Fixed(stream, torch.zeros_like(stream[0][:1]), UNIT)


def _bits(potential: torch.Tensor, threshold: torch.Tensor, coding: Coding) -> torch.Tensor:
    spikes = []
    for k in reversed(range(coding.steps)):
        spike = (potential >= threshold << k).to(torch.int64)
        potential = potential - spike * (threshold << k)
        spikes.append(spike)
    return torch.stack(spikes if coding.order == "msb" else spikes[::-1])


def _mapped(value: Fixed, operation: Any, denominator: int) -> Fixed:
    stream = value.stream
    if stream is not None:
        stream = operation(stream.flatten(0, 1)).unflatten(0, stream.shape[:2])
    return Fixed(stream, operation(value.constant), denominator)


def _affine(module: Any, value: Fixed) -> Fixed:
    weight = _whole(module.weight.double() * UNIT).double()
    denominator = value.denominator * UNIT
    bias = None if module.bias is None else _whole(module.bias.double() * denominator)

    def times(v: torch.Tensor) -> torch.Tensor:
        rows = weight.abs().flatten(1).sum(1).max()
        if float(rows) * float(v.abs().max()) >= EXACT:
            raise ProblemError(
                "a sum does not fit 53 bits; put an activation between the layers, or use exact='float'"
            )
        if isinstance(module, nn.Linear):
            return nn.functional.linear(v.double(), weight).to(torch.int64)
        product: torch.Tensor = module._conv_forward(v.double(), weight, None)
        return product.to(torch.int64)

    mapped = _mapped(value, times, denominator)
    if bias is None:
        return mapped
    # Channels come first in what a convolution puts out, last in what a Linear does.
    places = 0 if isinstance(module, nn.Linear) else len(module.kernel_size)
    constant = mapped.constant + bias.reshape(-1, *(1,) * places)
    return Fixed(mapped.stream, constant, denominator)


def _pool(name: str, module: Any, value: Fixed) -> Fixed:
    axes = next(number for kind, number in POOLS.items() if isinstance(module, kind))
    size = value.constant.shape[-axes:]
    if hasattr(module, "output_size"):
        wanted = _each(module.output_size, axes)
        if any(w is None or s % w for s, w in zip(size, wanted, strict=True)):
            raise CapabilityError(f"{name} has windows of unequal sizes; use exact='float'")
        window = tuple(s // w for s, w in zip(size, wanted, strict=True))
        stride, padding = window, (0,) * axes
    else:
        if (
            getattr(module, "divisor_override", None)
            or module.ceil_mode
            or not module.count_include_pad
        ):
            raise CapabilityError(f"{name} divides by varying sizes; use exact='float'")
        window, stride, padding = (
            _each(v, axes) for v in (module.kernel_size, module.stride, module.padding)
        )

    def total(v: torch.Tensor) -> torch.Tensor:
        # The three-dimensional form does for all: missing axes have one entry.
        whole = v.double().reshape(*v.shape[:2], *(1,) * (3 - axes), *v.shape[2:])
        ones, zeros = (1,) * (3 - axes), (0,) * (3 - axes)
        summed = nn.functional.avg_pool3d(
            whole, ones + window, ones + stride, zeros + padding, divisor_override=1
        )
        return summed.reshape(*v.shape[:2], *summed.shape[-axes:]).to(torch.int64)

    return _mapped(value, total, value.denominator * math.prod(window))


def _each(size: Any, axes: int) -> tuple[Any, ...]:
    """Return a size for each axis."""
    return tuple(size) if isinstance(size, (tuple, list)) else (size,) * axes


def _sum(a: Fixed, b: Fixed) -> Fixed:
    common = math.lcm(a.denominator, b.denominator)
    a, b = a.over(common), b.over(common)
    streams = [s for s in (a.stream, b.stream) if s is not None]
    stream = streams[0] + streams[1] if len(streams) == 2 else next(iter(streams), None)
    return Fixed(stream, a.constant + b.constant, common)
