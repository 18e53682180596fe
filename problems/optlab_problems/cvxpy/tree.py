"""Walks through CVXPY's expressions: operators, leaves, and what makes two problems the same structure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optlab_problems.cvxpy.upstream import cvxpy, private

__all__ = ["atoms_of", "fingerprint", "folded", "freezes", "leaves", "same_fingerprint"]


def atoms_of(part: Any) -> Iterator[Any]:
    """Go through the operators of an expression that depend on variables or parameters."""
    for node in _nodes(part.args):
        if node.args and not (node.is_constant() and not node.parameters()):
            yield node


def leaves(parts: Sequence[Any], kind: str) -> Iterator[Any]:
    """Go through the leaves of one kind, such as ``"Parameter"``; again wherever one occurs."""
    wanted = getattr(cvxpy(), kind)
    return (node for node in _nodes(parts) if isinstance(node, wanted))


def _nodes(parts: Sequence[Any]) -> Iterator[Any]:
    """Go through everything under the parts, from left to right."""
    stack = list(reversed(parts))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.args))


_COPIED = frozenset({"multiply", "MulExpression", "QuadForm", "DivExpression"})
"""Operators with a rule for smoothing that leaves a parameter as it is, or gives it a variable."""

_RENEWED = frozenset(
    {
        "AddExpression",
        "NegExpression",
        "Promote",
        "broadcast_to",
        "index",
        "reshape",
        "transpose",
    }
)
"""Operators on parameters alone that the derivative engine computes anew from their new values."""


def freezes(problem: Any) -> bool:
    """Whether the values of parameters go into the structure, so that new values need a new one.

    That is so where the smoothing may look at them: it copies the denominator of quad_over_lin(x, p), and
    makes of abs(p) a variable t >= |p| that nothing holds from above. And where the engine would have to
    multiply parameters with each other.
    """
    smoothed = {atom.__name__ for atom in private("SMOOTH_CANON_METHODS")} - _COPIED
    for part in (problem.objective, *problem.constraints):
        for atom in atoms_of(part):
            name = type(atom).__name__
            if atom.is_constant() and name not in _RENEWED:
                return True
            if name in smoothed and any(a.is_constant() and a.parameters() for a in atom.args):
                return True
    return False


def folded(problem: Any) -> Any:
    """Return a problem in which every expression without variables and parameters is one constant.

    CVXPY's smoothing leaves them as they are, and the engine has no rule for abs(2), or fails on log(2).
    """
    kinds = cvxpy()

    def fold(node: Any) -> Any:
        if not node.args:
            return node
        if node.is_constant() and not node.parameters():
            return kinds.Constant(node.value)
        arguments = [fold(arg) for arg in node.args]
        same = all(new is old for new, old in zip(arguments, node.args, strict=True))
        return node if same else node.copy(arguments)

    def fold_row(row: Any) -> Any:
        # A constraint is constant, too, when its arguments are; its label is no part of a copy.
        arguments = [fold(arg) for arg in row.args]
        if all(new is old for new, old in zip(arguments, row.args, strict=True)):
            return row
        copied = row.copy(arguments)
        copied.label = row.label
        return copied

    objective = type(problem.objective)(fold(problem.objective.args[0]))
    return kinds.Problem(objective, [fold_row(row) for row in problem.constraints])


def fingerprint(smooth: Any) -> list[Any]:
    """List what the derivative engine copies from a smooth problem: operators, shapes and constants.

    Two problems that agree in it differ in nothing but start values, bounds and parameters.
    """
    kinds = cvxpy()
    places: dict[int, int] = {}
    listed: list[Any] = []
    for node in _nodes((smooth.objective, *smooth.constraints)):
        name = type(node).__name__
        if isinstance(node, kinds.Constant):
            listed.append(node)
        elif isinstance(node, kinds.Variable | kinds.Parameter):
            listed.append((name, node.shape, places.setdefault(node.id, len(places))))
        else:
            shape = getattr(node, "shape", ())  # an objective has none
            listed.append((name, shape, getattr(node, "p_used", None)))
    return listed


def same_fingerprint(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Compare two fingerprints; constants by value, unless they are the same object."""
    return len(one) == len(other) and all(map(_same, one, other))


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, tuple) or isinstance(other, tuple):
        return type(one) is type(other) and bool(one == other)
    if one.shape != other.shape:
        return False
    difference = one.value - other.value
    return not (difference.nnz if hasattr(difference, "nnz") else np.any(difference))
