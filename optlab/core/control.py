"""Limits of a solve, and what an oracle and its views share: the deadline and the stop request."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.core.status import StopReason
from optlab.errors import OptionError
from optlab.linalg.account import TimeAccount

if TYPE_CHECKING:
    from optlab.core.journal import Journal

__all__ = ["BudgetSpent", "Control", "Door", "Limits", "Tolerances"]


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


class Door:
    """What every way to a problem has: counts, limits, a deadline and a stop request, an account of time.

    Parameters
    ----------
    control
        Deadline and stop request, shared with other doors; None makes a new one.
    """

    __slots__ = ("_control", "_max_eval", "account", "counts", "journal", "limits")

    def __init__(self, control: Control | None = None) -> None:
        self.counts: dict[str, int] = dict.fromkeys(
            ("objective", "gradient", "constraints", "jacobian", "hessian"), 0
        )
        self.account = TimeAccount()
        """Where the time of the solve goes; a view shares that of its root."""
        self.journal: Journal | None = None
        """Where the values of batches are written down; set by the driver."""
        self.limits = Limits()
        """Limits of the run going on, as it was given them: what a method knows of its horizon."""
        self._control = Control() if control is None else control
        self._max_eval: float = math.inf

    @property
    def callback_time(self) -> float:
        """Seconds of CPU time (``time.process_time``, all threads) spent in the problem so far."""
        return sum(self.account.cpu.get(verb, 0.0) for verb in self.counts)

    @property
    def evaluations_left(self) -> float:
        """Evaluations of the objective that the limits still allow; inf: no limit."""
        return max(0.0, self._max_eval - self.counts["objective"])

    def check(self) -> None:
        """Raise BudgetSpent when the time is up or a stop was requested."""
        control = self._control
        if control.stop is not None:
            raise BudgetSpent(control.stop)
        if time.monotonic() >= control.deadline:
            raise BudgetSpent(StopReason.MAX_TIME)

    def request_stop(self, reason: StopReason) -> None:
        """Let the next evaluation through this door and all that share its control end the solve."""
        self._control.stop = reason

    def set_limits(self, limits: Limits) -> tuple[float, float, Limits]:
        """Tighten the limits; returns the previous ones for :meth:`restore_limits`."""
        before = (self._max_eval, self._control.deadline, self.limits)
        self.limits = limits
        if limits.max_eval is not None:
            self._max_eval = min(self._max_eval, self.counts["objective"] + limits.max_eval)
        if limits.max_time is not None:
            control = self._control
            control.deadline = min(control.deadline, time.monotonic() + limits.max_time)
        return before

    def restore_limits(self, limits: tuple[float, float, Limits]) -> None:
        """Undo :meth:`set_limits`."""
        self._max_eval, self._control.deadline, self.limits = limits

    def lift_limits(self) -> Control:
        """Let the driver certify the final point after a limit; returns the control to put back."""
        control, self._control = self._control, Control()
        return control

    def restore_control(self, control: Control) -> None:
        """Undo :meth:`lift_limits`."""
        self._control = control
