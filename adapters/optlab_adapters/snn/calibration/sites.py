"""Where thresholds and shifts of a quantized network live.

A shift before an activation is a change of the bias of the layer that feeds it, so a calibrated network has the same
operations as before. Between that layer and the activation there may be additions, dropout and pooling without padding,
which a constant passes through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from optlab.errors import ProblemError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.graph import ADDITIONS, BIASED, NORMS

__all__ = ["Site", "sites_of"]

PASSED: tuple[type[nn.Module], ...] = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
)


@dataclass(frozen=True)
class Site:
    """A quantized activation and the layer whose bias takes its shift."""

    name: str
    neuron: QuantizedReLU
    carrier: Any
    """None when there is no such layer, or its output is used elsewhere as well."""

    @torch.no_grad()
    def set_threshold(self, threshold: torch.Tensor) -> None:
        """Set the threshold: a scalar, or one per channel."""
        kept = self.neuron.threshold
        self.neuron.threshold = nn.Parameter(threshold.to(kept), kept.requires_grad)

    @torch.no_grad()
    def bias(self) -> torch.Tensor:
        """Return a copy of the carrier's bias, (C,), zeros where it has none."""
        if self.carrier.bias is not None:
            copied: torch.Tensor = self.carrier.bias.detach().clone()
            return copied
        norm = isinstance(self.carrier, NORMS)
        like = self.carrier.running_mean if norm else self.carrier.weight.flatten(1)[:, 0]
        return torch.zeros_like(like)

    @torch.no_grad()
    def set_bias(self, bias: torch.Tensor) -> None:
        """Set the carrier's bias, (C,)."""
        if self.carrier.bias is not None:
            self.carrier.bias.detach().copy_(bias)
            return
        # A normalization without weights has no bias either; it needs both.
        if self.carrier.weight is None:
            self.carrier.weight = nn.Parameter(torch.ones_like(bias), requires_grad=False)
        self.carrier.bias = nn.Parameter(bias.clone(), requires_grad=False)


def sites_of(traced: fx.GraphModule) -> list[Site]:
    """Return the activations of a quantized network in the order of evaluation.

    Raises
    ------
    ProblemError
        When there is none, or one is used twice: it cannot have the thresholds of two places.
    """
    modules = dict(traced.named_modules())
    calls = [node for node in traced.graph.nodes if node.op == "call_module"]
    found: list[Site] = []
    taken: set[int] = set()
    for node in calls:
        neuron = modules[str(node.target)]
        if not isinstance(neuron, QuantizedReLU):
            continue
        if any(site.neuron is neuron for site in found):
            raise ProblemError(
                f"{node.target} is used twice; each place needs an activation of its own"
            )
        carrier = _carrier(node.args[0], modules, [modules[str(c.target)] for c in calls])
        if carrier is not None and id(carrier) in taken:
            carrier = None
        taken.add(id(carrier))
        found.append(Site(str(node.target), neuron, carrier))
    if not found:
        raise ProblemError(
            "the model has no ReLU to be quantized; there is nothing to calibrate"
        )
    return found


def _carrier(node: Any, modules: dict[str, nn.Module], called: list[nn.Module]) -> Any:
    """Return the layer that a constant at this node can come from, or None."""
    if len(node.users) > 1:
        return None
    if node.target in ADDITIONS or (node.op == "call_method" and node.target == "add"):
        layers = (_carrier(given, modules, called) for given in node.all_input_nodes)
        return next((layer for layer in layers if layer is not None), None)
    if node.op != "call_module":
        return None
    module = modules[str(node.target)]
    if isinstance(module, (*BIASED, *NORMS)):
        return module if sum(other is module for other in called) == 1 else None
    unpadded = isinstance(module, nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d) and not any(
        _each(module.padding)
    )
    if isinstance(module, PASSED) or unpadded:
        return _carrier(node.args[0], modules, called)
    return None


def _each(padding: Any) -> tuple[int, ...]:
    return padding if isinstance(padding, tuple) else (padding,)
