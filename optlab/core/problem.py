"""The problem as optlab sees it.

    minimize f(x)   subject to   lb <= x <= ub,   cl <= c(x) <= cu

The Lagrangian is L(x, y, z) = f(x) + y'c(x) + z'x (docs/notation.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from optlab.core.derivatives.estimates import AbstractEstimate, EstimatedGradient, as_estimate
from optlab.core.derivatives.hessian import EstimatedHessian
from optlab.core.derivatives.jacobian import EstimatedJacobian
from optlab.core.derivatives.options import Differences
from optlab.core.sampled import full_gradient
from optlab.errors import CapabilityError, ProblemError
from optlab.typing import Indices, Mask, Matrix, Vector, is_a

if TYPE_CHECKING:
    from optlab.core.sampled import AbstractSampled
    from optlab.core.setting import Origin
    from optlab.core.sparsity import Sparsity

__all__ = ["Problem"]

_FIELDS = (
    "objective", "x0", "gradient", "hessian", "hprod", "constraints", "jacobian", "lb", "ub",
    "cl", "cu", "linear", "name", "variable_names", "constraint_names", "slack_rows", "row_scale",
    "origin", "objective_batch", "sampled", "noisy", "sparsity",
)  # fmt: skip


class Problem:
    """An optimization problem: sizes, bounds and pure functions. Immutable.

    Parameters
    ----------
    objective
        ``objective(x) -> float``.
    x0
        Start point, shape (n,), finite. It may violate bounds and rows.
    gradient
        ``gradient(x) -> (n,)``; a scheme such as ``"3-point"`` or a
        :class:`~optlab.core.derivatives.Differences` to estimate it from values (docs/derivatives.md);
        or None when not available.
    hessian
        ``hessian(x, y, sigma)`` returns sigma * Hess f(x) + sum_i y_i Hess c_i(x): an (n, n) array
        or scipy.sparse matrix with both triangles and a pattern that does not depend on x; or a
        scheme, as for the gradient, to estimate it from gradients.
    hprod
        ``hprod(x, y, sigma, v) -> (n,)``, the product of that matrix with v.
    constraints
        ``constraints(x) -> (m,)``.
    jacobian
        ``jacobian(x)``: an (m, n) array or scipy.sparse matrix with a fixed pattern; or a scheme, as
        for the gradient.
    lb, ub
        Bounds on x, shape (n,) or a scalar; -inf and inf mean none; None means none at all.
    cl, cu
        Bounds on the rows, shape (m,); equal entries make an equality.
    linear
        (m,) bool, rows that are known to be affine. None: not known (``optlab.minimize`` finds
        them by probing).
    name, variable_names, constraint_names
        For people; names must not repeat.
    slack_rows
        (ns,) row numbers i of the form c_i(x) - s_i whose slacks s are the last ns variables; set
        by the reduction that adds slacks, for methods that reset them at no cost.
    row_scale
        (m,) what a reduction has multiplied the user's rows by; None stands for ones. For methods that
        measure violations as the user does.
    objective_batch
        ``objective_batch(X) -> (k,)``, the objective at the k rows of X, shape (k, n), for methods that evaluate many
        points at once; nan where it cannot be evaluated. It must agree with ``objective``.
    sampled
        How the samples of an objective that is their average are evaluated (:mod:`optlab.core.sampled`);
        ``objective`` is the average over all of them. Where the samples have a gradient, ``gradient`` may be left out.
    noisy
        Whether values at the same point may differ; the lowest value seen is then no reason to prefer a point.
    sparsity
        How many variables may differ from zero (:mod:`optlab.core.sparsity`); None: any number. For methods that
        prune.
    origin
        File or object that a problem source has read, for reports; None for a problem stated in Python.

    Raises
    ------
    ProblemError
        When shapes, bounds or names contradict each other.

    Examples
    --------
    >>> import numpy as np
    >>> p = Problem(objective=lambda x: float(x @ x), gradient=lambda x: 2 * x, x0=np.ones(2), lb=0)
    >>> p.n, p.m, p.has_gradient, p.has_hessian
    (2, 0, True, False)
    """

    __slots__ = (
        *_FIELDS, "has_batch", "has_gradient", "has_hessian", "has_hprod", "has_jacobian", "m", "n",
    )  # fmt: skip

    n: int
    m: int
    x0: Vector
    lb: Vector
    ub: Vector
    cl: Vector
    cu: Vector
    linear: Mask | None
    name: str
    variable_names: tuple[str, ...] | None
    constraint_names: tuple[str, ...] | None
    slack_rows: Indices
    row_scale: Vector | None
    origin: Origin | None
    objective_batch: Callable[[Vector], Any] | None
    sampled: AbstractSampled | None
    noisy: bool
    sparsity: Sparsity | None
    has_batch: bool
    has_gradient: bool
    has_jacobian: bool
    has_hessian: bool
    has_hprod: bool
    objective: Callable[[Vector], float]
    gradient: Callable[[Vector], Vector]
    constraints: Callable[[Vector], Vector]
    jacobian: Callable[[Vector], Matrix]
    hessian: Callable[[Vector, Vector, float], Matrix]
    hprod: Callable[[Vector, Vector, float, Vector], Vector]

    def __init__(
        self,
        *,
        objective: Callable[[Vector], float],
        x0: Any,
        gradient: Callable[[Vector], Any] | str | Differences | None = None,
        hessian: Callable[[Vector, Vector, float], Any] | str | Differences | None = None,
        hprod: Callable[[Vector, Vector, float, Vector], Any] | None = None,
        constraints: Callable[[Vector], Any] | None = None,
        jacobian: Callable[[Vector], Any] | str | Differences | None = None,
        lb: Any = None,
        ub: Any = None,
        cl: Any = None,
        cu: Any = None,
        linear: Any = None,
        name: str = "",
        variable_names: Sequence[str] | None = None,
        constraint_names: Sequence[str] | None = None,
        slack_rows: Indices | None = None,
        row_scale: Vector | None = None,
        origin: Origin | None = None,
        objective_batch: Callable[[Vector], Any] | None = None,
        sampled: AbstractSampled | None = None,
        noisy: bool = False,
        sparsity: Sparsity | None = None,
    ) -> None:
        start = _start(x0)
        n = start.size
        m = _row_count(constraints, cl, cu)
        if m == 0:
            constraints, jacobian = _no_rows, _NoRowsJacobian(n)
        gradient = full_gradient(sampled, gradient)
        put = object.__setattr__
        put(self, "n", n)
        put(self, "m", m)
        put(self, "x0", start)
        put(self, "lb", _bound("lb", lb, n, -np.inf))
        put(self, "ub", _bound("ub", ub, n, np.inf))
        put(self, "cl", _bound("cl", cl, m, -np.inf))
        put(self, "cu", _bound("cu", cu, m, np.inf))
        put(self, "linear", _linear(linear, m))
        rows = np.zeros(0, dtype=np.intp) if slack_rows is None else slack_rows
        put(self, "slack_rows", rows)
        put(self, "row_scale", row_scale)
        put(self, "origin", origin)
        put(self, "objective_batch", _callable_or_none("objective_batch", objective_batch))
        put(self, "sampled", sampled)
        put(self, "noisy", bool(noisy) or sampled is not None)
        put(self, "sparsity", sparsity)
        if sparsity is not None and sparsity.n != n:
            raise ProblemError(
                f"sparsity is about {sparsity.n} variables, the problem has {n}; its blocks must cover all of them"
            )
        put(self, "has_batch", objective_batch is not None or sampled is not None)
        put(self, "name", name)
        put(self, "variable_names", _names("variable_names", variable_names, n))
        put(self, "constraint_names", _names("constraint_names", constraint_names, m))
        _check_order("lb", self.lb, "ub", self.ub, self.variable_names)
        _check_order("cl", self.cl, "cu", self.cu, self.constraint_names)
        verbs: dict[str, Any] = {
            "objective": objective,
            "gradient": as_estimate(EstimatedGradient, gradient),
            "constraints": constraints,
            "jacobian": as_estimate(EstimatedJacobian, jacobian),
            "hessian": as_estimate(EstimatedHessian, hessian),
            "hprod": hprod,
        }
        for verb, function in verbs.items():
            _callable_or_none(verb, function)
            put(self, verb, _Missing(verb, name) if function is None else function)
        for verb in ("gradient", "jacobian", "hessian"):
            estimate: Any = verbs[verb]
            if is_a(estimate, AbstractEstimate):
                # An estimate follows the functions, bounds and linear rows of the problem it is in.
                put(self, verb, estimate.bound_to(self))
        put(self, "has_gradient", gradient is not None)
        put(self, "has_jacobian", jacobian is not None)
        put(self, "has_hessian", hessian is not None)
        put(self, "has_hprod", hprod is not None)

    def __setattr__(self, key: str, value: object) -> NoReturn:
        raise AttributeError(f"Problem is immutable; use problem.replace({key}=...)")

    def __delattr__(self, key: str) -> NoReturn:
        raise AttributeError(f"Problem is immutable; {key} cannot be deleted")

    def __repr__(self) -> str:
        verbs = ("gradient", "jacobian", "hessian", "hprod")
        have = [v for v in verbs if not isinstance(getattr(self, v), _Missing)]
        name = f"{self.name!r}, " if self.name else ""
        return (
            f"Problem({name}n={self.n}, m={self.m}, has: {', '.join(have) or 'objective only'})"
        )

    @property
    def derivatives(self) -> str:
        """``"exact"``, or ``"estimated"`` when the gradient or the Jacobian comes from differences."""
        estimated = is_a(self.gradient, AbstractEstimate) or is_a(
            self.jacobian, AbstractEstimate
        )
        return "estimated" if estimated else "exact"

    def replace(self, **changes: Any) -> Problem:
        """Return a problem with the given constructor arguments replaced.

        Raises
        ------
        TypeError
            When a name is not an argument of the constructor.
        """
        given: dict[str, Any] = {}
        for field in _FIELDS:
            value = getattr(self, field)
            given[field] = None if isinstance(value, _Missing) else value
        if self.m == 0:
            given.update(constraints=None, jacobian=None, linear=None, constraint_names=None)
        given.update(changes)
        return Problem(**given)


def _callable_or_none(verb: str, function: Any) -> Any:
    if function is not None and not callable(function):
        raise ProblemError(
            f"{verb} is {function!r}; a callable or None is needed. Pass the function itself, not its value."
        )
    return function


class _Missing:
    """Stand-in for a function that the problem does not have."""

    __slots__ = ("problem", "verb")

    def __init__(self, verb: str, problem: str) -> None:
        self.verb = verb
        self.problem = problem

    def __call__(self, *_: object) -> NoReturn:
        name = f" {self.problem!r}" if self.problem else ""
        raise CapabilityError(
            f"the problem{name} has no {self.verb}; pass {self.verb}=... to optlab.Problem"
        )


class _NoRowsJacobian:
    """Jacobian of no rows at all."""

    __slots__ = ("_value",)

    def __init__(self, n: int) -> None:
        self._value = np.zeros((0, n))
        self._value.flags.writeable = False

    def __call__(self, x: Vector) -> Vector:  # noqa: ARG002
        return self._value


def _no_rows(x: Vector) -> Vector:  # noqa: ARG001
    return np.zeros(0)


def _start(x0: Any) -> Vector:
    x = _array("x0", x0)
    if x.ndim != 1:
        raise ProblemError(f"x0 has shape {x.shape}; a one-dimensional array is needed")
    if not np.isfinite(x).all():
        where = int(np.flatnonzero(~np.isfinite(x))[0])
        raise ProblemError(f"x0[{where}] is {x[where]}; a finite start point is needed")
    x.flags.writeable = False
    return x


def _row_count(constraints: object, cl: Any, cu: Any) -> int:
    """Take the number of rows from the row bounds."""
    sizes = {key: np.size(v) for key, v in (("cl", cl), ("cu", cu)) if v is not None}
    if len(set(sizes.values())) > 1:
        raise ProblemError(
            f"cl has {sizes['cl']} entries and cu has {sizes['cu']}; one of each per row is needed"
        )
    m = max(sizes.values(), default=0)
    if constraints is None and m:
        raise ProblemError(f"{m} row bounds are given but no constraints; pass constraints=...")
    if constraints is not None and not sizes:
        raise ProblemError(
            "constraints are given without cl and cu, so the number of rows is not known; pass "
            "cl=... and cu=... (equal entries make an equality, infinities leave a side open)"
        )
    return m


def _array(label: str, value: Any) -> Vector:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{label} cannot be read as an array of numbers: {error}") from error


def _bound(label: str, value: Any, size: int, default: float) -> Vector:
    """Copy a bound vector, read-only; a scalar is repeated, None means the default."""
    array = _array(label, default if value is None else value)
    if array.ndim == 0:
        array = np.full(size, float(array))
    if array.shape != (size,):
        raise ProblemError(f"{label} has shape {array.shape}; shape ({size},) is needed")
    if np.isnan(array).any():
        where = int(np.flatnonzero(np.isnan(array))[0])
        raise ProblemError(f"{label}[{where}] is nan; use -inf or inf where there is no bound")
    array.flags.writeable = False
    return array


def _linear(value: Any, m: int) -> Mask | None:
    if m == 0:
        return np.zeros(0, dtype=bool)
    if value is None:
        return None
    mask = np.array(value)
    if mask.dtype != np.bool_ or mask.shape != (m,):
        raise ProblemError(
            f"linear has dtype {mask.dtype} and shape {mask.shape}; a bool array of shape ({m},) "
            "is needed, true where the row is affine"
        )
    mask.flags.writeable = False
    return mask


def _names(label: str, names: Sequence[str] | None, size: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    result = tuple(str(name) for name in names)
    if len(result) != size:
        raise ProblemError(f"{label} has {len(result)} entries; {size} are needed")
    if len(set(result)) != size:
        repeated = Counter(result).most_common(1)[0][0]
        raise ProblemError(f"{label} repeats {repeated!r}; names must be unique")
    return result


def _check_order(
    low: str, lower: Vector, up: str, upper: Vector, names: tuple[str, ...] | None
) -> None:
    """Refuse intervals that contain no number."""
    bad = (lower > upper) | (lower == np.inf) | (upper == -np.inf)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        name = f" ({names[i]})" if names is not None else ""
        raise ProblemError(
            f"{low}[{i}] = {lower[i]:g} and {up}[{i}] = {upper[i]:g}{name} leave no value in "
            f"between; {int(bad.sum())} such pair(s). {low} <= {up} is needed, {low} < inf and "
            f"{up} > -inf"
        )
