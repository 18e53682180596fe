"""The numbers of a report, computed once for all formats.

For a method s and a reference r, over the problems that both solve:

    evaluations        median of n_s, of n_r, and of n_s / n_r; n is the larger one of the counts of
                       objective and of constraints, which methods evaluate together or apart
    CPU                exp(mean(log(t_s / t_r))), t the CPU seconds of the solve
    CPU of the method  the same with the seconds inside the problem's functions taken off both

Times below 1e-5 s count as 1e-5 s: less cannot be told from the cost of reading the clock.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from optlab.bench.classes import CLASSES
from optlab.bench.store import Run
from optlab.errors import OptionError

__all__ = [
    "Counts",
    "Disagreement",
    "Pair",
    "Summary",
    "cpu",
    "evaluations",
    "own_cpu",
    "summarise",
]

_LEAST_SECONDS = 1e-5

_BUSY_SHARE, _BUSY_SECONDS = 0.7, 1.0
"""A solve of more than a second that got less than this share of a processor was kept waiting."""

SAME_VALUE = 1e-4
"""Objectives that differ by more than this, relative to max(1, |f|), are different solutions: a
hundred times the usual tolerance on stationarity."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one method did on a set of problems."""

    runs: int
    solved: int
    wrong_claims: int
    refitted: int
    """Solved with other multipliers than the returned ones."""

    endings: dict[str, int]
    """Runs by what they ended as, most frequent first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A method against the reference on a set of problems."""

    method: str
    reference: str
    common: int
    """Problems with a run of both."""

    both: int
    only_method: int
    only_reference: int
    different_f: int
    """Problems that both solve with different objectives."""

    evaluations: float
    """Median of the method."""

    reference_evaluations: float
    evaluations_ratio: float
    """Median of the ratios; nan where nothing is compared, as below."""

    cpu_ratio: float
    own_cpu_ratio: float
    """Without the problem's functions; nan when some run does not tell their time."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A problem on which methods do not agree."""

    problem: str
    kind: str
    """one solves | different f | wrong claim"""

    detail: str


@dataclass(frozen=True)
class Summary:
    """All numbers of a report."""

    runs: list[Run]
    methods: list[str]
    """Labels in the order of their first run."""

    problems: list[str]
    reference: str
    table: dict[tuple[str, str], Run]
    """Run by (problem, label)."""

    counts: dict[str, Counts]
    classes: dict[str, dict[str, Counts]]
    """Counts by class and label."""

    pairs: list[Pair]
    class_pairs: dict[str, list[Pair]]
    disagreements: list[Disagreement]
    settings: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """What all runs were made with; more than one value means a mixture."""

    def problem_class(self, problem: str) -> str:
        """Return the class of a problem, "unknown" when no run could read it."""
        found = (self.table.get((problem, label), {}).get("class") for label in self.methods)
        return next((str(name) for name in found if name), "unknown")

    @property
    def starved(self) -> int:
        """Number of runs for which the machine was too busy, so that time limits came early."""
        return sum(
            run["wall"] > _BUSY_SECONDS and run["cpu"] < _BUSY_SHARE * run["wall"]
            for run in self.runs
            if "wall" in run
        )

    @property
    def comparable(self) -> list[str]:
        """Problems that every method has run."""
        return [
            problem
            for problem in self.problems
            if all((problem, label) in self.table for label in self.methods)
        ]


def summarise(runs: Sequence[Run], reference: str | None = None) -> Summary:
    """Compute the numbers of a report.

    Raises
    ------
    OptionError
        There is nothing to report, a problem and label are there twice, or there is no such reference.
    """
    if not runs:
        raise OptionError("there are no runs to report")
    methods = list(dict.fromkeys(str(run["label"]) for run in runs))
    problems = list(dict.fromkeys(str(run["problem"]) for run in runs))
    table = {(str(run["problem"]), str(run["label"])): run for run in runs}
    if len(table) < len(runs):
        raise OptionError(
            "two runs have the same problem and label; a report shows one of each"
        )
    chosen = _reference(methods, reference)
    whole = Summary(
        runs=list(runs),
        methods=methods,
        problems=problems,
        reference=chosen,
        table=table,
        counts={},
        classes={},
        pairs=[],
        class_pairs={},
        disagreements=[],
        settings=_settings(runs),
    )
    whole.counts.update({label: _counts(whole, problems, label) for label in methods})
    whole.pairs.extend(_pair(whole, problems, s) for s in methods if s != chosen)
    for name in (*CLASSES, "unknown"):
        members = [problem for problem in problems if whole.problem_class(problem) == name]
        if members:
            whole.classes[name] = {label: _counts(whole, members, label) for label in methods}
            whole.class_pairs[name] = [_pair(whole, members, s) for s in methods if s != chosen]
    for problem in problems:
        whole.disagreements.extend(_disagreements(whole, problem))
    return whole


def evaluations(run: Run) -> int:
    """Return how often a run evaluated the objective or the constraints, whichever is more."""
    counts: dict[str, int] = run.get("evaluations", {})
    return max(counts.get("objective", 0), counts.get("constraints", 0))


def cpu(run: Run) -> float:
    """Return the CPU seconds of a solve."""
    return max(float(run["cpu"]), _LEAST_SECONDS)


def own_cpu(run: Run) -> float:
    """Return the CPU seconds of a solve outside the problem's functions, nan when not known."""
    callbacks = run.get("callback_cpu")
    return math.nan if callbacks is None else max(run["cpu"] - callbacks, _LEAST_SECONDS)


def ending(run: Run) -> str:
    """Say in a word or two what a run ended as."""
    if run["outcome"] != "ended":
        return str(run["outcome"])
    if run["solved"]:
        return "solved"
    if run["point"] in {"INFEASIBLE_STATIONARY", "UNBOUNDED_DIRECTION"}:
        return str(run["point"]).lower().replace("_", " ")
    if run["stop"] == "CONVERGED":
        return "converged, not certified"
    return str(run["stop"]).lower().replace("_", " ")


def _reference(methods: list[str], wanted: str | None) -> str:
    if wanted is None:
        return "ipopt" if "ipopt" in methods else methods[-1]
    if wanted not in methods:
        raise OptionError(
            f"--reference {wanted!r} is none of the methods: {', '.join(methods)}"
        )
    return wanted


def _settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return the different values of what the runs were made with."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        task: dict[str, Any] = run.get("task", {})
        settings = task.get("settings", {})
        values = {
            "tolerance": settings.get("tol"),
            "time limit (s)": settings.get("time_limit"),
            "memory limit (GiB)": settings.get("memory_limit") or "none",
            "derivatives": task.get("method", {}).get("derivatives")
            or settings.get("derivatives"),
            "seed": settings.get("seed"),
            "tag": settings.get("tag") or "none",
            **task.get("versions", {}),
        }
        for name, given in values.items():
            if given is not None:
                found.setdefault(name, {})[f"{given:g}" if is_real(given) else str(given)] = (
                    None
                )
    return {name: list(values) for name, values in found.items()}


def is_real(value: Any) -> bool:
    """Whether a value is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counts(whole: Summary, problems: list[str], label: str) -> Counts:
    runs = [whole.table[p, label] for p in problems if (p, label) in whole.table]
    solved = [run for run in runs if run["solved"]]
    return Counts(
        runs=len(runs),
        solved=len(solved),
        wrong_claims=sum(bool(run.get("wrong_claim")) for run in runs),
        refitted=sum(run.get("multipliers") != "returned" for run in solved),
        endings=dict(Counter(ending(run) for run in runs).most_common()),
    )


def _pair(whole: Summary, problems: list[str], method: str) -> Pair:
    """Compare a method with the reference."""
    names = (method, whole.reference)
    pairs = [
        (whole.table[p, names[0]], whole.table[p, names[1]])
        for p in problems
        if all((p, name) in whole.table for name in names)
    ]
    both = [(s, r) for s, r in pairs if s["solved"] and r["solved"]]
    return Pair(
        method=method,
        reference=whole.reference,
        common=len(pairs),
        both=len(both),
        only_method=sum(s["solved"] and not r["solved"] for s, r in pairs),
        only_reference=sum(r["solved"] and not s["solved"] for s, r in pairs),
        different_f=sum(different(s["f"], r["f"]) for s, r in both),
        evaluations=_median([evaluations(s) for s, _ in both]),
        reference_evaluations=_median([evaluations(r) for _, r in both]),
        evaluations_ratio=_median([evaluations(s) / max(1, evaluations(r)) for s, r in both]),
        cpu_ratio=_geometric(both, cpu),
        own_cpu_ratio=_geometric(both, own_cpu),
    )


def different(f: float, other: float) -> bool:
    """Whether two objectives belong to different solutions."""
    return abs(f - other) > SAME_VALUE * max(1.0, abs(f), abs(other))


def _median(values: list[float] | list[int]) -> float:
    return float(median(values)) if values else math.nan


def _geometric(pairs: list[tuple[Run, Run]], cost: Callable[[Run], float]) -> float:
    """Return the geometric mean of the ratios of a cost."""
    if not pairs:
        return math.nan
    return math.exp(sum(math.log(cost(s) / cost(r)) for s, r in pairs) / len(pairs))


def _disagreements(whole: Summary, problem: str) -> list[Disagreement]:
    """Find what methods do not agree on."""
    runs = {s: whole.table[problem, s] for s in whole.methods if (problem, s) in whole.table}
    found = [
        Disagreement(problem, "wrong claim", f"{s} says {run['point']}, the judge says no")
        for s, run in runs.items()
        if run.get("wrong_claim")
    ]
    solved = {s: run for s, run in runs.items() if run["solved"]}
    others = {s: ending(run) for s, run in runs.items() if not run["solved"]}
    if solved and others:
        failed = ", ".join(f"{s} ({how})" for s, how in others.items())
        found.append(
            Disagreement(
                problem, "one solves", f"solved by {', '.join(solved)}; not by {failed}"
            )
        )
    values = [run["f"] for run in solved.values()]
    if values and different(min(values), max(values)):
        lowest = min(solved, key=lambda s: solved[s]["f"])
        detail = ", ".join(f"{s}: {run['f']:.8g}" for s, run in solved.items())
        detail += f"; lowest: {lowest}"
        found.append(Disagreement(problem, "different f", detail))
    return found
