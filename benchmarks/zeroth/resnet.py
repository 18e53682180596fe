"""ResNet-20 for 32 x 32 images: 269,722 parameters, 268,336 of them prunable."""

from __future__ import annotations

from typing import Any

import torch

nn = torch.nn


class Block(nn.Module):
    """Two convolutions beside the identity, which is thinned and padded where the size changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.stride, self.more = stride, (width - width_in) // 2

    def forward(self, x: Any) -> Any:
        """Add."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.stride > 1:
            x = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
        return torch.relu(y + x)


class ResNet20(nn.Module):
    """Three groups of three blocks, 16, 32 and 64 channels [HZRS16]."""

    def __init__(self, classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        blocks, before = [], 16
        for width in (16, 32, 64):
            for number in range(3):
                blocks.append(Block(before, width, 2 if number == 0 and width > 16 else 1))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, classes)

    def forward(self, x: Any) -> Any:
        """Classify."""
        y = self.blocks(torch.relu(self.norm(self.conv(x))))
        return self.head(y.mean((2, 3)))


def pictures(count: int, seed: int = 0) -> Any:
    """Return random images and labels: times and memory do not depend on what is in them."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn((count, 3, 32, 32), generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)
