"""Cut a traced module where a single tensor passes from one operation to the rest.

``torch.fx`` records the operations of a forward in order. Between two of them the module can be cut when everything
that comes later depends on what came before through one value only: after a residual block, not inside it. Layers and
functions that torch has a module for become stages of their own, whichever way the user wrote them.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import torch
from torch import fx

__all__ = ["traced_stages"]

_NN, _F = torch.nn, torch.nn.functional
MODULES: dict[Any, type[torch.nn.Module]] = {
    **dict.fromkeys((_F.relu, torch.relu, "relu"), _NN.ReLU),
    **dict.fromkeys((_F.tanh, torch.tanh, "tanh"), _NN.Tanh),
    **dict.fromkeys((_F.sigmoid, torch.sigmoid, "sigmoid"), _NN.Sigmoid),
    **dict.fromkeys((torch.flatten, "flatten"), _NN.Flatten),
    _F.leaky_relu: _NN.LeakyReLU,
    _F.elu: _NN.ELU,
    _F.gelu: _NN.GELU,
    _F.silu: _NN.SiLU,
    _F.softplus: _NN.Softplus,
    _F.hardtanh: _NN.Hardtanh,
    _F.avg_pool1d: _NN.AvgPool1d,
    _F.avg_pool2d: _NN.AvgPool2d,
    _F.max_pool1d: _NN.MaxPool1d,
    _F.max_pool2d: _NN.MaxPool2d,
    _F.adaptive_avg_pool1d: _NN.AdaptiveAvgPool1d,
    _F.adaptive_avg_pool2d: _NN.AdaptiveAvgPool2d,
}
"""Modules that are one call of a function, or of a method of tensors."""


def traced_stages(module: torch.nn.Module) -> list[Any]:
    """Cut a module into parts: single modules, and other operations as they stand together.

    Parameters
    ----------
    module
        In the mode that it will be evaluated in: the trace keeps what ``self.training`` says now.

    Returns
    -------
    list
        Callables whose composition is the module; the first takes the module's arguments, the others one tensor. They
        share the module's parameters and submodules.

    Raises
    ------
    Exception
        Whatever tracing raises, for modules whose course depends on values.
    """
    graph = fx.Tracer().trace(module)
    operations = [n for n in graph.nodes if n.op not in ("placeholder", "get_attr", "output")]
    (result,) = [n for n in graph.nodes if n.op == "output"]
    order = {node: number for number, node in enumerate(operations)}
    order[result] = len(operations)
    last = {
        node: max((order[user] for user in node.users if user in order), default=-1)
        for node in graph.nodes
        if node.op != "get_attr"
    }
    parts: list[list[fx.Node]] = [[]]
    carried: list[fx.Node] = []
    for number, node in enumerate(operations):
        live = [n for n in last if order.get(n, -1) < number <= last[n]]
        apart = _trains(module, node) or any(_alone(module, n) for n in (node, *parts[-1][-1:]))
        if parts[-1] and len(live) == 1 and apart:
            carried.append(live[0])
            parts.append([])
        parts[-1].append(node)
    first = [n for n in graph.nodes if n.op == "placeholder"]
    ends = [*carried, result.args[0]]
    return [
        _part(module, nodes, first if k == 0 else [carried[k - 1]], ends[k])
        for k, nodes in enumerate(parts)
    ]


def _trains(module: torch.nn.Module, node: fx.Node) -> bool:
    """Whether an operation uses trainable parameters."""
    if node.op == "call_module":
        used: list[Any] = list(module.get_submodule(str(node.target)).parameters())
    else:
        named = [str(n.target) for n in node.all_input_nodes if n.op == "get_attr"]
        used = [operator.attrgetter(name)(module) for name in named]
    return any(isinstance(p, torch.Tensor) and p.requires_grad for p in used)


def _alone(module: torch.nn.Module, node: fx.Node) -> torch.nn.Module | None:
    """Return the module that an operation is a call of, if there is one."""
    if not node.args or node.all_input_nodes != [node.args[0]]:
        return None
    if node.op == "call_module":
        whole = len(node.args) == 1 and not node.kwargs
        return module.get_submodule(str(node.target)) if whole else None
    if node.op == "get_attr" or node.target not in MODULES:
        return None
    kind, more = MODULES[node.target], node.args[1:]
    named = {name: value for name, value in node.kwargs.items() if value is not None}
    if kind is torch.nn.Flatten and not more:
        # The function flattens samples too unless told where to start, the module does not.
        named.setdefault("start_dim", 0)
    known = named.keys() <= inspect.signature(kind).parameters.keys()
    return kind(*more, **named) if known else None


def _part(module: torch.nn.Module, nodes: list[fx.Node], given: list[fx.Node], end: Any) -> Any:
    """Make a callable of some operations."""
    alone = _alone(module, nodes[0]) if len(nodes) == 1 else None
    if alone is not None and nodes[0] is end and list(nodes[0].args[:1]) == given:
        return alone
    graph, made = fx.Graph(), dict[fx.Node, fx.Node]()

    def copied(node: fx.Node) -> fx.Node:
        if node not in made:
            # Constants and parameters are fetched again in every part that needs them.
            made[node] = graph.node_copy(node)
        return made[node]

    for node in given:
        if node.op == "placeholder":
            made[node] = graph.node_copy(node)
        else:
            made[node] = graph.placeholder("value")
    for node in nodes:
        for used in node.all_input_nodes:
            copied(used)
        made[node] = graph.node_copy(node, copied)
    graph.output(fx.node.map_arg(end, copied))
    return fx.GraphModule(module, graph)
