"""Derivatives of all outputs at once, by levels from the outputs down to the inputs.

The adjoint of an operation v for an output r is d r / d v. An output that is a combination of operations
starts with its coefficients; an operation hands its adjoint on, times the slope of each edge:

    d r / d w = sum over the operations v that use w of (d r / d v) (d v / d w)

Only pairs (r, v) in which r depends on v exist, so the adjoints at the inputs are the sparse Jacobian.
Weighted sums of the adjoints over the outputs are what second derivatives need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.typing import Indices, Mask, Vector
from optlab_problems.expressions.layout import Layout
from optlab_problems.expressions.patterns import add_up
from optlab_problems.expressions.pushes import Pending

__all__ = ["Adjoints", "Seeds"]


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """How outputs begin: output ``rows[k]`` contains ``coefficients[k]`` times slot ``slots[k]``."""

    rows: Indices
    slots: Indices
    coefficients: Vector


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What the pairs [start, stop) receive."""

    start: int
    stop: int
    sources: Indices
    edges: Indices
    targets: Indices


class Adjoints:
    """Pairs of outputs and operations, and how their adjoints are computed.

    Parameters
    ----------
    layout
        The slots and edges.
    seeds
        The outputs.
    limit
        Contributions that are accepted.

    Attributes
    ----------
    rows, slots
        Output and operation of every pair.
    at_inputs
        The pairs whose operation is an input, sorted by output and input.

    Raises
    ------
    TooLarge
        When there are more.
    """

    def __init__(self, layout: Layout, seeds: Seeds, limit: int) -> None:
        self._guarded = layout.has_branches
        self._steps: list[_Step] = []
        self._rows: list[Indices] = []
        self._slots: list[Indices] = []
        self._size = 0
        initial: list[Vector] = []
        pending = Pending(2, limit)
        pending.reserve(seeds.rows.size)
        # A seed is a contribution of no edge; its source is its own number.
        nowhere = np.full(seeds.rows.size, -1, dtype=np.intp)
        keys = seeds.rows * layout.size + seeds.slots
        pending.add(
            layout.level[seeds.slots], keys, np.arange(seeds.rows.size, dtype=np.intp), nowhere
        )
        first_input = None
        while (level := pending.highest()) >= 0:
            keys, sources, edges = pending.take(level)
            unique, targets = np.unique(keys, return_inverse=True)
            if level == 0:
                first_input = self._size
            seeded = edges < 0
            initial.append(
                add_up(targets[seeded], seeds.coefficients[sources[seeded]], unique.size)
            )
            self._append(layout, unique, (sources, edges, targets), ~seeded)
            if level > 0:
                self._push(layout, pending)
        self._initial: Vector = np.concatenate([np.zeros(0), *initial])
        empty = np.zeros(0, dtype=np.intp)
        self.rows: Indices = np.concatenate([empty, *self._rows])
        self.slots: Indices = np.concatenate([empty, *self._slots])
        self.at_inputs = slice(self._size if first_input is None else first_input, self._size)
        del self._rows, self._slots

    def _append(
        self,
        layout: Layout,
        keys: Indices,
        contributions: tuple[Indices, Indices, Indices],
        pushed: Mask,
    ) -> None:
        sources, edges, targets = (part[pushed] for part in contributions)
        start, self._size = self._size, self._size + keys.size
        self._rows.append(keys // layout.size)
        self._slots.append(keys % layout.size)
        if sources.size:
            self._steps.append(_Step(start, self._size, sources, edges, targets))

    def _push(self, layout: Layout, pending: Pending) -> None:
        rows, slots = self._rows[-1], self._slots[-1]
        counts = layout.edge_start[slots + 1] - layout.edge_start[slots]
        pending.reserve(int(counts.sum()))
        which, edges = layout.edges_of(slots)
        children = layout.child[edges]
        keys = rows[which] * layout.size + children
        pending.add(layout.level[children], keys, which + (self._size - rows.size), edges)

    def evaluate(self, slopes: Vector) -> Vector:
        """Return the adjoint of every pair."""
        adjoints = self._initial.copy()
        for step in self._steps:
            upper = adjoints[step.sources]
            flow = upper * slopes[step.edges]
            if self._guarded:
                # The branch that is not taken counts for nothing, even where it is infinite.
                flow[upper == 0.0] = 0.0
            adjoints[step.start : step.stop] += add_up(
                step.targets, flow, step.stop - step.start
            )
        return adjoints
