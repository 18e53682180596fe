"""Neurons of a spiking graph: currents of all steps in, spikes of all steps out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from optlab_adapters.snn.coding import Coding

__all__ = ["BinaryNeurons", "Membranes", "Neurons"]


class Neurons(Protocol):
    """A layer of neurons."""

    def __call__(self, currents: torch.Tensor) -> torch.Tensor:
        """Return what they send at each step, shape (T, N, ...) like the currents."""


@dataclass(frozen=True)
class BinaryNeurons:
    """Neurons that accumulate for T steps, then fire the bits of their code.

    Attributes
    ----------
    threshold : torch.Tensor
        theta, what one unit of the code is worth, in the shape of the neurons.
    coding : Coding
        Weights and order of the bits.
    """

    threshold: torch.Tensor
    coding: Coding

    def __call__(self, currents: torch.Tensor) -> torch.Tensor:
        """Return the bits of clip(floor(u / theta + 1/2), 0, 2^T - 1), u the weighted sum of the currents."""
        return self.coding.fire(self.coding.accumulate(currents) / self.threshold + 0.5)


@dataclass(frozen=True)
class Synapses:
    """A current that decays: i <- decay i + weight x(t)."""

    decay: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True)
class Membranes:
    """Integrators, leaky or not, which fire or not: NIR's I, IF, LI, LIF, CubaLI, CubaLIF in Euler steps of length dt.

    At each step v <- decay v + rest + gain i, where i is the input, or the current of a synapse. Where v passes the
    threshold, a spike is sent and v is reset. Parameters are in the shape of the neurons, or one number.

    Attributes
    ----------
    gain, decay, rest : torch.Tensor
        R dt, 1, 0 without leak; R dt / tau, 1 - dt / tau, v_leak dt / tau with it.
    threshold : torch.Tensor or None
        None: the neurons do not fire and send v.
    reset : torch.Tensor or None
        What v becomes after a spike; None: v - threshold.
    start : torch.Tensor
        v before the first step.
    closed : bool
        Whether a potential equal to the threshold fires. In NIR it does not.
    synapses : Synapses or None
        None: the input is the current.
    """

    gain: torch.Tensor
    decay: torch.Tensor
    rest: torch.Tensor
    threshold: torch.Tensor | None
    reset: torch.Tensor | None
    start: torch.Tensor
    closed: bool = False
    synapses: Synapses | None = None

    def __call__(self, currents: torch.Tensor) -> torch.Tensor:
        """Return the spikes, or the potentials of neurons that do not fire."""
        potential = self.start.expand_as(currents[0])
        synaptic = torch.zeros_like(currents[0])
        sent = []
        for current in currents:
            if self.synapses is not None:
                synaptic = self.synapses.decay * synaptic + self.synapses.weight * current
                current = synaptic  # noqa: PLW2901
            potential = self.decay * potential + self.rest + self.gain * current
            if self.threshold is None:
                sent.append(potential)
                continue
            fires = potential >= self.threshold if self.closed else potential > self.threshold
            spike = fires.to(potential.dtype)
            if self.reset is None:
                potential = potential - spike * self.threshold
            else:
                potential = torch.where(fires, self.reset, potential)
            sent.append(spike)
        return torch.stack(sent)
