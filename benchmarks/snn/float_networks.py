"""Networks in floating point for the conversion benchmarks, and their training by SGD."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "zeroth" / "examples"))
from images import Images  # noqa: TC002 - this is where the path is set

BATCH = 128
RATE, MOMENTUM, DECAY = 0.1, 0.9, 5e-4


class Block(nn.Module):
    """Two convolutions with normalization and a path around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        )
        same = inputs == outputs and stride == 1
        self.around = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                nn.BatchNorm2d(outputs),
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return relu(second(first(x)) + around(x))."""
        return torch.relu(self.second(self.first(x)) + self.around(x))


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return convolution, normalization and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def residual(width: int = 8, blocks: int = 3, classes: int = 10) -> nn.Module:
    """Return a residual network of 6 blocks + 2 layers in three stages of growing width; 3 blocks: ResNet-20."""
    layers: list[nn.Module] = [convolution(1, width)]
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        for block in range(blocks):
            layers.append(Block(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
    )


def plain(width: int = 8, depth: int = 4, classes: int = 10) -> nn.Module:
    """Return a network in the manner of VGG: three stages of ``depth`` convolutions, pooled by averages between."""
    layers: list[nn.Module] = []
    inputs = 1
    for stage in range(3):
        outputs = width * 2**stage
        for _ in range(depth):
            layers.append(convolution(inputs, outputs))
            inputs = outputs
        layers.append(nn.AvgPool2d(2) if stage < 2 else nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs, classes))


def separable(width: int = 16, depth: int = 6, classes: int = 10) -> nn.Module:
    """Return a network in the manner of MobileNet: three stages of ``depth`` depthwise and pointwise convolutions."""
    layers: list[nn.Module] = [convolution(1, width)]
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        for number in range(depth):
            layers += [
                nn.Conv2d(
                    inputs,
                    inputs,
                    3,
                    stride=2 if stage and not number else 1,
                    padding=1,
                    groups=inputs,
                    bias=False,
                ),
                nn.BatchNorm2d(inputs),
                nn.ReLU(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            inputs = outputs
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
    )


NETWORKS = {"separable": separable, "residual": residual, "plain": plain}


def trained(model: nn.Module, images: Images, epochs: int, seed: int) -> nn.Module:
    """Train by SGD with momentum and a cosine of the rate; return the model in evaluation mode."""
    generator = np.random.default_rng(seed)
    x, y = tensors(images.train, images.train_labels)
    optimizer = torch.optim.SGD(
        model.parameters(), RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
    )
    total = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    model.train()
    for _ in range(epochs):
        order = torch.from_numpy(generator.permutation(len(x)))
        for batch in order[: len(x) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def tensors(*arrays: Any) -> tuple[torch.Tensor, ...]:
    """Return arrays as tensors that share their memory."""
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)


@torch.no_grad()
def accuracy(network: Any, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the percentage of inputs whose largest output is that of their class."""
    right = [
        int((network(a).argmax(1) == b).sum())
        for a, b in zip(x.split(500), y.split(500), strict=True)
    ]
    return 100.0 * sum(right) / len(y)
