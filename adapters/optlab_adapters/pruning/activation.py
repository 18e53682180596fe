"""Binary activations (XNOR networks)."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["SignActivation"]


class _Sign(torch.autograd.Function):
    """Sign, +1 at zero; its derivative is taken to be that of a piecewise parabola, 2 - 2|x| within +-1 [LLSC18]."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (x,) = context.saved_tensors
        slope: torch.Tensor = (2.0 - 2.0 * x.abs()).clamp(min=0.0)
        return gradients[0] * slope


class SignActivation(torch.nn.Module):
    """x -> sign(x), with values +-1 and a surrogate gradient: in place of ReLU in networks of bits (MPT-1/1)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the signs."""
        signs: torch.Tensor = _Sign.apply(x)  # type: ignore[no-untyped-call]
        return signs
