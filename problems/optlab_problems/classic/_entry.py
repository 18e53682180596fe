"""What the catalog knows about one packaged problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from optlab import Problem


class Kind(Enum):
    """The most general constraint a problem has."""

    UNCONSTRAINED = "unconstrained"
    BOUNDS = "bounds"
    LINEAR = "linear"
    NONLINEAR = "nonlinear"


class Outcome(Enum):
    """What a correct solver reports."""

    SOLVED = "solved"
    DEGENERATE = "degenerate"
    """A solution exists but no multipliers do (or they are unbounded)."""
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"


@dataclass(frozen=True)
class Entry:
    """One packaged problem.

    Parameters
    ----------
    name
        Name in the catalog, lower case.
    kind, outcome
        The class of the problem and what solving it must report.
    build
        Makes the `optlab.Problem`; takes the keys of ``sizes`` as keyword arguments.
    sizes
        Default size parameters, empty when the size is fixed.
    optimum
        Known optimal objective value at the default size; None when there is none.
    solution
        A known minimizer at the default size, or None.
    source
        Key in docs/refs.bib.
    note
        What makes it worth having.
    """

    name: str
    kind: Kind
    build: Callable[..., Problem]
    optimum: float | None
    solution: tuple[float, ...] | None = None
    source: str = ""
    note: str = ""
    outcome: Outcome = Outcome.SOLVED
    sizes: Mapping[str, int] = field(default_factory=dict)
