"""Passes of calibration inputs through a network: in floating point, quantized, and layer by layer while it is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from optlab_adapters.snn.activation import QuantizedReLU

if TYPE_CHECKING:
    from optlab_adapters.snn.calibration.sites import Site

__all__ = ["Float", "float_pass", "layer_errors", "layer_pass"]

AtNeuron = Callable[[str, QuantizedReLU, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Float:
    """What the float network computes."""

    output: torch.Tensor
    activations: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]
    """Squared sensitivity of the output to each activation; empty when it was not asked for."""


class _Pass(fx.Interpreter):
    """Runs a quantized network with a function in the place of its activations."""

    def __init__(self, traced: fx.GraphModule, at_neuron: AtNeuron) -> None:
        super().__init__(traced)
        self.at_neuron = at_neuron

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, QuantizedReLU):
            return self.at_neuron(str(target), module, args[0])
        return module(*args, **kwargs)


def float_pass(traced: fx.GraphModule, inputs: torch.Tensor, probes: int = 0) -> Float:
    """Run the network with ReLUs.

    Weights are estimates of w = sum_j (d output_j / d activation)^2, the diagonal of the Gauss-Newton matrix: means
    over probes v of random signs of the squares of the gradient of v'output (Hutchinson's estimator).
    """
    found: dict[str, torch.Tensor] = {}

    def rectified(name: str, _module: QuantizedReLU, u: torch.Tensor) -> torch.Tensor:
        found[name] = torch.relu(u)
        if probes and not found[name].requires_grad:
            found[name].requires_grad_()
        return found[name]

    weights: dict[str, torch.Tensor] = {}
    with torch.set_grad_enabled(probes > 0):
        output: torch.Tensor = _Pass(traced, rectified).run(inputs)
        generator = torch.Generator(device="cpu").manual_seed(0)
        for _ in range(probes):
            signs = torch.randint(0, 2, output.shape, generator=generator).to(output) * 2 - 1
            gradients = torch.autograd.grad(
                output, list(found.values()), signs, retain_graph=True
            )
            for name, gradient in zip(found, gradients, strict=True):
                weights[name] = weights.get(name, 0) + gradient**2 / probes
    return Float(output.detach(), {name: a.detach() for name, a in found.items()}, weights)


@torch.no_grad()
def layer_pass(
    traced: fx.GraphModule,
    inputs: torch.Tensor,
    setting: Callable[[str, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Run the quantized network; ``setting(name, potentials) -> shift`` may set each activation when it is reached."""

    def at_neuron(name: str, module: QuantizedReLU, u: torch.Tensor) -> torch.Tensor:
        shift = setting(name, u)
        quantized: torch.Tensor = module(u + shift.reshape(1, -1, *(1,) * (u.ndim - 2)))
        return quantized

    output: torch.Tensor = _Pass(traced, at_neuron).run(inputs)
    return output


@torch.no_grad()
def layer_errors(
    traced: fx.GraphModule, inputs: torch.Tensor, reference: Float, sites: list[Site]
) -> dict[str, float]:
    """Return the squared error of each activation of the quantized network relative to the float one's squares."""
    errors: dict[str, float] = {}

    def measured(name: str, module: QuantizedReLU, u: torch.Tensor) -> torch.Tensor:
        quantized: torch.Tensor = module(u)
        wanted = reference.activations[name]
        energy = float((wanted.double() ** 2).sum())
        errors[name] = (
            float(((quantized - wanted).double() ** 2).sum()) / energy if energy else 0.0
        )
        return quantized

    _Pass(traced, measured).run(inputs)
    return {site.name: errors[site.name] for site in sites}
