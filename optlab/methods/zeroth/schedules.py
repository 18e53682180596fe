"""How a rate changes during a run: a factor for every step.

    rate_k = learning_rate * schedule(k, horizon),     k = 0, 1, ..., horizon - 1

The horizon is the number of steps that the limits of the run allow; None where they allow any number.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from optlab.errors import OptionError

__all__ = [
    "AbstractSchedule",
    "Constant",
    "Cosine",
    "Linear",
    "PowerDecay",
    "Steps",
    "WarmUp",
]


@dataclass(frozen=True)
class AbstractSchedule(ABC):
    """Base of the schedules."""

    needs_horizon = False
    """Whether the factor depends on the length of the run."""

    @abstractmethod
    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor of step k = 0, 1, ...

        Raises
        ------
        OptionError
            When the horizon is needed and not known.
        """


def _known(schedule: AbstractSchedule, horizon: int | None) -> int:
    if horizon is None:
        raise OptionError(
            f"the schedule {type(schedule).__name__} needs the length of the run; give max_iter, "
            "max_eval or max_epochs, or choose optlab.zo.Constant()"
        )
    return max(1, horizon)


@dataclass(frozen=True)
class Constant(AbstractSchedule):
    """Always 1."""

    def __call__(self, k: int, horizon: int | None) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class Cosine(AbstractSchedule):
    """From 1 to ``last`` along half a period: last + (1 - last) (1 + cos(pi k / horizon)) / 2 [LH17]."""

    last: float = 0.0
    needs_horizon = True

    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor."""
        phase = min(1.0, k / _known(self, horizon))
        return self.last + (1.0 - self.last) * 0.5 * (1.0 + math.cos(math.pi * phase))


@dataclass(frozen=True)
class Linear(AbstractSchedule):
    """From 1 to ``last`` along a line."""

    last: float = 0.0
    needs_horizon = True

    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor."""
        return 1.0 - (1.0 - self.last) * min(1.0, k / _known(self, horizon))


@dataclass(frozen=True)
class Steps(AbstractSchedule):
    """Multiplied by ``factor`` at every milestone, which is a fraction of the run.

    Raises
    ------
    OptionError
        When a milestone is not in (0, 1).
    """

    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1
    needs_horizon = True

    def __post_init__(self) -> None:
        if not all(0.0 < m < 1.0 for m in self.milestones):
            raise OptionError(
                f"milestones are {self.milestones}; fractions in (0, 1) are needed"
            )

    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor."""
        done = k / _known(self, horizon)
        return float(self.factor ** sum(done >= m for m in self.milestones))


@dataclass(frozen=True)
class WarmUp(AbstractSchedule):
    """A line from ``first`` to 1 over the first steps, then another schedule over the rest.

    Raises
    ------
    OptionError
        When ``steps`` is negative.
    """

    steps: float
    """Number of steps; below 1: fraction of the run."""

    then: AbstractSchedule = Constant()
    first: float = 0.0

    def __post_init__(self) -> None:
        if not self.steps >= 0.0:
            raise OptionError(f"steps is {self.steps!r}; a number >= 0 is needed")

    @property
    def needs_horizon(self) -> bool:  # type: ignore[override]
        """Whether the factor depends on the length of the run."""
        return 0.0 < self.steps < 1.0 or self.then.needs_horizon

    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor; step 0 has the first step of the line already."""
        share = 0.0 < self.steps < 1.0
        length = round(self.steps * _known(self, horizon)) if share else int(self.steps)
        if k < length:
            return self.first + (1.0 - self.first) * (k + 1) / length
        return self.then(k - length, None if horizon is None else max(1, horizon - length))


@dataclass(frozen=True)
class PowerDecay(AbstractSchedule):
    """((1 + delay) / (k + 1 + delay))^power: 1 at the start.

    Spall's gains for simultaneous perturbation [Spa98]: power 0.602 and a delay of a tenth of the run for the rate,
    power 0.101 without delay for the smoothing.
    """

    power: float = 0.602
    delay: float = 0.1
    """Number of steps; below 1: fraction of the run, 0 where the length is not known."""

    def __call__(self, k: int, horizon: int | None) -> float:
        """Return the factor."""
        delay = self.delay
        if 0.0 < delay < 1.0:
            delay = 0.0 if horizon is None else delay * horizon
        return float(((1.0 + delay) / (k + 1.0 + delay)) ** self.power)
