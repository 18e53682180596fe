"""Turn what a file states into outputs: linear terms apart from operations."""

from __future__ import annotations

from collections import defaultdict
from heapq import heapify, heappop, heappush

import numpy as np

from optlab.typing import Indices
from optlab_problems.expressions.adjoints import Seeds
from optlab_problems.expressions.evaluator import Outputs
from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.layout import Layout
from optlab_problems.expressions.sums import Sum
from optlab_problems.nl.content import Content, Objective
from optlab_problems.nl.errors import NlLimits, fail
from optlab_problems.nl.expressions import Value

__all__ = ["build_outputs"]


def build_outputs(
    content: Content, objective: Objective | None, limits: NlLimits
) -> tuple[Layout, Outputs]:
    """Lay out the expressions of the objective and all rows.

    Parameters
    ----------
    content
        The file.
    objective
        Output 0, negated when it is maximised; None stands for zero.
    limits
        Linear terms and depth that are accepted.
    """
    splitter = _Splitter(content, limits.terms)
    constants = np.zeros(1 + content.header.rows)
    rows, columns, values = [], [], []
    if objective is not None:
        sign = -1.0 if objective.maximise else 1.0
        constants[0] = splitter.split(0, sign, objective.expression)
        rows.append(np.zeros(objective.columns.size, dtype=np.intp))
        columns.append(objective.columns)
        values.append(sign * objective.coefficients)
    for row, value in sorted(content.rows.items()):
        constants[row + 1] = splitter.split(row + 1, 1.0, value)
    for row_of, column_of, value_of in content.linear:
        rows.append(row_of + 1)
        columns.append(column_of)
        values.append(value_of)
    # Files list places of nonlinear terms with coefficient zero; those find themselves.
    rows.append(np.array([row for row, _, _ in splitter.linear], dtype=np.intp))
    columns.append(np.array([column for _, column, _ in splitter.linear], dtype=np.intp))
    values.append(np.array([value for _, _, value in splitter.linear]))
    value_of = np.concatenate(values)
    kept = np.flatnonzero(value_of)
    layout = Layout(content.graph, content.inputs, [node for _, node, _ in splitter.seeds])
    if layout.depth > limits.levels:
        fail(f"the operations are {layout.depth} levels deep; {limits.levels} are accepted")
    seeds = Seeds(
        _indices([row for row, _, _ in splitter.seeds]),
        _indices([layout.slot[node] for _, node, _ in splitter.seeds]),
        np.array([factor for _, _, factor in splitter.seeds]),
    )
    outputs = Outputs(
        constants,
        np.concatenate(rows)[kept],
        np.concatenate(columns)[kept],
        value_of[kept],
        seeds,
    )
    return layout, outputs


class _Splitter:
    """Splits expressions into constant, linear terms and operations."""

    def __init__(self, content: Content, term_limit: int) -> None:
        self._graph = content.graph
        self._column = {node: j for j, node in enumerate(content.inputs)}
        self._affine = _affine_sums(content.graph, self._column)
        self._left = self._limit = term_limit
        self.linear: list[tuple[int, int, float]] = []
        self.seeds: list[tuple[int, int, float]] = []

    def split(self, output: int, sign: float, value: Value) -> float:
        """Add the terms of an output; return its constant."""
        if isinstance(value, Sum):
            terms, constant = dict(value.items()), value.constant
        elif type(value) is int:
            terms, constant = {value: 1.0}, 0.0
        else:
            terms, constant = {}, float(value)
        affine = {node: factor for node, factor in terms.items() if self._is_affine(node)}
        for node, factor in terms.items():
            if node not in affine:
                self.seeds.append((output, node, sign * factor))
        return sign * (constant + self._write_out(output, sign, affine))

    def _is_affine(self, node: int) -> bool:
        return node in self._column or node in self._affine or node in self._graph.constants

    def _write_out(self, output: int, sign: float, terms: dict[int, float]) -> float:
        """Replace affine sums by their terms, the latest first, so that each is met once."""
        constants, operands = self._graph.constants, self._graph.operands
        factors = defaultdict(float, terms)
        waiting = [-node for node in terms]
        heapify(waiting)
        total = 0.0
        while waiting:
            self._left -= 1
            if self._left < 0:
                fail(f"the rows have more than {self._limit} linear terms")
            node = -heappop(waiting)
            factor = factors.pop(node)
            if node in constants:
                total += factor * float(constants[node])
            elif node in self._column:
                self.linear.append((output, self._column[node], sign * factor))
            else:
                inner = operands[node]
                total += factor * float(constants[inner[0]])
                for coefficient, term in zip(inner[1::2], inner[2::2], strict=True):
                    if term not in factors:
                        heappush(waiting, -term)
                    factors[term] += factor * float(constants[coefficient])
        return total


def _affine_sums(graph: Graph, inputs: dict[int, int]) -> set[int]:
    """Return the sums of inputs and of such sums."""
    found: set[int] = set()
    for node, operation in enumerate(graph.operations):
        if operation == "sum" and all(
            term in inputs or term in found for term in graph.operands[node][2::2]
        ):
            found.add(node)
    return found


def _indices(values: list[int]) -> Indices:
    return np.array(values, dtype=np.intp)
