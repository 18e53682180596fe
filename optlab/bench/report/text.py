"""Reports as text: the headline, CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from optlab.bench.judge import error
from optlab.bench.report.summary import Pair, Summary, ending, evaluations
from optlab.core.plain import plain

__all__ = [
    "busy",
    "csv_table",
    "flat",
    "headline_text",
    "json_document",
    "markdown",
    "ratio",
    "sentence",
]

SCHEMA = "optlab.bench/1"
"""Name and version of the layout of :func:`json_document`."""

_COLUMNS = (
    "problem", "label", "class", "n", "m", "outcome", "solved", "wrong_claim", "stop", "point",
    "f", "primal", "dual", "complementarity", "scale", "error", "E1", "multipliers", "iterations",
    "cpu", "callback_cpu", "wall", "peak_memory", "classification", "message",
)  # fmt: skip

_COUNTED = ("objective", "gradient", "constraints", "jacobian", "hessian", "hprod")


def headline_text(whole: Summary) -> str:
    """Return counts and comparisons as a few lines."""
    rows = [("method", "solved", "of", "wrong claims")]
    for label, counts in whole.counts.items():
        rows.append((label, str(counts.solved), str(counts.runs), str(counts.wrong_claims)))
    width = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:<{width}}  {row[1]:>6}  {row[2]:>4}  {row[3]:>12}" for row in rows]
    lines += ["", *(sentence(pair) for pair in whole.pairs)]
    if whole.starved:
        lines += ["", busy(whole)]
    return "\n".join(lines) + "\n"


def busy(whole: Summary) -> str:
    """Warn of a machine that had other things to do."""
    return (
        f"The machine was busy: {whole.starved} of {len(whole.runs)} runs got less than 70 % of a "
        "processor, so that time limits came early for them. Compare again with fewer --jobs."
    )


def sentence(pair: Pair) -> str:
    """Say how a method compares with the reference."""
    if not pair.both:
        return f"{pair.method} and {pair.reference} solve no problem in common."
    text = (
        f"{pair.method} against {pair.reference} on the {pair.both} problems that both solve: "
        f"evaluations {pair.evaluations:g} to {pair.reference_evaluations:g} (medians; median "
        f"ratio {ratio(pair.evaluations_ratio)}), CPU time {ratio(pair.cpu_ratio)} times"
    )
    if not math.isnan(pair.own_cpu_ratio):
        text += f", {ratio(pair.own_cpu_ratio)} times without the problem's functions"
    return (
        f"{text} (geometric means). Only {pair.method} solves {pair.only_method}, only "
        f"{pair.reference} {pair.only_reference}."
    )


def ratio(value: float) -> str:
    """Show a ratio, a dash when there is none."""
    return "–" if math.isnan(value) else f"{value:.3g}"


def csv_table(whole: Summary) -> str:
    """Return one line per run."""
    out = io.StringIO()
    header = [*_COLUMNS, "evaluations", *(f"n_{name}" for name in _COUNTED)]
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat(run) for run in whole.runs)
    return out.getvalue()


def flat(run: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a run; what is not known stays empty."""
    counts: dict[str, int] = run.get("evaluations", {})
    row = {name: run.get(name) for name in _COLUMNS}
    row["error"] = error(run)
    row["evaluations"] = evaluations(run) if counts else None
    return row | {f"n_{name}": counts.get(name) for name in _COUNTED}


def json_document(whole: Summary) -> str:
    """Return everything, histories included."""
    document = {
        "schema": SCHEMA,
        "settings": whole.settings,
        "methods": whole.methods,
        "reference": whole.reference,
        "counts": {label: asdict(counts) for label, counts in whole.counts.items()},
        "classes": {
            name: {label: asdict(counts) for label, counts in row.items()}
            for name, row in whole.classes.items()
        },
        "pairs": [asdict(pair) for pair in whole.pairs],
        "class_pairs": {
            name: [asdict(pair) for pair in pairs] for name, pairs in whole.class_pairs.items()
        },
        "starved": whole.starved,
        "disagreements": [asdict(item) for item in whole.disagreements],
        "runs": whole.runs,
    }
    return json.dumps(plain(document), indent=1, allow_nan=False) + "\n"


def markdown(whole: Summary) -> str:
    """Return the tables of a document; runs that are not solved are listed with their reason."""
    parts = ["# Benchmark", *(sentence(pair) for pair in whole.pairs), "## Solved"]
    header = ["method", *whole.classes, "all", "wrong claims"]
    rows = []
    for label, counts in whole.counts.items():
        cells = [f"{row[label].solved}/{row[label].runs}" for row in whole.classes.values()]
        rows.append([label, *cells, f"{counts.solved}/{counts.runs}", str(counts.wrong_claims)])
    parts.append(_table(header, rows))
    if whole.pairs:
        parts += [f"## Against {whole.reference}, where both solve", _pair_table(whole)]
    if whole.starved:
        parts.append(busy(whole))
    if whole.disagreements:
        rows = [[item.problem, item.kind, item.detail] for item in whole.disagreements]
        parts += ["## Disagreements", _table(["problem", "kind", "detail"], rows)]
    failed = [run for run in whole.runs if not run["solved"]]
    if failed:
        rows = [
            [run["problem"], run["label"], ending(run), str(run.get("message", ""))]
            for run in failed
        ]
        parts += ["## Not solved", _table(["problem", "method", "ending", "message"], rows)]
    made = "; ".join(f"{name}: {', '.join(values)}" for name, values in whole.settings.items())
    return "\n\n".join([*parts, "## Made with", made]) + "\n"


def _pair_table(whole: Summary) -> str:
    """Return the comparisons, all problems first, then class by class."""
    header = [
        "method", "problems", "both", "evaluations ratio", "CPU ratio", "CPU ratio without functions",
    ]  # fmt: skip
    groups = [("all", whole.pairs), *whole.class_pairs.items()]
    rows = [
        [
            pair.method,
            name,
            str(pair.both),
            ratio(pair.evaluations_ratio),
            ratio(pair.cpu_ratio),
            ratio(pair.own_cpu_ratio),
        ]
        for name, pairs in groups
        for pair in pairs
    ]
    return _table(header, rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    escaped = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)
