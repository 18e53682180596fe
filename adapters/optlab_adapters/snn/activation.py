"""The quantized activation of the source network (QCFS; Bu et al., key ``bu2022qcfs`` in docs/refs.bib)."""

from __future__ import annotations

from typing import Any

import torch

from optlab.errors import OptionError
from optlab_adapters.snn.coding import check_steps

__all__ = ["QuantizedReLU"]


class _StraightThroughFloor(torch.autograd.Function):
    """Floor, whose derivative is taken to be 1."""

    @staticmethod
    def forward(_context: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.floor(x)

    @staticmethod
    def backward(_context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0]


class QuantizedReLU(torch.nn.Module):
    """h(x) = lam * clip(floor(x L / lam + 1/2), 0, L) / L with L = 2^T - 1 and a trainable threshold lam.

    Parameters
    ----------
    steps : int
        T; the activation has 2^T levels.
    threshold : float or torch.Tensor
        lam > 0 at the start: a number, or one per channel, shape (C,), for inputs of shape (N, C, ...).
    """

    def __init__(self, steps: int, threshold: float | torch.Tensor = 8.0) -> None:
        super().__init__()
        self.steps = check_steps(steps)
        start = torch.as_tensor(threshold, dtype=torch.get_default_dtype()).detach().clone()
        if start.ndim > 1 or not bool((torch.isfinite(start) & (start > 0)).all()):
            raise OptionError(
                f"threshold is {threshold!r}; a finite positive number, or one per channel, is needed"
            )
        self.threshold = torch.nn.Parameter(start)

    @property
    def levels(self) -> int:
        """L = 2^T - 1, the number of levels above zero."""
        return int(2**self.steps - 1)

    def along_channels(self, x: torch.Tensor) -> torch.Tensor:
        """Return lam in a shape that multiplies activations of the shape of x, (N, C, ...)."""
        lam = self.threshold
        return lam if lam.ndim == 0 else lam.reshape(1, -1, *(1,) * (x.ndim - 2))

    def potential(self, x: torch.Tensor) -> torch.Tensor:
        """Return x L / lam + 1/2, what the neuron compares with whole numbers."""
        return x * (self.levels / self.along_channels(x)) + 0.5

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """Return the whole numbers clip(floor(x L / lam + 1/2), 0, L), with straight-through gradients."""
        floor: torch.Tensor = _StraightThroughFloor.apply(  # type: ignore[no-untyped-call]
            self.potential(x)
        )
        return floor.clamp(0, self.levels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the quantized activation."""
        return self.codes(x) * (self.along_channels(x) / self.levels)
