"""Limits of a solve, and what an oracle and its views share: the deadline and the stop request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.errors import OptionError

if TYPE_CHECKING:
    from optlab.core.status import StopReason

__all__ = ["BudgetSpent", "Control", "Limits", "Tolerances"]


class BudgetSpent(Exception):  # noqa: N818 - it is control flow, not an error
    """A limit is reached or a stop was requested. Never leaves the driver."""

    def __init__(self, reason: StopReason) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Control:
    """Shared by an oracle and all its views."""

    deadline: float = math.inf
    """On the monotonic clock, seconds."""

    stop: StopReason | None = None
    """Set to end the solve at the next evaluation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run; None means none.

    Raises
    ------
    OptionError
        When a limit is negative or not a number.
    """

    max_iter: int | None = None
    """Iterations (major ones, of the outermost method)."""

    max_eval: int | None = None
    """Evaluations of the objective; never exceeded, not even by one."""

    max_time: float | None = None
    """Seconds of wall time, looked at before every evaluation."""

    def __post_init__(self) -> None:
        for name in ("max_iter", "max_eval", "max_time"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise OptionError(f"{name} is {value!r}; a number >= 0 or None is needed")


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What the final check asks for."""

    tol: float = 1e-6
    """For stationarity and complementarity, after division by the multiplier scale."""

    ctol: float = 1e-6
    """For the violation of bounds and rows, absolute."""
