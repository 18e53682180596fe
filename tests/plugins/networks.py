"""Small torch modules for tests, at the top level so that other processes can import them."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

nn = torch.nn


class Residual(nn.Module):
    """Two convolutions with batch normalization beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Any) -> Any:
        """Add."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(x + self.norm2(self.conv2(y)))


class ResNet(nn.Module):
    """A stem, two residual blocks, a head: not written as a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(Residual(4), Residual(4))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        """Classify."""
        y = self.blocks(torch.relu(self.norm(self.stem(x))))
        return self.head(y.mean((2, 3)))


class Tied(nn.Module):
    """One matrix used twice: in the first stage and in the last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6, bias=False)
        self.last = nn.Linear(6, 6, bias=False)
        self.last.weight = self.first.weight

    def forward(self, x: Any) -> Any:
        """Apply it twice."""
        return self.last(torch.tanh(self.first(x)))[:, :3]


class Branching(nn.Module):
    """A course that depends on values: cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        """Choose."""
        return self.one(x) if x.sum() > 0 else self.two(x)


class Deadly(nn.Module):
    """A linear layer that kills every process but the one it was made in, as often as a file says."""

    def __init__(self, bullets: str) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3)
        self.home, self.bullets = os.getpid(), bullets

    def forward(self, x: Any) -> Any:
        """Die once per line of the file."""
        if os.getpid() != self.home:
            try:
                Path(self.bullets).rename(f"{self.bullets}.{os.getpid()}")
            except OSError:
                return self.linear(x)  # somebody else has died of it
            os.kill(os.getpid(), signal.SIGKILL)
        return self.linear(x)


def mlp(*sizes: int, activation: Any = nn.Tanh) -> Any:
    """Return a plain sequence."""
    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])


def data(*shape: int, classes: int = 3, seed: int = 0) -> Any:
    """Return random inputs and labels."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(shape, generator=generator)
    return inputs, torch.randint(0, classes, (shape[0],), generator=generator)


loss = nn.functional.cross_entropy
