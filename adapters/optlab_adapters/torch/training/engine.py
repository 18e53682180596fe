"""The loss of a network at many displaced points, evaluated in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.core.shifts import AbstractShifts, CoordinateShifts
from optlab.typing import Vector
from optlab_adapters.torch.training.chain import Chain, Pass
from optlab_adapters.torch.training.data import Batch, Minibatches, random_seed
from optlab_adapters.torch.training.network import Buffers, Generators, Network

if TYPE_CHECKING:
    from optlab_adapters.torch.training.parameters import Parameters

__all__ = ["Engine"]

_LINALG: Any = torch.linalg
FAILURES: tuple[type[Exception], ...] = (ArithmeticError, _LINALG.LinAlgError)
"""What a displaced point may raise and still be a value of the objective, nan; anything else is an error in the
user's program."""


class Engine:
    """Evaluates F(x + s; key).

    Parameters
    ----------
    network : Network
    parameters : Parameters
        Of the network's module.
    minibatches : Minibatches
    """

    def __init__(
        self, network: Network, parameters: Parameters, minibatches: Minibatches
    ) -> None:
        self.network, self.parameters, self.minibatches = network, parameters, minibatches
        self.generators = Generators(parameters.device)
        self.chain = Chain.whole(network.model, len(parameters.tensors))

    def values(self, x: Vector, shifts: AbstractShifts, key: int | None) -> Vector:
        """Return F(x + s_j; key), shape (k,); nan where it is not finite."""
        found, samples = np.zeros(len(shifts)), 0
        with self.network.held_still(), torch.no_grad():
            self.parameters.load(x)
            for batch, seed in self.batches(key):
                samples += batch.size
                # The running mean: to the bit the value itself when there is one batch.
                found += (batch.size / samples) * (
                    self._on_batch(x, shifts, batch, seed) - found
                )
        found[~np.isfinite(found)] = np.nan
        return found

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        """Return F(x; key) and its gradient by backpropagation, shape (n,)."""
        value, slope, samples = 0.0, np.zeros(self.parameters.n), 0
        network, tensors = self.network, self.parameters.tensors
        with network.held_still(), torch.enable_grad():
            self.parameters.load(x)
            buffers = Buffers(network.model)
            for batch, seed in self.batches(key):
                mine = batch.copy()
                with self.generators.seeded(seed):
                    loss = network.judged(network.output(mine), mine).reshape(())
                parts = torch.autograd.grad(loss, tensors, materialize_grads=True)
                buffers.restore()
                value += batch.size * float(loss.detach())
                slope += batch.size * self.parameters.gather(parts)
                samples += batch.size
        return value / samples, slope / samples

    def batches(self, key: int | None) -> Iterator[tuple[Batch, int]]:
        """Yield the batches of a sample, each with the seed of its random numbers."""
        device, seed = self.parameters.device, self.minibatches.seed
        if key is not None:
            yield self.minibatches.batch(key).to(device), random_seed(seed, "noise", key)
            return
        for number, batch in enumerate(self.minibatches.everything()):
            yield batch.to(device), random_seed(seed, f"noise of batch {number}", None)

    def _on_batch(self, x: Vector, shifts: AbstractShifts, batch: Batch, seed: int) -> Vector:
        """Evaluate the loss on one batch at every displaced point."""
        with self._base(batch, seed) as base:
            found = self._looped(base, x, shifts)
            if base.surprised:
                base.random = True
                found = self._looped(base, x, shifts)
        return found

    @contextmanager
    def _base(self, batch: Batch, seed: int) -> Iterator[Pass]:
        """Make the base pass at the point that the parameters hold."""
        with self.generators.seeded(seed):
            yield Pass(self.network, self.chain, batch, self.generators)

    def _looped(self, base: Pass, x: Vector, shifts: AbstractShifts) -> Vector:
        """Evaluate point by point."""
        if isinstance(shifts, CoordinateShifts):
            return self._coordinates(base, x, shifts)
        found = np.empty(len(shifts))
        try:
            for j in range(len(shifts)):
                self.parameters.load(shifts.points(x, j, j + 1)[0])
                found[j] = _number(base, 0)
        finally:
            self.parameters.load(x)
        return found

    def _coordinates(self, base: Pass, x: Vector, shifts: CoordinateShifts) -> Vector:
        """Displace one entry of the parameters at a time."""
        found = np.full(len(shifts), base.value)
        moved = np.flatnonzero(shifts.step)
        points = x[shifts.index] + shifts.step
        owner = self.parameters.owner(shifts.index[moved])
        for number in np.unique(owner).tolist():
            rows = moved[owner == number]
            cells, places = self.parameters.cells(number, shifts.index[rows])
            first = self.chain.entry[number]
            for row, place, point in zip(
                rows.tolist(), places, points[rows].tolist(), strict=True
            ):
                before = cells[place].item()
                cells[place] = point
                try:
                    found[row] = _number(base, first)
                finally:
                    cells[place] = before
        return found


def _number(base: Pass, first: int) -> float:
    """Evaluate from a stage on; nan where the arithmetic fails."""
    try:
        return base.tail(first)
    except FAILURES:
        return float("nan")
