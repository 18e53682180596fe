"""The loss of a network at many displaced points, evaluated in this process."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from optlab.core.shifts import AbstractShifts, CoordinateShifts
from optlab.errors import OptionError, OptlabWarning
from optlab.typing import Indices, Vector
from optlab_adapters.torch.training.batched import NUMBERS, Batched, features, limit
from optlab_adapters.torch.training.chain import Chain, Pass
from optlab_adapters.torch.training.data import Batch, Minibatches, random_seed
from optlab_adapters.torch.training.network import Generators, Network
from optlab_adapters.torch.training.parameters import Parameters
from optlab_adapters.torch.training.splitting import Split, Trial, split
from optlab_adapters.torch.training.units import Unit, units_of

__all__ = ["Engine", "Recipe", "Ways"]

_LINALG: Any = torch.linalg
FAILURES: tuple[type[Exception], ...] = (ArithmeticError, _LINALG.LinAlgError)
"""What a displaced point may raise and still be a value of the objective, nan; anything else is an error in the
user's program."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How displaced points are evaluated."""

    reuse: bool = True
    """Whether passes start at the stage that is displaced."""

    stages: Sequence[Any] | None = None
    """The user's stages; None: they are found."""

    batched: bool | None = None
    """Whether many points are evaluated in one forward; None: where networks are small."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes an engine in another process."""

    network: Network
    minibatches: Minibatches
    ways: Ways

    def engine(self) -> Engine:
        """Make it."""
        return Engine(self.network, Parameters(self.network.model), self.minibatches, self.ways)


class Engine:
    """Evaluates F(x + s; key).

    Parameters
    ----------
    network : Network
    parameters : Parameters
        Of the network's module.
    minibatches : Minibatches
    ways : Ways
    """

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        minibatches: Minibatches,
        ways: Ways = Ways(),
    ) -> None:
        self.network, self.parameters, self.minibatches = network, parameters, minibatches
        self.ways = ways
        self.generators = Generators(parameters.device)
        self._whole = Chain.whole(network.model, len(parameters.tensors))
        self._split: Split | None = None
        if not ways.reuse:
            self._split = Split(self._whole, "reuse is off")
        self._batched = None if ways.batched is False else Batched(parameters)
        self._together: dict[int, int] | None = None
        """How many points are evaluated together from each start."""

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

    def loss_here(self, key: int | None) -> float:
        """Return F(x; key) at the point that the module holds."""
        value, samples = 0.0, 0
        with self.network.held_still(), torch.no_grad():
            for batch, seed in self.batches(key):
                mine = batch.copy() if key is None else batch
                with self.generators.seeded(seed):
                    loss = float(self.network.judged(self.network.output(mine), mine))
                self.network.restore()
                samples += batch.size
                value += (batch.size / samples) * (loss - value)
        return value

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        """Return F(x; key) and its gradient by backpropagation, shape (n,)."""
        value, slope, samples = 0.0, np.zeros(self.parameters.n), 0
        network, tensors = self.network, self.parameters.tensors
        with network.held_still(), torch.enable_grad():
            self.parameters.load(x)
            for batch, seed in self.batches(key):
                mine = batch.copy()
                with self.generators.seeded(seed):
                    loss = network.judged(network.output(mine), mine).reshape(())
                parts = torch.autograd.grad(loss, tensors, materialize_grads=True)
                network.restore()
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

    def recipe(self) -> Recipe:
        """Return what makes this engine again elsewhere; operations use as many threads there."""
        network = self.network
        threads = torch.get_num_threads() if network.threads is None else network.threads
        there = Network(network.model, network.loss, network.training, threads)
        return Recipe(there, self.minibatches.bare(), self.ways)

    def split(self, x: Vector) -> Split:
        """Return how the module is cut into stages, found on the first minibatch at a point (n,)."""
        if self._split is None:
            with self.network.held_still(), torch.no_grad():
                self.parameters.load(x)
                batch, seed = next(self.batches(0))
                self._split = self._split_on(x, batch, seed)
        return self._split

    def _split_on(self, x: Vector, batch: Batch, seed: int) -> Split:
        trial = Trial(x, self.network, self.parameters, self.generators, batch, seed)
        return split(trial, self.ways.stages)

    def _on_batch(self, x: Vector, shifts: AbstractShifts, batch: Batch, seed: int) -> Vector:
        """Evaluate the loss on one batch at every displaced point."""
        moving = isinstance(shifts, CoordinateShifts) and bool(shifts.step.any())
        if moving and self._split is None:
            self._split = self._split_on(x, batch, seed)
        chain = self._split.chain if moving and self._split is not None else self._whole
        with self._base(chain, batch, seed) as base:
            found = self._all_units(base, chain, x, shifts)
            if base.surprised:
                base.random = True
                found = self._all_units(base, chain, x, shifts)
        return found

    def spread_units(self, x: Vector, shifts: AbstractShifts, key: int) -> list[Unit]:
        """Return the units that displacements are cut into, to be shared out."""
        if not isinstance(shifts, CoordinateShifts):
            return units_of(shifts, self.parameters, self._whole, lambda _: 1)
        chain = self.split(x).chain
        with self.network.held_still(), torch.no_grad():
            if self._together is None:
                self.parameters.load(x)
                batch, seed = next(self.batches(key))
                with self._base(chain, batch, seed) as base:
                    self._together = {s: self.together(base, s) for s in chain.starts}
        return units_of(shifts, self.parameters, chain, self._together.__getitem__)

    @contextmanager
    def _base(self, chain: Chain, batch: Batch, seed: int) -> Iterator[Pass]:
        """Make the base pass at the point that the parameters hold."""
        with self.generators.seeded(seed):
            yield Pass(self.network, chain, batch, self.generators)

    def _all_units(self, base: Pass, chain: Chain, x: Vector, shifts: AbstractShifts) -> Vector:
        """Evaluate unit by unit."""
        found = np.full(len(shifts), base.value)
        together = {start: self.together(base, start) for start in chain.starts}
        units = units_of(
            shifts, self.parameters, chain, together.__getitem__, single=len(shifts)
        )
        for unit in units:
            if isinstance(shifts, CoordinateShifts):
                index = shifts.index[unit.rows]
                points = x[index] + shifts.step[unit.rows]
                start = chain.entry[unit.tensor]
                many = together[start] > 1
                found[unit.rows] = self._coordinates(base, start, unit, index, points, many)
            else:
                found[unit.rows] = self._points(base, x, shifts, unit)
        return found

    def _points(self, base: Pass, x: Vector, shifts: AbstractShifts, unit: Unit) -> Vector:
        """Move the whole vector from point to point."""
        found = np.empty(unit.rows.size)
        try:
            for place, j in enumerate(unit.rows.tolist()):
                self.parameters.load(shifts.points(x, j, j + 1)[0])
                found[place] = _number(base, 0)
        finally:
            self.parameters.load(x)
        return found

    def _coordinates(
        self, base: Pass, start: int, unit: Unit, index: Indices, points: Vector, many: bool
    ) -> Vector:
        """Displace one entry of a tensor at a time, in one forward or one by one."""
        if self._batched is not None and many:
            places = index - self.parameters.starts[unit.tensor]
            try:
                with _slow_fallbacks("ignore" if self.ways.batched else "error"):
                    return self._batched.values(base, start, unit.tensor, places, points)
            except (OptionError, UserWarning) as error:
                if self.ways.batched:
                    raise
                self._batched = None
                warnings.warn(
                    f"{error}; points are evaluated one by one", OptlabWarning, stacklevel=2
                )
            finally:
                self.network.restore()
        return self._one_by_one(base, start, unit, index, points)

    def together(self, base: Pass, start: int) -> int:
        """Return how many points that start at a stage are evaluated in one forward; 1: one by one.

        A matter of sizes only, so that it is the same in every process.
        """
        if self._batched is None or base.random:
            return 1
        # For a whole minibatch, also where the last one of an epoch is smaller.
        share = self.minibatches.batch_size / max(1, base.batch.size)
        size = max(1, round(features(base, start) * share))
        if not self.ways.batched and size > limit(base, start):
            return 1
        return max(2, min(1024, NUMBERS // size))

    def _one_by_one(
        self, base: Pass, start: int, unit: Unit, index: Indices, points: Vector
    ) -> Vector:
        found: list[float] = []
        evaluate = base.evaluator(start)
        cells, places = self.parameters.cells(unit.tensor, index)
        before = cells[places].tolist()
        place = 0
        try:
            for place, point, back in zip(places, points.tolist(), before, strict=True):
                cells[place] = point
                try:
                    found.append(evaluate())
                except FAILURES:
                    found.append(math.nan)
                cells[place] = back
        finally:
            cells[place] = before[min(len(found), len(before) - 1)]
        return np.array(found)


@contextmanager
def _slow_fallbacks(action: Literal["ignore", "error"]) -> Iterator[None]:
    """Say what to do where torch has no batched form of an operation and would loop inside."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            action, message="There is a performance drop", category=UserWarning
        )
        yield


def _number(base: Pass, start: int) -> float:
    """Evaluate from a stage on; nan where the arithmetic fails."""
    try:
        return base.tail(start)
    except FAILURES:
        return float("nan")
