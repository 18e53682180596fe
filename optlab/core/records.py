"""Lists of records that show themselves as tables."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from optlab.core.method import MethodInfo
from optlab.core.packages import availability
from optlab.core.problem_sources import ProblemSource

__all__ = ["Records"]

T = TypeVar("T")


class Records(list[T], Generic[T]):
    """A list of records that shows itself as a table."""

    def __repr__(self) -> str:
        if not self:
            return "(none)"
        rows = [_cells(record) for record in self]
        header = list(rows[0])
        table = [header, *([row[name] for name in header] for row in rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(header))]
        lines = [
            "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in table
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)


def _package(info: MethodInfo) -> str:
    """Say what a method needs beside optlab, and whether it is there."""
    if not info.requires:
        return "scipy" if info.external else "-"
    return availability(info.requires)


def _cells(record: Any) -> dict[str, str]:
    """Bring a record into named cells."""
    if isinstance(record, MethodInfo):
        return {
            "name": record.name,
            "gradient": "needed" if record.needs_gradient else "no",
            "hessian": "needed" if record.needs_hessian else "optional",
            "bounds": "yes" if record.handles_bounds else "no",
            "constraints": record.handles_constraints,
            "stochastic": "yes" if record.stochastic else "no",
            "package": _package(record),
            "reference": record.reference,
            "summary": record.summary,
        }
    if isinstance(record, ProblemSource):
        return {
            "name": record.name,
            "files": " ".join(record.suffixes) or "-",
            "objects": record.objects or "-",
            "package": availability(record.requires) if record.requires else "-",
            "start": "remembered" if record.recall else "as given",
            "answer": "written back" if record.deliver else "result only",
            "summary": record.summary,
        }
    return {"record": str(record)}
