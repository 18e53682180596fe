"""A problem source, methods and made-up runs for the tests of optlab.bench.

A worker imports this module (``Settings.imports``); a file ``NAME.toy`` is JSON with the ``kind`` of the
problem. Everything that can go wrong in a sweep is a kind.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from toy import Toy

from optlab.bench import MethodSpec, ProblemSpec, Settings
from optlab.core.method import MethodInfo
from optlab.core.problem import Problem
from optlab.core.problem_sources import ProblemSource, register_source
from optlab.core.registry import register
from optlab.errors import MissingDependencyError
from optlab.typing import Vector

METHOD = "bench-toy"


@register(MethodInfo(METHOD, handles_constraints="nonlinear"))
@dataclass(frozen=True, kw_only=True)
class BenchToy(Toy):
    """Projected gradient; rows are evaluated and otherwise ignored."""

    info = MethodInfo(METHOD, handles_constraints="nonlinear")


@register(MethodInfo("bench-missing", requires=""))
@dataclass(frozen=True, kw_only=True)
class Missing(Toy):
    """A method whose package is not installed."""

    info = MethodInfo("bench-missing", handles_constraints="nonlinear")

    def init(self, *_: Any, **__: Any) -> Any:
        raise MissingDependencyError("nothing", "nothing", "this method")


@register(MethodInfo("bench-free", handles_constraints="none"))
@dataclass(frozen=True, kw_only=True)
class Free(Toy):
    """A method that refuses rows."""

    info = MethodInfo("bench-free", handles_constraints="none")


class Calls:
    """The functions of a toy problem: |x - 1|^2, and what goes wrong with it."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    def objective(self, x: Vector) -> float:
        kind = self.given["kind"]
        if kind == "raises":
            message = "no value here"
            raise ZeroDivisionError(message)
        if kind == "nan":
            return float("nan")
        if kind == "bug":
            message = "a bug"
            raise KeyError(message)
        if kind == "hangs":
            self.wait()
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "exits":
            os._exit(3)
        if kind == "memory":
            # Touched in pieces, so that the watchdog and not the backstop sees it grow.
            hoard = [np.ones(2**21) for _ in range(200)]
            threading.Event().wait(30.0)
            return float(len(hoard))
        if kind == "allocates":
            return float(np.empty(2**40).size)
        if kind == "liar":
            # Differences of this objective contradict the gradient, which only the judge sees then.
            return 0.0
        if kind == "prints":
            os.write(1, b'{"phase": "done", "record": {}}\n')
        return float((x - 1.0) @ (x - 1.0))

    def gradient(self, x: Vector) -> Vector:
        if self.given["kind"] == "short":
            return np.zeros(x.size - 1)
        return np.asarray(2.0 * (x - 1.0))

    def wait(self) -> None:
        """Hold a pipe open for as long as the process lives: its reader sees the end."""
        if "fifo" in self.given:
            stream = Path(self.given["fifo"]).open("w", encoding="ascii")  # noqa: SIM115
            stream.write(f"{os.getpid()}\n")
            stream.flush()
        threading.Event().wait()


def load(path: Any, params: Mapping[str, Any]) -> Problem:
    """Read a toy."""
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    if given["kind"] == "unreadable":
        message = "this file is broken"
        raise ValueError(message)
    if given["kind"] == "load-dies":
        os.kill(os.getpid(), signal.SIGKILL)
    calls = Calls(given)
    rows: dict[str, Any] = {}
    if given["kind"] == "rows":
        rows = {
            "constraints": lambda x: np.array([x.sum()]),
            "jacobian": lambda x: np.ones((1, x.size)),
            "cl": [0.0],
            "cu": [10.0],
            "linear": [True],
        }
    return Problem(
        objective=calls.objective,
        gradient=calls.gradient,
        x0=np.zeros(int(params.get("N", 2))),
        name=Path(path).stem,
        **rows,
    )


register_source(ProblemSource("toy", "for tests", load, (".toy",)))

IMPORTS = ("bench_toys",)
SETTINGS = Settings(time_limit=20.0, imports=IMPORTS)


def write_toy(folder: Path, name: str, kind: str = "bowl", **more: Any) -> Path:
    """Write a toy problem and return its file."""
    file = folder / f"{name}.toy"
    file.write_text(json.dumps({"kind": kind, "name": name, **more}), encoding="utf-8")
    return file


def toy_spec(folder: Path, name: str, kind: str = "bowl", **more: Any) -> ProblemSpec:
    """Write a toy problem and return its specification."""
    return ProblemSpec.of(write_toy(folder, name, kind, **more))


TOY = MethodSpec("toy", METHOD)


class Pipe:
    """The reading end of a named pipe that a hanging toy holds open while its process lives."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "fifo"
        os.mkfifo(self.path)
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def next(self, seconds: float = 60.0) -> str:
        """Wait for the next text; empty when the process is gone.

        Raises
        ------
        TimeoutError
            When nothing happens.
        """
        if not select.select([self._end], [], [], seconds)[0]:
            message = f"nothing came through {self.path}"
            raise TimeoutError(message)
        return os.read(self._end, 1000).decode()

    def close(self) -> None:
        os.close(self._end)


def made_up(problem: str, label: str, **changes: Any) -> dict[str, Any]:
    """Return a run as a store returns it."""
    task = {
        "problem": {"name": problem, "file": f"{problem}.SIF", "params": {}, "digest": ""},
        "method": {"label": label, "method": label, "options": {}, "derivatives": None},
        "settings": {
            "tol": 1e-6, "time_limit": 10.0, "memory_limit": None, "derivatives": "exact",
            "seed": 0, "tag": "",
        },
        "versions": {"optlab": "1"},
    }  # fmt: skip
    run = {
        "key": f"{problem}/{label}", "problem": problem, "label": label, "finished": 0.0, "task": task,
        "outcome": "ended", "solved": True, "wrong_claim": False, "multipliers": "returned",
        "n": 4, "m": 1, "class": "nonlinear", "classification": "OOR2-AN-4-1",
        "f": 1.0, "primal": 0.0, "dual": 1e-9, "complementarity": 0.0, "scale": 1.0, "E1": 1e-9,
        "stop": "CONVERGED", "point": "STATIONARY", "message": "all is well", "success": True,
        "iterations": 3, "evaluations": {"objective": 10, "constraints": 8, "gradient": 4},
        "cpu": 0.5, "callback_cpu": 0.1, "wall": 0.6, "peak_memory": 2**26, "load_cpu": 0.1,
        "history": [[0, 5.0, 1.0, 2.0], [1, 2.0, 0.1, None], [3, 1.0, 0.0, 1e-9]],
    }  # fmt: skip
    return {**run, **changes}


def lost(problem: str, label: str, outcome: str) -> dict[str, Any]:
    """Return a run without a result."""
    run = made_up(problem, label)
    kept = {k: run[k] for k in ("key", "problem", "label", "finished", "task")}
    ending = {"outcome": outcome, "message": f"it was {outcome}", "phase": "solve"}
    return {**kept, **ending, "solved": False, "peak_memory": None}
