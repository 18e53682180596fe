"""All elements of one type, and all groups of one type, evaluated together as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.typing import Vector
from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.operations import VECTOR
from optlab_problems.sif.errors import fail
from optlab_problems.sif.functions import Functions
from optlab_problems.sif.structure import ElementSet, GroupSet
from optlab_problems.sif.tape import Tape
from optlab_problems.sif.types import element_expressions, group_expressions

__all__ = ["ElementBlock", "GroupBlock", "Rows"]


class Rows:
    """Results of a stage, a row for every output; rows that are constant are filled once.

    Parameters
    ----------
    graph
        The graph.
    nodes
        Output nodes.
    count
        Length of a row.
    """

    def __init__(self, graph: Graph, nodes: list[int], count: int) -> None:
        self.values: Vector = np.empty((len(nodes), count))
        self.varying: list[int] = []
        for row, node in enumerate(nodes):
            if node in graph.constants:
                self.values[row] = graph.constants[node]
            else:
                self.varying.append(row)
        self._targets: list[tuple[Vector, int]] = []

    def bind(self, storage: Vector, registers: list[int]) -> None:
        """Move the rows into a slice of a larger array and learn where the results are.

        Parameters
        ----------
        storage
            Flat slice of the right size.
        registers
            Register of every output on the tape.
        """
        target = storage.reshape(self.values.shape)
        target[:] = self.values
        self.values = target
        self._targets = [(target[row], registers[row]) for row in self.varying]

    def store(self, registers: list[Any]) -> None:
        """Copy the varying rows out of the registers."""
        for row, register in self._targets:
            row[...] = registers[register]


class ElementBlock:
    """All elements of one type.

    Parameters
    ----------
    members
        Their variables and parameters.
    functions
        The ELEMENTS part.
    single
        The Fortran reading of constants without a D exponent.
    """

    def __init__(self, members: ElementSet, functions: Functions, *, single: bool) -> None:
        graph = Graph(fail=fail)
        self.count = members.elements.size
        self.variables = members.variables
        inputs = [graph.input(f"v{i}") for i in range(len(members.kind.variables))]
        parameters, varying = _parameters(graph, members.kind.parameters, members.parameters)
        found = element_expressions(
            graph, members.kind, functions, inputs, parameters, single=single
        )
        self.gradient_slots = list(found.gradient)
        self.hessian_slots = list(found.hessian)
        stages = [[found.value], list(found.gradient.values()), list(found.hessian.values())]
        names = [graph.input(name) for name in varying]
        self.rows = [Rows(graph, nodes, self.count) for nodes in stages]
        self.tape = Tape(graph, stages, [*inputs, *names], VECTOR)
        self._parameter_rows = list(varying.values())

    def bind(self, stage: int, storage: Vector) -> None:
        """Place the results of a stage into a slice of a larger array."""
        self.rows[stage].bind(storage, self.tape.outputs[stage])

    def start(self, x: Vector) -> list[Any]:
        """Return registers at a point."""
        return self.tape.start([*x[self.variables], *self._parameter_rows])

    def run(self, stage: int, registers: list[Any]) -> None:
        """Run a stage and store its results."""
        self.tape.run(stage, registers)
        self.rows[stage].store(registers)


class GroupBlock:
    """All groups of one nontrivial type.

    Parameters
    ----------
    members
        The groups and their parameters.
    functions
        The GROUPS part.
    single
        The Fortran reading of constants without a D exponent.
    """

    def __init__(self, members: GroupSet, functions: Functions, *, single: bool) -> None:
        graph = Graph(fail=fail)
        self.groups = members.groups
        argument = graph.input("t")
        parameters, varying = _parameters(graph, members.kind.parameters, members.parameters)
        found = group_expressions(
            graph, members.kind, functions, argument, parameters, single=single
        )
        names = [graph.input(name) for name in varying]
        self._stages = [[found.value], [found.first], [found.second]]
        self._tape = Tape(graph, self._stages, [argument, *names], VECTOR)
        self._parameter_rows = list(varying.values())
        self.curved = not graph.is_zero(found.second)

    def start(self, arguments: Vector) -> list[Any]:
        """Return registers for the arguments of all groups of the problem."""
        return self._tape.start([arguments[self.groups], *self._parameter_rows])

    def run(self, stage: int, registers: list[Any]) -> Any:
        """Run a stage; return the values (0), first (1) or second derivatives (2)."""
        self._tape.run(stage, registers)
        return registers[self._tape.outputs[stage][0]]


def _parameters(
    graph: Graph, names: list[str], values: Vector
) -> tuple[dict[str, int], dict[str, Vector]]:
    """Return nodes of all parameters, and the rows of those that differ between members."""
    nodes: dict[str, int] = {}
    varying: dict[str, Vector] = {}
    for name, row in zip(names, values, strict=True):
        if np.all(row == row[0]):
            nodes[name] = graph.constant(float(row[0]))
        else:
            key = f"p_{name}"
            nodes[name] = graph.input(key)
            varying[key] = row
    return nodes, varying
