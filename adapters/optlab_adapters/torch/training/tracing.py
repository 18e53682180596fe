"""Cut a traced module where a single tensor passes from one operation to the rest.

``torch.fx`` records the operations of a forward in order. Between two of them the module can be cut when everything
that comes later depends on what came before through one value only: after a residual block, not inside it.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

__all__ = ["traced_stages"]


def traced_stages(module: torch.nn.Module) -> list[Any]:
    """Cut a module into parts, each of which holds trainable parameters.

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
        if parts[-1] and len(live) == 1 and _trains(module, node):
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


def _part(module: torch.nn.Module, nodes: list[fx.Node], given: list[fx.Node], end: Any) -> Any:
    """Make a callable of some operations."""
    (only,) = nodes if len(nodes) == 1 else (None,)
    called = only is not None and only.op == "call_module" and only is end
    if called and only is not None and not only.kwargs and list(only.args) == given:
        return module.get_submodule(str(only.target))
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
