"""Run one task in a process of its own and return its record, whatever happens to the process.

:func:`supervise` is a plain function of plain data, so any ``concurrent.futures.Executor`` can run it,
on this machine or another.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

__all__ = ["Cancelled", "supervise"]

_POLL = 0.05
"""Seconds between two looks at memory, deadline and cancellation."""

_START, _LOAD, _WARM_UP, _JUDGE = 120.0, 120.0, 60.0, 60.0
"""Seconds of wall time for what is not the solve. Reading the largest files takes some 10 s; the rest is
for loaded machines."""

_TAIL = 2000
"""Characters of standard error that are kept of a process that died."""

_GIB = 1024.0**3


class Cancelled(Exception):  # noqa: N818 - it is control flow, not an error
    """The sweep was stopped; the run has no record."""


def supervise(
    task: dict[str, Any], cancel: threading.Event | None = None, *, facts: bool = False
) -> dict[str, Any]:
    """Run a task in a process with limits.

    Parameters
    ----------
    task
        From :meth:`optlab.bench.plan.Task.to_dict`.
    cancel
        When it is set the process is killed; only for executors within this process.
    facts
        Only load the problem and return its sizes and class.

    Returns
    -------
    dict
        The record of :func:`optlab.bench.measure.measure`, or what was known before the process was
        killed or died with ``outcome`` timeout, memory or crash, the ``phase`` it was in, and a
        ``message``.

    Raises
    ------
    Cancelled
        When ``cancel`` is set.
    """
    process = _Process({"task": task, "facts": facts})
    try:
        return _watch(process, _limits(task["settings"]), cancel)
    finally:
        process.end()


def _limits(settings: dict[str, Any]) -> dict[str, float]:
    """Return the seconds that each phase may take, and the bytes of memory."""
    limit, grace, memory = (settings[k] for k in ("time_limit", "grace", "memory_limit"))
    kill_after = limit + (5.0 + 0.1 * limit if grace is None else grace)
    judge = max(_JUDGE, limit) if grace is None else max(grace, limit)
    return {
        "start": _START,
        "load": max(_LOAD, limit),
        "warm-up": _WARM_UP,
        "solve": kill_after,
        "judge": judge,
        "memory": math.inf if memory is None else memory * _GIB,
    }


def _watch(
    process: _Process, limits: dict[str, float], cancel: threading.Event | None
) -> dict[str, Any]:
    """Follow a process to its end."""
    phase, record, peak = "start", dict[str, Any](), 0
    begin = time.monotonic()
    while True:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        line = process.message()
        if line == "":
            died = process.death()
            return _lost(record, "crash", phase, died, peak)
        if line is not None:
            message = json.loads(line)
            phase, record = message["phase"], message["record"]
            begin = time.monotonic()
            if phase == "done":
                return dict(record)
        memory = process.resident()
        peak = max(peak, memory)
        if memory > limits["memory"]:
            text = f"more than {limits['memory'] / _GIB:g} GiB of memory"
            return _lost(record, "memory", phase, text, peak)
        if time.monotonic() - begin > limits[phase]:
            text = f"killed after {limits[phase]:g} s"
            return _lost(record, "timeout", phase, text, peak)


def _lost(
    record: dict[str, Any], outcome: str, phase: str, message: str, peak: int
) -> dict[str, Any]:
    """Complete the record of a process that did not come to its end."""
    ending = {"outcome": outcome, "phase": phase, "message": f"{message} (in phase {phase})"}
    return {**record, **ending, "solved": False, "peak_memory": peak or None}


class _Process:
    """A worker process and what it says."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "optlab.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            text=True,
            errors="replace",
            # A group of its own: Ctrl-C reaches only the sweep, and a kill reaches grandchildren.
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors = ""
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        # The other end may be dead already; then its silence tells.
        with contextlib.suppress(OSError):
            self._stream(self._process.stdin).write(json.dumps(request) + "\n")
            self._stream(self._process.stdin).flush()

    def message(self) -> str | None:
        """Wait a moment for a line; "" at the end, None when there is none yet."""
        try:
            return self._lines.get(timeout=_POLL)
        except queue.Empty:
            return None

    def resident(self) -> int:
        """Return the resident size in bytes, 0 where the system does not tell."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()
            return int(pages[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError, AttributeError):
            return 0

    def death(self) -> str:
        """Say how the process died, once it has closed its output."""
        try:
            code = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            return "closed its output and went on"
        self._readers[1].join(timeout=1.0)
        what = f"ended with code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                what = f"killed by {signal.Signals(-code).name}"
        tail = " ".join(self._errors.split())[-500:]
        return f"{what}: {tail}" if tail else what

    def end(self) -> None:
        """Kill the process and what it started, and close the pipes."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join(timeout=5.0)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                self._stream(stream).close()

    def _read_lines(self) -> None:
        for line in self._stream(self._process.stdout):
            self._lines.put(line)
        self._lines.put("")

    def _read_errors(self) -> None:
        for line in self._stream(self._process.stderr):
            self._errors = (self._errors + line)[-_TAIL:]

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            raise OSError("the process has no such stream")
        return stream


def _environment() -> dict[str, str]:
    """Return the environment of a worker: one thread everywhere, and the same modules as here."""
    single = (
        "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    )  # fmt: skip
    return {
        **os.environ,
        **dict.fromkeys(single, "1"),
        "OMP_CANCELLATION": "true",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p and not p.endswith(".zip")),
    }
