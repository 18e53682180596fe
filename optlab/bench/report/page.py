"""The HTML page: one file that needs nothing else, made from the template beside this module."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.bench.judge import error
from optlab.bench.report.charts import history_chart, profile_chart
from optlab.bench.report.profiles import (
    Profile,
    best_shares,
    data_profile,
    performance_profile,
)
from optlab.bench.report.summary import (
    SAME_VALUE,
    Summary,
    cpu,
    ending,
    evaluations,
    own_cpu,
)
from optlab.bench.report.svg import style
from optlab.bench.report.text import busy, ratio, sentence

if TYPE_CHECKING:
    from optlab.bench.store import Run

__all__ = ["html_page"]

_VERBS = {
    "objective": "f", "gradient": "grad f", "constraints": "c", "jacobian": "J", "hessian": "H",
}  # fmt: skip
"""Short names of the problem's functions."""


def html_page(whole: Summary) -> str:
    """Return the page; needs jinja2."""
    jinja2: Any = importlib.import_module("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("optlab.bench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "ratio": ratio, "short": _short}
    template = environment.get_template("page.html")
    text: str = template.render(
        whole=whole,
        lead=_lead(whole),
        warning=busy(whole) if whole.starved else "",
        sentences=[sentence(pair) for pair in whole.pairs],
        methods=_methods(whole),
        charts=_charts(whole),
        rows=[_row(whole, run) for run in _ordered(whole)],
        endings=sorted({ending(run) for run in whole.runs}),
        problems=[_problem(whole, problem) for problem in whole.problems],
        same_value=SAME_VALUE,
    )
    return text


def _lead(whole: Summary) -> str:
    """Say in one sentence who solves the most."""
    counts = whole.counts
    order = sorted(whole.methods, key=lambda label: -counts[label].solved)
    first = order[0]
    said = f"{first} solves {counts[first].solved} of {counts[first].runs} problems"
    if len(order) == 1:
        return said + "."
    rest = ", ".join(f"{label} {counts[label].solved}" for label in order[1:])
    tied = counts[order[1]].solved == counts[first].solved
    return f"{said}, {rest}." if not tied else f"{said}; so compare: {rest}."


@dataclass(frozen=True, slots=True)
class _Method:
    """A method's card."""

    label: str
    colour: str
    dash: str
    solved: int
    runs: int
    wrong_claims: int
    refitted: int
    least_evaluations: int
    least_cpu: int
    total_cpu: float
    text: str
    """Method, options and derivatives when the label does not say them."""


def _methods(whole: Summary) -> list[_Method]:
    fewest = best_shares(performance_profile(whole, evaluations))
    fastest = best_shares(performance_profile(whole, cpu))
    cards = []
    for i, label in enumerate(whole.methods):
        runs = [run for run in whole.runs if run["label"] == label]
        counts, look = whole.counts[label], style(i)
        cards.append(
            _Method(
                label=label,
                colour=look.colour,
                dash=look.dash,
                solved=counts.solved,
                runs=counts.runs,
                wrong_claims=counts.wrong_claims,
                refitted=counts.refitted,
                least_evaluations=fewest[label],
                least_cpu=fastest[label],
                total_cpu=sum(run.get("cpu", 0.0) for run in runs),
                text=_what(runs[0].get("task", {}), label),
            )
        )
    return cards


def _what(task: dict[str, Any], label: str) -> str:
    method: dict[str, Any] = task.get("method", {})
    words = [f"{key}={value}" for key, value in method.get("options", {}).items()]
    if method.get("derivatives"):
        words.append(f"derivatives={method['derivatives']}")
    text = str(method.get("method", label)) + (f"[{', '.join(words)}]" if words else "")
    return "" if text == label else text


@dataclass(frozen=True, slots=True)
class _Chart:
    """A chart and what it says in words."""

    title: str
    svg: str
    note: str


def _charts(whole: Summary) -> list[_Chart]:
    """Draw the profiles; none when no problem was run by all methods or none was solved."""
    if not any(run["solved"] for run in whole.runs) or not whole.comparable:
        return []
    performance = "Performance profile by "
    data = "Data profile by "
    drawn = [
        (performance + "evaluations", performance_profile(whole, evaluations)),
        (performance + "CPU time", performance_profile(whole, cpu)),
        (data + "evaluations", data_profile(whole, evaluations, lambda run: run["n"] + 1.0)),
        (data + "CPU time", data_profile(whole, cpu, lambda _: 1.0)),
    ]
    labels = (
        "evaluations, as a multiple of the best method's",
        "CPU time, as a multiple of the best method's",
        "evaluations per n + 1",
        "CPU seconds",
    )
    charts = []
    for i, (title, profiles) in enumerate(drawn):
        ratios = i < 2
        svg = profile_chart(
            profiles,
            title,
            labels[i],
            base=2 if ratios else 10,
            least=1.0 if ratios else 1e-4,
            most=1024.0 if ratios else 1e6,
        )
        charts.append(_Chart(title, svg, _note(profiles, ratios=ratios)))
    return charts


def _note(profiles: list[Profile], *, ratios: bool) -> str:
    """Say a profile's ends in words."""
    if ratios:
        return "Least cost on: " + ", ".join(
            f"{p.label} {sum(cost <= 1.0 for cost in p.costs)} of {p.total}" for p in profiles
        )
    return "Solved at all: " + ", ".join(
        f"{p.label} {len(p.costs)} of {p.total}" for p in profiles
    )


def _ordered(whole: Summary) -> list[Run]:
    """Return the runs problem by problem, methods in their order."""
    return [
        whole.table[problem, label]
        for problem in whole.problems
        for label in whole.methods
        if (problem, label) in whole.table
    ]


def _row(whole: Summary, run: Run) -> dict[str, Any]:
    """Return the cells of the table of all runs."""
    ended = "cpu" in run
    problem = str(run["problem"])
    return {
        "problem": problem,
        "anchor": _anchor(whole, problem),
        "class": whole.problem_class(problem),
        "method": run["label"],
        "ending": ending(run),
        "solved": bool(run["solved"]),
        "wrong": bool(run.get("wrong_claim")),
        "numbers": [
            _integer(run.get("n")),
            _integer(run.get("m")),
            _number(run.get("f"), ".7g"),
            _number(run.get("primal"), ".1e"),
            _number(run.get("dual"), ".1e"),
            _number(run.get("complementarity"), ".1e"),
            _number(error(run), ".1e"),
            _number(run.get("E1"), ".1e"),
            _integer(run.get("iterations")),
            _integer(evaluations(run) if ended else None),
            _number(run.get("cpu"), ".3g"),
            _number(own_cpu(run) if ended else None, ".3g"),
            _number(None if not run.get("peak_memory") else run["peak_memory"] / 2**20, ".0f"),
        ],
    }


def _problem(whole: Summary, problem: str) -> dict[str, Any]:
    """Return what the section of a problem shows."""
    runs = [
        (i, whole.table[problem, label])
        for i, label in enumerate(whole.methods)
        if (problem, label) in whole.table
    ]
    values = [run["f"] for _, run in runs if run["solved"]]
    known = next((run for _, run in runs if "n" in run), {})
    return {
        "name": problem,
        "anchor": _anchor(whole, problem),
        "class": whole.problem_class(problem),
        "classification": known.get("classification") or "",
        "n": _integer(known.get("n")),
        "m": _integer(known.get("m")),
        "chart": history_chart(runs, min(values, default=None), problem),
        "runs": [
            {
                "label": run["label"],
                "colour": style(i).colour,
                "ending": ending(run),
                "solved": bool(run["solved"]),
                "counts": ", ".join(
                    f"{_VERBS.get(name, name)} {count}"
                    for name, count in run.get("evaluations", {}).items()
                ),
                "multipliers": run.get("multipliers") or "–",
                "stop": f"{run['stop']} / {run['point']}" if "stop" in run else "–",
                "wall": _number(run.get("wall"), ".3g"),
                # The sentence of a solved run says nothing that its ending does not.
                "message": "" if run["solved"] else run.get("message", ""),
            }
            for i, run in runs
        ],
    }


def _anchor(whole: Summary, problem: str) -> str:
    return f"p{whole.problems.index(problem)}"


def _number(value: Any, form: str = ".3g") -> str:
    """Show a number, a dash when there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return format(float(value), form)


def _integer(value: Any) -> str:
    return "–" if value is None else str(value)


def _short(text: str) -> str:
    return text if len(text) <= 160 else text[:157] + "..."
