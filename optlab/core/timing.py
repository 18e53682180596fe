"""The timing of a solve as its result reports it; docs/report.md says what each part covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optlab.linalg.account import TimeAccount

__all__ = ["CALLBACKS", "CERTIFICATE", "METHOD", "REST", "Timing"]

CALLBACKS = ("objective", "gradient", "constraints", "jacobian", "hessian", "hprod")
"""Functions of the problem: parts of the account under their own names."""

CERTIFICATE = "certificate"
"""The check of the final point."""

REST = "rest"
"""Everything else between the start and the end of the solve: the method's own arithmetic, reductions,
observers, or another project's solver."""

METHOD = "method"
"""In the CPU times: everything but the functions of the problem."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a solve went. The parts do not overlap and add up to the whole."""

    wall: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of wall time by part: ``factorization``, ``solves``, ``projection``, the functions of the
    problem by name, ``certificate`` and ``rest``; a part that did not occur is missing."""

    cpu: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of CPU time of the process: the functions of the problem by name, and ``method`` for all
    the others together."""

    calls: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each part was entered."""

    @classmethod
    def of(cls, account: TimeAccount) -> Timing:
        """Read an account."""
        return cls(dict(account.wall), dict(account.cpu), dict(account.calls))

    @property
    def total_wall(self) -> float:
        """Seconds of wall time in all."""
        return sum(self.wall.values())

    @property
    def total_cpu(self) -> float:
        """Seconds of CPU time in all."""
        return sum(self.cpu.values())

    @property
    def callbacks(self) -> float:
        """Seconds of wall time in the functions of the problem."""
        return sum(self.wall.get(name, 0.0) for name in CALLBACKS)

    def __add__(self, other: Timing) -> Timing:
        """Add up two solves."""
        return Timing(
            _sums(self.wall, other.wall),
            _sums(self.cpu, other.cpu),
            {k: int(v) for k, v in _sums(self.calls, other.calls).items()},
        )

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the three tables by name."""
        return {"wall": dict(self.wall), "cpu": dict(self.cpu), "calls": dict(self.calls)}

    def __repr__(self) -> str:
        return f"Timing({self})"

    def __str__(self) -> str:
        """Say it in one line, the largest part first; parts below 1 % are left out."""
        total = self.total_wall
        if not total > 0.0:
            return "not known"
        ranked = sorted(self.wall.items(), key=lambda item: -item[1])
        shown = [(name, seconds / total) for name, seconds in ranked]
        return ", ".join(f"{name} {share:.1%}" for name, share in shown if share >= 0.01)


def _sums(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    names = {**first, **second}
    return {name: first.get(name, 0) + second.get(name, 0) for name in names}
