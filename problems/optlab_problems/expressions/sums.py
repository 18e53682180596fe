"""Sums under construction: constant + sum of coefficient * node.

Files write a long sum as a chain of additions, as deep as the sum is long. Terms are gathered here, so
that the graph sees one node for all of them, and so that linear terms can be told from the others.
"""

from __future__ import annotations

from optlab_problems.expressions.graph import Graph

__all__ = ["Sum"]

_SCALED_IN_PLACE = 8
"""Terms up to which a factor goes to every term; beyond, the sum becomes a node that is scaled."""


class Sum:
    """A sum that grows in place; it belongs to whoever made it and is used once.

    Parameters
    ----------
    constant
        The constant.
    """

    __slots__ = ("_sign", "constant", "terms")

    def __init__(self, constant: float = 0.0) -> None:
        self.constant = constant
        self.terms: dict[int, float] = {}
        # Of the terms, not of the constant: a chain of subtractions turns them without touching them.
        self._sign = 1.0

    @classmethod
    def of(cls, node: int) -> Sum:
        """Return the sum of one node."""
        made = cls()
        made.terms[node] = 1.0
        return made

    def negated(self) -> Sum:
        """Return the sum with the other sign."""
        self.constant = -self.constant
        self._sign = -self._sign
        return self

    def plus(self, other: Sum) -> Sum:
        """Return the sum of two sums; the smaller is merged into the larger."""
        large, small = (self, other) if len(self.terms) >= len(other.terms) else (other, self)
        sign, terms = small._sign * large._sign, large.terms
        for node, factor in small.terms.items():
            terms[node] = terms.get(node, 0.0) + sign * factor
        large.constant += small.constant
        return large

    def times(self, factor: float, graph: Graph) -> Sum:
        """Return the sum times a number."""
        if factor == -1.0:
            return self.negated()
        if len(self.terms) > _SCALED_IN_PLACE:
            # Scaling all terms again and again would make nested sums cost their length squared.
            made = Sum()
            made.terms[self.node(graph)] = factor
            return made
        self.constant *= factor
        self.terms = {node: factor * value for node, value in self.terms.items()}
        return self

    def add_term(self, factor: float, node: int) -> None:
        """Add factor * node."""
        self.terms[node] = self.terms.get(node, 0.0) + self._sign * factor

    def items(self) -> list[tuple[int, float]]:
        """Return the terms that do not vanish, as (node, coefficient)."""
        return [(node, self._sign * c) for node, c in self.terms.items() if c != 0.0]

    def node(self, graph: Graph) -> int:
        """Return the node of this sum."""
        return graph.combination(self.constant, dict(self.items()))
