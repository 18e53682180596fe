"""The frame of an outermost run: what is opened before its loop, closed after it, and told of its result.

Both drivers (:mod:`optlab.core.driver`, :mod:`optlab.core.driver_in_place`) read as what differs between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.checkpoint import Checkpoint, Saver, Start
from optlab.core.interrupt import interruptible
from optlab.core.loop import Ending, Hooks, effective, loop
from optlab.core.observers import AbstractObserver, History, RunInfo
from optlab.core.setting import Setting, Stated
from optlab.core.timing import METHOD, REST, Timing

if TYPE_CHECKING:
    from optlab.core.control import Door, Limits
    from optlab.core.method import AbstractMethod
    from optlab.core.packing import Arrays
    from optlab.core.progress import Observer, Progress
    from optlab.core.result import Result

__all__ = ["Frame"]


@dataclass(slots=True, kw_only=True)
class Frame:
    """One run from the outside; its clock starts when it is made."""

    method: AbstractMethod[Any]
    door: Door
    stated: Stated
    """What is solved."""

    limits: Limits
    observers: tuple[Observer, ...]
    seed: int | None
    start: Start | None = field(default=None, init=False)
    """Where a resumed run goes on, once the frame is open; None: at the beginning."""

    _saver: Saver | None = field(default=None, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)

    @property
    def _listeners(self) -> list[AbstractObserver]:
        return [o for o in self.observers if isinstance(o, AbstractObserver)]

    @contextmanager
    def opened(
        self, checkpoint: Checkpoint | None, variables: Callable[[], Arrays] | None = None
    ) -> Generator[None, None, None]:
        """Hold the limits, the account of time, the listeners and the journal of a run.

        Parameters
        ----------
        checkpoint
            Where the states are saved; None: nowhere.
        variables
            As for :class:`~optlab.core.checkpoint.Saver`.
        """
        door, method, stated = self.door, self.method, self.stated
        if checkpoint is not None:
            about = {"n": stated.n, "m": stated.m, "problem": stated.name, "seed": self.seed}
            self._saver = Saver(checkpoint, method, door, about, variables)
        before = door.set_limits(effective(method, self.limits))
        account, begun = door.account, self._own_cpu()
        account.enter(REST)
        try:
            with interruptible(door), np.errstate(all="ignore"):
                info = RunInfo(
                    method.info.name, stated.name, stated.n, stated.m, method.columns
                )
                for listener in self._listeners:
                    listener.open(info)
                self.start = None if self._saver is None else self._saver.begin()
                yield
        except BaseException:
            # Also for Ctrl-C: a listener must not be left open. It goes on to the caller.
            for listener in self._listeners:
                listener.close(None)
            raise
        finally:
            if self._saver is not None:
                self._saver.close()
            door.restore_limits(before)
            account.leave()
            account.cpu[METHOD] += self._own_cpu() - begun

    def _own_cpu(self) -> float:
        """Return the CPU time of the process outside the functions of the problem, seconds."""
        return process_time() - self.door.callback_time

    def iterated(
        self,
        door: Any,
        first: Callable[[], Any],
        report: Callable[[int, Progress], bool],
        resume: Callable[[Any, Progress], Any] | None = None,
    ) -> Ending[Any]:
        """Iterate and save, from the first state or from that of the run that is resumed.

        Parameters
        ----------
        door
            That of the method's own problem.
        first
            Makes the first state of a new run.
        report, resume
            As for :class:`~optlab.core.loop.Hooks`.
        """
        start, saver = self.start, self._saver
        k = 0
        if start is not None:
            k, kept = start.iteration, start.state
            first = lambda: kept
        ending = loop(self.method, door, first, self.limits, Hooks(report, resume, saver), k)
        if saver is not None and ending.state is not None and ending.error is None:
            # What ends a loop in the middle of a step leaves values in the journal that must stay there.
            saver(ending.iterations, ending.state, now=True)
        return ending

    def finished(self, result: Result) -> Result:
        """Add what the frame knows of a run that is over, and show the result to the listeners."""
        history = next((tuple(o.rows) for o in self.observers if isinstance(o, History)), ())
        result = replace(
            result,
            time=time.monotonic() - self._began,
            timing=Timing.of(self.door.account),
            setting=Setting.of(self.method, self.stated, self.limits),
            seed=self.seed,
            history=history,
        )
        for listener in self._listeners:
            listener.close(result)
        return result
