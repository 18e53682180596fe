"""The process of one run: ``python -m optlab.bench.worker``.

The task comes as one line of JSON on standard input. What is known goes out as lines of JSON on the
original standard output, one per phase and the record at last. Everything that a solver or a problem
prints goes nowhere. The process ends itself when whoever started it is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
from typing import IO, Any

__all__ = ["main"]

_BACKSTOP = 2 * 1024**3
"""Bytes of private memory above the limit on resident memory, see :func:`_limit_memory`."""

_PR_SET_PDEATHSIG = 1
"""From Linux's <sys/prctl.h>."""


def main() -> int:
    """Do the task on standard input."""
    channel = _take_output()
    _die_with_parent()
    faulthandler.enable()
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    _limit_memory(request["task"]["settings"]["memory_limit"])

    def report(phase: str, record: dict[str, Any]) -> None:
        channel.write(json.dumps({"phase": phase, "record": record}) + "\n")
        channel.flush()

    # Imported here, so that the limits hold for the imports, too.
    from optlab.bench import measure  # noqa: PLC0415
    from optlab.bench.plan import Task  # noqa: PLC0415

    task = Task.from_dict(request["task"])
    work = measure.facts if request.get("facts") else measure.measure
    report("done", work(task, report))
    # Not through the interpreter's shutdown: threads and exit hooks of a solver could hang there.
    os._exit(0)


def _take_output() -> IO[str]:
    """Keep standard output for messages and let what others print to it go to the null device."""
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return channel


def _end_with_input() -> None:
    """End this process when standard input closes: its other end is gone."""
    while sys.stdin.readline():
        pass
    os._exit(1)


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent, also when compiled code holds Python's lock."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(limit: float | None) -> None:
    """Set a backstop for the watchdog that looks at the resident size from outside.

    The limit itself is on resident memory, which no resource limit of Linux can express: RLIMIT_AS
    counts address space, of which OpenBLAS, numba and thread stacks reserve a lot without using it.
    The watchdog only looks now and then, so private memory (RLIMIT_DATA) gets a limit well above.
    """
    if limit is None:
        return
    try:
        resource: Any = importlib.import_module("resource")
        size = int(limit * 1024**3) + _BACKSTOP
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (ImportError, ValueError, OSError):
        return  # the watchdog alone, then


if __name__ == "__main__":
    sys.exit(main())
