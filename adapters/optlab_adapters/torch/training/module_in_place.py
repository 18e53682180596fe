"""A module's parameters moved along random directions where they are, at the memory of a forward.

z(seed) is drawn tensor by tensor, a piece of bounded length at a time, from a generator that the seed starts: the same
numbers whenever they are needed, and never more of them at once than a piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from optlab.core.in_place import AbstractInPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optlab.core.packing import Arrays
    from optlab.typing import Vector
    from optlab_adapters.torch.training.engine import Engine

__all__ = ["ModuleInPlace"]

PIECE = 2**16
"""Numbers drawn at a time: 256 kB in single precision."""

LARGEST_VECTOR = 20_000_000
"""Most variables of which a flat copy is made for a result: 160 MB."""


class ModuleInPlace(AbstractInPlace):
    """The trainable parameters of a training task.

    Parameters
    ----------
    engine
        Of the task.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._parameters = engine.parameters
        self.n = engine.parameters.n
        self.name = type(engine.network.model).__name__
        self.steps_per_epoch = engine.minibatches.per_epoch

    @torch.no_grad()
    def shift(self, seed: int, scale: float) -> None:
        """Add scale * z(seed), in the precision of each tensor."""
        device = self._parameters.device
        generator = torch.Generator(device).manual_seed(seed)
        for piece in self._pieces():
            # Single precision draws the same numbers for all types that are narrower.
            z = torch.randn(
                piece.numel(),
                generator=generator,
                device=device,
                dtype=torch.promote_types(piece.dtype, torch.float32),
            )
            piece.add_(z.to(piece.dtype).view(piece.shape), alpha=scale)

    @torch.no_grad()
    def decay(self, factor: float) -> None:
        """Multiply the parameters."""
        for piece in self._pieces():
            piece.mul_(factor)

    def loss(self, key: int | None) -> float:
        """Evaluate the loss on a minibatch, or on all samples."""
        return self._engine.loss_here(key)

    def arrays(self) -> Arrays:
        """Return the parameters by name; bfloat16, which NumPy does not have, as single precision."""
        found: Arrays = {}
        for name, tensor in zip(self._parameters.names, self._parameters.tensors, strict=True):
            there = tensor.detach().cpu()
            there = there.float() if there.dtype == torch.bfloat16 else there
            found[name] = there.numpy()
        return found

    @torch.no_grad()
    def load(self, arrays: Arrays) -> None:
        """Copy the parameters."""
        for name, tensor in zip(self._parameters.names, self._parameters.tensors, strict=True):
            tensor.copy_(torch.from_numpy(np.array(arrays[name])))

    def vector(self) -> Vector | None:
        """Return a flat copy, None for very large modules: their answer is in the module."""
        return None if self.n > LARGEST_VECTOR else self._parameters.vector()

    def _pieces(self) -> Iterator[torch.Tensor]:
        """Go through the memory of all tensors."""
        for tensor in self._parameters.tensors:
            if tensor.is_contiguous():
                yield from torch.split(tensor.data.view(-1), PIECE)
            else:
                # Rare: a transposed tensor, row by row.
                yield from tensor.data.unbind(0)
