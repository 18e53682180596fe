"""Traced modules: what each operation is to a spiking network, and what cannot be converted."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from optlab.errors import ProblemError
from optlab_adapters.snn.activation import QuantizedReLU

__all__ = [
    "ADDITIONS",
    "BIASED",
    "LINEAR_FUNCTIONS",
    "LINEAR_METHODS",
    "LINEAR_MODULES",
    "MAX_POOLS",
    "NORMS",
    "POOLS",
    "check_operations",
    "is_relu",
    "spiking_nodes",
    "trace",
]

BIASED: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS: tuple[type[nn.Module], ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAX_POOLS: dict[type[nn.Module], type[nn.Module]] = {
    nn.MaxPool1d: nn.AvgPool1d,
    nn.MaxPool2d: nn.AvgPool2d,
    nn.MaxPool3d: nn.AvgPool3d,
}
POOLS: dict[type[nn.Module], int] = {
    nn.AvgPool1d: 1,
    nn.AvgPool2d: 2,
    nn.AvgPool3d: 3,
    nn.AdaptiveAvgPool1d: 1,
    nn.AdaptiveAvgPool2d: 2,
    nn.AdaptiveAvgPool3d: 3,
}
"""Average pooling, and over how many axes."""

LINEAR_MODULES: tuple[type[nn.Module], ...] = (
    *POOLS,
    nn.Flatten,
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
)
ADDITIONS: tuple[Any, ...] = (operator.add, operator.iadd, torch.add)
LINEAR_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    torch.flatten,
    functional.avg_pool1d,
    functional.avg_pool2d,
    functional.avg_pool3d,
    functional.adaptive_avg_pool1d,
    functional.adaptive_avg_pool2d,
    functional.adaptive_avg_pool3d,
    functional.dropout,
)
LINEAR_METHODS = ("flatten", "add", "contiguous")
RELU_FUNCTIONS: tuple[Any, ...] = (functional.relu, functional.relu_, torch.relu, torch.relu_)
RELU_METHODS = ("relu", "relu_")
IN_PLACE: tuple[Any, ...] = (operator.iadd, functional.relu_, torch.relu_, "relu_")
ADVICE = {
    nn.GroupNorm: "use BatchNorm, which is affine once trained",
    nn.LayerNorm: "use BatchNorm, which is affine once trained",
    nn.GELU: "use ReLU, which has a quantized form",
}


_UNTRACEABLE = (fx.proxy.TraceError, TypeError, NotImplementedError)


class _Tracer(fx.Tracer):
    """Enters user modules, stops at torch's own and at quantized activations; remembers where it failed."""

    failed = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, QuantizedReLU) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, *call: Any) -> Any:
        try:
            return super().call_module(m, *call)
        except _UNTRACEABLE:
            # The innermost module sees the error first.
            self.failed = self.failed or f"{self.path_of_module(m)} ({type(m).__name__})"
            raise


def trace(model: nn.Module) -> fx.GraphModule:
    """Return the module as a graph.

    Raises
    ------
    ProblemError
        When its control flow depends on values.
    """
    tracer = _Tracer()
    try:
        graph = tracer.trace(model)
    except _UNTRACEABLE as error:
        raise ProblemError(
            f"{tracer.failed or type(model).__name__} cannot be traced by torch.fx: {error}; control flow that depends on "
            "values must be removed from forward"
        ) from error
    return fx.GraphModule(model, graph)


def is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether the node is a ReLU: a module, a function or a method."""
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.ReLU)
    if node.op == "call_function":
        return node.target in RELU_FUNCTIONS
    return node.op == "call_method" and node.target in RELU_METHODS


def spiking_nodes(traced: fx.GraphModule) -> set[fx.Node]:
    """Return the operations whose results are spikes or currents of all steps: those from the first neurons on."""
    modules = dict(traced.named_modules())
    found: set[fx.Node] = set()
    for node in traced.graph.nodes:
        neurons = node.op == "call_module" and isinstance(
            modules[str(node.target)], QuantizedReLU
        )
        if neurons or any(given in found for given in node.all_input_nodes):
            found.add(node)
    return found


def _changes_its_input(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    return node.target in IN_PLACE or bool(node.kwargs.get("inplace", False))


def check_operations(traced: fx.GraphModule) -> None:
    """Check that every operation is one of those which a spiking network can do.

    Raises
    ------
    ProblemError
        For the first that is not; names its path and what to do.
    """
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        if _changes_its_input(node, modules) and any(
            len(given.users) > 1 for given in node.all_input_nodes
        ):
            raise ProblemError(
                f"{_path(node)} changes in place a value that is used elsewhere; set inplace=False or write x = x + y"
            )
        if not (node.op in {"placeholder", "output"} or _known(node, modules)):
            raise ProblemError(_unsupported(node, modules))
    inputs = [node for node in traced.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise ProblemError(f"the model has {len(inputs)} inputs; one is needed")


def _known(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if is_relu(node, modules):
        return True
    if node.op == "call_module":
        kinds = (*BIASED, *NORMS, *LINEAR_MODULES, *MAX_POOLS, QuantizedReLU)
        return isinstance(modules[str(node.target)], kinds)
    if node.op == "call_function":
        if node.target in ADDITIONS:
            return len(node.all_input_nodes) == len(node.args) == 2 and not node.kwargs
        return node.target in LINEAR_FUNCTIONS
    if node.op != "call_method":
        return False
    if node.target == "add":
        return len(node.all_input_nodes) == len(node.args) == 2 and not node.kwargs
    return node.target in LINEAR_METHODS


def _path(node: fx.Node) -> str:
    where = next(reversed(node.meta.get("nn_module_stack", {"": None})), "") or "forward"
    if node.op == "call_module":
        return str(node.target)
    return f"{getattr(node.target, '__name__', node.target)} in {where}"


def _unsupported(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    if node.op != "call_module":
        advice = "write it with the layers that are supported (flatten, not view or reshape)"
        return f"{_path(node)} has no spiking form; {advice}"
    module = modules[str(node.target)]
    advice = ADVICE.get(
        type(module), "replace it by convolutions, Linear, BatchNorm, ReLU or average pooling"
    )
    return f"{node.target} is a {type(module).__name__}, which has no spiking form; {advice}"
