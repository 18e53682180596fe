"""Observers: called after every iteration as ``observer(k, progress)``; true stops the solve."""

from __future__ import annotations

import inspect
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from optlab.core.plain import plain
from optlab.core.sparse import scipy_module
from optlab.errors import OptionError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.core.progress import Column, Observer, Progress
    from optlab.core.result import Result

__all__ = [
    "AbstractObserver",
    "History",
    "HistoryRow",
    "JsonLines",
    "RunInfo",
    "user_callback",
]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What an observer learns before the first iteration."""

    method: str
    problem: str
    n: int
    m: int
    columns: tuple[Column, ...]


class AbstractObserver(ABC):
    """An observer that also wants to know when a solve begins and ends."""

    def open(self, info: RunInfo) -> None:  # noqa: B027 - most observers need not know
        """Begin a solve; default: nothing."""

    @abstractmethod
    def __call__(self, k: int, progress: Progress) -> bool | None:
        """See iterate number k; return true to stop the solve."""

    def close(self, result: Result | None) -> None:  # noqa: B027
        """End a solve; ``result`` is None when an exception ends it. Default: nothing."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """The numbers of one iteration."""

    k: int
    f: float
    primal: float
    dual: float | None
    complementarity: float | None
    step: float
    extras: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name, the method's own ones among them."""
        return {
            "k": self.k,
            "f": self.f,
            "primal": self.primal,
            "dual": self.dual,
            "complementarity": self.complementarity,
            "step": self.step,
            **self.extras,
        }


class History(AbstractObserver):
    """Keep one row of numbers per iteration.

    Parameters
    ----------
    limit
        Rows kept at most; when it is reached every second row is dropped, and from then on every
        second iteration is skipped, so that memory stays bounded in very long runs.
    """

    def __init__(self, limit: int = 20_000) -> None:
        self.limit = limit
        self.rows: list[HistoryRow] = []
        self._stride = 1

    def open(self, info: RunInfo) -> None:  # noqa: ARG002
        """Forget the previous solve."""
        self.rows = []
        self._stride = 1

    def __call__(self, k: int, progress: Progress) -> None:
        """Keep the row."""
        if k % self._stride:
            return
        self.rows.append(
            HistoryRow(
                k,
                progress.f,
                progress.primal,
                progress.dual,
                progress.complementarity,
                progress.step,
                dict(progress.extras),
            )
        )
        if len(self.rows) >= self.limit:
            self.rows = self.rows[::2]
            self._stride *= 2


class JsonLines(AbstractObserver):
    """Write one JSON object per line: a header, one per iteration, and the ending.

    Parameters
    ----------
    target
        File name, or an open text stream (which is flushed, but not closed).
    """

    def __init__(self, target: str | Path | IO[str]) -> None:
        self._target = target
        self._stream: IO[str] | None = None
        self._started = 0.0

    def open(self, info: RunInfo) -> None:
        """Open the file and write the header."""
        self._started = time.monotonic()
        if isinstance(self._target, str | Path):
            self._stream = Path(self._target).open("w", encoding="utf-8")  # noqa: SIM115
        else:
            self._stream = self._target
        self._write(
            {
                "event": "start",
                "schema": "optlab.log/1",
                "method": info.method,
                "problem": info.problem,
                "n": info.n,
                "m": info.m,
            }
        )

    def __call__(self, k: int, progress: Progress) -> None:
        """Write an iteration."""
        self._write(
            {
                "event": "iteration",
                "k": k,
                "time": time.monotonic() - self._started,
                "f": progress.f,
                "primal": progress.primal,
                "dual": progress.dual,
                "complementarity": progress.complementarity,
                "step": progress.step,
                **progress.extras,
            }
        )

    def close(self, result: Result | None) -> None:
        """Write the ending and close the file."""
        if self._stream is None:
            return
        ending: dict[str, Any] = {"event": "end", "time": time.monotonic() - self._started}
        if result is None:
            ending["stop"] = "EXCEPTION"
        else:
            ending.update(
                stop=result.stop.name,
                point=result.point.name,
                success=result.success,
                fun=result.fun,
                iterations=result.iterations,
                evaluations=dict(result.evaluations),
                certificate=result.certificate.as_dict(),
                message=result.message,
            )
        self._write(ending)
        if isinstance(self._target, str | Path):
            self._stream.close()
        self._stream = None

    def _write(self, record: dict[str, Any]) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(plain(record)) + "\n")
            # A log that ends in a killed process must end with a whole line.
            self._stream.flush()


def user_callback(function: Callable[..., Any]) -> Observer:
    """Wrap a user's callback.

    It is called in one of four forms, chosen by its parameters:

    * ``f(intermediate_result)``: SciPy's ``OptimizeResult`` with ``x`` and ``fun``;
    * ``f(progress)``, ``f(p)`` or one parameter annotated ``Progress``;
    * ``f(k, progress)`` for two parameters without defaults;
    * ``f(x)`` otherwise (SciPy's older form).

    Returning True or raising StopIteration stops the solve.

    Raises
    ------
    OptionError
        When it is not callable.
    """
    if not callable(function):
        raise OptionError(f"callback is {function!r}; a callable is needed")
    call = _caller(function)

    def observe(k: int, progress: Progress) -> bool:
        try:
            answer = call(k, progress)
        except StopIteration:
            return True
        # Only a truth value stops: a callback may well end in an expression with another value.
        return is_a(answer, bool, np.bool_) and bool(answer)

    return observe


def _caller(function: Callable[..., Any]) -> Callable[[int, Progress], Any]:
    """Pick the form of a callback."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return lambda _, progress: function(progress.x.copy())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if any(p.name == "intermediate_result" for p in parameters):
        return lambda _, progress: function(
            intermediate_result=scipy_module("optimize").OptimizeResult(
                x=progress.x.copy(), fun=progress.f
            )
        )
    if len(needed) == 2:
        return function
    if needed and (
        needed[0].name in {"progress", "p"} or "Progress" in str(needed[0].annotation)
    ):
        return lambda _, progress: function(progress)
    return lambda _, progress: function(progress.x.copy())
