"""Walks through CVXPY's expressions: operators, leaves, and what makes two problems the same structure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optlab_problems.cvxpy.upstream import cvxpy

__all__ = ["atoms_of", "fingerprint", "leaves", "same_fingerprint"]


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
