"""Run a graph: a list of operations in order, split into stages that share registers.

Stage 0 computes values, stage 1 what first derivatives need on top of that, stage 2 second
derivatives. The registers of one point are kept, so a later stage never repeats an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optlab_problems.expressions.graph import Graph

__all__ = ["Tape"]

_UNARY = -1
_MANY = -2


class Tape:
    """Operations of a graph that some outputs need, in stages.

    Parameters
    ----------
    graph
        The graph.
    stages
        Output nodes of every stage.
    inputs
        Input nodes, in the order in which `start` takes their values.
    functions
        Implementation of every operation.
    """

    def __init__(
        self,
        graph: Graph,
        stages: Sequence[Sequence[int]],
        inputs: Sequence[int],
        functions: Mapping[str, Callable[..., Any]],
    ) -> None:
        needed = sorted(graph.needed([n for outputs in stages for n in outputs] + [*inputs]))
        register = {node: position for position, node in enumerate(needed)}
        self._initial: list[Any] = [graph.constants.get(node) for node in needed]
        self._inputs = [register[node] for node in inputs]
        self.programs: list[list[tuple[int, Callable[..., Any], Any, int]]] = []
        done = {n for n in needed if graph.operations[n] in ("constant", "input")}
        for outputs in stages:
            fresh = sorted(graph.needed(outputs) - done)
            done.update(fresh)
            self.programs.append([_step(graph, n, register, functions) for n in fresh])
        self.outputs = [[register[node] for node in outputs] for outputs in stages]

    @property
    def size(self) -> int:
        """Number of operations of all stages."""
        return sum(len(program) for program in self.programs)

    def start(self, values: Sequence[Any]) -> list[Any]:
        """Return registers that hold the constants and the inputs."""
        registers = self._initial.copy()
        for position, value in zip(self._inputs, values, strict=True):
            registers[position] = value
        return registers

    def run(self, stage: int, registers: list[Any]) -> None:
        """Run one stage; the stages before it must have run on these registers."""
        for target, function, first, second in self.programs[stage]:
            if second >= 0:
                registers[target] = function(registers[first], registers[second])
            elif second == _UNARY:
                registers[target] = function(registers[first])
            else:
                registers[target] = function(*[registers[k] for k in first])


def _step(
    graph: Graph,
    node: int,
    register: Mapping[int, int],
    functions: Mapping[str, Callable[..., Any]],
) -> tuple[int, Callable[..., Any], Any, int]:
    function = functions[graph.operations[node]]
    operands = [register[operand] for operand in graph.operands[node]]
    if len(operands) == 2:
        return register[node], function, operands[0], operands[1]
    if len(operands) == 1:
        return register[node], function, operands[0], _UNARY
    return register[node], function, tuple(operands), _MANY
