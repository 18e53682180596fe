"""A penalty on spikes: the number of bits set in the codes, with a weight that may change during training.

The derivative of the number of bits with respect to the code is taken to be 1 (Datta et al., key ``datta2025snn`` in
docs/refs.bib).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch

from optlab.errors import OptionError
from optlab.methods.zeroth.schedules import AbstractSchedule, Constant
from optlab.typing import is_a
from optlab_adapters.torch.training.data import Batch, Minibatches

if TYPE_CHECKING:
    from optlab_adapters.snn.activation import QuantizedReLU

__all__ = ["BitCounter", "PenalizedLoss", "Ramp", "SpikePenalty", "timed"]

_SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "cosine": lambda t: 0.5 * (1.0 - math.cos(math.pi * t)),
    "cubic": lambda t: 1.0 - (1.0 - t) ** 3,
}


@dataclass(frozen=True)
class Ramp(AbstractSchedule):
    """From 0 to 1: linear, t; cosine, (1 - cos(pi t)) / 2; cubic, 1 - (1 - t)^3 (Zhu and Gupta, ``zhu2018prune``).

    Attributes
    ----------
    shape : {"linear", "cosine", "cubic"}
    share : float
        Share of the steps after which it is 1; t = k / (share * steps).
    """

    shape: Literal["linear", "cosine", "cubic"] = "linear"
    share: float = 1.0
    needs_horizon = True

    def __post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise OptionError(f"shape is {self.shape!r}; one of {tuple(_SHAPES)} is needed")
        if not 0 < self.share <= 1:
            raise OptionError(f"share is {self.share!r}; a number in (0, 1] is needed")

    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor of step k."""
        if horizon is None:
            raise OptionError("a Ramp needs the length of the training; give steps")
        return _SHAPES[self.shape](min(1.0, k / (self.share * horizon)))


@dataclass(frozen=True)
class SpikePenalty:
    """What is added to the loss: weight * schedule(k, steps) * (spikes of one sample, on average over the batch).

    Spikes are summed over layers, neurons and bits, and averaged over the samples of a batch, so the weight does not
    depend on the batch size. A penalty c on the sum over a batch of B samples, as in Datta et al., is the weight c B.

    Attributes
    ----------
    weight : float
        Not negative.
    schedule : callable
        ``schedule(k, steps) -> factor`` for the steps k = 0, 1, ...: :class:`Ramp`, a schedule of ``optlab.zo``, or a function
        of one's own. The objective over all data, which belongs to no step, has the factor 1.
    steps : int or None
        Length of the training, for schedules that need it: the ``max_iter`` of :func:`optlab.minimize`.
    per_neuron : bool
        Whether spikes are divided by the number of neurons, so that the weight does not depend on the size of the network.
    """

    weight: float
    schedule: Callable[[int, int | None], float] = field(default_factory=Constant)
    steps: int | None = None
    per_neuron: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise OptionError(f"spike_penalty is {self.weight!r}; a number >= 0 is needed")
        if self.steps is not None and not (is_a(self.steps, int) and self.steps >= 1):
            raise OptionError(f"steps is {self.steps!r}; a positive whole number is needed")
        if self.steps is None and getattr(self.schedule, "needs_horizon", False):
            raise OptionError(
                f"the schedule {type(self.schedule).__name__} needs the length of the training; give steps"
            )

    def at(self, step: int | None) -> float:
        """Return weight * schedule(step, steps); None: no step, the weight itself."""
        if step is None:
            return self.weight
        factor = self.schedule(step, self.steps)
        if not 0 <= factor < math.inf:
            raise OptionError(
                f"the schedule of the spike penalty is {factor!r} at step {step}; a number >= 0 is needed"
            )
        return self.weight * factor


class _BitCount(torch.autograd.Function):
    """The number of bits set in a code; its derivative is taken to be 1."""

    @staticmethod
    def forward(_context: Any, codes: torch.Tensor, steps: int) -> torch.Tensor:
        whole = codes.to(torch.int64)
        return sum(((whole >> k) & 1 for k in range(steps)), torch.zeros_like(whole)).to(codes)

    @staticmethod
    def backward(_context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None


class BitCounter:
    """A forward hook that counts the bits which a layer fires for a sample, on average. Copies have counted nothing.

    Attributes
    ----------
    bits : torch.Tensor
        Of the last forward, a scalar with its gradient.
    neurons : int
        Of the layer.
    """

    bits: torch.Tensor

    def __init__(self) -> None:
        self.neurons = 0

    def __reduce__(self) -> Any:
        return BitCounter, ()

    def __call__(
        self, module: QuantizedReLU, inputs: tuple[torch.Tensor, ...], _output: Any
    ) -> None:
        """Count."""
        codes = module.codes(inputs[0])
        bits: torch.Tensor = _BitCount.apply(codes, module.steps)  # type: ignore[no-untyped-call]
        self.bits, self.neurons = bits.sum() / len(bits), bits[0].numel()


@dataclass
class PenalizedLoss:
    """A loss with the penalty. ``step`` is the one that the loss is evaluated for."""

    loss: Callable[[Any, Any], torch.Tensor]
    penalty: SpikePenalty
    counters: list[BitCounter]
    step: int | None = None

    def __call__(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of a batch, whose output was computed just before."""
        bits = torch.stack([counter.bits for counter in self.counters]).sum()
        size = sum(c.neurons for c in self.counters) if self.penalty.per_neuron else 1
        return self.loss(output, target) + self.penalty.at(self.step) / size * bits


@dataclass
class _TimedMinibatches(Minibatches):
    """Minibatches that tell a loss for which step they are; a batch of all data is for none."""

    clock: PenalizedLoss = field(kw_only=True)

    def batch(self, key: int) -> Batch:
        """Return the batch of a key."""
        self.clock.step = key
        return super().batch(key)

    def everything(self) -> Iterator[Batch]:
        """Go through all samples once."""
        for batch in super().everything():
            self.clock.step = None
            yield batch

    def bare(self) -> _TimedMinibatches:
        """Return the same batches with nothing kept, to be sent away."""
        return timed(super().bare(), self.clock)


def timed(batches: Minibatches, clock: PenalizedLoss) -> _TimedMinibatches:
    """Return the minibatches with a clock."""
    return _TimedMinibatches(
        batches.samples,
        batches.batch_size,
        batches.seed,
        batches.drop_last,
        batches.augment,
        clock=clock,
    )
