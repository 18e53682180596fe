"""A spiking network as a graph of layers and neurons: what a NIR file holds, and how it runs.

Spikes have height 1, several edges into a node are summed in the order of the edges, layers act on each step alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import torch
from torch import nn

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab_adapters.snn.coding import Coding
from optlab_adapters.snn.exchange.neurons import BinaryNeurons, Membranes
from optlab_adapters.snn.network import Trace

__all__ = ["Part", "Scale", "SpikingGraph"]


@dataclass(frozen=True)
class Scale:
    """Multiplication element by element, by factors in the shape of the values."""

    factors: torch.Tensor

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Return the product."""
        return values * self.factors


Part = nn.Module | Scale | BinaryNeurons | Membranes
"""A node: a torch layer without state, a scale, or neurons."""


@dataclass(frozen=True)
class SpikingGraph:
    """A spiking network that was read from a NIR file, or is written to one; ``graph(x)`` runs it.

    Attributes
    ----------
    parts : mapping of str to Part
        Layers and neurons by name.
    edges : sequence of pairs of str
        From a name to a name; ``source`` and ``sink`` are names too, of no part.
    source, sink : str
        Where the input comes in, and where the output goes out.
    input_shape : tuple of int
        Shape of one input.
    output_shape : tuple of int
        Shape of one output.
    coding : Coding or None
        How spikes are weighted, if the file says; None: at each step alike.
    """

    parts: Mapping[str, Part]
    edges: Sequence[tuple[str, str]]
    source: str
    sink: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    coding: Coding | None = None

    def __post_init__(self) -> None:
        names = {self.source, self.sink, *self.parts}
        for edge in self.edges:
            if unknown := set(edge) - names:
                raise ProblemError(
                    f"an edge {edge} needs a node {min(unknown)!r} that does not exist"
                )
        loose = [name for name in (self.sink, *self.parts) if not self._before()[name]]
        if loose:
            raise ProblemError(f"nothing comes into {loose[0]}; an edge to it is needed")
        self.order  # noqa: B018  Raises for cycles.

    def _before(self) -> dict[str, list[str]]:
        before: dict[str, list[str]] = {
            name: [] for name in (self.source, *self.parts, self.sink)
        }
        for start, end in self.edges:
            before[end].append(start)
        return before

    @property
    def order(self) -> tuple[str, ...]:
        """Names in an order in which they can be computed.

        Raises
        ------
        CapabilityError
            When the graph has a cycle.
        """
        try:
            return tuple(TopologicalSorter(self._before()).static_order())
        except CycleError as error:
            raise CapabilityError(
                f"{' -> '.join(error.args[1])} is a cycle; networks with recurrent edges are not supported"
            ) from error

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, steps: int | None = None) -> torch.Tensor:
        """Return what arrives at the output over all steps, weighted by the coding, shape (N, ...)."""
        return self.run(x, steps)[0]

    @torch.no_grad()
    def run(self, x: torch.Tensor, steps: int | None = None) -> tuple[torch.Tensor, Trace]:
        """Return the accumulated output and the spikes for an input that is the same at every step.

        Parameters
        ----------
        x : torch.Tensor
            Inputs, shape (N, *input_shape). A network that optlab wrote sees x / S at each step, S the sum of the weights.
        steps : int or None
            None: as the file says. Needed where it says nothing.

        Raises
        ------
        OptionError
            When the number of steps is not known, or not that of the binary code; when x has another shape.
        """
        coding = self._coding(steps)
        share = coding.levels if self.coding is not None else 1
        sent, trace = self.run_steps((x / share).expand(coding.steps, *x.shape))
        return coding.accumulate(sent), trace

    @torch.no_grad()
    def run_steps(self, currents: torch.Tensor) -> tuple[torch.Tensor, Trace]:
        """Return what the output gets at each step, and the spikes.

        Parameters
        ----------
        currents : torch.Tensor
            Input at each step, shape (T, N, *input_shape): currents, or spikes.
        """
        if tuple(currents.shape[2:]) != self.input_shape:
            raise OptionError(
                f"one input has shape {tuple(currents.shape[2:])}; {self.input_shape} is needed"
            )
        values = self._values(currents)
        fired = {name: values[name] for name, part in self.parts.items() if _fires(part)}
        return values[self.sink], Trace(fired)

    @torch.no_grad()
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of what each node sends for one input."""
        some = next(
            (t for part in self.parts.values() for t in _tensors(part)), torch.zeros(())
        )
        steps = 1 if self.coding is None else self.coding.steps
        values = self._values(some.new_zeros((steps, 1, *self.input_shape)))
        return {name: tuple(value.shape[2:]) for name, value in values.items()}

    def _values(self, currents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what each node sends, shape (T, N, ...)."""
        before, values = self._before(), {self.source: currents}
        for name in self.order[1:]:
            first, *others = (values[given] for given in before[name])
            total = sum(others, start=first)
            if name == self.sink:
                values[name] = total
                continue
            part = self.parts[name]
            neurons = isinstance(part, (BinaryNeurons, Membranes))
            values[name] = part(total) if neurons else _each_step(part, total)
        return values

    def _coding(self, steps: int | None) -> Coding:
        if self.coding is None:
            if steps is None:
                raise OptionError(
                    "the file does not say for how many steps the network runs; pass steps="
                )
            return Coding(steps, "rate")
        if steps not in {None, self.coding.steps}:
            raise OptionError(f"steps is {steps!r}; this network has {self.coding.steps}")
        return self.coding


def _fires(part: Part) -> bool:
    return isinstance(part, BinaryNeurons) or (
        isinstance(part, Membranes) and part.threshold is not None
    )


def _tensors(part: Part) -> Iterable[torch.Tensor]:
    if isinstance(part, nn.Module):
        return part.parameters()
    if isinstance(part, Scale):
        return (part.factors,)
    return (part.gain if isinstance(part, Membranes) else part.threshold,)


def _each_step(
    layer: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor
) -> torch.Tensor:
    """Apply a layer to every step; once, if all steps are the same."""
    if values.stride(0) == 0:
        once = layer(values[0])
        return once.expand(len(values), *once.shape)
    merged = layer(values.flatten(0, 1))
    return merged.reshape(*values.shape[:2], *merged.shape[1:])
