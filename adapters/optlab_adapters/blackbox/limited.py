"""A Python function with a time limit: it runs in another process, which is killed when the time is up."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.util
import os
import signal
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optlab.errors import OptionError
from optlab_adapters.blackbox.failures import RunError, RunTimeoutError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["LimitedFunction", "kill_group"]

_START = 120.0
"""Seconds of wall time for a new process to import the function."""

_ALIVE: weakref.WeakSet[LimitedFunction] = weakref.WeakSet()


class LimitedFunction:
    """Calls a function in a process of its own, which is kept for the next call.

    Calls from several threads get a process each.

    Parameters
    ----------
    function
        Of one argument; must be importable in a new process unless that is forked.
    timeout
        Seconds of wall time for one call.
    start_method
        Of :mod:`multiprocessing`.
    """

    def __init__(
        self, function: Callable[[Any], Any], timeout: float, start_method: str = "spawn"
    ) -> None:
        self._function, self._timeout = function, timeout
        self._context: Any = multiprocessing.get_context(start_method)
        self._start_method = start_method
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()
        _ALIVE.add(self)

    def __call__(self, x: Any) -> Any:
        """Call the function.

        Raises
        ------
        RunTimeoutError
            When the time is up.
        RunError
            When the process died.
        """
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = _Worker(self._context, self._function)
        try:
            ok, value = worker.call(x, self._timeout)
        except BaseException:
            worker.end()
            raise
        with self._lock:
            self._idle.append(worker)
        if not ok:
            raise value
        return value

    def close(self) -> None:
        """End the processes that wait for a call; they are nothing to a fork of the one that started them."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def __del__(self) -> None:
        """End the processes with the object."""
        if hasattr(self, "_owner"):
            self.close()

    def __reduce__(self) -> Any:
        """Travel without the processes."""
        return LimitedFunction, (self._function, self._timeout, self._start_method)


@atexit.register
def _close_all() -> None:
    """End the idle processes before multiprocessing, registered earlier, waits for them to end by themselves."""
    for function in list(_ALIVE):
        function.close()


class _Worker:
    """A process that calls the function on request."""

    def __init__(self, context: Any, function: Callable[[Any], Any]) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._pipe, function))
        try:
            self._process.start()
        except Exception as error:
            raise OptionError(
                f"{function!r} cannot be sent to a process of its own, which a timeout needs: {error}. Define it at the top "
                "of a module, or pass start_method='fork' where there are no other threads"
            ) from error
        theirs.close()
        try:
            # The import of the function is no part of a call.
            self._expect(_START)
        except BaseException:
            self.end()
            raise

    def call(self, x: Any, timeout: float) -> tuple[bool, Any]:
        """Return (True, value) or (False, exception)."""
        self._pipe.send(x)
        return self._expect(timeout)

    def end(self) -> None:
        """Kill the process and its children."""
        kill_group(self._process.pid)
        # Its group is its own only when it has come so far.
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()

    def _expect(self, timeout: float) -> tuple[bool, Any]:
        if not self._pipe.poll(timeout):
            raise RunTimeoutError(f"took more than {timeout:g} s and was killed")
        try:
            found: tuple[bool, Any] = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RunError(
                f"its process died with exit code {self._process.exitcode}"
            ) from None
        return found


def kill_group(pid: int) -> None:
    """Kill the process group that a process leads, where the system has groups; else the process."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)


def _serve(pipe: Connection, other_end: Connection, function: Callable[[Any], Any]) -> None:
    """Be the worker: call the function until the other end closes."""
    other_end.close()
    if hasattr(os, "setsid"):
        os.setsid()
    # Ctrl-C is the parent's business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send((True, None))
    while True:
        try:
            x = pipe.recv()
        except EOFError:
            return
        try:
            answer = (True, function(x))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            answer = (False, error)
        try:
            pipe.send(answer)
        except Exception as error:  # noqa: BLE001 - what cannot travel is told in words
            pipe.send((False, RunError(f"{answer[1]!r} cannot be sent: {error}")))
