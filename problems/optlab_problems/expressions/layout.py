"""Lay a graph out in arrays: a slot for every node, like operations of one level side by side.

The level of an operation is one more than the highest level of its operands, so all operations of a level
can be done at once. Inputs and constants are level 0. Slots ascend with the level; the operations of one
kind and level are one `Group`, an interval of slots.

An edge joins an operation to an operand that its value depends on smoothly; edges that lead to constants
do not exist. Edges are numbered by their operation's slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optlab.typing import Indices, Vector
from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.slopes import active_positions

__all__ = ["Group", "Layout", "expand"]

_BRANCHES = frozenset({"choose", "min", "max"})


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Operations of one kind and level."""

    operation: str
    start: int
    stop: int
    operands: tuple[Indices, ...]
    """Slots of the operands, an array per position; for a sum the slots of its terms, one array."""

    active: tuple[int, ...]
    """Positions that have edges."""

    first_edge: int
    coefficients: Vector
    """Of the terms, for sums."""

    constants: Vector
    """Constant of every sum."""

    offsets: Indices
    """Where the terms of every sum begin."""

    @property
    def count(self) -> int:
        """Number of operations."""
        return self.stop - self.start

    @property
    def edges(self) -> slice:
        """Numbers of the edges, operation by operation."""
        size = self.coefficients.size if self.operation == "sum" else 0
        return slice(self.first_edge, self.first_edge + size + self.count * len(self.active))


class Layout:
    """Slots, groups and edges of the part of a graph that some nodes need.

    Parameters
    ----------
    graph
        The graph.
    inputs
        Its input nodes; they get the first slots, in this order.
    roots
        The nodes whose values are wanted.
    """

    def __init__(self, graph: Graph, inputs: Sequence[int], roots: Sequence[int]) -> None:
        self.n = len(inputs)
        self.slot: dict[int, int] = {node: k for k, node in enumerate(inputs)}
        needed = sorted(graph.needed(roots) - self.slot.keys())
        constants = [node for node in needed if node in graph.constants]
        for node in constants:
            self.slot[node] = len(self.slot)
        operations = [node for node in needed if node not in graph.constants]
        self._levels = dict.fromkeys(self.slot, 0)
        self._smooth = set(inputs)
        kinds = self._kinds(graph, operations)
        for members in kinds.values():
            for node in members:
                self.slot[node] = len(self.slot)
        self.size = len(self.slot)
        self.initial = np.zeros(self.size)
        for node in constants:
            self.initial[self.slot[node]] = graph.constants[node]
        self.level: Indices = np.zeros(self.size, dtype=np.intp)
        self._edge_lists: list[tuple[Indices, Indices]] = []
        self._edge_count = 0
        self.groups = [
            self._group(graph, level, operation, active, members)
            for (level, operation, active), members in kinds.items()
        ]
        self._finish_edges()
        del self._levels, self._smooth
        self.has_branches = any(group.operation in _BRANCHES for group in self.groups)

    @property
    def depth(self) -> int:
        """Highest level."""
        return int(self.level.max(initial=0))

    @property
    def edge_count(self) -> int:
        """Number of edges."""
        return self._edge_count

    def _kinds(
        self, graph: Graph, operations: list[int]
    ) -> dict[tuple[int, str, tuple[int, ...]], list[int]]:
        """Sort operations by level, kind and the operands that have edges."""
        kinds: dict[tuple[int, str, tuple[int, ...]], list[int]] = {}
        levels, smooth = self._levels, self._smooth
        positions = {name: active_positions(name) for name in set(graph.operations)}
        for node in operations:
            operation, operands = graph.operations[node], graph.operands[node]
            level = levels[node] = 1 + max(levels[k] for k in operands)
            if operation == "sum":
                # A term may be piecewise constant: it gets an edge of which nothing comes.
                active: tuple[int, ...] = ()
                if any(k in smooth for k in operands[2::2]):
                    smooth.add(node)
            else:
                active = tuple(k for k in positions[operation] if operands[k] in smooth)
                if active:
                    smooth.add(node)
            kinds.setdefault((level, operation, active), []).append(node)
        return dict(sorted(kinds.items()))

    def _group(
        self,
        graph: Graph,
        level: int,
        operation: str,
        active: tuple[int, ...],
        members: list[int],
    ) -> Group:
        """Make the group of these nodes and remember its edges."""
        slot, first_edge = self.slot, self._edge_count
        start = slot[members[0]]
        stop = start + len(members)
        self.level[start:stop] = level
        rows = [graph.operands[node] for node in members]
        none = np.zeros(0)
        if operation == "sum":
            values = graph.constants
            terms = _slots([slot[k] for row in rows for k in row[2::2]])
            counts = np.array([len(row) // 2 for row in rows], dtype=np.intp)
            self._add_edges(np.repeat(np.arange(start, stop), counts), terms)
            return Group(
                operation, start, stop, (terms,), active, first_edge,
                np.array([values[k] for row in rows for k in row[1::2]], dtype=np.float64),
                np.array([values[row[0]] for row in rows], dtype=np.float64),
                np.cumsum(counts) - counts,
            )  # fmt: skip
        operands = tuple(
            _slots([slot[k] for k in column]) for column in zip(*rows, strict=True)
        )
        if active:
            children = np.stack([operands[k] for k in active], axis=1).reshape(-1)
            self._add_edges(np.repeat(np.arange(start, stop), len(active)), children)
        empty = np.zeros(0, dtype=np.intp)
        return Group(operation, start, stop, operands, active, first_edge, none, none, empty)

    def _add_edges(self, parents: Indices, children: Indices) -> None:
        self._edge_lists.append((parents, children))
        self._edge_count += parents.size

    def _finish_edges(self) -> None:
        empty = np.zeros(0, dtype=np.intp)
        parents = [parent for parent, _ in self._edge_lists]
        self.parent: Indices = np.concatenate([empty, *parents])
        self.child: Indices = np.concatenate([empty, *(child for _, child in self._edge_lists)])
        counts = np.bincount(self.parent, minlength=self.size)
        self.edge_start: Indices = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        del self._edge_lists

    def edges_of(self, slots: Indices) -> tuple[Indices, Indices]:
        """Return all edges of some operations: the position of each one's operation, and its number."""
        return expand(self.edge_start[slots], self.edge_start[slots + 1])


def expand(starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
    """List the intervals [start, stop): which interval every number belongs to, and the numbers."""
    counts = stops - starts
    source = np.repeat(np.arange(counts.size), counts)
    shift = starts - (np.cumsum(counts) - counts)
    return source, np.arange(source.size) + shift[source]


def _slots(values: list[int]) -> Indices:
    return np.array(values, dtype=np.intp)
