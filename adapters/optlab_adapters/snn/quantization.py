"""Replacing the activations of a module by quantized ones."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import fx, nn

from optlab.errors import OptionError, ProblemError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.coding import check_steps
from optlab_adapters.snn.graph import MAX_POOLS, check_operations, is_relu, trace
from optlab_adapters.snn.starts import least_error, quantile

__all__ = ["check_finite", "quantize"]

START = 8.0
"""Threshold at the start of a training from scratch (Datta et al.)."""


def quantize(
    model: nn.Module,
    steps: int,
    *,
    calibration: torch.Tensor | None = None,
    percentile: float | None = 100.0,
    max_pool: Literal["average", "refuse"] = "refuse",
    copied: bool = True,
    per_channel: bool = False,
) -> fx.GraphModule:
    """Return a module whose ReLUs are quantized to 2^T levels with trainable thresholds.

    Parameters
    ----------
    model : torch.nn.Module
        Convolutions, Linear, BatchNorm, ReLU (modules, functions or methods), average pooling, flatten and additions.
    steps : int
        T, from 1 to 16.
    calibration : torch.Tensor or None
        Inputs, shape (N, ...): each threshold starts at a percentile of what its ReLU sees in evaluation mode. None:
        8, for training from scratch.
    percentile : float or None
        In (0, 100]. None: not a percentile, but the threshold with which T bits make the least squared error there; with few
        steps it is much lower than the 99.9th percentile, and a better start for training.
    max_pool : {"refuse", "average"}
        What is done with max pooling, which is not linear: refuse it, or put average pooling in its place.
    copied : bool
        Whether the parameters are copies; if not, they are shared with ``model``.
    per_channel : bool
        Whether every channel has a threshold of its own.

    Raises
    ------
    ProblemError
        When an operation has no spiking form, or a weight is not finite.
    OptionError
        When an option does not fit.
    """
    check_steps(steps)
    if max_pool not in {"average", "refuse"}:
        raise OptionError(f"max_pool is {max_pool!r}; 'average' or 'refuse' is needed")
    if percentile is not None and not 0 < percentile <= 100:
        raise OptionError(
            f"percentile is {percentile!r}; a number in (0, 100] or None is needed"
        )
    check_finite(model)
    traced = trace(copy.deepcopy(model) if copied else model)
    check_operations(traced)
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if is_relu(node, modules):
            lam = _start(node, modules, per_channel=per_channel and calibration is None)
            _replace(traced, node, QuantizedReLU(steps, lam))
        elif node.op == "call_module" and isinstance(
            modules[str(node.target)], tuple(MAX_POOLS)
        ):
            _replace(
                traced, node, _average(str(node.target), modules[str(node.target)], max_pool)
            )
        elif node.target is operator.iadd:
            node.target = operator.add
    traced.graph.lint()
    traced.delete_all_unused_submodules()
    traced.recompile()
    _like(traced, model)
    if calibration is not None:
        _calibrate(traced, calibration, percentile, per_channel=per_channel)
    return traced


def check_finite(model: nn.Module) -> None:
    """Check that parameters and buffers are finite.

    Raises
    ------
    ProblemError
        Names the first that is not.
    """
    for name, tensor in model.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise ProblemError(
                f"{name} has values that are not finite; train or load the model again"
            )


def _replace(traced: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    name = (
        f"{node.name}_spiking" if isinstance(module, QuantizedReLU) else f"{node.name}_average"
    )
    traced.add_submodule(name, module)
    with traced.graph.inserting_before(node):
        new = traced.graph.call_module(name, (node.all_input_nodes[0],))
    node.replace_all_uses_with(new)
    traced.graph.erase_node(node)


def _start(
    node: fx.Node, modules: dict[str, nn.Module], *, per_channel: bool
) -> float | torch.Tensor:
    """Return the threshold at the start of a training from scratch."""
    if not per_channel:
        return START
    channels = _channels(node.all_input_nodes[0], modules)
    if channels is None:
        raise OptionError(
            f"the channels that reach {node.target} are not known from the layers before it; pass calibration, or "
            "per_channel=False"
        )
    return torch.full((channels,), START)


def _channels(node: fx.Node, modules: dict[str, nn.Module]) -> int | None:
    """Return how many channels a value has, by the last layer that says so."""
    module: Any = modules.get(str(node.target)) if node.op == "call_module" else None
    for name in ("out_channels", "out_features", "num_features"):
        if hasattr(module, name):
            return int(getattr(module, name))
    flattened = isinstance(module, nn.Flatten) or node.target in {torch.flatten, "flatten"}
    if flattened or not node.all_input_nodes:
        return None
    return _channels(node.all_input_nodes[0], modules)


def _average(path: str, pool: Any, max_pool: str) -> nn.Module:
    if max_pool == "refuse":
        raise ProblemError(
            f"{path} is a {type(pool).__name__}, which is not linear, so bits cannot pass through it; pass "
            "max_pool='average' to put average pooling in its place, and train again"
        )
    if pool.dilation != 1 or pool.return_indices:
        raise ProblemError(
            f"{path} has dilation or returns indices; average pooling cannot replace it"
        )
    return MAX_POOLS[type(pool)](
        pool.kernel_size, stride=pool.stride, padding=pool.padding, ceil_mode=pool.ceil_mode
    )


def _like(traced: fx.GraphModule, model: nn.Module) -> None:
    """Give new modules the mode, kind of numbers and device of the model."""
    first = next((p for p in model.parameters() if p.is_floating_point()), None)
    for module in traced.modules():
        if isinstance(module, QuantizedReLU):
            module.train(model.training)
            if first is not None:
                module.to(dtype=first.dtype, device=first.device)
    traced.training = model.training


@torch.no_grad()
def _calibrate(
    traced: fx.GraphModule,
    inputs: torch.Tensor,
    percentile: float | None,
    *,
    per_channel: bool,
) -> None:
    """Set every threshold by what its activation sees, later ones with the earlier left unquantized."""
    if not (len(inputs) and bool(torch.isfinite(inputs).all())):
        raise ProblemError("calibration needs inputs, one at least, and all of them finite")
    modes = [(m, m.training) for m in traced.modules()]
    traced.eval()
    start = least_error if percentile is None else _quantile_at(percentile / 100)
    measure = _measure_channels(start) if per_channel else _measure(start)
    hooks = [
        m.register_forward_hook(measure)
        for m in traced.modules()
        if isinstance(m, QuantizedReLU)
    ]
    try:
        traced(inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode


Hook = Callable[[QuantizedReLU, tuple[torch.Tensor, ...], Any], torch.Tensor]
Start = Callable[[torch.Tensor, int], torch.Tensor]
"""(..., n) activations and the number of levels above zero -> (...) thresholds, 0 where all activations are."""


def _quantile_at(share: float) -> Start:
    return lambda values, _levels: quantile(values, share)


def _measure(start: Start) -> Hook:
    def hook(
        module: QuantizedReLU, inputs: tuple[torch.Tensor, ...], _output: Any
    ) -> torch.Tensor:
        positive = inputs[0].clamp(min=0)
        lam = start(positive.flatten(), module.levels)
        if lam > 0:
            module.threshold.fill_(lam)
        return positive

    return hook


def _measure_channels(start: Start) -> Hook:
    def hook(
        module: QuantizedReLU, inputs: tuple[torch.Tensor, ...], _output: Any
    ) -> torch.Tensor:
        positive = inputs[0].clamp(min=0)
        whole = start(positive.flatten(), module.levels)
        each = start(positive.transpose(0, 1).flatten(1), module.levels)
        # A channel that is silent on these inputs is treated like the layer.
        rest = torch.where(whole > 0, whole, torch.full_like(whole, START))
        module.threshold = nn.Parameter(torch.where(each > 0, each, rest))
        return positive

    return hook
