"""Processes of our own: what ``executor=2`` means."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from optlab.errors import OptionError
from optlab.typing import is_a

__all__ = ["Workers", "opened"]


class Workers(Executor):
    """Processes of this machine that are replaced when they die.

    An ordinary pool is of no use once one of its processes was killed. This one goes on: what was lost must be
    submitted again, which optlab's evaluators do.

    Parameters
    ----------
    processes
        Number of them. They are started when first needed, afresh (spawned), and import what they are sent.

    Raises
    ------
    OptionError
        When the number is not positive.
    """

    def __init__(self, processes: int) -> None:
        if not (is_a(processes, int) and not is_a(processes, bool) and processes >= 1):
            raise OptionError(
                f"executor is {processes!r}; a concurrent.futures.Executor or a positive number of processes is needed"
            )
        self.processes = processes
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.processes, mp_context=get_context("spawn"))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a call to a process; new ones are started when the old ones are gone."""
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self.renew()
            return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> None:
        """Replace the processes."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def opened(executor: Any) -> Generator[Executor | None, None, None]:
    """Make an executor of a number of processes, and end them; leave one that is given open.

    Parameters
    ----------
    executor
        Anything with ``submit``, a number, or None.
    """
    if executor is None or hasattr(executor, "submit"):
        yield executor
        return
    with Workers(executor) as workers:
        yield workers
