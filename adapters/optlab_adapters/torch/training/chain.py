"""A module as a chain of stages, and passes that start in the middle of it.

    output = f_L( ... f_2(f_1(inputs)))

A base pass keeps what goes into the stages that have parameters. When parameters of stage k alone are displaced,
everything before stage k is as it was, and the evaluation starts there: feature reuse (Chen et al., DeepZero, ICLR
2024, section 4). The operations from stage k on are the same ones on the same numbers as in a whole pass, so the loss
is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from optlab_adapters.torch.training.calls import direct, opened

if TYPE_CHECKING:
    import torch

    from optlab_adapters.torch.training.data import Batch
    from optlab_adapters.torch.training.network import Generators, Network

__all__ = ["Chain", "Pass"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages whose composition is the module."""

    stages: tuple[Callable[..., Any], ...]
    """The first takes the arguments of the module, the others one tensor. One stage, the module itself: no reuse."""

    starts: tuple[int, ...]
    """Stages that passes may start from, increasing, 0 among them."""

    entry: tuple[int, ...]
    """For each tensor of the parameters, the last start before which it is not used."""

    costs: tuple[float, ...]
    """Seconds or any other unit, of each stage."""

    @classmethod
    def whole(cls, model: torch.nn.Module, tensors: int) -> Chain:
        """Make the chain of one stage."""
        return cls((model,), (0,), (0,) * tensors, (1.0,))

    @classmethod
    def of(
        cls,
        stages: Iterable[Callable[..., Any]],
        first_use: Iterable[int],
        unfit: Iterable[int] = (),
    ) -> Chain:
        """Make a chain that can be started at every stage that some tensor is first used in.

        Parameters
        ----------
        stages
        first_use
            For each tensor of the parameters, the first stage that uses it.
        unfit
            Stages where no pass may start; those of the tensors begin earlier then.
        """
        used, every = tuple(first_use), tuple(stages)
        starts = tuple(sorted({0, *used} - set(unfit)))
        entry = tuple(max(s for s in starts if s <= stage) for stage in used)
        return cls(every, starts, entry, (1.0,) * len(every))

    @property
    def remaining(self) -> dict[int, float]:
        """Cost from each start to the end."""
        return {start: sum(self.costs[start:]) for start in self.starts}


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
        self._network, self.batch = network, batch
        self._rest = {start: chain.stages[start:] for start in chain.starts}
        self._generators = generators
        self.inputs: dict[int, torch.Tensor] = {}
        """Of the starts after the first."""

        self._states = {0: generators.state()}
        """Of the generators at the starts."""

        mine = batch.copy()
        given, kept = _versions(mine.tensors()), dict[int, int]()
        value = chain.stages[0](*mine.arguments, **mine.keywords)
        for number, stage in enumerate(chain.stages[1:], start=1):
            if number in self._rest:
                self.inputs[number], kept[number] = value, value._version
                self._states[number] = generators.state()
            value = stage(value)
        self.output = value
        self.value = float(network.judged(value, mine))
        network.restore()
        self.random = not generators.at(self._states[0])
        """Whether evaluations draw random numbers."""

        self._copies = given != _versions(mine.tensors())
        self.overwritten = tuple(k for k, v in kept.items() if self.inputs[k]._version != v)
        """Stages whose inputs are overwritten later: no pass can start there."""

    def tail(self, start: int) -> float:
        """Evaluate the loss, starting at one of the starts."""
        if self.random:
            self._generators.set(self._states[start])
        first, *rest = self._rest[start]
        arguments, keywords = self.given(start)
        try:
            value = first(*arguments, **keywords)
            for stage in rest:
                value = stage(value)
            return float(self.judged(value))
        finally:
            self._network.restore()

    def evaluator(self, start: int) -> Callable[[], float]:
        """Return :meth:`tail` at a start for many calls: what never changes is looked up once.

        Where nothing is random and nothing is overwritten, nothing is left to do beside calling the operations, which is
        what small networks spend their time on.
        """
        if self.random or self._copies or not self.batch.arguments:
            return partial(self.tail, start)
        parts = [direct(part) for stage in self._rest[start] for part in opened(stage)]
        first, rest = parts[0], parts[1:]
        loss, target = direct(self.loss), self.batch.target
        arguments, _ = self.given(start)

        def evaluate() -> float:
            value = first(*arguments)
            for stage in rest:
                value = stage(value)
            return float(loss(value, target))

        if not self._network.has_buffers:
            return evaluate
        restore = self._network.restore

        def evaluate_and_restore() -> float:
            try:
                return evaluate()
            finally:
                restore()

        return evaluate_and_restore

    def stages(self, start: int) -> tuple[Callable[..., Any], ...]:
        """Return the stages from a start to the end."""
        return self._rest[start]

    def given(self, start: int) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return what the stage of a start is called with."""
        if start:
            return (self.inputs[start],), {}
        batch = self.batch.copy() if self._copies else self.batch
        return batch.arguments, batch.keywords

    @property
    def loss(self) -> Callable[[Any, Any], Any]:
        """The loss, as the user gave it."""
        return self._network.loss

    def judged(self, output: Any) -> torch.Tensor:
        """Return the loss of an output."""
        return self._network.judged(output, self.batch)

    def restore(self) -> None:
        """Undo what stages have written to buffers."""
        self._network.restore()

    @property
    def surprised(self) -> bool:
        """Whether an evaluation drew random numbers although the base pass did not."""
        return not self.random and not self._generators.at(self._states[0])


def _versions(tensors: Iterable[torch.Tensor]) -> list[int]:
    """Return the counters that torch increases when a tensor is written to."""
    return [tensor._version for tensor in tensors]
