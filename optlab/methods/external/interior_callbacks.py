"""The problem as IPOPT and POUNCE call it: methods of one object, values in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.methods.external.base import Guard, Stopped
from optlab.methods.external.structure import Structure

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["Callbacks", "SecondOrderCallbacks"]


class Callbacks:
    """What the peer calls; the names are the peer's.

    A refusal that the peer does not know (:class:`Stopped`) is passed on as nan.
    """

    def __init__(self, oracle: Oracle, guard: Guard, jacobian: Structure) -> None:
        self._oracle = oracle
        self._guard = guard
        self._jacobian = jacobian
        self.x: Vector | None = None
        """Where the gradient was evaluated last, which is the peer's iterate."""

    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        value: float = self._ask(1, self._oracle.objective, x)
        return value

    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of f, (n,)."""
        value: Vector = self._ask(self._oracle.n, self._oracle.gradient, x)
        self.x = np.array(x)
        return value

    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        value: Vector = self._ask(self._oracle.m, self._oracle.constraints, x)
        return value

    def jacobianstructure(self) -> tuple[Any, Any]:
        """Return rows and columns of the entries."""
        return self._jacobian.rows, self._jacobian.columns

    def jacobian(self, x: Vector) -> Vector:
        """Return the entries in that order."""
        value: Vector = self._ask(self._jacobian.rows.size, self._jacobian_values, x)
        return value

    def _jacobian_values(self, x: Vector) -> Vector:
        return self._jacobian.values(self._oracle.jacobian(x))

    def _ask(self, size: int, verb: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._guard.call(verb, *arguments)
        except Stopped:
            return (
                np.nan
                if size == 1 and verb == self._oracle.objective
                else np.full(size, np.nan)
            )


class SecondOrderCallbacks(Callbacks):
    """The same with exact second derivatives."""

    def __init__(
        self, oracle: Oracle, guard: Guard, jacobian: Structure, hessian: Structure
    ) -> None:
        super().__init__(oracle, guard, jacobian)
        self._hessian = hessian

    def hessianstructure(self) -> tuple[Any, Any]:
        """Return rows and columns of the entries of the lower triangle."""
        return self._hessian.rows, self._hessian.columns

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Vector:
        """Return the entries in that order."""
        value: Vector = self._ask(self._hessian.rows.size, self._hessian_values, x, y, sigma)
        return value

    def _hessian_values(self, x: Vector, y: Vector, sigma: float) -> Vector:
        return self._hessian.values(self._oracle.hessian(x, y, sigma))
