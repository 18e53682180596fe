"""Read the segments of a .nl file ([Gay05]_, section 4): one method per letter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optlab.typing import Indices, Vector
from optlab_problems.expressions.graph import Graph
from optlab_problems.nl.content import Content, Objective, Suffix
from optlab_problems.nl.errors import NlError, NlLimits, fail
from optlab_problems.nl.expressions import Builder, read_expression
from optlab_problems.nl.header import Header, read_header
from optlab_problems.nl.tokens import AbstractTokens, BinaryTokens, TextTokens

__all__ = ["read_content"]

_HEADER_LINES = 10
_INFINITY = 1e20
"""Magnitudes from here on mean that there is no bound (docs/notation.md)."""


def read_content(data: bytes, limits: NlLimits | None = None) -> Content:
    """Read the bytes of a .nl file.

    Raises
    ------
    NlError
        With line or offset, when something is wrong or not supported.
    """
    limits = limits or NlLimits()
    if len(data) > limits.file_bytes:
        raise NlError(
            f"the file has {len(data)} bytes; at most {limits.file_bytes} are accepted"
        )
    header = read_header(data)
    _check_counts(header, data)
    tokens: AbstractTokens
    if header.binary:
        tokens = BinaryTokens(data, header.end, header.byte_order)
    else:
        tokens = TextTokens(data[header.end :], _HEADER_LINES + 1)
    segments = _Segments(tokens, header, limits)
    try:
        segments.run()
    except NlError as error:
        raise tokens.complete(error) from None
    return segments.content


def _check_counts(header: Header, data: bytes) -> None:
    """Refuse counts that the file is too short for: a bound takes a line, or a byte in binary files."""
    items = len(data) - header.end if header.binary else data.count(b"\n", header.end) + 1
    for count, what in (
        (header.variables + header.rows, "variables and rows"),
        (header.objectives, "objectives"),
        (header.defined, "defined variables"),
    ):
        if count > items:
            raise NlError(f"{count} {what} are announced, and {items} items follow", line=2)


class _Segments:
    """Reads segments into a `Content`."""

    def __init__(self, tokens: AbstractTokens, header: Header, limits: NlLimits) -> None:
        self.tokens = tokens
        self.header = header
        n, m = header.variables, header.rows
        graph = Graph(limits.operations + n, fail)
        self.builder = Builder(graph, n, header.defined)
        self.content = Content(
            header, graph, self.builder.inputs, [Objective() for _ in range(header.objectives)],
            {}, [], np.full(n, -np.inf), np.full(n, np.inf), np.full(m, -np.inf),
            np.full(m, np.inf), np.zeros(n), None, {}, self.builder.function_names,
        )  # fmt: skip
        self._seen: set[tuple[str, int]] = set()
        self._readers: dict[str, Callable[[], None]] = {
            "F": self._function, "S": self._suffix, "V": self._defined, "C": self._row,
            "L": self._logical, "O": self._objective, "d": self._duals, "x": self._start,
            "r": self._row_bounds, "b": self._bounds, "k": self._columns, "K": self._columns,
            "J": self._linear_row, "G": self._linear_objective,
        }  # fmt: skip

    def run(self) -> None:
        """Read all segments."""
        while key := self.tokens.key():
            reader = self._readers.get(key)
            if reader is None:
                fail(f"{key!r} begins no segment; known are {' '.join(self._readers)}")
            reader()
            self.tokens.end()
        for letter, size, what in (
            ("b", self.header.variables, "variables"),
            ("r", self.header.rows, "rows"),
        ):
            if size and (letter, 0) not in self._seen:
                fail(f"the file ends without its {letter} segment, the bounds of the {what}")

    def _once(self, letter: str, index: int = 0) -> None:
        if (letter, index) in self._seen:
            fail(f"segment {letter}{index or ''} occurs twice")
        self._seen.add((letter, index))

    def _function(self) -> None:
        index = self.tokens.index(self.header.functions, "function")
        self.tokens.integer()
        self.tokens.integer()
        self.builder.function_names[index] = self.tokens.name()

    def _suffix(self) -> None:
        tokens, header = self.tokens, self.header
        kind = tokens.integer()
        if not 0 <= kind < 8:
            fail(f"suffix of kind {kind}; 0 to 7 are possible")
        sizes = (header.variables, header.rows + header.logical_rows, header.objectives, 1)
        size = sizes[kind & 3]
        count = tokens.count(size, "values of a suffix")
        name = tokens.name()
        tokens.end()
        indices, values = tokens.pairs(count, whole=not kind & 4)
        _check_indices(indices, size)
        self.content.suffixes[kind & 3, name] = Suffix(
            name, kind & 3, bool(kind & 4), indices, values
        )

    def _defined(self) -> None:
        tokens, builder = self.tokens, self.builder
        index = tokens.integer()
        count = tokens.count(self.header.variables, "linear terms")
        tokens.integer()  # where it is used, which the graph knows better
        tokens.end()
        columns, coefficients = self._terms(count)
        value = read_expression(tokens, builder)
        if count:
            total = builder.sum(value)
            for column, coefficient in zip(
                columns.tolist(), coefficients.tolist(), strict=True
            ):
                total.add_term(coefficient, builder.inputs[column])
            value = total
        builder.define(index, value)

    def _row(self) -> None:
        index = self.tokens.index(self.header.rows, "row")
        self._once("C", index)
        self.tokens.end()
        self.content.rows[index] = read_expression(self.tokens, self.builder)

    def _logical(self) -> None:
        fail(
            "the model has logical constraints; optlab solves problems of continuous variables"
        )

    def _objective(self) -> None:
        index = self.tokens.index(self.header.objectives, "objective")
        self._once("O", index)
        sense = self.tokens.integer()
        self.tokens.end()
        objective = self.content.objectives[index]
        objective.maximise = sense != 0
        objective.expression = read_expression(self.tokens, self.builder)

    def _duals(self) -> None:
        self._once("d")
        indices, values = self._values(self.header.rows)
        self.content.duals = np.zeros(self.header.rows)
        self.content.duals[indices] = values

    def _start(self) -> None:
        self._once("x")
        indices, values = self._values(self.header.variables)
        self.content.x0[indices] = values

    def _values(self, size: int) -> tuple[Indices, Vector]:
        count = self.tokens.count(size, "start values")
        self.tokens.end()
        indices, values = self.tokens.pairs(count)
        _check_indices(indices, size)
        return indices, values

    def _row_bounds(self) -> None:
        self._once("r")
        self._intervals(self.content.cl, self.content.cu)

    def _bounds(self) -> None:
        self._once("b")
        self._intervals(self.content.lb, self.content.ub)

    def _intervals(self, lower: Vector, upper: Vector) -> None:
        """Read an item per bound: 0 low high, 1 high, 2 low, 3 none, 4 equal, 5 complements."""
        tokens = self.tokens
        tokens.end()
        for k in range(lower.size):
            kind = tokens.key()
            if kind in ("0", "2", "4"):
                lower[k] = tokens.real()
            if kind in ("0", "1"):
                upper[k] = tokens.real()
            elif kind == "4":
                upper[k] = lower[k]
            elif kind == "5":
                fail(
                    f"row {k} complements a variable; optlab has no complementarity constraints"
                )
            elif kind not in ("2", "3"):
                fail(
                    f"{kind!r} is found where a bound is needed"
                    if kind
                    else "the file ends early"
                )
            tokens.end()
        lower[lower <= -_INFINITY] = -np.inf
        upper[upper >= _INFINITY] = np.inf

    def _columns(self) -> None:
        count = self.tokens.count(self.header.variables, "column counts")
        self.tokens.end()
        self.tokens.skip_integers(count)

    def _linear_row(self) -> None:
        row = self.tokens.index(self.header.rows, "row")
        self._once("J", row)
        columns, values = self._linear_terms()
        self.content.linear.append((np.full(columns.size, row, dtype=np.intp), columns, values))

    def _linear_objective(self) -> None:
        index = self.tokens.index(self.header.objectives, "objective")
        self._once("G", index)
        objective = self.content.objectives[index]
        objective.columns, objective.coefficients = self._linear_terms()

    def _linear_terms(self) -> tuple[Indices, Vector]:
        count = self.tokens.count(self.header.variables, "linear terms")
        self.tokens.end()
        return self._terms(count)

    def _terms(self, count: int) -> tuple[Indices, Vector]:
        columns, values = self.tokens.pairs(count)
        _check_indices(columns, self.header.variables)
        return columns, values


def _check_indices(indices: Indices, size: int) -> None:
    bad = (indices < 0) | (indices >= size)
    if bad.any():
        fail(f"index {int(indices[bad][0])} does not exist; there are {size}, counted from 0")
