"""Evaluate a small problem with scalar operations; same verbs as `VectorPlan`, always dense."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

import numpy as np

from optlab.typing import Indices, Vector
from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.operations import SCALAR
from optlab_problems.expressions.patterns import add_up
from optlab_problems.sif.tape import Tape
from optlab_problems.sif.unroll import Unrolled

__all__ = ["ScalarPlan"]

Fetch = Callable[[list[Any]], Any]


class ScalarPlan:
    """Evaluates an unrolled problem; keeps the results at the last point.

    Parameters
    ----------
    unrolled
        The nodes.
    """

    has_hessian = True

    def __init__(self, unrolled: Unrolled) -> None:
        u, graph = unrolled, unrolled.graph
        self.n, self.m = len(u.inputs), len(u.constraints)
        hessian = [
            (weight, i, j, node)
            for weight, entries in sorted(u.hessian.items())
            for (i, j), node in sorted(entries.items())
            if not graph.is_zero(node)
        ]
        stages = [
            [u.objective, *u.constraints],
            [*u.gradient.values(), *u.jacobian.values()],
            [entry[3] for entry in hessian],
        ]
        self.tape = tape = Tape(graph, stages, u.inputs, SCALAR)
        values, first, second = tape.outputs
        self._objective = values[0]
        self._constraints = _fetch(values[1:])
        self._gradient = _Filled(
            graph, (self.n,), u.gradient.keys(), list(u.gradient.values()), first
        )
        self._jacobian = _Filled(
            graph,
            (self.m, self.n),
            [row * self.n + column for row, column in u.jacobian],
            list(u.jacobian.values()),
            first[len(u.gradient) :],
        )
        self._prepare_hessian(graph, hessian, second)
        self._key = b""
        self._level = -1
        self._registers: list[Any] = []

    @property
    def size(self) -> int:
        """Number of scalar operations."""
        return self.tape.size

    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        value: float = self._at(x, 0)[self._objective]
        return value

    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        return np.array(self._constraints(self._at(x, 0)), dtype=float)

    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of f, (n,)."""
        return self._gradient.build(self._at(x, 1))

    def jacobian(self, x: Vector) -> Vector:
        """Return the Jacobian of c, (m, n)."""
        return self._jacobian.build(self._at(x, 1))

    @np.errstate(all="ignore")
    def hessian(self, x: Vector, y: Vector, sigma: float) -> Vector:
        """Return sigma Hess f + sum y_i Hess c_i, (n, n)."""
        registers = self._at(x, 2)
        entries = self._entries
        if self._varying is not None:
            entries = np.array(self._varying(registers), dtype=float)
        n = self.n
        if self.m == 0:
            matrix = np.zeros((n, n))
            matrix.reshape(-1)[self._slots] = (sigma * entries)[self._sources]
            return matrix
        weights = np.empty(self.m + 1)
        weights[0] = sigma
        weights[1:] = y
        entries = entries * weights[self._weights]
        return add_up(self._slots, entries[self._sources], n * n).reshape(n, n)

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Return the product of the Hessian with v, (n,)."""
        return self.hessian(x, y, sigma) @ v

    def _prepare_hessian(
        self, graph: Graph, hessian: list[tuple[int, int, int, int]], registers: list[int]
    ) -> None:
        n = self.n
        constant = all(entry[3] in graph.constants for entry in hessian)
        known = [graph.constants.get(entry[3], np.nan) for entry in hessian]
        self._entries = np.array(known, dtype=float)
        self._varying = None if constant else _fetch(registers)
        self._weights: Indices = np.array([entry[0] for entry in hessian], dtype=np.intp)
        slots, sources = [], []
        for k, (_, i, j, _) in enumerate(hessian):
            for slot in {i * n + j, j * n + i}:
                slots.append(slot)
                sources.append(k)
        self._slots: Indices = np.array(slots, dtype=np.intp)
        self._sources: Indices = np.array(sources, dtype=np.intp)

    def _at(self, x: Vector, level: int) -> list[Any]:
        key = x.tobytes()
        if key != self._key:
            self._registers = self.tape.start(x.tolist())
            self._level = -1
            self._key = key
        while self._level < level:
            self.tape.run(self._level + 1, self._registers)
            self._level += 1
        return self._registers


class _Filled:
    """An array with constant entries, filled once, and entries that come from registers."""

    def __init__(
        self,
        graph: Graph,
        shape: tuple[int, ...],
        positions: Iterable[int],
        nodes: list[int],
        registers: list[int],
    ) -> None:
        self._template = np.zeros(shape)
        flat = self._template.reshape(-1)
        varying: list[int] = []
        fetched: list[int] = []
        for position, node, register in zip(positions, nodes, registers, strict=False):
            if node in graph.constants:
                flat[position] = graph.constants[node]
            else:
                varying.append(position)
                fetched.append(register)
        self._positions: Indices = np.array(varying, dtype=np.intp)
        order = np.argsort(self._positions)
        # All entries vary: the fetched tuple in order is the array.
        self._whole = self._positions.size == flat.size
        if self._whole:
            fetched = [fetched[k] for k in order.tolist()]
        self._fetch = _fetch(fetched)

    def build(self, registers: list[Any]) -> Vector:
        """Return a new array."""
        if self._whole:
            return np.array(self._fetch(registers), dtype=float).reshape(self._template.shape)
        filled = self._template.copy()
        if self._positions.size:
            filled.reshape(-1)[self._positions] = self._fetch(registers)
        return filled


def _fetch(registers: list[int]) -> Fetch:
    """Return a function that picks these registers as a tuple."""
    if not registers:
        return lambda _: ()
    if len(registers) == 1:
        only = registers[0]
        return lambda values: (values[only],)
    return itemgetter(*registers)
