"""Ctrl-C during a solve: the first asks for a stop, the second interrupts at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optlab.core.status import StopReason

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from optlab.core.control import Door

__all__ = ["interruptible"]


@contextmanager
def interruptible(oracle: Door) -> Generator[None, None, None]:
    """Turn the first SIGINT into a stop request and leave the second to Python.

    Only in the main thread, and only where Python's own handler is in place: a handler of the
    user's application (or of an outer solve) stays in charge. The handler is put back afterwards.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or before is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        oracle.request_stop(StopReason.USER)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        del number, frame

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
