"""One run of a simulator: a point goes in, numbers come out, or an exception.

A run knows nothing of caches, retries and budgets; :class:`~optlab_adapters.blackbox.simulator.Simulator` does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optlab.errors import OptionError
from optlab.typing import Vector
from optlab_adapters.blackbox.identity import function_identity
from optlab_adapters.blackbox.limited import LimitedFunction

__all__ = ["AbstractRun", "PythonFunction", "checked_timeout"]


class AbstractRun(ABC):
    """How a simulator is run once. Instances can be sent to other processes."""

    batch: bool = False
    """Whether a run takes many points at once, (k, n) -> (k, m) or (k,)."""

    @abstractmethod
    def __call__(self, x: Vector) -> Any:
        """Run the simulator at a point (n,) and return a number or (m,); see ``batch``.

        Raises
        ------
        Exception
            Whatever went wrong; :class:`RejectedPoint` when trying again is no use.
        """

    @abstractmethod
    def identity(self) -> str:
        """Return a text that is the same only for the same results; names the simulator in a cache.

        Raises
        ------
        OptionError
            When there is none.
        """


@dataclass(frozen=True)
class PythonFunction(AbstractRun):
    """A simulator that is a Python function.

    Raises
    ------
    OptionError
        When the function is not callable or the time-out is not positive.
    """

    function: Callable[[Vector], Any]
    """(n,) -> number or (m,); with ``batch`` (k, n) -> (k,) or (k, m)."""

    batch: bool = False
    timeout: float | None = None
    """Seconds of wall time for one call; None: no limit. With a limit the function runs in a process of its own, which is
    killed together with its children when the time is up, so it must be importable, as for a process pool."""

    start_method: str = "spawn"
    """How that process is started, see :mod:`multiprocessing`; ``"fork"`` also takes functions that are not importable,
    where no other threads are at work."""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise OptionError(
                f"the simulator is a {type(self.function).__name__}; a function of a point is needed, or a Command or an "
                "HttpEndpoint"
            )
        checked_timeout(self.timeout)
        if self.timeout is not None:
            limited = LimitedFunction(self.function, self.timeout, self.start_method)
            object.__setattr__(self, "_call", limited)
        else:
            object.__setattr__(self, "_call", self.function)

    def __call__(self, x: Vector) -> Any:
        """Call the function."""
        return self._call(x)  # type: ignore[attr-defined]

    def identity(self) -> str:
        """Name the function by its place and its source."""
        return f"python {function_identity(self.function)}"


def checked_timeout(seconds: float | None) -> None:
    """Refuse a time-out that is no time.

    Raises
    ------
    OptionError
        When it is not a positive number.
    """
    if seconds is not None and not seconds > 0.0:
        raise OptionError(
            f"timeout is {seconds!r}; a positive number of seconds or None is needed"
        )
