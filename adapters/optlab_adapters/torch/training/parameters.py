"""The variables of a training task: the entries of a module's own trainable tensors, in order.

A point x is a flat float64 vector; the module holds it rounded to the type of each tensor. Displaced points are
rounded in the same way, fl(x_i + s_i), whichever way the displacement is described. There is no second copy of the
module: a displacement is written into its tensors and taken back, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from optlab.core.sampled import Block
from optlab.errors import ProblemError
from optlab.typing import Indices, Vector

__all__ = ["Parameters"]

_NORMALIZATION = (torch.nn.LayerNorm, torch.nn.RMSNorm)
"""Modules whose parameters scale features, whatever their number of dimensions."""


class Parameters:
    """The trainable tensors of a module as one vector.

    A tensor that the module holds under several names (tied weights) is one block of variables.

    Parameters
    ----------
    model : torch.nn.Module

    Raises
    ------
    ProblemError
        When there is nothing to train, or a tensor cannot be changed entry by entry.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        if not named:
            raise ProblemError(
                f"{type(model).__name__} has no trainable parameters; parameters with "
                "requires_grad=True are the variables"
            )
        for name, tensor in named:
            _check(name, tensor)
        self.names = tuple(name for name, _ in named)
        self.tensors = tuple(tensor for _, tensor in named)
        sizes = [tensor.numel() for tensor in self.tensors]
        self.starts: Indices = np.concatenate(([0], np.cumsum(sizes))).astype(np.intp)
        """Number of the first variable of each tensor, and n at the end."""

        scaling = _scaling(model)
        self.blocks = tuple(
            Block(
                name,
                tuple(tensor.shape),
                int(start),
                tensor.ndim >= 2 and id(tensor) not in scaling,
            )
            for (name, tensor), start in zip(named, self.starts, strict=False)
        )

    @property
    def n(self) -> int:
        """Number of variables."""
        return int(self.starts[-1])

    @property
    def device(self) -> torch.device:
        """Where the first tensor lives; batches are brought there."""
        return self.tensors[0].device

    def vector(self) -> Vector:
        """Return a copy of the entries, shape (n,)."""
        parts = [t.detach().reshape(-1).to("cpu", torch.float64) for t in self.tensors]
        return torch.cat(parts).numpy()

    def load(self, x: Vector) -> None:
        """Write x, shape (n,), into the tensors, rounded to their types."""
        for tensor, block in zip(self.tensors, self.blocks, strict=True):
            # A copy of one tensor's part at a time: points are read-only, which torch does not have.
            part = torch.from_numpy(x[block.start : block.stop].astype(np.float64))
            tensor.data.copy_(part.view(tensor.shape))

    def gather(self, parts: tuple[torch.Tensor, ...]) -> Vector:
        """Lay tensors of the parameters' shapes, gradients for instance, end to end."""
        return torch.cat([p.reshape(-1).to("cpu", torch.float64) for p in parts]).numpy()

    def owner(self, index: Indices) -> Indices:
        """Return which tensor each variable belongs to."""
        return np.searchsorted(self.starts, index, side="right") - 1

    def cells(self, number: int, index: Indices) -> tuple[Any, list[int]]:
        """Return the memory of one tensor, and where in it some of its variables are.

        Returns
        -------
        cells
            One-dimensional view of the tensor's memory, a NumPy array where that is possible:
            reading and writing one entry of it is much cheaper than through torch.
        places
            ``cells[places[k]]`` is variable ``index[k]``.
        """
        tensor = self.tensors[number].data
        where = np.unravel_index(index - self.starts[number], tuple(tensor.shape) or (1,))
        strides = tensor.stride() or (1,)
        places = sum(axis * stride for axis, stride in zip(where, strides, strict=True))
        span = 1 + sum((s - 1) * d for s, d in zip(tensor.shape, tensor.stride(), strict=True))
        memory = tensor.as_strided((span,), (1,), tensor.storage_offset())
        if memory.device.type == "cpu" and memory.dtype != torch.bfloat16:
            return memory.numpy(), np.asarray(places).tolist()
        return memory, np.asarray(places).tolist()


def _check(name: str, tensor: torch.Tensor) -> None:
    """Refuse tensors that are no dense arrays of floating-point numbers."""
    if torch.nn.parameter.is_lazy(tensor):
        raise ProblemError(
            f"parameter {name} has no shape yet (a lazy module); run the model once on a batch before "
            "making a task of it"
        )
    if tensor.layout != torch.strided or tensor.device.type == "meta":
        raise ProblemError(
            f"parameter {name} has layout {tensor.layout} on device {tensor.device}; a dense tensor "
            "with memory of its own is needed"
        )
    if not tensor.is_floating_point():
        raise ProblemError(
            f"parameter {name} has dtype {tensor.dtype}; a real floating-point type is needed"
        )
    if 0 in [d for d, s in zip(tensor.stride(), tensor.shape, strict=True) if s > 1]:
        raise ProblemError(
            f"parameter {name} is an expanded tensor, whose entries share memory; give it "
            "tensor.contiguous()"
        )


def _scaling(model: torch.nn.Module) -> set[int]:
    """Return the identities of the parameters of normalizations."""
    return {
        id(p) for m in model.modules() if isinstance(m, _NORMALIZATION) for p in m.parameters()
    }
