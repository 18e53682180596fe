"""One run, measured: load, warm up, solve, judge. Runs inside a worker process."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optlab
from optlab.bench.classes import classification, classify
from optlab.bench.judge import judge
from optlab.bench.warmup import warm_up
from optlab.core.control import Tolerances
from optlab.core.options import build_method, choose_method
from optlab.core.plain import plain
from optlab.core.problem_sources import load_problem
from optlab.core.status import PointStatus
from optlab.errors import CapabilityError, MissingDependencyError, ProblemError

if TYPE_CHECKING:
    from optlab.bench.plan import Derivatives, Task
    from optlab.core.observers import HistoryRow
    from optlab.core.problem import Problem
    from optlab.core.result import Result

__all__ = ["facts", "measure", "peak_memory", "thinned"]

HISTORY_ROWS = 200
"""Rows of the iteration history that are kept."""

Report = Callable[[str, dict[str, Any]], None]
"""``report(phase, record)``: the phase that begins, and what is known so far."""


def measure(task: Task, report: Report) -> dict[str, Any]:
    """Do a run and return its record.

    Parameters
    ----------
    report
        Called before every phase (load, warm-up, solve, judge), so that whoever waits knows which limit
        applies, and what is known when the process is killed.

    Returns
    -------
    dict
        With ``outcome``: ended, unreadable, incapable, missing, memory or error.
    """
    record: dict[str, Any] = {"outcome": "ended", "solved": False, "wrong_claim": False}
    phase = "load"
    try:
        report(phase, record)
        problem = _load(task, record)
        shown = hide(problem, task.derivatives)
        phase = "warm-up"
        report(phase, record)
        warm_up(task, shown)
        phase = "solve"
        report(phase, record)
        result = _solve(shown, task, record)
        phase = "judge"
        report(phase, record)
        _judge(problem, result, task, record)
    except Exception as error:  # noqa: BLE001 - whatever happens is an outcome
        record |= {"outcome": _outcome(error, phase), "phase": phase, "message": _text(error)}
        record["solved"] = False
    record["peak_memory"] = peak_memory()
    return record


def facts(task: Task, report: Report) -> dict[str, Any]:
    """Return sizes and class of a task's problem; an ``outcome`` like that of :func:`measure`."""
    record: dict[str, Any] = {"outcome": "ended"}
    report("load", record)
    try:
        _load(task, record)
    except Exception as error:  # noqa: BLE001 - see measure
        record |= {"outcome": _outcome(error, "load"), "message": _text(error)}
    return record


def hide(problem: Problem, derivatives: Derivatives) -> Problem:
    """Take from a problem the derivatives that the method must not see."""
    if derivatives == "exact":
        return problem
    hidden: dict[str, Any] = {"hessian": None, "hprod": None}
    if derivatives == "functions":
        hidden |= {"gradient": None, "jacobian": None}
    return problem.replace(**hidden)


def thinned(rows: Sequence[HistoryRow]) -> list[list[Any]]:
    """Return [k, f, primal, dual] of evenly spread iterations, the first and the last among them."""
    count = len(rows)
    kept = range(count)
    if count > HISTORY_ROWS:
        stride = (count - 1) / (HISTORY_ROWS - 1)
        kept = [round(i * stride) for i in range(HISTORY_ROWS)]  # type: ignore[assignment]
    return [plain([rows[i].k, rows[i].f, rows[i].primal, rows[i].dual]) for i in kept]


def peak_memory() -> int | None:
    """Return the largest resident size of this process in bytes, None where it is not known."""
    # VmHWM and not getrusage: on Linux ru_maxrss of a process starts at the size of its parent.
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _load(task: Task, record: dict[str, Any]) -> Problem:
    """Import what the sweep asks for, read the problem, note sizes and class."""
    for name in task.settings.imports:
        importlib.import_module(name)
    if not Path(task.problem.file).is_file():
        raise FileNotFoundError(f"there is no file {task.problem.file!r}")
    begin = time.process_time()
    problem = load_problem(task.problem.file, task.problem.params or None)
    record |= {
        "n": problem.n,
        "m": problem.m,
        "class": classify(task.problem.file, problem),
        "classification": classification(task.problem.file),
        "load_cpu": time.process_time() - begin,
    }
    return problem


def _solve(problem: Problem, task: Task, record: dict[str, Any]) -> Result:
    """Solve and note what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = optlab.minimize(
        problem,
        method=task.method.method,
        tol=task.settings.tol,
        options=task.method.options or None,
        max_time=task.settings.time_limit,
        seed=task.settings.seed,
    )
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    callbacks = getattr(result, "callback_time", None)
    record |= {
        "wall": wall,
        "cpu": cpu,
        "callback_cpu": None if callbacks is None else float(callbacks),
        "f": plain(float(result.fun)),
        "stop": result.stop.name,
        "point": result.point.name,
        "message": result.message,
        "success": result.success,
        "iterations": result.iterations,
        "evaluations": {key: int(count) for key, count in result.evaluations.items()},
        "history": thinned(result.history),
    }
    return result


def _judge(problem: Problem, result: Result, task: Task, record: dict[str, Any]) -> None:
    """Note what the judge says; a claim that it cannot even evaluate is wrong."""
    try:
        verdict = judge(problem, result, task.settings.tol, _tolerances(problem, task))
    except Exception as error:  # noqa: BLE001 - the problem's functions, at the returned point
        claims = (PointStatus.STATIONARY, PointStatus.INFEASIBLE_STATIONARY)
        record |= {"judge_error": _text(error), "wrong_claim": result.point in claims}
        return
    cert = verdict.certificate
    numbers = {
        "f": verdict.f,
        "E1": cert.E1,
        "primal": cert.primal,
        "dual": cert.dual,
        "complementarity": cert.complementarity,
        "scale": cert.scale,
    }
    record |= {key: plain(float(number)) for key, number in numbers.items()}
    record |= {
        "solved": verdict.solved,
        "wrong_claim": verdict.wrong_claim,
        "multipliers": verdict.multipliers,
    }


def _tolerances(problem: Problem, task: Task) -> Tolerances:
    """Return the tolerances under which the method made its claim."""
    method = task.method.method
    name = choose_method(problem) if method == "auto" else method
    return build_method(name, task.settings.tol, task.method.options or None).tolerances()


def _outcome(error: Exception, phase: str) -> str:
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, MissingDependencyError):
        return "missing"
    if isinstance(error, CapabilityError) and phase == "solve":
        return "incapable"
    if phase == "load" and isinstance(error, ProblemError | ValueError | OSError | LookupError):
        return "unreadable"
    return "error"


def _text(error: Exception) -> str:
    """Return an exception in one line of bearable length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
