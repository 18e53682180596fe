"""The network of the learned codec: a strided convolution, its transpose, a filter behind, and a model of the rate.

A convolution of 8 x 8 pixels with stride 8 is a transform of blocks, so training starts at the linear codec, transform and steps;
the filter of 3 x 3 convolutions, which sees across the borders of blocks, starts as nothing added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from optlab.errors import CapabilityError

if TYPE_CHECKING:
    from optlab_adapters.compression.linear import Linear

__all__ = ["CodecNetwork", "Coded"]

_LEAST = 1e-9
"""Probability that no code length is computed below."""


@dataclass(frozen=True)
class Coded:
    """What training sees: decoded images, in [0, 1] where not clipped, and mean bits per pixel."""

    decoded: Tensor
    bpp: Tensor


class CodecNetwork(nn.Module):
    """Analysis, quantisation and synthesis.

    Parameters
    ----------
    start
        The fitted linear codec where training starts.
    width
        Channels inside the filter.
    """

    def __init__(self, start: Linear, width: int = 16) -> None:
        super().__init__()
        found = start.components
        if found is None:
            raise CapabilityError("the linear codec has no transform yet; make one with .fit()")
        self.block, self.channels = start.block, start.channels
        rank, shape = found.variances.size, (self.block, self.block, self.channels)
        steps = start.step * (np.ones(rank) if start.steps is None else start.steps) / 255
        basis = found.basis.T.reshape(rank, *shape).transpose(0, 3, 1, 2)
        self.analysis = nn.Conv2d(self.channels, rank, self.block, self.block)
        self.synthesis = nn.ConvTranspose2d(rank, self.channels, self.block, self.block)
        last = nn.Conv2d(width, self.channels, 3, padding=1, padding_mode="replicate")
        self.filter = nn.Sequential(
            nn.Conv2d(self.channels, width, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            nn.LeakyReLU(0.1),
            last,
        )
        middle = float(found.mean.mean()) / 255
        offset = found.basis.T @ (found.mean / 255 - middle)
        scale = np.sqrt(found.variances) / 255 / steps
        with torch.no_grad():
            self.analysis.weight.copy_(_tensor(basis / steps[:, None, None, None]))
            self.analysis.bias.copy_(_tensor(-(offset + middle * basis.sum((1, 2, 3))) / steps))  # type: ignore[union-attr]
            self.synthesis.weight.copy_(_tensor(basis * steps[:, None, None, None]))
            self.synthesis.bias.fill_(middle)  # type: ignore[union-attr]
            for zero in (last.weight, last.bias):
                zero.zero_()  # type: ignore[union-attr]
        # Where the mean is not in the span of the basis, a constant per pixel of a block is left.
        rest = (found.mean / 255 - middle).reshape(shape).transpose(2, 0, 1)
        self.pattern = nn.Parameter(_tensor(rest))
        # A logistic variable has the deviation scale * pi / sqrt(3).
        self.log_scale = nn.Parameter(
            _tensor(np.log(np.maximum(scale, 0.05) * np.sqrt(3) / np.pi))
        )
        self.centre = nn.Parameter(torch.zeros(rank))

    def forward(self, images: Tensor) -> Coded:
        """Code images (N, C, H, W) whose sides are multiples of the block; noise stands for rounding in training."""
        latent = self.analysis(images)
        if self.training:
            latent = latent + torch.rand_like(latent) - 0.5
        else:
            latent = torch.round(latent)
        pixels = images.shape[0] * images.shape[2] * images.shape[3]
        return Coded(self.decode(latent), self.bits(latent).sum() / pixels)

    def decode(self, latent: Tensor) -> Tensor:
        """Return images of latents (N, rank, H / block, W / block)."""
        blocks = self.synthesis(latent)
        blocks = blocks + self.pattern.tile(latent.shape[2], latent.shape[3])
        filtered: Tensor = blocks + self.filter(blocks - 0.5)
        return filtered

    def bits(self, latent: Tensor) -> Tensor:
        """Return the bits of every latent in the model: logistic variables, each channel with its own centre and scale."""
        scale = torch.exp(self.log_scale)[:, None, None]
        away = torch.abs(latent - self.centre[:, None, None])
        # Both terms lie on the left of the centre, where differences of sigmoids are exact.
        mass = functional.sigmoid((0.5 - away) / scale) - functional.sigmoid(
            (-0.5 - away) / scale
        )
        return -torch.log2(torch.clamp(mass, min=_LEAST))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32)
