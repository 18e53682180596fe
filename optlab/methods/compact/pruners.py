"""Pruning of weights by magnitude: once, gradually, or in rounds.

    M <- the k_G largest |w_i| of each group,     w <- M w

=============  ========================================================================================
method         legs
=============  ========================================================================================
``magnitude``  train; prune once; fine-tune at a low rate
``gmp``        train once, the density falling along a cubic meanwhile [ZG18]
``lth``        train; then R times: prune to rho^(r/R), rewind the weights to their early values, train [FC19, FDRC20]
``lrr``        train; then R times: prune to rho^(r/R), rewind the learning rate only, train [RFC20]
=============  ========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.registry import register
from optlab.errors import OptionError
from optlab.methods.compact.compressor import AbstractCompressor, State, compressor_info
from optlab.methods.compact.legs import Leg

if TYPE_CHECKING:
    from optlab.core.sparsity import Sparsity
    from optlab.typing import Vector

__all__ = ["GradualMagnitude", "LearningRateRewinding", "LotteryTicket", "OneShotMagnitude"]


@dataclass(frozen=True, kw_only=True)
class _Pruner(AbstractCompressor):
    """Trains weights and prunes them."""

    epochs: float = 10.0
    """Passes through the samples of a training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive("epochs", self.epochs)

    def begun(self, state: State, leg: Leg, sparsity: Sparsity) -> State:
        """Prune to the density of the leg; go back to early weights where that is asked for."""
        if leg.power == 0.0:
            return state
        mask = sparsity.keep(state.u, leg.thinning(0.0), among=state.mask)
        u = np.where(mask, state.frozen if leg.rewinds else state.u, 0.0)
        return replace(state, mask=mask, u=u, weights=u)

    def moved(self, state: State, gradient: Vector, sparsity: Sparsity) -> State:  # noqa: ARG002
        """Step along the rule's direction within the mask."""
        direction, memory = self.direction(state, np.where(state.mask, gradient, 0.0))
        u = np.where(state.mask, state.u - state.rate * direction, 0.0)
        return replace(state, u=u, weights=u, memory=memory)


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < np.inf:
        raise OptionError(f"{name} is {value!r}; a positive number is needed")


@register(
    compressor_info(
        "magnitude", "prunes a trained network once by magnitude, then fine-tunes", "HPTD15"
    )
)
@dataclass(frozen=True, kw_only=True)
class OneShotMagnitude(_Pruner):
    """Train, prune, fine-tune."""

    fine_tune_epochs: float = 4.0
    """Passes after the pruning."""

    fine_tune_rate: float = 0.1
    """Their learning rate, relative to ``learning_rate``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive("fine_tune_epochs", self.fine_tune_epochs)
        _positive("fine_tune_rate", self.fine_tune_rate)

    def legs(self) -> tuple[Leg, ...]:
        """Return two legs."""
        return (
            Leg(epochs=self.epochs),
            Leg(epochs=self.fine_tune_epochs, rate=self.fine_tune_rate, power=1.0),
        )


@register(compressor_info("gmp", "prunes gradually during one training", "ZG18"))
@dataclass(frozen=True, kw_only=True)
class GradualMagnitude(_Pruner):
    """One training, in which the density falls along a cubic."""

    epochs: float = 40.0
    begin: float = 0.1
    """Share of the run after which pruning begins."""

    end: float = 0.75
    """Share of the run after which the density is reached."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.begin < self.end <= 1.0:
            raise OptionError(
                f"begin and end are {self.begin!r} and {self.end!r}; 0 <= begin < end <= 1 is needed"
            )

    def legs(self) -> tuple[Leg, ...]:
        """Return one leg."""
        return (Leg(epochs=self.epochs, ramp=(self.begin, self.end)),)


@dataclass(frozen=True, kw_only=True)
class _Rounds(_Pruner):
    """Trains, and again after each of some prunings."""

    rounds: int = 3
    """Prunings, in each of which the same share of what is left goes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise OptionError(f"rounds is {self.rounds!r}; at least 1 is needed")

    rewinds = False

    def legs(self) -> tuple[Leg, ...]:
        """Return a leg for the dense network and one for every round."""
        return tuple(
            Leg(epochs=self.epochs, power=r / self.rounds, rewinds=self.rewinds)
            for r in range(self.rounds + 1)
        )


@register(
    compressor_info(
        "lrr", "prunes in rounds, each followed by a training with its rate rewound", "RFC20"
    )
)
@dataclass(frozen=True, kw_only=True)
class LearningRateRewinding(_Rounds):
    """Rounds that keep their weights."""


@register(
    compressor_info(
        "lth", "prunes in rounds, each followed by a training from early weights", "FC19"
    )
)
@dataclass(frozen=True, kw_only=True)
class LotteryTicket(_Rounds):
    """Rounds that go back to early weights."""

    rewind_epochs: float = 1.0
    """Passes of the first training after which the weights are kept to go back to; 0: the start."""

    rewinds = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.rewind_epochs < self.epochs:
            raise OptionError(
                f"rewind_epochs is {self.rewind_epochs!r}; a number in [0, epochs) is needed"
            )

    def moved(self, state: State, gradient: Vector, sparsity: Sparsity) -> State:
        """Step; keep the weights when it is time."""
        state = super().moved(state, gradient, sparsity)
        if state.leg == 0 and state.step == round(self.rewind_epochs * state.per_epoch):
            return replace(state, frozen=state.u)
        return state
