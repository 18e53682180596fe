"""A module as a chain of stages, and passes that start in the middle of it.

    output = f_L( ... f_2(f_1(inputs)))

A base pass keeps what goes into every stage. When parameters of stage k alone are displaced, everything before stage
k is as it was, and the evaluation starts there: feature reuse (Chen et al., DeepZero, ICLR 2024, section 4). The
operations from stage k on are the same ones on the same numbers as in a whole pass, so the loss is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab_adapters.torch.training.network import Buffers, Generators, Network

if TYPE_CHECKING:
    import torch

    from optlab_adapters.torch.training.data import Batch

__all__ = ["Chain", "Pass"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages whose composition is the module."""

    stages: tuple[Callable[..., Any], ...]
    """The first takes the arguments of the module, the others one tensor. One stage, the module itself: no reuse."""

    entry: tuple[int, ...]
    """For each tensor of the parameters, the first stage that uses it."""

    costs: tuple[float, ...]
    """Cost of each stage, in any unit."""

    @classmethod
    def whole(cls, model: torch.nn.Module, tensors: int) -> Chain:
        """Make the chain of one stage."""
        return cls((model,), (0,) * tensors, (1.0,))

    @property
    def remaining(self) -> tuple[float, ...]:
        """Cost from each stage to the end."""
        return tuple(sum(self.costs[k:]) for k in range(len(self.costs)))


class Pass:
    """The base pass on a batch, and passes that start from what it kept.

    The parameters must hold the point during the construction. To be used while the network is held still, gradients
    are off, and the generators are seeded for the batch.

    Parameters
    ----------
    network : Network
    chain : Chain
    batch : Batch
    generators : Generators
    """

    def __init__(
        self, network: Network, chain: Chain, batch: Batch, generators: Generators
    ) -> None:
        self._network, self._stages, self._batch = network, chain.stages, batch
        self._generators, self._buffers = generators, Buffers(network.model)
        self._inputs: list[torch.Tensor] = []
        """Of the second stage and those after it."""

        self._states = [generators.state()]
        """Of the generators before each stage."""

        mine = batch.copy()
        given = _versions(mine.tensors())
        kept: list[int] = []
        value = self._stages[0](*mine.arguments, **mine.keywords)
        for stage in self._stages[1:]:
            self._inputs.append(value)
            kept.append(value._version)
            self._states.append(generators.state())
            value = stage(value)
        self.output = value
        self.value = float(network.judged(value, mine))
        self._buffers.restore()
        self.random = not generators.at(self._states[0])
        """Whether evaluations draw random numbers."""

        self._copies = given != _versions(mine.tensors())
        self.overwritten = tuple(
            number
            for number, (before, after) in enumerate(
                zip(kept, _versions(self._inputs), strict=True), start=1
            )
            if before != after
        )
        """Stages whose inputs are overwritten later: no pass can start there."""

    def tail(self, first: int) -> float:
        """Evaluate the loss, starting at a stage."""
        if self.random:
            self._generators.set(self._states[first])
        try:
            if first:
                value = self._inputs[first - 1]
                rest = self._stages[first:]
            else:
                batch = self._batch.copy() if self._copies else self._batch
                value = self._stages[0](*batch.arguments, **batch.keywords)
                rest = self._stages[1:]
            for stage in rest:
                value = stage(value)
            return float(self._network.judged(value, self._batch))
        finally:
            self._buffers.restore()

    @property
    def surprised(self) -> bool:
        """Whether an evaluation drew random numbers although the base pass did not."""
        return not self.random and not self._generators.at(self._states[0])


def _versions(tensors: Iterable[torch.Tensor]) -> list[int]:
    """Return the counters that torch increases when a tensor is written to."""
    return [tensor._version for tensor in tensors]
