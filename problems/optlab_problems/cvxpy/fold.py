"""A reduction that evaluates what is constant in a CVXPY problem.

CVXPY's smoothing leaves constant subexpressions alone, and its derivative engine has no rule for most of
their operators (|a| of a parameter or constant a), or evaluates them as if they were variables.
"""

from __future__ import annotations

from typing import Any

from optlab_problems.cvxpy.tree import atoms_of
from optlab_problems.cvxpy.upstream import cvxpy

__all__ = ["FoldConstants", "freezes"]

_RENEWABLE = frozenset({"AddExpression", "NegExpression", "multiply", "MulExpression"})
"""Operators in whose arguments the engine takes new values of a parameter. Others copy the value once, or crash
the process when it changes."""

_WRAPPED = frozenset({"NegExpression", "Promote"})
"""Operators that may stand between a parameter and one of those."""


class FoldConstants:
    """Replaces constant subexpressions by their values; speaks as CVXPY's reductions do.

    Parameters
    ----------
    parameters
        Whether parameters count as constants.
    """

    def __init__(self, *, parameters: bool) -> None:
        self._parameters = parameters

    def accepts(self, problem: Any) -> bool:  # noqa: ARG002 - a reduction's verb
        """Say that every problem can be folded."""
        return True

    def apply(self, problem: Any) -> tuple[Any, list[Any]]:
        """Return the problem with constants in place of constant expressions; constraints keep their ids."""
        objective = type(problem.objective)(self._folded(problem.objective.expr))
        constraints = [self._rebuilt(c, c.args) for c in problem.constraints]
        return cvxpy().Problem(objective, constraints), []

    def invert(self, solution: Any, inverse_data: Any) -> Any:  # noqa: ARG002 - a reduction's verb
        """Return the solution as it is: variables and constraints are the same."""
        return solution

    def update_parameters(self, problem: Any) -> None:
        """Do nothing: where parameters may change they were not folded."""

    def _folded(self, node: Any) -> Any:
        if self._is_value(node):
            return node if isinstance(node, cvxpy().Constant) else cvxpy().Constant(node.value)
        return self._rebuilt(node, node.args) if node.args else node

    def _is_value(self, node: Any) -> bool:
        return not node.variables() and (self._parameters or not node.parameters())

    def _rebuilt(self, node: Any, arguments: list[Any]) -> Any:
        folded = [self._folded(arg) for arg in arguments]
        if all(new is old for new, old in zip(folded, arguments, strict=True)):
            return node
        return node.copy(folded)


def freezes(problem: Any) -> bool:
    """Whether some parameter is used in a way that a compiled structure cannot renew."""
    return any(
        not (_is_parameter(arg) and type(atom).__name__ in _RENEWABLE)
        for part in (problem.objective, *problem.constraints)
        for atom in atoms_of(part)
        if not atom.is_constant()
        for arg in atom.args
        if arg.is_constant() and arg.parameters()
    )


def _is_parameter(arg: Any) -> bool:
    """Whether this is a parameter, perhaps negated or repeated to a shape."""
    while type(arg).__name__ in _WRAPPED:
        arg = arg.args[0]
    return isinstance(arg, cvxpy().Parameter)
