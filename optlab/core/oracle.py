"""The only door to a problem.

An :class:`Oracle` counts evaluations, enforces the limits, remembers the last points, refuses
values that are not finite and keeps the best point seen (the incumbent). Its overhead over the
user's functions is a few microseconds, because small problems are solved in thousands of calls.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent, Control, Limits
from optlab.core.problem import Problem
from optlab.core.sparse import as_matrix
from optlab.core.status import StopReason
from optlab.errors import CapabilityError, EvaluationError, OptlabError, ProblemError
from optlab.typing import Mask, Matrix, Vector

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Incumbent", "Oracle"]


@dataclass(frozen=True, slots=True)
class Incumbent:
    """A point where the objective and all rows are known."""

    x: Vector
    """(n,), read-only."""

    f: float
    c: Vector
    """(m,), read-only."""

    violation: float
    """Largest violation of a bound or row; 0 when it is at most the tolerance ``ctol``."""


class _Recent:
    """The two most recent points of one verb, keyed on the bytes of the point."""

    __slots__ = ("key", "old_key", "old_value", "value")

    def __init__(self) -> None:
        self.key: Any = None
        self.old_key: Any = None
        self.value: Any = None
        self.old_value: Any = None

    def put(self, key: Any, value: Any) -> None:
        self.old_key = self.key
        self.old_value = self.value
        self.key = key
        self.value = value

    def swap(self) -> Any:
        """Make the older point the newer one and return its value."""
        self.key, self.old_key = self.old_key, self.key
        self.value, self.old_value = self.old_value, self.value
        return self.value

    def find(self, key: Any) -> Any:
        """Return the value at a point, None when it is not remembered."""
        if key == self.key:
            return self.value
        return self.old_value if key == self.old_key else None


class Oracle:
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
        "_constraints", "_control", "_copies", "_gradient", "_has_bounds", "_hessian", "_jacobian",
        "_max_eval", "_objective", "_shape", "_tracks", "counts", "ctol", "executor", "incumbent",
        "linear", "problem", "x0",
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
        self.problem = problem
        self.x0: Vector = problem.x0
        """Start point of the run, (n,); the driver sets it when the caller chose another."""
        self.linear: Mask = (
            np.zeros(problem.m, dtype=bool) if problem.linear is None else problem.linear
        )
        self.counts: dict[str, int] = dict.fromkeys(
            ("objective", "gradient", "constraints", "jacobian", "hessian"), 0
        )
        self.incumbent: Incumbent | None = None
        self.ctol = 1e-6
        self.executor = executor
        self._control = Control() if control is None else control
        self._copies = copies
        self._tracks = tracks
        self._max_eval: float = math.inf
        self._shape = (problem.n,)
        self._has_bounds = bool(np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any())
        self._objective = _Recent()
        self._gradient = _Recent()
        self._constraints = _Recent()
        self._jacobian = _Recent()
        self._hessian = _Recent()

    # The problem's data -----------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.problem.n

    @property
    def m(self) -> int:
        """Number of rows."""
        return self.problem.m

    @property
    def lb(self) -> Vector:
        """Lower bounds, (n,)."""
        return self.problem.lb

    @property
    def ub(self) -> Vector:
        """Upper bounds, (n,)."""
        return self.problem.ub

    @property
    def cl(self) -> Vector:
        """Lower row bounds, (m,)."""
        return self.problem.cl

    @property
    def cu(self) -> Vector:
        """Upper row bounds, (m,)."""
        return self.problem.cu

    @property
    def has_gradient(self) -> bool:
        """Whether the gradient is available."""
        return self.problem.has_gradient

    @property
    def has_jacobian(self) -> bool:
        """Whether the Jacobian is available."""
        return self.problem.has_jacobian

    @property
    def has_hessian(self) -> bool:
        """Whether the Hessian of the Lagrangian is available."""
        return self.problem.has_hessian

    @property
    def has_hprod(self) -> bool:
        """Whether products with that Hessian are available."""
        return self.problem.has_hprod or self.problem.has_hessian

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
        self.counts["objective"] += 1
        try:
            f = float(self.problem.objective(point))
        except (BudgetSpent, OptlabError):
            raise
        except Exception as error:
            raise EvaluationError("objective", point, error) from error
        if not math.isfinite(f):
            raise EvaluationError("objective", point, f"is {f}")
        recent.put(key, f)
        if self._tracks:
            c = self._constraints.find(key) if self.problem.m else _NO_ROWS
            if c is not None:
                self._offer(point, f, c)
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
        self.counts["gradient"] += 1
        try:
            raw = self.problem.gradient(point)
        except (BudgetSpent, OptlabError):
            raise
        except Exception as error:
            raise EvaluationError("gradient", point, error) from error
        g = self._vector("gradient", raw, self._shape, point)
        recent.put(key, g)
        return g

    def constraints(self, x: Vector) -> Vector:
        """Evaluate c(x), shape (m,)."""
        if not self.problem.m:
            return _NO_ROWS
        key = x.tobytes()
        recent = self._constraints
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        point = self._admit(x, key)
        self.counts["constraints"] += 1
        try:
            raw = self.problem.constraints(point)
        except (BudgetSpent, OptlabError):
            raise
        except Exception as error:
            raise EvaluationError("constraints", point, error) from error
        c = self._vector("constraints", raw, (self.problem.m,), point)
        recent.put(key, c)
        if self._tracks:
            f = self._objective.find(key)
            if f is not None:
                self._offer(point, f, c)
        return c

    def jacobian(self, x: Vector) -> Matrix:
        """Evaluate the Jacobian of c: (m, n) array or csr_array."""
        if not self.problem.m:
            return self.problem.jacobian(x)
        key = x.tobytes()
        recent = self._jacobian
        if key == recent.key:
            return recent.value  # type: ignore[no-any-return]
        if key == recent.old_key:
            return recent.swap()  # type: ignore[no-any-return]
        point = self._admit(x, key)
        self.counts["jacobian"] += 1
        try:
            raw = self.problem.jacobian(point)
        except (BudgetSpent, OptlabError):
            raise
        except Exception as error:
            raise EvaluationError("jacobian", point, error) from error
        shape = (self.problem.m, self.problem.n)
        J = self._matrix("jacobian", raw, shape, point, recent.value)
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
        self.counts["hessian"] += 1
        try:
            raw = self.problem.hessian(point, np.frombuffer(key[1]), sigma)
        except (BudgetSpent, OptlabError):
            raise
        except Exception as error:
            raise EvaluationError("hessian", point, error) from error
        shape = (self.problem.n, self.problem.n)
        H = self._matrix("hessian", raw, shape, point, recent.value)
        recent.put(key, H)
        return H

    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Multiply that Hessian by v, shape (n,); products are not remembered."""
        if not self.problem.has_hprod:
            if self.problem.has_hessian:
                return np.asarray(self.hessian(x, y, sigma) @ v)
            raise CapabilityError(
                "Hessian-vector products are needed and the problem has neither hprod nor "
                "hessian; pass one of them to optlab.Problem"
            )
        point = self._admit(x, x.tobytes())
        self.counts["hprod"] = self.counts.get("hprod", 0) + 1
        try:
            raw = self.problem.hprod(point, y, sigma, v)
        except (BudgetSpent, OptlabError):
            raise
        except Exception as error:
            raise EvaluationError("hprod", point, error) from error
        return self._vector("hprod", raw, self._shape, point)

    def jprod(self, x: Vector, v: Vector) -> Vector:
        """Multiply the Jacobian at x by v (n,), giving (m,)."""
        return np.asarray(self.jacobian(x) @ v)

    def jtprod(self, x: Vector, w: Vector) -> Vector:
        """Multiply the transposed Jacobian at x by w (m,), giving (n,)."""
        return np.asarray(self.jacobian(x).T @ w)

    # Points -------------------------------------------------------------------------------------

    def known(self, x: Vector) -> Incumbent | None:
        """Return f and c at x when both are remembered, without evaluating anything."""
        key = x.tobytes()
        best = self.incumbent
        if best is not None and best.x.tobytes() == key:
            return best
        f = self._objective.find(key)
        c = self._constraints.find(key) if self.problem.m else _NO_ROWS
        if f is None or c is None:
            return None
        point: Vector = np.frombuffer(key)
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

        The view shares deadline and stop request; it has its own counts and memory, and it keeps
        no incumbent: the points that count are those of the root.

        Parameters
        ----------
        problem
            Usually a reduction of this oracle's problem.
        copies
            Set when the functions return buffers that later calls overwrite.
        """
        return Oracle(
            problem,
            control=self._control,
            copies=copies,
            tracks=False,
            executor=self.executor,
        )

    def as_problem(self) -> Problem:
        """Return the problem with this oracle's verbs as its functions, to build reductions on."""
        p = self.problem
        verbs: dict[str, Any] = {
            "objective": self.objective,
            "linear": self.linear if p.m else None,
        }
        if p.has_gradient:
            verbs["gradient"] = self.gradient
        if p.m:
            verbs["constraints"] = self.constraints
            if p.has_jacobian:
                verbs["jacobian"] = self.jacobian
        if p.has_hessian:
            verbs["hessian"] = self.hessian
        if p.has_hprod:
            verbs["hprod"] = self.hprod
        return p.replace(**verbs)

    def check(self) -> None:
        """Raise BudgetSpent when the time is up or a stop was requested."""
        control = self._control
        if control.stop is not None:
            raise BudgetSpent(control.stop)
        if time.monotonic() >= control.deadline:
            raise BudgetSpent(StopReason.MAX_TIME)

    def request_stop(self, reason: StopReason) -> None:
        """Let the next evaluation of this oracle and of all views end the solve."""
        self._control.stop = reason

    def set_limits(self, limits: Limits) -> tuple[float, float]:
        """Tighten the limits; returns the previous ones for :meth:`restore_limits`."""
        before = (self._max_eval, self._control.deadline)
        if limits.max_eval is not None:
            spent = self.counts["objective"]
            self._max_eval = min(self._max_eval, spent + limits.max_eval)
        if limits.max_time is not None:
            deadline = time.monotonic() + limits.max_time
            self._control.deadline = min(self._control.deadline, deadline)
        return before

    def restore_limits(self, limits: tuple[float, float]) -> None:
        """Undo :meth:`set_limits`."""
        self._max_eval, self._control.deadline = limits

    def lift_limits(self) -> Control:
        """Let the driver certify the final point after a limit; returns the control to put back."""
        control = self._control
        self._control = Control()
        return control

    def restore_control(self, control: Control) -> None:
        """Undo :meth:`lift_limits`."""
        self._control = control

    # Inside -----------------------------------------------------------------------------------

    def _admit(self, x: Vector, key: bytes) -> Vector:
        """Check limits and shape; return an immutable copy of x for the user's function.

        The copy wraps the key, so it costs nothing, stays true when the caller overwrites x, and
        a function that writes into its argument fails instead of moving the iterate.
        """
        control = self._control
        if control.stop is not None:
            raise BudgetSpent(control.stop)
        if time.monotonic() >= control.deadline:
            raise BudgetSpent(StopReason.MAX_TIME)
        if x.shape != self._shape or x.dtype != _FLOAT:
            raise ProblemError(
                f"a point has shape {x.shape} and dtype {x.dtype}; shape {self._shape} and "
                "float64 are needed"
            )
        return np.frombuffer(key)

    def _vector(self, verb: str, raw: Any, shape: tuple[int, ...], x: Vector) -> Vector:
        if self._copies or type(raw) is not np.ndarray or raw.dtype != _FLOAT:
            try:
                value: Vector = np.array(raw, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise EvaluationError(verb, x, error) from error
        else:
            value = raw
        if value.shape != shape:
            raise ProblemError(f"{verb}(x) has shape {value.shape}; shape {shape} is needed")
        # One BLAS call decides almost always; the exact test only runs when it overflows.
        if not math.isfinite(value.dot(value)) and not np.isfinite(value).all():
            raise EvaluationError(verb, x, _where(value))
        value.flags.writeable = False
        return value

    def _matrix(
        self, verb: str, raw: Any, shape: tuple[int, int], x: Vector, like: Any
    ) -> Matrix:
        try:
            matrix, data = as_matrix(raw, copy=self._copies, like=like)
        except (TypeError, ValueError) as error:
            raise EvaluationError(verb, x, error) from error
        if matrix.shape != shape:
            raise ProblemError(f"{verb} has shape {matrix.shape}; shape {shape} is needed")
        if not math.isfinite(data.dot(data)) and not np.isfinite(data).all():
            raise EvaluationError(verb, x, _where(data))
        return matrix

    def _violation(self, x: Vector, c: Vector) -> float:
        """Largest violation of a bound or row, 0 when at most ``ctol``."""
        p = self.problem
        worst = 0.0
        if p.m:
            worst = max(worst, float((p.cl - c).max()), float((c - p.cu).max()))
        if self._has_bounds:
            worst = max(worst, float((p.lb - x).max()), float((x - p.ub).max()))
        return worst if worst > self.ctol else 0.0

    def _offer(self, x: Vector, f: float, c: Vector) -> None:
        """Keep the point when it has less violation above ``ctol``, or then a lower objective."""
        best = self.incumbent
        if best is not None and best.violation == 0.0 and f >= best.f:
            return
        violation = self._violation(x, c)
        if (
            best is None
            or violation < best.violation
            or (violation == best.violation and f < best.f)
        ):
            self.incumbent = Incumbent(x, f, c, violation)


_FLOAT = np.dtype(np.float64)
_NO_ROWS: Vector = np.zeros(0)
_NO_ROWS.flags.writeable = False


def _where(value: Vector) -> str:
    """Say which entry is not finite."""
    flat = value.ravel()
    i = int(np.flatnonzero(~np.isfinite(flat))[0])
    return f"has entry {i} equal to {flat[i]}"
