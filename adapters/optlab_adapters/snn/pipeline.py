"""When the neuron layers of a spiking network work, and for how long an image is on its way.

A binary neuron fires after it has heard all T bits: a layer at depth d, counted in neuron layers on the longest path from
the input, listens for T steps and fires in the T steps after them, so an image takes T steps per layer, and a
layer takes a new image every T steps. A rate-coded neuron fires while it listens, one step after the layer before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab_adapters.snn.activation import QuantizedReLU

if TYPE_CHECKING:
    from torch import fx

    from optlab_adapters.snn.coding import Coding

__all__ = ["Pipeline", "Stage", "pipeline_of"]


@dataclass(frozen=True)
class Stage:
    """The place of a neuron layer in the pipeline, for an image that arrives at step 0.

    Attributes
    ----------
    name : str
        Path of the layer.
    depth : int
        Neuron layers on the longest path from the input, this one included.
    first, last : int
        Steps of its first and last spikes.
    waits : int
        Steps for which the earliest spikes that it needs are kept until the latest are there: residual connections.
    """

    name: str
    depth: int
    first: int
    last: int
    waits: int


@dataclass(frozen=True)
class Pipeline:
    """How many steps an image takes.

    Attributes
    ----------
    steps : int
        T, also the steps from one image to the next when layers work on several images at a time.
    latency : int
        Steps from an image to its logits.
    stages : tuple of Stage
        Neuron layers, in the order of the network.
    """

    steps: int
    latency: int
    stages: tuple[Stage, ...]

    @property
    def throughput(self) -> float:
        """Images per step, 1 / T."""
        return 1 / self.steps

    def steps_for(self, images: int) -> int:
        """Return the steps from the first of so many images to the logits of the last, one entering every T steps."""
        return self.latency + self.steps * (images - 1)


def pipeline_of(traced: fx.GraphModule, coding: Coding) -> Pipeline:
    """Return the pipeline of a quantized network whose spikes are coded so."""
    # Steps that a layer lies behind the layer before it.
    lag = coding.steps if coding.mode == "binary" else 1
    modules = dict(traced.named_modules())
    longest: dict[fx.Node, int] = {}
    shortest: dict[fx.Node, int] = {}
    stages = []
    for node in traced.graph.nodes:
        before = max((longest[given] for given in node.all_input_nodes), default=0)
        earliest = min((shortest[given] for given in node.all_input_nodes), default=before)
        if node.op == "call_module" and isinstance(modules[str(node.target)], QuantizedReLU):
            first = lag * before
            stages.append(
                Stage(
                    name=str(node.target),
                    depth=before + 1,
                    first=first,
                    last=first + coding.steps - 1,
                    waits=lag * (before - earliest),
                )
            )
            longest[node] = shortest[node] = before + 1
        else:
            longest[node], shortest[node] = before, earliest
    deepest = max((stage.last + 1 for stage in stages), default=0)
    return Pipeline(coding.steps, deepest, tuple(stages))
