"""Networks for images of one channel: residual, and a stack with max pooling, both narrow."""

from __future__ import annotations

from typing import Any

import torch

nn = torch.nn


class Block(nn.Module):
    """Two convolutions beside the identity, or beside a convolution of 1 x 1 where the size changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.beside = (
            nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
            if stride > 1
            else nn.Identity()
        )

    def forward(self, x: Any) -> Any:
        """Add."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.beside(x))


def residual(width: int, stride: int = 2) -> Any:
    """Return ResNet-20 with ``width`` channels in its first group; the first convolution has ``stride``."""
    layers: list[Any] = [
        nn.Conv2d(1, width, 3, stride, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    before = width
    for channels in (width, 2 * width, 4 * width):
        for number in range(3):
            layers.append(Block(before, channels, 1 + (number == 0 and channels > width)))
            before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def stacked(width: int, before: int = 1, side: int = 28, *, affine: bool = True) -> Any:
    """Return a VGG-like network: pairs of convolutions of ``width``, 2 and 4 ``width`` channels, pooled after each.

    ``before`` channels of ``side`` x ``side`` pixels go in; without ``affine`` there are weights of layers only.
    """
    layers: list[Any] = []
    for channels in (width, 2 * width, 4 * width):
        for _ in range(2):
            layers += [
                nn.Conv2d(before, channels, 3, 1, 1, bias=False),
                nn.BatchNorm2d(channels, affine=affine),
                nn.ReLU(),
            ]
            before = channels
        layers.append(nn.MaxPool2d(2))
    last = nn.Linear(before * (side // 8) ** 2, 10, bias=affine)
    return nn.Sequential(*layers, nn.Flatten(), last)
