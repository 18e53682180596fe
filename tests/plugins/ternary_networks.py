"""Torch modules with ternary weights for tests of packed networks, at the top level so that other processes can import them."""

from __future__ import annotations

from typing import Any

import torch

nn = torch.nn


class OwnSign(nn.Module):
    """Signs, zero for zero, by a forward that torch.fx cannot enter."""

    def forward(self, x: Any) -> Any:
        """Take signs."""
        if x.sum() > float("inf"):
            raise AssertionError
        return torch.sign(x)


class MaskedLinear(nn.Linear):
    """A layer whose weight is not what it multiplies by."""

    def forward(self, x: Any) -> Any:
        """Multiply by the larger half of the weights, as signs times 0.3."""
        return nn.functional.linear(x, 0.3 * self.mask() * self.weight.sign(), self.bias)

    def mask(self) -> Any:
        """Return which weights are kept."""
        return self.weight.abs() > self.weight.abs().median()


class Residual(nn.Module):
    """Two convolutions with batch normalization beside the identity; a sum written in place."""

    def __init__(self, channels: int, activation: Any) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.one_norm = nn.BatchNorm2d(channels)
        self.two = nn.Conv2d(channels, channels, 3, padding="same")
        self.two_norm = nn.BatchNorm2d(channels, affine=False)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Add."""
        y = self.activation(self.one_norm(self.one(self.activation(x))))
        y = self.two_norm(self.two(y))
        y += x
        return y


def make_ternary(model: Any, seed: int, density: float = 0.3) -> Any:
    """Replace the weights of Linear and Conv2d by ternary ones, and the statistics of norms by some; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(shape: Any, low: float, high: float) -> Any:
        return low + (high - low) * torch.rand(shape, generator=generator)

    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            weight = module.weight.data
            gain = uniform(weight.shape[:1], 0.05, 0.3).reshape(-1, *[1] * (weight.dim() - 1))
            kept = uniform(weight.shape, 0.0, 1.0) < density
            weight.copy_(gain * kept * uniform(weight.shape, -1.0, 1.0).sign())
        norm = isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
        if norm and module.running_mean is not None:
            module.running_mean.copy_(uniform(module.running_mean.shape, -1.0, 1.0))
            module.running_var.copy_(uniform(module.running_var.shape, 0.5, 2.0))
            if module.affine:
                module.weight.data.copy_(uniform(module.weight.shape, -1.5, 1.5))
                module.bias.data.copy_(uniform(module.bias.shape, -1.0, 1.0))
    return model.eval()


def image_network(activation: Any, seed: int = 0) -> Any:
    """Return a network with a stem, a residual block, groups, dilation, every pooling and a head, for (3, 16, 16)."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2),
        nn.BatchNorm2d(8),
        activation,
        nn.MaxPool2d(3, 1, 1),
        Residual(8, activation),
        nn.Conv2d(8, 12, (3, 1), padding=(2, 0), dilation=(2, 1), groups=4),
        nn.Hardtanh(-0.8, 0.9),
        nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(72, 30),
        nn.BatchNorm1d(30),
        activation,
        nn.Linear(30, 4),
    )
    return make_ternary(model, seed)
