"""The Hessian of a weighted sum of outputs by pushing arcs down to the inputs.

[GM12]_ (edge pushing): with w(v) the weighted adjoint of an operation v, the Hessian is the sum over all
operations of w(v) times the second derivatives of v in its operands, each carried down to the inputs by
the slopes of the edges. An arc {v, w} holds the coefficient of d v d w. Removing v replaces d v by the
sum of its slopes times d operand:

    {v, w} -> {p, w} for the operands p of v,          {v, v} -> {p, q} for the pairs of operands

All arcs whose higher end has the same level are removed together. What is left joins inputs: the lower
triangle of the Hessian. The plan lists only arcs that exist, so the cost follows the sparsity.

.. [GM12] R. M. Gower, M. P. Mello, A new framework for the computation of Hessians, Optimization
   Methods and Software 27 (2012) 251-273.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.typing import Indices, Mask, Vector
from optlab_problems.expressions.layout import expand
from optlab_problems.expressions.patterns import add_up
from optlab_problems.expressions.pushes import Pending
from optlab_problems.expressions.sweep import Sweep

__all__ = ["Arcs"]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What the arcs [start, stop) receive: source arc, two edges (or none), doubled or not."""

    start: int
    stop: int
    sources: Indices
    first: Indices
    second: Indices
    factors: Vector
    targets: Indices


class Arcs:
    """All arcs of a layout, and how their coefficients are computed.

    Parameters
    ----------
    sweep
        The operations with second derivatives.
    reached
        (size,) bool: the slots that some output depends on.
    limit
        Contributions that are accepted.

    Attributes
    ----------
    rows, columns
        Inputs of every entry of the lower triangle, row >= column, sorted.

    Raises
    ------
    TooLarge
        When there are more.
    """

    def __init__(self, sweep: Sweep, reached: Mask, limit: int) -> None:
        layout = self._layout = sweep.layout
        self._guarded = layout.has_branches
        self._parents = sweep.second_parent
        self._steps: list[_Step] = []
        created: list[tuple[Indices, Indices]] = []
        self._one = layout.edge_count
        self._size = 0
        pending = Pending(4, limit)
        self._create(sweep, reached, pending)
        first_input = None
        keys = np.zeros(0, dtype=np.intp)
        while (level := pending.highest()) >= 0:
            contributed, *columns = pending.take(level)
            keys, targets = np.unique(contributed, return_inverse=True)
            if level == 0:
                first_input = self._size
            fresh = columns[2] == _CREATED
            created.append((columns[0][fresh], self._size + targets[fresh]))
            self._append(keys.size, [*columns, targets], ~fresh)
            if level > 0:
                self._push(keys, level, pending)
        self.entries = slice(self._size if first_input is None else first_input, self._size)
        lower = keys if first_input is not None else keys[:0]
        self.rows, self.columns = lower // layout.size, lower % layout.size
        empty = np.zeros(0, dtype=np.intp)
        self._created = np.concatenate([empty, *(source for source, _ in created)])
        self._created_at = np.concatenate([empty, *(target for _, target in created)])
        same = layout.child[sweep.second_first] == layout.child[sweep.second_second]
        self._created_factors = np.where(
            same & (sweep.second_first != sweep.second_second), 2.0, 1.0
        )

    def evaluate(self, weights: Vector, slopes: Vector, second: Vector) -> Vector:
        """Return the entries of the lower triangle.

        Parameters
        ----------
        weights
            Weighted adjoint of every slot.
        slopes
            Of every edge.
        second
            Second derivatives, as the sweep returns them.
        """
        weight = weights[self._parents]
        bend = weight * second * self._created_factors
        if self._guarded:
            bend[weight == 0.0] = 0.0
        arcs = add_up(self._created_at, bend[self._created], self._size)
        # Pushing along one edge only is pushing along a second edge of slope one.
        slopes = np.append(slopes, 1.0)
        for step in self._steps:
            upper = arcs[step.sources]
            flow = upper * slopes[step.first] * slopes[step.second] * step.factors
            if self._guarded:
                flow[upper == 0.0] = 0.0
            arcs[step.start : step.stop] += add_up(step.targets, flow, step.stop - step.start)
        return arcs[self.entries]

    def _create(self, sweep: Sweep, reached: Mask, pending: Pending) -> None:
        """List the arcs that second derivatives make; their source is the second derivative."""
        layout = self._layout
        numbers = np.flatnonzero(reached[sweep.second_parent])
        pending.reserve(numbers.size)
        first, second = sweep.second_first[numbers], sweep.second_second[numbers]
        ends = layout.child[first], layout.child[second]
        marks = np.full(numbers.size, _CREATED, dtype=np.intp)
        pending.add(*self._keys(*ends), numbers, marks, marks, marks)

    def _keys(self, a: Indices, b: Indices) -> tuple[Indices, Indices]:
        """Return level and key of the arcs {a, b}."""
        high, low = np.maximum(a, b), np.minimum(a, b)
        return self._layout.level[high], high * self._layout.size + low

    def _append(self, count: int, columns: list[Indices], pushed: Indices) -> None:
        sources, first, second, double, targets = (column[pushed] for column in columns)
        start, self._size = self._size, self._size + count
        if sources.size:
            step = _Step(
                start,
                self._size,
                sources,
                first,
                second,
                np.where(double > 0, 2.0, 1.0),
                targets,
            )
            self._steps.append(step)

    def _push(self, keys: Indices, level: int, pending: Pending) -> None:
        """Remove the higher ends of the arcs of a level."""
        layout = self._layout
        high, low = keys // layout.size, keys % layout.size
        numbers = np.arange(self._size - keys.size, self._size)
        flat = layout.level[low] < level
        loop = high == low
        self._push_one(high[flat], low[flat], numbers[flat], pending)
        both = ~flat & ~loop
        self._push_both(high[both], low[both], numbers[both], pending)
        self._push_loops(high[loop], numbers[loop], pending)

    def _push_one(
        self, high: Indices, low: Indices, numbers: Indices, pending: Pending
    ) -> None:
        layout = self._layout
        pending.reserve(int((layout.edge_start[high + 1] - layout.edge_start[high]).sum()))
        which, edges = layout.edges_of(high)
        self._add(
            pending, (layout.child[edges], low[which]), numbers[which],
            (edges, np.full(edges.size, self._one, dtype=np.intp)),
        )  # fmt: skip

    def _push_both(
        self, high: Indices, low: Indices, numbers: Indices, pending: Pending
    ) -> None:
        layout = self._layout
        start, stop = layout.edge_start[:-1], layout.edge_start[1:]
        counts = (stop[high] - start[high]) * (stop[low] - start[low])
        pending.reserve(int(counts.sum()))
        which, first = layout.edges_of(high)
        again, second = expand(start[low[which]], stop[low[which]])
        which, first = which[again], first[again]
        ends = layout.child[first], layout.child[second]
        self._add(pending, ends, numbers[which], (first, second))

    def _push_loops(self, nodes: Indices, numbers: Indices, pending: Pending) -> None:
        """Push {v, v}: every pair of edges once, an edge with itself included."""
        layout = self._layout
        stop = layout.edge_start[nodes + 1]
        counts = stop - layout.edge_start[nodes]
        pending.reserve(int((counts * (counts + 1) // 2).sum()))
        which, first = layout.edges_of(nodes)
        again, second = expand(first, stop[which])
        which, first = which[again], first[again]
        ends = layout.child[first], layout.child[second]
        # c_p c_q stands twice in the square, and an edge with itself once.
        once = first == second
        self._add(pending, ends, numbers[which], (first, second), once)

    def _add(
        self,
        pending: Pending,
        ends: tuple[Indices, Indices],
        numbers: Indices,
        edges: tuple[Indices, Indices],
        once: Mask | None = None,
    ) -> None:
        """Add pushed arcs; one that closes to a loop counts from both ends."""
        double = ends[0] == ends[1]
        if once is not None:
            double &= ~once
        pending.add(*self._keys(*ends), numbers, *edges, double.astype(np.intp))


_CREATED = -1
"""In place of an edge: the contribution is a second derivative, not a pushed arc."""
