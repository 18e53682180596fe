"""The solvers that low_dimension.py compares: peers as their own projects call them, and ours through minimize."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import optlab
from optlab.core.registry import known_methods

if TYPE_CHECKING:
    from more_wild import Case

Vector = Any
CHILD = Path(__file__).with_name("nevergrad_child.py")
SHARE = 0.2
"""First standard deviation of CMA-ES, as a share of the box; 1 without a box."""


class SpentError(Exception):
    """The budget is used up."""


@dataclass
class Recorder:
    """A function that notes every improvement and ends a run at its budget."""

    case: Case
    budget: int
    count: int = 0
    steps: list[tuple[int, float]] = field(default_factory=list)
    """Number of an evaluation and its value, where that is the least so far."""

    def __call__(self, x: Vector, *_: Any) -> float:
        """Evaluate; moved into the box, as no solver may look outside."""
        if self.count >= self.budget:
            raise SpentError
        value = self.case.f(np.clip(x, self.case.low, self.case.high))
        self.count += 1
        if not self.steps or value < self.steps[-1][1]:
            self.steps.append((self.count, value))
        return value


Solver = Callable[[Recorder, int], None]
"""Spends the budget of a recorder, given a seed."""


def _boxed(case: Case) -> bool:
    return math.isfinite(case.low)


def _cobyqa(f: Recorder, _: int) -> None:
    import cobyqa  # noqa: PLC0415
    from scipy.optimize import Bounds  # noqa: PLC0415

    case = f.case
    bounds = Bounds(np.full(case.n, case.low), np.full(case.n, case.high))
    cobyqa.minimize(f, case.x0, bounds=bounds, options={"maxfev": f.budget})


def _cma(f: Recorder, seed: int) -> None:
    import cma  # noqa: PLC0415

    case = f.case
    options = {"seed": seed + 1, "verbose": -10, "verb_log": 0, "maxfevals": f.budget}
    if _boxed(case):
        options["bounds"] = [case.low, case.high]
    sigma = SHARE * (case.high - case.low) if _boxed(case) else 1.0
    cma.fmin2(f, case.x0, sigma, options, restarts=9)


def _nlopt(algorithm: str) -> Solver:
    def solve(f: Recorder, _: int) -> None:
        import nlopt  # noqa: PLC0415

        case = f.case
        problem = nlopt.opt(getattr(nlopt, algorithm), case.n)
        if _boxed(case):
            problem.set_lower_bounds(case.low)
            problem.set_upper_bounds(case.high)
        problem.set_min_objective(f)
        problem.set_maxeval(f.budget)
        problem.set_xtol_abs(1e-9)
        problem.optimize(np.array(case.x0))

    return solve


class NGOpt:
    """NGOpt in a process of its own, which proposes points and is told values."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.versions = self._read()

    def __call__(self, f: Recorder, seed: int) -> None:
        """Do one run."""
        case = f.case
        box = (
            {"low": case.low, "high": case.high}
            if _boxed(case)
            else {"low": None, "high": None}
        )
        self._write({"x0": list(case.x0), "budget": f.budget, "seed": seed, **box})
        while "ask" in (message := self._read()):
            self._write({"tell": f(np.array(message["ask"]))})
        if "error" in message:
            raise RuntimeError(message["error"])
        self.cpu = float(message["done"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("nevergrad's process has ended")
        found: dict[str, Any] = json.loads(line)
        return found


def _ours(method: str, **options: Any) -> Solver:
    def solve(f: Recorder, seed: int) -> None:
        case = f.case
        bounds = [(case.low, case.high)] * case.n if _boxed(case) else None
        optlab.minimize(
            f,
            case.x0,
            method=method,
            bounds=bounds,
            max_eval=f.budget,
            seed=seed,
            options=options,
        )

    return solve


OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "cobyqa": ("cobyqa", {}),
    "zo-local": ("zo-local", {}),
    "cma-es": ("cma-es", {"restarts": 9}),
    "nelder-mead": ("nelder-mead", {}),
    "powell": ("powell", {}),
    "zo": ("zo", {}),
    "zo-adam": ("zo-adam", {}),
    "pasa, differences": ("pasa", {}),
}
"""Label -> method and options; those that are not registered are left out."""

SEEDED = {"CMA-ES", "NGOpt", "zo-local", "cma-es", "zo", "zo-adam"}
"""Solvers that run once for every seed."""

RIVALS = ("COBYQA", "CMA-ES", "NGOpt")
"""The peers whose best is the measure."""


def solvers(nevergrad_python: str | None) -> tuple[dict[str, Solver], dict[str, str]]:
    """Return the solvers by label, and why the missing ones are missing."""
    found: dict[str, Solver] = {"COBYQA": _cobyqa, "CMA-ES": _cma}
    missing: dict[str, str] = {}
    try:
        found["NGOpt"] = NGOpt(nevergrad_python or sys.executable)
    except (OSError, RuntimeError) as error:
        missing["NGOpt"] = f"{error}; --nevergrad-python names an interpreter that has it"
    if importlib.util.find_spec("nlopt"):
        found["NLopt BOBYQA"] = _nlopt("LN_BOBYQA")
        found["NLopt Nelder-Mead"] = _nlopt("LN_NELDERMEAD")
    else:
        missing["NLopt"] = "not installed"
    there = {method.info.name for method in known_methods()}
    for label, (method, options) in OURS.items():
        if method in there:
            found[f"optlab {label}"] = _ours(method, **options)
        else:
            missing[f"optlab {label}"] = "not registered"
    return found, missing


def run(label: str, solver: Solver, case: Case, budget: int, seed: int) -> dict[str, Any]:
    """Run a solver on a case; return what is kept of it."""
    recorder, begun, words = Recorder(case, budget), time.process_time(), "ended"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            solver(recorder, seed)
    except SpentError:
        words = "budget"
    except Exception as error:  # noqa: BLE001 - a solver that breaks has done what it has done
        words = f"{type(error).__name__}: {error}"
    cpu = time.process_time() - begun + getattr(solver, "cpu", 0.0)
    return {
        "solver": label,
        "problem": case.name,
        "n": case.n,
        "seed": seed,
        "end": words,
        "evaluations": recorder.count,
        "cpu": cpu,
        "steps": recorder.steps,
    }
