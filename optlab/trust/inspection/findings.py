"""What an inspection finds: a severity, what it is, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

__all__ = ["Finding", "Inspection", "Severity", "listed"]

_LISTED = 6
"""Names in one sentence."""


class Severity(IntEnum):
    """How bad it is; more is worse."""

    NOTE = 0
    """Good to know; nothing has to be done."""

    WARNING = 1
    """Makes solves slow or inaccurate, or is probably not what was meant."""

    ERROR = 2
    """No solve can give what was asked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is remarkable."""

    severity: Severity
    kind: str
    """Short name, such as ``"redundant-row"``; docs/trust.md lists them."""

    what: str
    """A sentence."""

    where: tuple[str, ...]
    """Names of all variables and rows that it is about."""

    advice: str
    """How to mend it, a sentence."""

    def __str__(self) -> str:
        """Return two lines."""
        return (
            f"{self.severity.name.lower():<8} {self.kind}: {self.what}\n         {self.advice}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "severity": self.severity.name,
            "kind": self.kind,
            "what": self.what,
            "where": list(self.where),
            "advice": self.advice,
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """What :func:`optlab.check` found; true when nothing is serious."""

    problem: str
    """Name of the problem, may be empty."""

    n: int
    m: int
    findings: tuple[Finding, ...]
    """Worst first."""

    skipped: tuple[str, ...] = ()
    """What was not looked at, and why."""

    @property
    def ok(self) -> bool:
        """Whether there are notes at most."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)

    def __bool__(self) -> bool:
        """Whether there are notes at most."""
        return self.ok

    def __iter__(self) -> Iterator[Finding]:
        """Go through the findings, worst first."""
        return iter(self.findings)

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def __str__(self) -> str:
        """Return the findings as text."""
        name = f"{self.problem}: " if self.problem else ""
        lines = [f"{name}{self.n} variables, {self.m} constraints", ""]
        lines += [str(finding) for finding in self.findings]
        lines += [f"skipped  {reason}" for reason in self.skipped]
        counts = [sum(f.severity is s for f in self.findings) for s in reversed(Severity)]
        total = "{} errors, {} warnings, {} notes".format(*counts)
        return "\n".join([*lines, *([""] if len(lines) > 2 else []), total])

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "schema": "optlab.check/1",
            "problem": self.problem,
            "sizes": {"variables": self.n, "constraints": self.m},
            "ok": self.ok,
            "findings": [finding.as_dict() for finding in self.findings],
            "skipped": list(self.skipped),
        }


def listed(names: Iterable[str]) -> str:
    """Join names, the first few of many."""
    every = list(names)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more
