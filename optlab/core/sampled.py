"""Objectives that are averages over samples: f(x) = mean over samples b of F(x; b).

A method names a sample by a *key*, a whole number; the same key means the same sample, so that F(.; key) is a pure
function like every other function of a problem. The steps of a training run use the keys 0, 1, 2, ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.errors import CapabilityError
from optlab.typing import Vector, is_a

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab.core.shifts import AbstractShifts

__all__ = ["AbstractSampled", "Block", "FullGradient", "full_gradient"]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of variables that belong together, such as the weight matrix of a layer."""

    name: str
    shape: tuple[int, ...]
    """Variables in C order; the length of the block is the product."""

    start: int
    """Number of its first variable."""

    prunable: bool = True
    """Whether sparse methods may leave variables of it out; false for biases and normalization."""

    @property
    def size(self) -> int:
        """Number of variables."""
        count = 1
        for side in self.shape:
            count *= side
        return count

    @property
    def stop(self) -> int:
        """Number after that of its last variable."""
        return self.start + self.size


class AbstractSampled(ABC):
    """How the samples of an objective are evaluated, at many displaced points at once."""

    steps_per_epoch: int = 1
    """Keys k, ..., k + steps_per_epoch - 1 with k a multiple of it go through all samples once."""

    blocks: tuple[Block, ...] = ()
    """Runs of variables in order, covering all of them; empty when there is no structure."""

    has_gradient: bool = False
    """Whether :meth:`gradient` is there."""

    @abstractmethod
    def values(
        self, x: Vector, shifts: AbstractShifts, key: int | None, executor: Executor | None
    ) -> Vector:
        """Evaluate F(x + s_j; key) for every displacement; nan where the evaluation fails.

        Parameters
        ----------
        x
            (n,)
        shifts
            k displacements.
        key
            The sample; None means all samples, f itself.
        executor
            Where the work may be done; None: here. Must not change the values.

        Returns
        -------
        Vector
            (k,)
        """

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        """Return F(x; key) and its exact gradient, shape (n,); for None those of f itself.

        Raises
        ------
        CapabilityError
            Unless a subclass has a gradient.
        """
        raise CapabilityError(
            f"{type(self).__name__} has values only, no gradient (x has shape {x.shape}, key is {key}); define gradient and "
            "set has_gradient, or take a method that needs values only, such as 'zo'"
        )


@dataclass(frozen=True, slots=True)
class FullGradient:
    """The gradient of an average over samples, where the samples have one."""

    sampled: AbstractSampled

    def __call__(self, x: Vector) -> Vector:
        """Return it at x, shape (n,)."""
        return self.sampled.gradient(x, None)[1]


def full_gradient(sampled: AbstractSampled | None, gradient: Any) -> Any:
    """Return the gradient of a problem: the one given, else that of its samples, else None."""
    if gradient is not None and not is_a(gradient, FullGradient):
        return gradient
    return FullGradient(sampled) if sampled is not None and sampled.has_gradient else None
