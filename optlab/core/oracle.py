"""The only door to a problem.

An :class:`Oracle` counts evaluations, enforces the limits, remembers the last points, refuses
values that are not finite and keeps the best point seen (the incumbent). Its overhead over the
user's functions is a few microseconds, because small problems are solved in thousands of calls.
"""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.asktell import Query
from optlab.core.batch import values_at
from optlab.core.control import BudgetSpent, Control, Door
from optlab.core.derivatives.estimates import connected
from optlab.core.guards import (
    FLOAT,
    NOTHING,
    Incumbent,
    Recent,
    finite_matrix,
    finite_number,
    finite_vector,
    guarded,
    immutable,
    largest_violation,
    row_weights,
)
from optlab.core.problem import Problem
from optlab.core.shifts import DenseShifts
from optlab.core.status import StopReason
from optlab.errors import CapabilityError, ProblemError
from optlab.typing import Mask, Matrix, Vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

__all__ = ["Incumbent", "Oracle"]


class Oracle(Door):
    """Counted, guarded and remembered access to one problem.

    Every verb takes float64 vectors and returns read-only arrays. A repeated call at one of the two
    most recent points of a verb costs no evaluation and returns the same array.

    Parameters
    ----------
    problem
        The problem; the rows that are not known to be linear count as nonlinear here.
    control
        Deadline and stop request, shared with every view; None makes a new one.
    copies
        Whether the arrays that the functions return must be copied, because they may be buffers
        that the next call overwrites.
    tracks
        Whether to keep the incumbent.
    executor
        For methods that evaluate batches; None means serially.

    Raises
    ------
    EvaluationError
        By every verb: the function raised, or its value is not finite.
    BudgetSpent
        By every verb, before an evaluation: a limit is reached. Private: the driver catches it.
    ProblemError
        By every verb: the value has the wrong shape.
    """

    __slots__ = (
        "_constraints", "_copies", "_gradient", "_gradient_at", "_has_bounds", "_hessian",
        "_hessian_at", "_jacobian", "_jacobian_at", "_objective", "_shape", "_tracks", "cl", "ctol",
        "cu", "derivatives", "executor", "has_gradient", "has_hessian", "has_hprod", "has_jacobian",
        "incumbent", "keeps_incumbent", "lb", "linear", "m", "n", "problem", "ub", "x0",
    )  # fmt: skip

    def __init__(
        self,
        problem: Problem,
        *,
        control: Control | None = None,
        copies: bool = True,
        tracks: bool = True,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(control)
        self.problem = problem
        self.n, self.m = problem.n, problem.m
        self.lb, self.ub, self.cl, self.cu = problem.lb, problem.ub, problem.cl, problem.cu
        self.derivatives = problem.derivatives
        self.has_gradient, self.has_jacobian = problem.has_gradient, problem.has_jacobian
        self.has_hessian = problem.has_hessian
        self.has_hprod = problem.has_hprod or problem.has_hessian
        self.x0: Vector = problem.x0
        """Start point of the run, (n,); the driver sets it when the caller chose another."""
        self.linear: Mask = (
            np.zeros(problem.m, dtype=bool) if problem.linear is None else problem.linear
        )
        self.incumbent: Incumbent | None = None
        self.ctol = 1e-6
        self.executor = executor
        self._copies, self._tracks = copies, tracks
        self.keeps_incumbent = tracks and not problem.noisy and problem.sparsity is None
        """Whether a value may be compared with those of other points; points on the way to few variables have more."""
        self._shape = (problem.n,)
        self._has_bounds = bool(np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any())
        verbs = (problem.gradient, problem.jacobian, problem.hessian)
        self._gradient_at, self._jacobian_at, self._hessian_at = (
            connected(v, self.sample) for v in verbs
        )
        self._objective, self._gradient, self._hessian = Recent(), Recent(), Recent()
        self._constraints, self._jacobian = Recent(), Recent()

    # Verbs --------------------------------------------------------------------------------------

    def objective(self, x: Vector) -> float:
        """Evaluate f(x)."""
        key = x.tobytes()
        recent = self._objective
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        if self.counts["objective"] >= self._max_eval:
            raise BudgetSpent(StopReason.MAX_EVAL)
        point = self._admit(x, key)
        raw = self._call("objective", self.problem.objective, point)
        f = finite_number("objective", raw, point)
        recent.put(key, f)
        if self.keeps_incumbent:
            c = self._constraints.find(key) if self.m else NOTHING
            if c is not None:
                self.offer(point, f, c)
        return f

    def gradient(self, x: Vector) -> Vector:
        """Evaluate the gradient of f, shape (n,)."""
        key = x.tobytes()
        recent = self._gradient
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        point = self._admit(x, key)
        raw = self._call("gradient", self._gradient_at, point)
        g = finite_vector("gradient", raw, self._shape, point, copy=self._copies)
        recent.put(key, g)
        return g

    def constraints(self, x: Vector) -> Vector:
        """Evaluate c(x), shape (m,)."""
        if not self.m:
            return NOTHING
        key = x.tobytes()
        recent = self._constraints
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        point = self._admit(x, key)
        raw = self._call("constraints", self.problem.constraints, point)
        c = finite_vector("constraints", raw, (self.m,), point, copy=self._copies)
        recent.put(key, c)
        if self.keeps_incumbent:
            f = self._objective.find(key)
            if f is not None:
                self.offer(point, f, c)
        return c

    def jacobian(self, x: Vector) -> Matrix:
        """Evaluate the Jacobian of c: (m, n) array or csr_array."""
        if not self.m:
            return self.problem.jacobian(x)
        key = x.tobytes()
        recent = self._jacobian
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        point = self._admit(x, key)
        raw = self._call("jacobian", self._jacobian_at, point)
        J = finite_matrix(
            "jacobian", raw, (self.m, self.n), point, copy=self._copies, like=recent.value
        )
        recent.put(key, J)
        return J

    def hessian(self, x: Vector, y: Vector, sigma: float = 1.0) -> Matrix:
        """Evaluate sigma * Hess f(x) + sum_i y_i Hess c_i(x): (n, n) array or csr_array."""
        key = (x.tobytes(), y.tobytes(), sigma)
        recent = self._hessian
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        point = self._admit(x, key[0])
        weights = row_weights(y, self.m)
        raw = self._call("hessian", self._hessian_at, point, weights, sigma)
        H = finite_matrix(
            "hessian", raw, (self.n, self.n), point, copy=self._copies, like=recent.value
        )
        recent.put(key, H)
        return H

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Multiply that Hessian by v, shape (n,); products are not remembered."""
        if not self.problem.has_hprod:
            if self.has_hessian:
                return np.asarray(self.hessian(x, y, sigma) @ v)
            raise CapabilityError(
                "Hessian-vector products are needed and the problem has neither hprod nor "
                "hessian; pass one of them to optlab.Problem"
            )
        point = self._admit(x, x.tobytes())
        weights = row_weights(y, self.m)
        self.counts.setdefault("hprod", 0)
        raw = self._call("hprod", self.problem.hprod, point, weights, sigma, v)
        return finite_vector("hprod", raw, self._shape, point, copy=self._copies)

    def jprod(self, x: Vector, v: Vector) -> Vector:
        """Multiply the Jacobian at x by v (n,), giving (m,)."""
        return np.asarray(self.jacobian(x) @ v)

    def jtprod(self, x: Vector, w: Vector) -> Vector:
        """Multiply the transposed Jacobian at x by w (m,), giving (n,)."""
        return np.asarray(self.jacobian(x).T @ w)

    def sample(self, verb: str, x: Any) -> Any:
        """Evaluate a function at a point next to an iterate, for an estimated derivative.

        Counted and limited, but not remembered; its time is the derivative's. ``x`` may be complex.
        """
        if (known := self.remembered(verb, x.tobytes())) is not None:
            return known
        if verb == "objective" and self.counts[verb] >= self._max_eval:
            raise BudgetSpent(StopReason.MAX_EVAL)
        self.check()
        self.counts[verb] += 1
        x.flags.writeable = False
        return guarded(verb, getattr(self.problem, verb), x)

    def values(self, query: Query) -> Vector:
        """Evaluate f at the points of a query, shape (k,), nan where it fails; not remembered."""
        return values_at(self, query)

    # Points -------------------------------------------------------------------------------------

    def remembered(self, verb: str, key: Any) -> Any:
        """Return a verb's value where it is remembered, else None."""
        return getattr(self, f"_{verb}").find(key)

    def known(self, x: Vector) -> Incumbent | None:
        """Return f and c at x when both are remembered, without evaluating anything."""
        key = x.tobytes()
        best = self.incumbent
        if best is not None and best.x.tobytes() == key:
            return best
        f = self._objective.find(key)
        c = self._constraints.find(key) if self.m else NOTHING
        if f is None or c is None:
            return None
        point: Vector = immutable(key)
        return Incumbent(point, f, c, self._violation(point, c))

    def point(self, x: Vector) -> Incumbent:
        """Return f and c at x, evaluating what is not remembered."""
        found = self.known(x)
        if found is not None:
            return found
        f = self.objective(x)
        c = self.constraints(x)
        return Incumbent(x, f, c, self._violation(x, c))

    # Control --------------------------------------------------------------------------------------

    def view(self, problem: Problem, *, copies: bool = False) -> Oracle:
        """Open a door to another problem whose functions call this oracle.

        It shares deadline and stop request, has its own counts and memory, and keeps no incumbent.

        Parameters
        ----------
        problem
            Usually a reduction of this oracle's problem.
        copies
            Set when the functions return buffers that later calls overwrite.
        """
        view = Oracle(problem, control=self._control, copies=copies, tracks=False)
        view.executor = self.executor
        view.account = self.account
        return view

    def reopened(self, problem: Problem) -> Oracle:
        """Open a door to the same functions in another problem that goes on counting."""
        renewed = Oracle(problem, executor=self.executor)
        renewed.counts, renewed.account = self.counts, self.account
        return renewed

    def as_problem(self) -> Problem:
        """Return the problem with this oracle's verbs as its functions, to build reductions on."""
        p = self.problem
        # A problem without rows keeps its own empty ones.
        verbs = ["objective", *(("constraints",) if p.m else ())]
        verbs += [
            v for v in _DERIVATIVES if getattr(p, f"has_{v}") and (p.m or v != "jacobian")
        ]
        linear = self.linear if p.m else None
        return p.replace(
            x0=self.x0,
            linear=linear,
            sampled=None,
            objective_batch=self._batch if p.has_batch else None,
            **{v: getattr(self, v) for v in verbs},
        )

    # Inside -----------------------------------------------------------------------------------

    def _admit(self, x: Vector, key: bytes) -> Vector:
        """Check limits and shape; return an immutable copy of x for the user's function.

        The copy wraps the key: it costs nothing, and a function that writes into its argument fails.
        """
        self.check()
        if x.shape != self._shape or x.dtype != FLOAT:
            raise ProblemError(
                f"a point has shape {x.shape} and dtype {x.dtype}; shape {self._shape} and "
                "float64 are needed"
            )
        return immutable(key)

    def _batch(self, points: Vector) -> Vector:
        """Evaluate f at many points, shape (k, n) -> (k,): the objective of a reduced problem."""
        return self.values(Query(np.zeros(self.n), DenseShifts(points)))

    def _call(self, verb: str, function: Callable[..., Any], x: Vector, *more: Any) -> Any:
        """Count and call a function of the problem; what it raises names the function and x."""
        self.counts[verb] += 1
        if not self._tracks:  # a view's root has the clock
            return guarded(verb, function, x, *more)
        account = self.account
        account.enter(verb)
        begin = process_time()
        try:
            return guarded(verb, function, x, *more)
        finally:
            account.cpu[verb] += process_time() - begin
            account.leave()

    def _violation(self, x: Vector, c: Vector) -> float:
        """Largest violation of a bound or row, 0 when at most ``ctol``."""
        worst = largest_violation(self.problem, x, c, bounds=self._has_bounds)
        return worst if worst > self.ctol else 0.0

    def offer(self, x: Vector, f: float, c: Vector) -> None:
        """Keep the point when it has less violation above ``ctol``, or then a lower objective."""
        best = self.incumbent
        if best is not None and best.violation == 0.0 and f >= best.f:
            return
        violation = self._violation(x, c)
        if best is None or (violation, f) < (best.violation, best.f):
            self.incumbent = Incumbent(x, f, c, violation)


_DERIVATIVES = ("gradient", "jacobian", "hessian", "hprod")
