"""The verbs of a problem on top of a plan that keeps the results of its last point."""

from __future__ import annotations

from threading import Lock
from typing import Any, Protocol

import numpy as np

from optlab.typing import Matrix, Vector

__all__ = ["Plan", "Verbs"]


class Plan(Protocol):
    """Evaluates a problem; not safe for several threads."""

    @property
    def has_hessian(self) -> bool:
        """Whether `hessian` is available; products always are."""
        ...

    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        ...

    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of f, (n,)."""
        ...

    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        ...

    def jacobian(self, x: Vector) -> Matrix:
        """Return the Jacobian of c, (m, n)."""
        ...

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        """Return sigma Hess f + sum y_i Hess c_i, (n, n)."""
        ...

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Return the product of the Hessian with v, (n,)."""
        ...


class Verbs:
    """The five verbs and Hessian products, one thread at a time.

    Parameters
    ----------
    plan
        What evaluates.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # The plan keeps results of the last point, so threads must take turns.
        self._lock = Lock()
        self._product_key: tuple[bytes, bytes, float] | None = None
        self._product_matrix: Any = None

    @property
    def has_hessian(self) -> bool:
        """Whether the Hessian's pattern is within its limit; products are always available."""
        return self._plan.has_hessian

    def functions(self, *, rows: bool) -> dict[str, Any]:
        """Return the functions by the names that `optlab.Problem` has for them.

        Parameters
        ----------
        rows
            Whether the problem has any.
        """
        return {
            "objective": self.objective,
            "gradient": self.gradient,
            "hessian": self.hessian if self.has_hessian else None,
            "hprod": self.hprod,
            "constraints": self.constraints if rows else None,
            "jacobian": self.jacobian if rows else None,
        }

    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        with self._lock:
            return self._plan.objective(x)

    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of f, (n,)."""
        with self._lock:
            return self._plan.gradient(x)

    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        with self._lock:
            return self._plan.constraints(x)

    def jacobian(self, x: Vector) -> Matrix:
        """Return the Jacobian of c, (m, n)."""
        with self._lock:
            return self._plan.jacobian(x)

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        """Return sigma Hess f(x) + sum y_i Hess c_i(x), (n, n)."""
        with self._lock:
            return self._plan.hessian(x, y, sigma)

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Return the product of `hessian` with v, (n,)."""
        with self._lock:
            if not self._plan.has_hessian:
                return self._plan.hprod(x, y, sigma, v)
            key = (x.tobytes(), y.tobytes(), sigma)
            if key != self._product_key:
                # Krylov methods ask for many products with one matrix.
                self._product_matrix = self._plan.hessian(x, y, sigma)
                self._product_key = key
            with np.errstate(all="ignore"):
                product: Vector = self._product_matrix @ v
            return product
