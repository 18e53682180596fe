"""Expressions as one graph of operations without repetitions.

Every distinct operation is one node (hash consing), so a subexpression that occurs twice is computed
once. Constants are folded with the scalar operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from optlab.errors import ParseError
from optlab_problems.expressions.operations import SCALAR

__all__ = ["Graph"]

#: Integer powers up to here become multiplications: faster than pow, and what compilers do.
_LARGEST_EXPANDED_POWER = 16


def _refuse(message: str) -> NoReturn:
    raise ParseError(message)


class Graph:
    """A growing set of operations; nodes are integers in order of definition.

    Parameters
    ----------
    limit
        Nodes that are accepted.
    fail
        Called with a sentence when there are more; raises the reader's own error.
    """

    def __init__(
        self, limit: int = 5_000_000, fail: Callable[[str], NoReturn] = _refuse
    ) -> None:
        self.operations: list[str] = []
        self.operands: list[tuple[int, ...]] = []
        self.constants: dict[int, float | bool] = {}
        self._known: dict[tuple[object, ...], int] = {}
        self._limit = limit
        self._fail = fail

    def constant(self, value: float | bool) -> int:
        """Return the node of a constant."""
        # 0.0 == -0.0 and True == 1.0 as keys, so type and sign belong to the key.
        # A NaN equals nothing, so it goes by name.
        known = "nan" if math.isnan(value) else value
        key = ("constant", type(value) is bool, known, math.copysign(1.0, value))
        node = self._known.get(key)
        if node is None:
            node = self._define(key, "constant", ())
            self.constants[node] = value
        return node

    def input(self, name: str) -> int:
        """Return the node of an input."""
        key = ("input", name)
        node = self._known.get(key)
        return self._define(key, "input", ()) if node is None else node

    def apply(self, operation: str, *operands: int) -> int:
        """Return the node of an operation, simplified where that changes no value."""
        constants = self.constants
        if all(node in constants for node in operands):
            values = [constants[node] for node in operands]
            return self.constant(SCALAR[operation](*values))
        short = self._simplified(operation, operands)
        if short is not None:
            return short
        if operation in ("add", "mul") and operands[0] > operands[1]:
            operands = (operands[1], operands[0])
        key = (operation, *operands)
        node = self._known.get(key)
        return self._define(key, operation, operands) if node is None else node

    def power(self, base: int, exponent: int) -> int:
        """Return base ** exponent, small integer powers as multiplications."""
        value = self.constants.get(exponent)
        if (
            value is None
            or math.isnan(value)
            or abs(value) > _LARGEST_EXPANDED_POWER
            or value != int(value)
        ):
            return self.apply("pow", base, exponent)
        result = self._integer_power(base, abs(int(value)))
        return result if value >= 0 else self.apply("div", self.constant(1.0), result)

    def sum(self, nodes: Iterable[int]) -> int:
        """Return the sum of nodes; zero when there are none."""
        total = self.constant(0.0)
        for node in nodes:
            total = self.apply("add", total, node)
        return total

    def combination(self, constant: float, terms: Mapping[int, float]) -> int:
        """Return constant + the sum of coefficient * node, one node however many terms there are.

        The operands of a node ``sum`` are the constant, then coefficient and node of every term.
        """
        terms = {node: factor for node, factor in terms.items() if factor != 0.0}
        if not terms:
            return self.constant(constant)
        if len(terms) == 1 and constant == 0.0 and 1.0 in terms.values():
            return next(iter(terms))
        operands = [self.constant(constant)]
        for node in sorted(terms):
            operands += [self.constant(terms[node]), node]
        key = ("sum", *operands)
        known = self._known.get(key)
        return self._define(key, "sum", tuple(operands)) if known is None else known

    def scaled(self, factor: float, node: int) -> int:
        """Return factor * node; zero when the factor is zero."""
        if factor == 0.0:
            return self.constant(0.0)
        return self.apply("mul", self.constant(factor), node)

    def is_zero(self, node: int) -> bool:
        """Tell whether a node is the constant zero."""
        return self.constants.get(node) == 0.0

    def needed(self, outputs: Iterable[int]) -> set[int]:
        """Return all nodes that the outputs depend on, themselves included."""
        seen: set[int] = set()
        stack = list(outputs)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(self.operands[node])
        return seen

    def _simplified(self, operation: str, operands: tuple[int, ...]) -> int | None:
        constants = self.constants
        first = constants.get(operands[0])
        second = constants.get(operands[1]) if len(operands) > 1 else None
        if operation == "add":
            return operands[1] if first == 0.0 else operands[0] if second == 0.0 else None
        if operation == "sub":
            if second == 0.0:
                return operands[0]
            return self.apply("neg", operands[1]) if first == 0.0 else None
        if operation == "mul":
            if first == 1.0 or second == 1.0:
                return operands[1] if first == 1.0 else operands[0]
            if first == -1.0 or second == -1.0:
                return self.apply("neg", operands[1] if first == -1.0 else operands[0])
        if operation == "div" and second == 1.0:
            return operands[0]
        if operation == "neg" and self.operations[operands[0]] == "neg":
            return self.operands[operands[0]][0]
        if operation == "choose" and operands[0] in constants:
            return operands[1] if constants[operands[0]] else operands[2]
        return None

    def _integer_power(self, base: int, exponent: int) -> int:
        result, square = None, base
        while exponent:
            if exponent & 1:
                result = square if result is None else self.apply("mul", result, square)
            exponent >>= 1
            if exponent:
                square = self.apply("mul", square, square)
        return self.constant(1.0) if result is None else result

    def _define(
        self, key: tuple[object, ...], operation: str, operands: tuple[int, ...]
    ) -> int:
        node = len(self.operations)
        if node >= self._limit:
            self._fail(f"the expressions of this file need more than {self._limit} operations")
        self._known[key] = node
        self.operations.append(operation)
        self.operands.append(operands)
        return node
