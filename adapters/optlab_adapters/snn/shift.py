"""Bias shift: what a bias must be when it is added at every step.

Over the steps, currents are summed with weights w_t, whose sum is S (2^T - 1 for binary codes, T for rate codes). A
constant b_c added at each step arrives as S b_c, so b_c = b / S. Batch normalization in evaluation mode is
x -> g x + (beta - g mu) with g = gamma / sigma; what is constant in it must be divided by S as a whole:

    beta_c - g mu = (beta - g mu) / S,   hence   beta_c = beta / S + (1 - 1/S) g mu.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["shifted_bias", "shifted_offset"]


def shifted_bias(bias: torch.Tensor, levels: int) -> torch.Tensor:
    """Return b / S, for a convolution's or linear layer's bias b and the sum of the weights S = ``levels``."""
    return bias / levels


def shifted_offset(norm: Any, levels: int) -> torch.Tensor:
    """Return beta / S + (1 - 1/S) gamma mu / sigma for a batch normalization with running statistics, shape (C,)."""
    mean, variance = norm.running_mean, norm.running_var
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias
    sigma = torch.sqrt(variance + norm.eps)
    shifted: torch.Tensor = beta / levels + (1 - 1 / levels) * gamma * mean / sigma
    return shifted
