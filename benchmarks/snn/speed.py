"""CPU time of spiking networks here and in SpikingJelly: the same network, spikes and steps.

    python benchmarks/snn/speed.py --json speed.json --plot speed.png

SpikingJelly runs in multi-step mode (``step_mode="m"``, torch back end, no gradients): layers on all steps as one batch, its
soft-reset integrate-and-fire neurons on the sequences. Its network is the one that the NIR file holds: batch
normalization folded, thresholds in the weights; so it has less to do than ours, which keeps both. Rounds alternate, the
median counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from optlab.adapters import snn
from optlab_adapters.snn.exchange.graph import Scale
from optlab_adapters.snn.exchange.neurons import Membranes

nn = torch.nn

STEPS = (2, 4, 8, 16)
IMAGES = 16
"""Images in a batch."""


class Block(nn.Module):
    """Two convolutions beside the identity, or beside a convolution of 1 x 1 where the size changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.beside: Any = nn.Identity()
        if stride > 1:
            self.beside = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Any) -> Any:
        """Add."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.beside(x))


def residual(channels: int) -> Any:
    """Return ResNet-20 with 16, 32, 64 channels."""
    layers: list[Any] = [
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
    ]
    before = 16
    for width in (16, 32, 64):
        for number in range(3):
            layers.append(Block(before, width, 1 + (number == 0 and width > 16)))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def stacked(channels: int) -> Any:
    """Return a VGG-like network: three pairs of convolutions, pooled after each."""
    layers: list[Any] = []
    before = channels
    for width in (16, 32, 64):
        for _ in range(2):
            layers += [
                nn.Conv2d(before, width, 3, 1, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        layers.append(nn.AvgPool2d(2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, 10)
    )


def quantized(make: Any, shape: tuple[int, int, int], steps: int) -> tuple[Any, Any]:
    """Return a network with thresholds from random images, and images: times do not depend on what is in them."""
    torch.manual_seed(0)
    model, images = make(shape[0]), torch.randn(IMAGES, *shape)
    for _ in range(3):
        model(images)
    return snn.quantize(model.eval(), steps, calibration=images, percentile=99.0), images


class Elsewhere(nn.Module):
    """A spiking graph in SpikingJelly's modules."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        from spikingjelly.activation_based import layer, neuron  # noqa: PLC0415

        self.graph = graph
        self.before: dict[str, list[str]] = {}
        for start, end in graph.edges:
            self.before.setdefault(end, []).append(start)
        self.order = [name for name in graph.order if name in graph.parts]
        parts: dict[str, Any] = {}
        for name, part in graph.parts.items():
            if isinstance(part, Membranes):
                assert part.threshold is not None
                threshold = float(part.threshold.flatten()[0])
                parts[name] = (
                    neuron.IFNode(threshold, None, step_mode="m", backend="torch")
                    if False
                    else neuron.IFNode(threshold, None, step_mode="m")
                )
                parts[name].set_reset_value("v", threshold / 2)
            elif isinstance(part, Scale):
                parts[name] = _Times(float(part.factors.flatten()[0]))
            else:
                parts[name] = layer.SeqToANNContainer(part)
        self.parts = nn.ModuleDict(parts)

    def forward(self, x: Any) -> Any:
        """Return the sum of the outputs of all steps."""
        values = {self.graph.source: x}
        for name in self.order:
            first, *others = (values[given] for given in self.before[name])
            values[name] = self.parts[name](sum(others, start=first))
        return sum(values[name] for name in self.before[self.graph.sink]).sum(0)


class _Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Any) -> Any:
        """Multiply."""
        return values * self.factor
