"""Performance profiles [DM02] and data profiles [MW09].

With t_s(p) the cost of method s on problem p, infinite where it does not solve it,

    performance profile   rho_s(a) = share of problems with t_s(p) <= a * min over s of t_s(p)
    data profile          d_s(k)   = share of problems with t_s(p) / unit(p) <= k

where the unit is n + 1 evaluations (what a simplex gradient costs), or one second. Only problems that
every method has run count; those that no method solves count as unsolved by all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optlab.bench.report.summary import Summary
    from optlab.bench.store import Run

__all__ = ["Profile", "best_shares", "data_profile", "performance_profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The costs of one method, sorted; what it does not solve is left out."""

    label: str
    costs: list[float]
    total: int
    """Number of problems, solved or not."""

    def share(self, limit: float) -> float:
        """Return the share of problems with a cost of at most ``limit``."""
        return sum(cost <= limit for cost in self.costs) / max(1, self.total)


def performance_profile(whole: Summary, cost: Callable[[Run], float]) -> list[Profile]:
    """Return the ratios to the best method on each problem; 1 for the best itself."""
    problems = whole.comparable
    ratios: dict[str, list[float]] = {label: [] for label in whole.methods}
    for problem in problems:
        costs = {
            label: max(cost(whole.table[problem, label]), 1e-300)
            for label in whole.methods
            if whole.table[problem, label]["solved"]
        }
        best = min(costs.values(), default=math.inf)
        for label, value in costs.items():
            ratios[label].append(value / best)
    return [Profile(label, sorted(found), len(problems)) for label, found in ratios.items()]


def data_profile(
    whole: Summary, cost: Callable[[Run], float], unit: Callable[[Run], float]
) -> list[Profile]:
    """Return the costs in units of each problem."""
    problems = whole.comparable
    profiles = []
    for label in whole.methods:
        runs = [whole.table[problem, label] for problem in problems]
        costs = sorted(cost(run) / unit(run) for run in runs if run["solved"])
        profiles.append(Profile(label, costs, len(problems)))
    return profiles


def best_shares(profiles: list[Profile]) -> dict[str, int]:
    """Return on how many problems each method has the least cost; ties count for all."""
    return {p.label: sum(cost <= 1.0 for cost in p.costs) for p in profiles}
