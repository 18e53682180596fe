"""How a whole number is written as spikes, and how neurons fire them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from optlab.errors import OptionError
from optlab.typing import is_a

__all__ = ["MAX_STEPS", "Coding", "check_steps"]

MAX_STEPS = 16
"""Steps up to which all codes are exact in single precision."""


def check_steps(steps: int) -> int:
    """Return the number of steps T.

    Raises
    ------
    OptionError
        When it is not a whole number from 1 to 16.
    """
    if isinstance(steps, bool) or not (is_a(steps, int) and 1 <= steps <= MAX_STEPS):
        raise OptionError(f"steps is {steps!r}; a whole number from 1 to {MAX_STEPS} is needed")
    return steps


@dataclass(frozen=True)
class Coding:
    """The weight of a spike at each of the T steps.

    Attributes
    ----------
    steps : int
        T.
    mode : {"binary", "rate"}
        Binary: spikes are the bits of a code of 0..2^T - 1. Rate: all spikes weigh the same.
    order : {"lsb", "msb"}
        Which bit is sent first. Rate codes have no order.
    """

    steps: int
    mode: Literal["binary", "rate"] = "binary"
    order: Literal["lsb", "msb"] = "lsb"

    def __post_init__(self) -> None:
        if self.mode != "rate":
            check_steps(self.steps)
        elif not (is_a(self.steps, int) and self.steps >= 1):
            raise OptionError(f"steps is {self.steps!r}; a positive whole number is needed")
        for name, allowed in (("mode", ("binary", "rate")), ("order", ("lsb", "msb"))):
            if getattr(self, name) not in allowed:
                raise OptionError(
                    f"{name} is {getattr(self, name)!r}; one of {allowed} is needed"
                )

    @property
    def weights(self) -> tuple[int, ...]:
        """Weight of a spike at each step, in the order of the steps."""
        if self.mode == "rate":
            return (1,) * self.steps
        rising = tuple(2**k for k in range(self.steps))
        return rising if self.order == "lsb" else rising[::-1]

    @property
    def levels(self) -> int:
        """Sum of the weights: 2^T - 1 for binary codes, T for rate codes."""
        return sum(self.weights)

    def accumulate(self, currents: torch.Tensor) -> torch.Tensor:
        """Integrate the currents of the steps, shape (T, ...), without firing.

        Bits sent most significant first need no weights: the membrane doubles at each step, u <- 2 u + I(t).
        """
        doubling = self.mode == "binary" and self.order == "msb"
        potential = currents[0] if doubling else self.weights[0] * currents[0]
        for weight, current in zip(self.weights[1:], currents[1:], strict=True):
            if doubling:
                potential = torch.add(current, potential, alpha=2)
            else:
                potential = torch.add(potential, current, alpha=weight)
        return potential

    def fire(self, potential: torch.Tensor) -> torch.Tensor:
        """Return the T spikes of an accumulated potential in units of the threshold, the half added already.

        Greedy comparison with thresholds that halve, from 2^(T-1) down to 1, with soft reset. The spikes are the bits
        of clip(floor(u), 0, 2^T - 1): u - 2^k is exact in floating point for 2^k <= u <= 2^(k+1) (Sterbenz), and a
        potential of 2^T or more stays above every later threshold. Shape (T, ...), in the order of the steps.
        """
        spikes = _stack(potential, self.steps)
        left = potential.detach().clone()
        for k in reversed(range(self.steps)):
            spike = spikes[k if self.order == "lsb" else self.steps - 1 - k]
            torch.ge(left, 2**k, out=spike)
            left.sub_(spike, alpha=2**k)
        return spikes

    def integrate_and_fire(
        self, currents: torch.Tensor, threshold: float | torch.Tensor = 1.0
    ) -> torch.Tensor:
        """Return the spikes of the usual neuron, each as high as the threshold.

        It may fire at every step, starts at half a threshold, and is reset softly. Shape (T, ...).
        """
        spikes = _stack(currents[0], len(currents))
        potential = torch.full_like(currents[0], 0.5) * threshold
        for current, spike in zip(currents, spikes, strict=True):
            potential.add_(current)
            torch.ge(potential, threshold, out=spike)
            spike.mul_(threshold)
            potential.sub_(spike)
        return spikes

    def decode(self, spikes: torch.Tensor) -> torch.Tensor:
        """Return the code that the spikes, shape (T, ...), stand for."""
        return self.accumulate(spikes)


def _stack(one: torch.Tensor, steps: int) -> torch.Tensor:
    """Return room for one tensor per step, each in the memory order of the given one."""
    order = torch.empty_like(one).stride()
    return one.new_empty_strided((steps, *one.shape), (one.numel(), *order))
