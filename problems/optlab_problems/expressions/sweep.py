"""Values and local derivatives of all operations: one array operation per group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optlab.typing import Indices, Vector
from optlab_problems.expressions.layout import Group, Layout
from optlab_problems.expressions.operations import VECTOR
from optlab_problems.expressions.slopes import FIRST, SECOND

__all__ = ["Sweep"]

_FIXED = frozenset({"sum", "add", "sub", "neg"})
"""Operations whose derivatives do not depend on the point."""


class Sweep:
    """Evaluates the operations of a layout and their derivatives by their own operands.

    Parameters
    ----------
    layout
        The slots and groups.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._fixed = np.ones(layout.edge_count)
        self._varying: list[Group] = []
        for group in layout.groups:
            if group.operation == "sum":
                self._fixed[group.edges] = group.coefficients
            elif group.operation in _FIXED:
                self._slopes_into(self._fixed, group, np.zeros(layout.size))
            elif group.active:
                self._varying.append(group)
        self._curved: list[tuple[Group, Callable[..., Any], slice]] = []
        self._list_second()

    def values(self, x: Vector) -> Vector:
        """Return the value of every slot at x, (size,)."""
        layout = self.layout
        values = layout.initial.copy()
        values[: layout.n] = x
        for group in layout.groups:
            target = values[group.start : group.stop]
            if group.operation == "sum":
                terms = group.coefficients * values[group.operands[0]]
                np.add.reduceat(terms, group.offsets, out=target)
                target += group.constants
            else:
                operands = [values[slots] for slots in group.operands]
                target[:] = VECTOR[group.operation](*operands)
        return values

    def first(self, values: Vector) -> Vector:
        """Return the derivative along every edge, (edges,)."""
        slopes = self._fixed.copy()
        for group in self._varying:
            self._slopes_into(slopes, group, values)
        return slopes

    def second(self, values: Vector) -> Vector:
        """Return the second derivatives of all operations that have some."""
        result = np.empty(self.second_parent.size)
        for group, function, where in self._curved:
            result[where] = function(*self._arguments(group, values))
        return result

    def _slopes_into(self, slopes: Vector, group: Group, values: Vector) -> None:
        table = slopes[group.edges].reshape(group.count, len(group.active))
        arguments = self._arguments(group, values)
        for column, position in enumerate(group.active):
            table[:, column] = FIRST[group.operation][position](*arguments)

    @staticmethod
    def _arguments(group: Group, values: Vector) -> list[Vector]:
        operands = [values[slots] for slots in group.operands]
        return [*operands, values[group.start : group.stop]]

    def _list_second(self) -> None:
        """List the second derivatives: operation, and the two edges each belongs to."""
        parents, firsts, seconds = [], [], []
        end = 0
        for group in self._varying:
            slots = np.arange(group.start, group.stop)
            edges = group.edges.start + len(group.active) * np.arange(group.count)
            for (a, b), function in SECOND.get(group.operation, {}).items():
                if a in group.active and b in group.active:
                    parents.append(slots)
                    firsts.append(edges + group.active.index(a))
                    seconds.append(edges + group.active.index(b))
                    self._curved.append((group, function, slice(end, end + group.count)))
                    end += group.count
        empty = np.zeros(0, dtype=np.intp)
        self.second_parent: Indices = np.concatenate([empty, *parents])
        self.second_first: Indices = np.concatenate([empty, *firsts])
        self.second_second: Indices = np.concatenate([empty, *seconds])
