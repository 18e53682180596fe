"""Where a threshold starts: at a quantile of the activations, or where quantizing them makes the least error.

    minimize over lam > 0   mean over the activations x of (lam / L clip(floor(x L / lam + 1/2), 0, L) - x)^2

A high threshold rounds coarsely, a low one clips; the fewer levels there are, the lower is the best. The function is neither
convex nor smooth and cheap, so it is minimized on a grid.
"""

from __future__ import annotations

import torch

__all__ = ["least_error", "quantile"]

GRID = 64
"""Thresholds tried: these parts of the largest activation."""

SAMPLE = 2**16
"""Activations, evenly spaced among all, on which the error is measured."""


def quantile(values: torch.Tensor, share: float) -> torch.Tensor:
    """Return a quantile along the last axis, an entry of it: the one at the given share of the sorted entries."""
    number = values.shape[-1]
    place = max(0, min(number - 1, round(share * number) - 1))
    return values.sort().values[..., place]


def least_error(values: torch.Tensor, levels: int) -> torch.Tensor:
    """Return the threshold of least squared error along the last axis of activations x >= 0; 0 where all are 0."""
    top = values.amax(-1, keepdim=True)
    some = values[..., :: -(-values.shape[-1] // SAMPLE)]
    best, least = torch.zeros_like(top), torch.full_like(top, torch.inf)
    for part in range(1, GRID + 1):
        unit = top * (part / GRID / levels)
        quantized = unit * torch.floor(some / unit + 0.5).clamp(0, levels)
        error = (quantized - some).square().mean(-1, keepdim=True)
        # Rows of zeros give nan, which is never less.
        better = error < least
        best = torch.where(better, unit * levels, best)
        least = torch.where(better, error, least)
    return best[..., 0]
