"""Random networks without trained weights: scores choose which of the weights stay.

The weights W are never changed. Scores s are trained; the mask M keeps the k_G largest |s_i| of each group. With B the
blocks (layers),

    edge-popup   w(s) = M W                                                                            [RWKFR20]
    biprop       w(s) = alpha_B M sign(W),    alpha_B = ||M W||_1 / ||M||_0 over the block             [DK21]

alpha_B minimises ||M W - alpha M sign(W)||_2. Where the mask is a step function its derivative is taken to be that of
|s| (straight through), and alpha_B is not differentiated:

    dF/ds_i := (dF/dw_i) W_i sign(s_i)

With one threshold for all blocks (``scope="global"``) a low density is approached from one half by a cubic over the
first ``anneal_epochs``, so that no layer is lost while scores are still random [DBBK21].
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from optlab.core.registry import register
from optlab.errors import OptionError
from optlab.methods.compact.compressor import AbstractCompressor, State, compressor_info
from optlab.methods.compact.legs import Leg, cubic
from optlab.methods.zeroth.rules import AbstractRule, Adam

if TYPE_CHECKING:
    from optlab.core.sparsity import Sparsity
    from optlab.typing import Mask, Vector

__all__ = ["Biprop", "EdgePopup"]

HALF = 0.5
"""Density from which an annealed run starts."""

_SCORES, _WEIGHTS = 1, 2
"""Purposes of random numbers."""


@dataclass(frozen=True, kw_only=True)
class _Ticket(AbstractCompressor):
    """Trains scores."""

    epochs: float = 25.0
    """Passes through the samples."""

    learning_rate: float = 0.01
    rule: AbstractRule = Adam()  # noqa: RUF009 - frozen
    weights: Literal["normal", "constant", "given"] = "normal"
    """The weights to choose from: normal with variance 2 / (density fan-in), which keeps the variance of what neurons
    receive; the square root of that with random signs; or those of the start as they are."""

    trains_rest: bool = False
    """Whether variables that are not prunable (biases, normalizations) are trained; if not they stay as they are."""

    anneal_epochs: float = 10.0
    """For ``scope="global"`` and densities below one half: passes over which the density falls to its value."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "anneal_epochs"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise OptionError(
                    f"{name} is {getattr(self, name)!r}; a positive number is needed"
                )
        if self.weights not in ("normal", "constant", "given"):
            raise OptionError(
                f"weights is {self.weights!r}; 'normal', 'constant' or 'given' is needed"
            )

    def legs(self) -> tuple[Leg, ...]:
        """Return one leg."""
        return (Leg(epochs=self.epochs),)

    @abstractmethod
    def effective(self, state: State, sparsity: Sparsity) -> Vector:
        """Return the weights of the prunable blocks that a mask leaves, (n,), zero elsewhere."""

    def begun(self, state: State, leg: Leg, sparsity: Sparsity) -> State:  # noqa: ARG002 - the only one
        """Draw scores, uniform on +-1/sqrt(fan-in), and weights where they are not given."""
        frozen, scores = state.frozen.copy(), np.zeros(state.u.size)
        kept = zip(sparsity.prunable, sparsity.densities, strict=True)
        for number, (block, density) in enumerate(kept):
            fan = max(1, math.prod(block.shape[1:]))
            here = slice(block.start, block.stop)
            draw = np.random.default_rng([state.seed, _SCORES, number])
            scores[here] = draw.uniform(-1.0, 1.0, block.size) / math.sqrt(fan)
            if self.weights != "given":
                normal = np.random.default_rng([state.seed, _WEIGHTS, number]).normal(
                    size=block.size
                )
                shape = normal if self.weights == "normal" else np.sign(normal)
                # Of fan inputs, a share stays: the variance of what a neuron receives is kept.
                frozen[here] = math.sqrt(2.0 / (fan * density)) * shape
        pruned = prunable_mask(sparsity)
        # Variables that are not prunable are their own scores.
        u = np.where(pruned, scores, frozen)
        return self._masked(replace(state, frozen=frozen, u=u), sparsity)

    def moved(self, state: State, gradient: Vector, sparsity: Sparsity) -> State:
        """Step along the straight-through gradient."""
        pruned = prunable_mask(sparsity)
        straight = gradient * state.frozen * np.sign(state.u)
        direction, memory = self.direction(state, np.where(pruned, straight, gradient))
        moving = direction if self.trains_rest else np.where(pruned, direction, 0.0)
        u = state.u - state.rate * moving
        return self._masked(replace(state, u=u, memory=memory), sparsity)

    def _masked(self, state: State, sparsity: Sparsity) -> State:
        first = HALF if sparsity.scope == "global" else 0.0
        done = state.step / max(1.0, min(self.anneal_epochs, self.epochs / 2) * state.per_epoch)
        state = replace(state, mask=sparsity.keep(state.u, cubic(done, first)))
        rest = np.where(prunable_mask(sparsity), 0.0, state.u)
        return replace(state, weights=rest + self.effective(state, sparsity))


def prunable_mask(sparsity: Sparsity) -> Mask:
    """Return which variables are counted, (n,)."""
    mask = np.zeros(sparsity.n, dtype=bool)
    for block in sparsity.prunable:
        mask[block.start : block.stop] = True
    return mask


@register(
    compressor_info(
        "edge-popup", "chooses weights of a random network; none is trained", "RWKFR20"
    )
)
@dataclass(frozen=True, kw_only=True)
class EdgePopup(_Ticket):
    """Masks of random weights."""

    def effective(self, state: State, sparsity: Sparsity) -> Vector:
        """Return M W."""
        kept = state.mask & prunable_mask(sparsity)
        return np.where(kept, state.frozen, 0.0)


@register(
    compressor_info(
        "biprop", "chooses signs of a random network, with one gain for each layer", "DK21"
    )
)
@dataclass(frozen=True, kw_only=True)
class Biprop(_Ticket):
    """Binary weights: a sign, a mask, and a gain for each block."""

    def effective(self, state: State, sparsity: Sparsity) -> Vector:
        """Return alpha M sign(W), block by block."""
        weights = np.zeros(state.u.size)
        for block in sparsity.prunable:
            here = slice(block.start, block.stop)
            mask, frozen = state.mask[here], state.frozen[here]
            gain = float(np.abs(frozen[mask]).mean())
            weights[here] = np.where(mask, gain * np.sign(frozen), 0.0)
        return weights
