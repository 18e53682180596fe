"""Spike raster: when the neurons fire for one image, on the time axis of the pipeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.errors import OptionError
from optlab.typing import is_a

if TYPE_CHECKING:
    import torch

    from optlab_adapters.snn.network import SpikingNetwork
    from optlab_adapters.snn.pipeline import Pipeline

__all__ = ["Raster", "RasterLayer", "raster"]


GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class RasterLayer:
    """Spikes of one layer.

    Attributes
    ----------
    name : str
        Path of the layer.
    neurons : int
        Neurons that it has.
    shown : tuple of int
        Those that are in the raster.
    first : int
        Step of the pipeline at which its first spikes may come.
    trains : tuple of str
        For every neuron shown a character per step: "1" where it fires, else "0".
    """

    name: str
    neurons: int
    shown: tuple[int, ...]
    first: int
    trains: tuple[str, ...]

    def spikes(self) -> list[tuple[int, int]]:
        """Return the spikes as pairs (step of the pipeline, place among the neurons shown)."""
        return [
            (self.first + step, place)
            for place, train in enumerate(self.trains)
            for step, fired in enumerate(train)
            if fired == "1"
        ]


@dataclass(frozen=True)
class Raster:
    """Spikes for one image.

    Attributes
    ----------
    layers : tuple of RasterLayer
        In the order of the network.
    steps : int
        Steps until the logits are there.
    """

    layers: tuple[RasterLayer, ...]
    steps: int


def raster(net: SpikingNetwork, x: torch.Tensor, *, neurons: int = 64) -> Raster:
    """Return the raster of an image.

    Parameters
    ----------
    net : SpikingNetwork
    x : torch.Tensor
        A batch, shape (N, ...), the first image of which is taken.
    neurons : int
        Neurons of a layer that are shown at most, evenly spread.
    """
    if not (is_a(neurons, int) and neurons >= 1):
        raise OptionError(f"neurons is {neurons!r}; a positive whole number is needed")
    return raster_of(net.run(x[:1])[1].spikes, net.pipeline, neurons)


def raster_of(spikes: dict[str, torch.Tensor], pipeline: Pipeline, neurons: int) -> Raster:
    """Return the raster of the first image of spikes of shape (T, N, ...)."""
    layers = []
    for stage in pipeline.stages:
        trains = spikes[stage.name][:, 0].flatten(1).T
        count = min(neurons, len(trains))
        # At the golden ratio in each of equal stretches, so that the rows of an image are not hit in one column only.
        shown = tuple(int((i + i * GOLDEN % 1.0) * len(trains) / count) for i in range(count))
        text = ("".join("1" if s else "0" for s in trains[i].tolist()) for i in shown)
        layers.append(RasterLayer(stage.name, len(trains), shown, stage.first, tuple(text)))
    return Raster(tuple(layers), pipeline.latency)
