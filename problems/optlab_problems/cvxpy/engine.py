"""CVXPY's derivative engine behind pure functions.

The engine differentiates where it was last evaluated: its gradient, Jacobian and Hessian take no x, and its
Hessian takes first derivatives from the last gradient and Jacobian that were asked for. Every verb here
takes x, and first has the engine compute at x what the verb builds on. Objective and constraints share their
variables inside the engine, so that all of it stands at one point, or counts as not computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np

from optlab.core.sparse import csr, with_data
from optlab.errors import CapabilityError
from optlab.typing import Indices, Vector
from optlab_problems.cvxpy.tree import leaves
from optlab_problems.cvxpy.upstream import private

__all__ = ["Engine", "FixedPattern"]


@dataclass(frozen=True, slots=True)
class _Functions:
    """What the engine reads of a problem, with the parameters that its functions really use.

    A parameter that occurs in nothing but a variable's bounds would be freed by the engine's constructor and
    written to at the next update.
    """

    objective: Any
    constraints: list[Any]
    every_variable: list[Any]
    used: list[Any]

    def variables(self) -> list[Any]:
        return self.every_variable

    def parameters(self) -> list[Any]:
        return self.used


class FixedPattern:
    """Entries (row, column) in any order, repeated ones added, as a csr_array of fixed pattern.

    Parameters
    ----------
    rows, columns
        (nnz,) positions.
    shape
        Of the matrix.
    """

    def __init__(self, rows: Indices, columns: Indices, shape: tuple[int, int]) -> None:
        keys = rows.astype(np.int64) * shape[1] + columns
        unique, self._place = np.unique(keys, return_inverse=True)
        indptr = np.searchsorted(unique, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
        indices = (unique % max(1, shape[1])).astype(np.int32)
        self._size = unique.size
        self._matrix = csr(np.zeros(unique.size), indices, indptr.astype(np.int32), shape)

    def fill(self, values: Vector) -> Any:
        """Return the csr_array with the values of the entries, (nnz,) in the order of the positions."""
        data = np.bincount(self._place, weights=values, minlength=self._size).astype(np.float64)
        return with_data(self._matrix, data)


class Engine:
    """f and c of a smooth CVXPY problem with exact sparse derivatives; as functions, pure.

    Parameters
    ----------
    smooth
        A ``cvxpy.Problem`` after CVXPY's smoothing.
    n, m
        Its sizes.

    Raises
    ------
    CapabilityError
        When the engine has no rule for something in the problem.
    """

    def __init__(self, smooth: Any, n: int, m: int) -> None:
        self.n, self.m = n, m
        make = private("C_problem")
        try:
            self._compiled = make(_functions(smooth), verbose=False)
        except (NotImplementedError, ValueError, RuntimeError) as error:
            raise CapabilityError(
                f"CVXPY's derivative engine cannot take the problem: {error}"
            ) from error
        self._compiled.init_jacobian_coo()
        rows, columns = self._compiled.get_jacobian_sparsity_coo()
        self._jacobian = FixedPattern(rows, columns, (m, n))
        self._hessian: FixedPattern | None = None
        self._below: Indices = np.zeros(0, dtype=np.intp)
        self._at: Vector | None = None
        self._done: dict[str, Any] = {}
        # The engine is one mutable graph; methods may evaluate batches in threads.
        self._lock = RLock()

    def update(self, smooth: Any) -> None:
        """Take over the values of the parameters from a problem of the same structure."""
        parameters = _functions(smooth).used
        if parameters:
            theta = [
                np.asarray(p.value, dtype=np.float64).flatten(order="F") for p in parameters
            ]
            with self._lock:
                self._compiled.update_params(np.concatenate(theta))
                self._at = None

    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        with self._lock:
            return float(self._value("f", x))

    def gradient(self, x: Vector) -> Vector:
        """Return grad f(x), (n,)."""
        with self._lock:
            gradient: Vector = self._value("g", x)
            return gradient

    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        with self._lock:
            c: Vector = self._value("c", x)
            return c

    def jacobian(self, x: Vector) -> Any:
        """Return the (m, n) Jacobian of c, csr_array."""
        with self._lock:
            return self._jacobian.fill(self._value("J", x))

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Any:
        """Return sigma Hess f + sum_i y_i Hess c_i, csr_array with both triangles."""
        with self._lock:
            pattern = self._hessian or self._prepare_hessian()
            # The chain rule reads first derivatives that only these two calls compute. Without them the
            # second derivatives are wrong, and stay wrong at every later point.
            self._value("g", x)
            self._value("J", x)
            multipliers = np.ascontiguousarray(y, dtype=np.float64)
            lower = self._compiled.eval_hessian_vals_coo_lower_tri(float(sigma), multipliers)
            return pattern.fill(np.concatenate([lower, lower[self._below]]))

    def _prepare_hessian(self) -> FixedPattern:
        """Find the Hessian's pattern, at the first call: it can take the engine quadratic time."""
        self._compiled.init_hessian_coo_lower_tri()
        self._at = None
        rows, columns = self._compiled.get_problem_hessian_sparsity_coo()
        self._below = np.flatnonzero(rows != columns)
        both = np.concatenate([rows, columns[self._below]])
        across = np.concatenate([columns, rows[self._below]])
        self._hessian = FixedPattern(both, across, (self.n, self.n))
        return self._hessian

    def _value(self, what: str, x: Vector) -> Any:
        """Return f, c, g or J (its entries) at x, computed once at every point."""
        if self._at is None or not np.array_equal(self._at, x):
            self._at = np.array(x, dtype=np.float64)
            self._done = {}
        if what not in self._done:
            before = {"g": "f", "J": "c"}.get(what)
            if before is not None:
                self._value(before, x)
            self._done[what] = self._compute(what, self._at)
        return self._done[what]

    def _compute(self, what: str, x: Vector) -> Any:
        """Have the engine compute one thing; copied, since it writes into the same memory again."""
        engine = self._compiled
        if what == "f":
            return float(engine.objective_forward(x))
        if self.m == 0 and what != "g":
            return np.zeros(0)
        raw = {
            "g": engine.gradient,
            "c": lambda: engine.constraint_forward(x),
            "J": engine.eval_jacobian_vals,
        }[what]()
        return np.array(raw, dtype=np.float64)


def _functions(smooth: Any) -> _Functions:
    used = {p.id: p for p in leaves((smooth.objective, *smooth.constraints), "Parameter")}
    return _Functions(
        smooth.objective, smooth.constraints, smooth.variables(), list(used.values())
    )
