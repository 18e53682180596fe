"""What a .nl file states, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optlab.typing import Indices, Vector
from optlab_problems.expressions.graph import Graph
from optlab_problems.nl.expressions import Value
from optlab_problems.nl.header import Header

__all__ = ["KINDS", "Content", "Objective", "Suffix"]

KINDS = ("variable", "row", "objective", "problem")
"""What a suffix belongs to, by the low two bits of its kind."""


@dataclass(frozen=True, slots=True, eq=False)
class Suffix:
    """Values that a model attaches to variables, rows, objectives or the problem."""

    name: str
    kind: int
    """0 to 3, see `KINDS`."""

    real: bool
    """Whether the values are numbers with fractions."""

    indices: Indices
    values: Vector

    def dense(self, size: int) -> Vector:
        """Return all values, zero where none is given."""
        full = np.zeros(size)
        full[self.indices] = self.values
        return full


@dataclass(slots=True)
class Objective:
    """One objective."""

    maximise: bool = False
    expression: Value = 0.0
    columns: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    coefficients: Vector = field(default_factory=lambda: np.zeros(0))


@dataclass(slots=True, eq=False)
class Content:
    """Everything in the file; infinite bounds are -inf and inf."""

    header: Header
    graph: Graph
    inputs: list[int]
    objectives: list[Objective]
    rows: dict[int, Value]
    """Nonlinear parts, for rows that have one."""

    linear: list[tuple[Indices, Indices, Vector]]
    """Linear terms of rows: row, column and value arrays."""

    lb: Vector
    ub: Vector
    cl: Vector
    cu: Vector
    x0: Vector
    duals: Vector | None
    """Start values of the duals, AMPL's signs; None when the file has none."""

    suffixes: dict[tuple[int, str], Suffix]
    """By kind and name."""

    functions: dict[int, str]
    """Names of imported functions."""

    def forget_expressions(self) -> None:
        """Drop what only the making of outputs needs, most of the memory."""
        self.graph, self.inputs = Graph(), []
        self.rows, self.linear = {}, []
        for objective in self.objectives:
            objective.expression = 0.0
