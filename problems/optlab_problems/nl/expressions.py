"""Read expressions: prefix notation, from the file into the graph, without recursion.

A value is a number, a node of the graph, or a sum that still grows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.sums import Sum
from optlab_problems.nl.errors import fail
from optlab_problems.nl.opcodes import LISTS, NAMES, OPERATIONS, arity
from optlab_problems.nl.tokens import AbstractTokens

__all__ = ["Builder", "Value", "read_expression"]

Value: TypeAlias = float | int | Sum
"""A float is a constant, an int a node."""


@dataclass(slots=True)
class _Frame:
    """An operator whose operands are being read."""

    opcode: int
    wanted: int
    operands: list[Value] = field(default_factory=list)


def read_expression(tokens: AbstractTokens, builder: Builder) -> Value:
    """Read one expression.

    Parameters
    ----------
    tokens
        Where the expression begins.
    builder
        Makes its nodes.

    Raises
    ------
    NlError
        When it is wrong, or has an operator that is not supported.
    """
    stack: list[_Frame] = []
    while True:
        value = _operand(tokens, builder, stack)
        if value is None:
            continue
        while stack:
            frame = stack[-1]
            frame.operands.append(value)
            if len(frame.operands) < frame.wanted:
                break
            stack.pop()
            value = builder.apply(frame.opcode, frame.operands)
        else:
            return value


def _operand(tokens: AbstractTokens, builder: Builder, stack: list[_Frame]) -> Value | None:
    """Read a leaf, or open the frame of an operator and return None."""
    key = tokens.key()
    value: Value | None = None
    if key == "v":
        value = builder.variable(tokens.integer())
    elif key == "o":
        value = _operator(tokens, builder, stack)
    elif key in ("n", "s", "l"):
        value = _number(tokens, key)
    elif key == "f":
        builder.refuse_function(tokens.integer())
    elif key == "h":
        fail("a text stands where a number is needed; only imported functions take texts")
    else:
        fail(
            f"{key!r} is found where an expression is needed" if key else "the file ends early"
        )
    tokens.end()
    return value


def _operator(tokens: AbstractTokens, builder: Builder, stack: list[_Frame]) -> Value | None:
    opcode = tokens.integer()
    wanted = arity(opcode)
    if wanted is None and opcode in LISTS:
        # The number of operands is an item of its own in text files.
        wanted = _list_length(tokens)
    elif opcode == 64:
        return _piecewise(tokens, builder)
    if wanted is None:
        name = NAMES.get(opcode)
        shown = f"{opcode} ({name})" if name else str(opcode)
        fail(
            f"operator o{shown} is not supported: optlab solves problems of continuous variables"
        )
    stack.append(_Frame(opcode, wanted))
    return None


def _list_length(tokens: AbstractTokens) -> int:
    tokens.end()
    wanted = tokens.list_length()
    if wanted < 1:
        fail(f"a list of {wanted} operands; at least one is needed")
    return wanted


def _number(tokens: AbstractTokens, key: str) -> float:
    if key == "n":
        return tokens.real()
    return float(tokens.short() if key == "s" else tokens.integer())


def _constant(tokens: AbstractTokens) -> float:
    key = tokens.key()
    if key not in ("n", "s", "l"):
        fail(f"{key!r} is found where a number is needed")
    value = _number(tokens, key)
    tokens.end()
    return value


def _piecewise(tokens: AbstractTokens, builder: Builder) -> Value:
    """Read <<breakpoints; slopes>> variable: zero at zero, the slopes between the breakpoints."""
    pieces = _list_length(tokens)
    slopes, breakpoints = [], []
    for _ in range(pieces - 1):
        slopes.append(_constant(tokens))
        breakpoints.append(_constant(tokens))
    slopes.append(_constant(tokens))
    if tokens.key() != "v":
        fail("a piecewise-linear term belongs to a variable")
    return builder.piecewise(slopes, breakpoints, builder.variable(tokens.integer()))


class Builder:
    """Makes nodes for the operators of .nl files.

    Parameters
    ----------
    graph
        Where nodes go.
    variables
        Number of variables.
    defined
        Number of defined variables; their indices follow those of the variables.
    """

    def __init__(self, graph: Graph, variables: int, defined: int) -> None:
        self.graph = graph
        self.inputs = [graph.input(str(j)) for j in range(variables)]
        self.function_names: dict[int, str] = {}
        self._defined: dict[int, Value] = {}
        self._end = variables + defined

    def variable(self, index: int) -> Value:
        """Return a variable or defined variable."""
        if 0 <= index < len(self.inputs):
            return self.inputs[index]
        if index in self._defined:
            return self._defined[index]
        known = 0 <= index < self._end
        return fail(f"v{index} {'is used before its V segment' if known else 'does not exist'}")

    def define(self, index: int, value: Value) -> None:
        """Give a defined variable its value."""
        if not len(self.inputs) <= index < self._end:
            fail(f"V{index} is no defined variable")
        if index in self._defined:
            fail(f"V{index} is defined twice")
        # A sum is used up by its first use, so what others share is its node.
        self._defined[index] = value if type(value) is float else self.node(value)

    def refuse_function(self, index: int) -> None:
        """Raise the error for a call of an imported function."""
        name = self.function_names.get(index, f"number {index}")
        fail(
            f"imported function {name} is called; optlab runs no code that a model brings along"
        )

    def node(self, value: Value) -> int:
        """Return the node of a value."""
        if type(value) is int:
            return value
        if isinstance(value, Sum):
            return value.node(self.graph)
        return self.graph.constant(float(value))

    def sum(self, value: Value) -> Sum:
        """Return a value as a sum."""
        if isinstance(value, Sum):
            return value
        if type(value) is int:
            constant = self.graph.constants.get(value)
            return Sum.of(value) if constant is None else Sum(float(constant))
        return Sum(float(value))

    def apply(self, opcode: int, operands: list[Value]) -> Value:
        """Return an operator applied to its operands."""
        if opcode in LISTS:
            return self._list(LISTS[opcode], operands)
        if opcode in OPERATIONS:
            operation, _ = OPERATIONS[opcode]
            nodes = [self.node(value) for value in operands]
            return self.graph.apply(operation, *nodes)
        first = operands[0]
        second = operands[1] if len(operands) > 1 else 0.0
        if opcode in (0, 1):
            right = self.sum(second)
            return self.sum(first).plus(right.negated() if opcode == 1 else right)
        if opcode == 16:
            return self.sum(first).negated()
        if opcode == 2:
            return self._product(first, second)
        if opcode == 3:
            return self._quotient(first, second)
        if opcode in (5, 76, 77, 78):
            return self.graph.power(
                self.node(first), self.node(2.0 if opcode == 77 else second)
            )
        return self._rounded(opcode, first, second)

    def piecewise(
        self, slopes: list[float], breakpoints: list[float], argument: Value
    ) -> Value:
        """Return the piecewise-linear function that is 0 at 0.

        slope_0 x + sum over the breakpoints b of (change of slope) * (max(x, b) - max(0, b))
        """
        if any(b <= a for a, b in pairwise(breakpoints)):
            fail("the breakpoints of a piecewise-linear term must ascend")
        node = self.node(argument)
        total = Sum.of(node).times(slopes[0], self.graph)
        for before, after, point in zip(slopes, slopes[1:], breakpoints, strict=False):
            rising = self.graph.apply("max", node, self.graph.constant(point))
            total.add_term(after - before, rising)
            total.constant -= (after - before) * max(0.0, point)
        return total

    def _constant_of(self, value: Value) -> float | None:
        """Return the number that a value is; None when it is not constant."""
        if isinstance(value, Sum):
            return None if value.terms else value.constant
        if type(value) is int:
            known = self.graph.constants.get(value)
            return None if known is None else float(known)
        return float(value)

    def _product(self, first: Value, second: Value) -> Value:
        for factor, other in ((first, second), (second, first)):
            number = self._constant_of(factor)
            if number is not None:
                return self.sum(other).times(number, self.graph)
        return self.graph.apply("mul", self.node(first), self.node(second))

    def _quotient(self, first: Value, second: Value) -> Value:
        divisor = self._constant_of(second)
        if divisor is not None and divisor != 0.0 and abs(1.0 / divisor) != float("inf"):
            return self.sum(first).times(1.0 / divisor, self.graph)
        return self.graph.apply("div", self.node(first), self.node(second))

    def _list(self, operation: str, operands: list[Value]) -> Value:
        if operation == "sum":
            total = Sum()
            for value in operands:
                total = total.plus(self.sum(value))
            return total
        nodes = [self.node(value) for value in operands]
        while len(nodes) > 1:
            # In pairs, so that the depth is the logarithm of the length.
            odd = nodes[len(nodes) // 2 * 2 :]
            pairs = zip(nodes[::2], nodes[1::2], strict=False)
            nodes = [self.graph.apply(operation, a, b) for a, b in pairs] + odd
        return nodes[0]

    def _rounded(self, opcode: int, first: Value, second: Value) -> Value:
        """Return less (6), intdiv (55), round (57) or trunc (58)."""
        graph = self.graph
        if opcode == 6:
            difference = self.sum(first).plus(self.sum(second).negated())
            return graph.apply("max", self.node(difference), graph.constant(0.0))
        if opcode == 55:
            quotient = graph.apply("div", self.node(first), self.node(second))
            return graph.apply("trunc", quotient)
        scale = graph.power(graph.constant(10.0), self.node(second))
        scaled = graph.apply("mul", self.node(first), scale)
        return graph.apply(
            "div", graph.apply("nint" if opcode == 57 else "trunc", scaled), scale
        )
