"""Nodes of NIR as parts of a spiking graph, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from optlab.errors import CapabilityError, ProblemError
from optlab_adapters.snn.exchange.graph import Part, Scale
from optlab_adapters.snn.exchange.neurons import BinaryNeurons, Membranes, Synapses

if TYPE_CHECKING:
    from optlab_adapters.snn.coding import Coding

__all__ = ["ints_of", "node_of", "part_of"]


def node_of(nir: Any, part: Part, shape: tuple[int, ...], dt: float) -> Any:
    """Return the node of a part that gets values of this shape; dt in seconds."""
    if isinstance(part, Scale):
        return nir.Scale(_array(part.factors))
    if isinstance(part, (BinaryNeurons, Membranes)):
        assert part.threshold is not None
        threshold = _array(part.threshold)
        return nir.IF(np.full_like(threshold, 1 / dt), threshold, np.zeros_like(threshold))
    if isinstance(part, nn.Linear):
        bias: torch.Tensor | None = part.bias
        if bias is None:
            return nir.Linear(_array(part.weight))
        return nir.Affine(_array(part.weight), _array(bias))
    if isinstance(part, (nn.Conv1d, nn.Conv2d)):
        return _convolution_node(nir, part, shape)
    if isinstance(part, nn.AvgPool2d):
        kernel, stride, padding = (
            np.array(_pair(v)) for v in (part.kernel_size, part.stride, part.padding)
        )
        return nir.AvgPool2d(kernel, stride, padding)
    assert isinstance(part, nn.Flatten)
    # NIR counts dimensions without that of the batch.
    start, end = (d - 1 if d > 0 else d for d in (part.start_dim, part.end_dim))
    return nir.Flatten({"input": np.array(shape)}, start, end)


def _convolution_node(nir: Any, part: Any, shape: tuple[int, ...]) -> Any:
    weight = _array(part.weight)
    bias = np.zeros(len(weight), weight.dtype) if part.bias is None else _array(part.bias)
    if isinstance(part, nn.Conv1d):
        padding = part.padding if isinstance(part.padding, str) else part.padding[0]
        return nir.Conv1d(
            shape[-1], weight, part.stride[0], padding, part.dilation[0], part.groups, bias
        )
    return nir.Conv2d(
        tuple(shape[-2:]), weight, part.stride, part.padding, part.dilation, part.groups, bias
    )


def part_of(name: str, node: Any, dt: float, coding: Coding | None) -> Part:
    """Return the part of a node.

    Parameters
    ----------
    name : str
        Of the node, for errors.
    node : nir.NIRNode
        Not Input or Output.
    dt : float
        Seconds per step.
    coding : Coding or None
        What optlab's metadata say of IF nodes; None: they are NIR's.

    Raises
    ------
    CapabilityError
        When the node is not supported.
    ProblemError
        When numbers are not finite, or thresholds or time constants not positive.
    """
    kind = type(node).__name__
    if kind not in _PARTS:
        raise CapabilityError(
            f"{name} is a {kind}, which is not supported; the nodes that are: {', '.join(sorted(_PARTS))}"
        )
    _check(name, node)
    if coding is not None and kind == "IF":
        return _own_neurons(node, dt, coding)
    try:
        return _PARTS[kind](node, dt)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ProblemError(f"{name} ({kind}) contradicts itself: {error}") from error


def _check(name: str, node: Any) -> None:
    for field, value in vars(node).items():
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.number):
            if not np.isfinite(value).all():
                raise ProblemError(f"{name}.{field} has values that are not finite")
            if field in {"v_threshold", "tau", "tau_mem", "tau_syn"} and not (value > 0).all():
                raise ProblemError(f"{name}.{field} is not positive everywhere")


def _own_neurons(node: Any, dt: float, coding: Coding) -> Part:
    if coding.mode == "binary":
        return BinaryNeurons(_tensor(node.v_threshold), coding)
    fires = _integrator(node, dt)
    assert fires.threshold is not None
    return replace(fires, reset=None, start=fires.threshold / 2, closed=True)


def _integrator(node: Any, dt: float) -> Membranes:
    """Return I or IF: dv/dt = R i."""
    gain = _tensor(node.r * dt)
    return _membranes(node, gain, torch.ones_like(gain), torch.zeros_like(gain))


def _leaky(node: Any, dt: float, tau: Any = None) -> Membranes:
    """Return LI or LIF: tau dv/dt = v_leak - v + R i."""
    rate = dt / (node.tau if tau is None else tau)
    return _membranes(
        node, _tensor(node.r * rate), _tensor(1 - rate), _tensor(node.v_leak * rate)
    )


def _current_based(node: Any, dt: float) -> Membranes:
    """Return CubaLI or CubaLIF: tau_syn di/dt = -i + w_in x drives a leaky membrane."""
    rate = dt / node.tau_syn
    synapses = Synapses(_tensor(1 - rate), _tensor(node.w_in * rate))
    return replace(_leaky(node, dt, node.tau_mem), synapses=synapses)


def _membranes(
    node: Any, gain: torch.Tensor, decay: torch.Tensor, rest: torch.Tensor
) -> Membranes:
    fires = hasattr(node, "v_threshold")
    return Membranes(
        gain,
        decay,
        rest,
        _tensor(node.v_threshold) if fires else None,
        _tensor(node.v_reset) if fires else None,
        torch.zeros_like(gain),
    )


def _linear(node: Any, _dt: float) -> nn.Module:
    weight = _tensor(node.weight)
    if weight.ndim != 2:
        raise ValueError(f"weights of shape {tuple(weight.shape)}; (outputs, inputs) is needed")
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    return _filled(layer, weight, getattr(node, "bias", None))


def _convolution(node: Any, _dt: float) -> nn.Module:
    weight = _tensor(node.weight)
    planes = weight.ndim - 2
    groups = int(node.groups)
    padding = node.padding if isinstance(node.padding, str) else _many(node.padding, planes)
    make: Any = nn.Conv1d if type(node).__name__ == "Conv1d" else nn.Conv2d
    layer = make(
        weight.shape[1] * groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        _many(node.stride, planes),
        padding,
        _many(node.dilation, planes),
        groups,
        device="meta",
    )
    return _filled(layer, weight, node.bias)


def _filled(layer: Any, weight: torch.Tensor, bias: Any) -> nn.Module:
    """Give the layer its numbers; bias may be None."""
    if layer.weight.shape != weight.shape:
        raise ValueError(f"weights of shape {tuple(weight.shape)}; {tuple(layer.weight.shape)}")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(_tensor(bias), requires_grad=False)
    if bias is not None and layer.bias.shape != (len(weight),):
        raise ValueError(f"bias of shape {tuple(layer.bias.shape)}; {(len(weight),)} is needed")
    module: nn.Module = layer
    return module


def _pool(node: Any, _dt: float) -> nn.Module:
    kernel, stride, padding = (_pair(v) for v in (node.kernel_size, node.stride, node.padding))
    divisor = 1 if type(node).__name__ == "SumPool2d" else None
    return nn.AvgPool2d(kernel, stride, padding, divisor_override=divisor)


def _flatten(node: Any, _dt: float) -> nn.Module:
    start, end = (int(d) for d in (node.start_dim, node.end_dim))
    return nn.Flatten(*(d + 1 if d >= 0 else d for d in (start, end)))


def _scale(node: Any, _dt: float) -> Part:
    return Scale(_tensor(node.scale))


_PARTS: dict[str, Callable[[Any, float], Part]] = {
    "Affine": _linear,
    "AvgPool2d": _pool,
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "CubaLI": _current_based,
    "CubaLIF": _current_based,
    "Flatten": _flatten,
    "I": _integrator,
    "IF": _integrator,
    "LI": _leaky,
    "LIF": _leaky,
    "Linear": _linear,
    "Scale": _scale,
    "SumPool2d": _pool,
}
"""How nodes are read, by their kind."""


def ints_of(values: Any) -> tuple[int, ...]:
    """Return a shape that NIR holds as an array."""
    return tuple(int(v) for v in np.atleast_1d(values))


def _many(value: Any, count: int) -> tuple[int, ...]:
    """Return one number for each dimension."""
    found = ints_of(value)
    return found * count if len(found) == 1 else found


def _pair(value: Any) -> tuple[int, int]:
    """Return one number for each of height and width."""
    first, last = _many(value, 2)
    return first, last


def _array(tensor: torch.Tensor) -> Any:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())


def _tensor(value: Any) -> torch.Tensor:
    """Return floating-point numbers as they are, others in single precision."""
    tensor = torch.as_tensor(np.array(value))
    return tensor if tensor.is_floating_point() else tensor.float()
