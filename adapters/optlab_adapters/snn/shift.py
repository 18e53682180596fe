"""Bias shift: what a constant must be when it is added at every step.

Over the steps, currents are summed with weights w_t, whose sum is S: 2^T - 1 for binary codes, T for rate codes. A
constant b_c added at each step arrives as S b_c. So

    b_c = b / S                                         for the bias b of a convolution or Linear,
    beta_c = beta / S + (1 - 1/S) gamma mu / sigma      for batch normalization,

because that is x -> g x + (beta - g mu) in evaluation mode, with g = gamma / sigma: what is constant in it is divided by S
as a whole, beta_c - g mu = (beta - g mu) / S. Weights, gamma, mu and sigma stay (Datta et al., key ``datta2025snn`` in
docs/refs.bib).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from optlab_adapters.snn.graph import BIASED, NORMS, spiking_nodes

if TYPE_CHECKING:
    from optlab_adapters.snn.coding import Coding

__all__ = ["BiasShift", "ShiftInverse", "shifted_bias", "shifted_offset"]


def shifted_bias(bias: torch.Tensor, levels: int) -> torch.Tensor:
    """Return b / S, for a convolution's or linear layer's bias b and the sum of the weights S = ``levels``."""
    return bias / levels


def shifted_offset(norm: Any, levels: int) -> torch.Tensor:
    """Return beta / S + (1 - 1/S) gamma mu / sigma for a batch normalization with running statistics, shape (C,)."""
    beta = torch.zeros_like(norm.running_mean) if norm.bias is None else norm.bias
    return beta / levels + (1 - 1 / levels) * _drift(norm)


@dataclass(frozen=True)
class ShiftInverse:
    """The way back from shifted constants: b = S b_c, beta = S beta_c - (S - 1) gamma mu / sigma, and forth."""

    levels: int
    """S."""

    def layer(self, module: nn.Module) -> nn.Module:
        """Return the layer that is shifted to this one; without constant, the layer itself."""
        return _changed(
            module,
            lambda bias: self.levels * bias,
            lambda norm: self.levels * norm.bias - (self.levels - 1) * _drift(norm),
        )

    def back(self, network: fx.GraphModule) -> fx.GraphModule:
        """Return the network that is shifted to this one."""
        return _rebuilt(network, self.layer)


@dataclass(frozen=True)
class BiasShift:
    """A quantized network as one whose layers may be applied to the spikes of each step; formulas: see the module.

    Like :class:`optlab.core.reduction.AbstractReduction`: ``apply`` returns the other form and the exact way back.
    Layers that see the input itself, which comes once, keep their biases.

    Attributes
    ----------
    coding : Coding
        How spikes are weighted; S is the sum of its weights.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    >>> q = snn.quantize(model.eval(), steps=3)
    >>> shifted, inverse = snn.BiasShift(snn.Coding(3)).apply(q)
    >>> bool(torch.allclose(7 * shifted.get_submodule("2").bias, model[2].bias))
    True
    >>> bool(torch.allclose(inverse.back(shifted).get_submodule("2").bias, model[2].bias))
    True
    """

    coding: Coding

    def apply(self, network: fx.GraphModule) -> tuple[fx.GraphModule, ShiftInverse]:
        """Return the network with shifted constants, and the way back. What does not change is shared.

        Parameters
        ----------
        network : torch.fx.GraphModule
            From :func:`optlab.adapters.snn.quantize`, in evaluation mode.
        """
        return _rebuilt(network, self.layer), ShiftInverse(self.coding.levels)

    def layer(self, module: nn.Module) -> nn.Module:
        """Return the layer with the constant that it adds at every step; without constant, the layer itself."""
        levels = self.coding.levels
        return _changed(
            module,
            lambda bias: shifted_bias(bias, levels),
            lambda norm: shifted_offset(norm, levels),
        )


def _drift(norm: Any) -> torch.Tensor:
    """Return gamma mu / sigma."""
    mean: torch.Tensor = norm.running_mean
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight
    return gamma * mean / torch.sqrt(norm.running_var + norm.eps)


def _changed(
    module: nn.Module,
    of_bias: Callable[[torch.Tensor], torch.Tensor],
    of_norm: Callable[[Any], torch.Tensor],
) -> nn.Module:
    """Return a copy that shares everything but its constant."""
    changed: Any = copy.copy(module)
    changed._parameters = dict(module._parameters)
    if isinstance(module, NORMS):
        constant = of_norm(module)
        if changed.weight is None:
            changed._parameters["weight"] = nn.Parameter(torch.ones_like(constant))
    elif isinstance(module, BIASED) and changed.bias is not None:
        constant = of_bias(changed.bias)
    else:
        return module
    changed._parameters["bias"] = nn.Parameter(constant.detach())
    shifted: nn.Module = changed
    return shifted


def _rebuilt(
    network: fx.GraphModule, change: Callable[[nn.Module], nn.Module]
) -> fx.GraphModule:
    """Return the network with those layers changed that see spikes."""
    rebuilt = fx.GraphModule(network, copy.deepcopy(network.graph))
    spiking = spiking_nodes(rebuilt)
    calls = [node for node in rebuilt.graph.nodes if node.op == "call_module"]
    late = [node for node in calls if any(given in spiking for given in node.all_input_nodes)]
    early = {str(node.target) for node in calls if node not in late}
    changed: dict[str, str] = {}
    for node in late:
        path = str(node.target)
        layer = rebuilt.get_submodule(path)
        if path not in changed and (shifted := change(layer)) is not layer:
            # A module that sees the input elsewhere keeps its constant there.
            changed[path] = f"{path}_on_spikes" if path in early else path
            rebuilt.add_submodule(changed[path], shifted)
        node.target = changed.get(path, path)
    rebuilt.recompile()
    return rebuilt
