"""Constraints in SciPy's forms, read into groups of rows  cl <= c(x) <= cu.

* ``NonlinearConstraint(fun, lb, ub, jac, hess)`` and ``LinearConstraint(A, lb, ub)``, known by their attributes, so
  that scipy.optimize need not be imported;
* dicts ``{"type": "eq" | "ineq", "fun": c, "jac": J, "args": (...)}`` for c(x) = 0 and c(x) >= 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from optlab.core.derivatives.estimates import noise_of_values
from optlab.core.derivatives.options import Differences
from optlab.core.derivatives.providers import (
    Differentiated,
    derivative_provider,
    is_provider,
)
from optlab.core.functions.calls import (
    Call,
    Remembered,
    applied,
    first_value,
    tuple_of,
    with_args,
)
from optlab.core.functions.patterns import FixedPattern, vector_of
from optlab.core.functions.schemes import (
    first_order,
    second_order,
    with_step,
)
from optlab.errors import ProblemError
from optlab.typing import Matrix, Vector, is_a

__all__ = ["Rows", "read_constraints"]

_NEEDED = "a NonlinearConstraint, a LinearConstraint or a dict with 'type' and 'fun' (or a list of these) is needed"

_DICT_KEYS = ("type", "fun", "jac", "hess", "args")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one constraint."""

    label: str
    """``constraints[k]``."""

    cl: Vector
    cu: Vector
    """(size,) each."""

    value: Call
    """c(x), (size,)."""

    first: Callable[[Vector], Matrix] | Differences | None
    """Jacobian (size, n), how to estimate it, or None: not given."""

    second: Callable[[Vector, Vector], Matrix] | Differences | None
    """``second(x, v)``: sum_i v_i Hess c_i, how to estimate it, or None: zero where the rows are linear, to
    be learnt by quasi-Newton elsewhere."""

    linear: bool | None
    """Whether they are known to be affine, or not to be; None: not known."""

    pattern: Any = None
    """(size, n) where the Jacobian may be nonzero, when it is to be estimated and that is known."""

    noise: float = 0.0
    """Relative rounding of the values."""

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.cl.size


@dataclass(frozen=True, slots=True)
class Context:
    """What reading a constraint needs to know."""

    x: Vector
    """(n,) where functions are evaluated once, to learn how many rows they have."""

    scheme: Any
    """How Jacobians that are not given are found: a name, Differences or None."""


def read_constraints(given: Any, context: Context) -> list[Rows]:
    """Read one constraint or several; those without rows are left out.

    Raises
    ------
    ProblemError
        When one has no form that is known, or wrong parts; names it.
    EvaluationError
        When its function cannot be evaluated at the start.
    """
    if given is None:
        return []
    if is_a(given, Mapping) or _is_nonlinear(given) or _is_linear(given):
        given = [given]
    if is_a(given, str) or not hasattr(given, "__iter__"):
        raise ProblemError(f"constraints is a {type(given).__name__}; {_NEEDED}")
    found = [_read(f"constraints[{k}]", one, context) for k, one in enumerate(given)]
    return [rows for rows in found if rows.size]


def _is_nonlinear(thing: Any) -> bool:
    return all(hasattr(thing, name) for name in ("fun", "lb", "ub"))


def _is_linear(thing: Any) -> bool:
    return all(hasattr(thing, name) for name in ("A", "lb", "ub"))


def _read(label: str, given: Any, context: Context) -> Rows:
    if is_a(given, Mapping):
        return _from_dict(label, given, context)
    if _is_linear(given):
        return _from_matrix(label, given, context.x.size)
    if _is_nonlinear(given):
        return _from_object(label, given, context)
    if hasattr(given, "lb") and hasattr(given, "ub"):
        raise ProblemError(f"{label} is a {type(given).__name__}; pass it as bounds=...")
    raise ProblemError(f"{label} is a {type(given).__name__}; {_NEEDED}")


def _from_matrix(label: str, given: Any, n: int) -> Rows:
    """Read lb <= A x <= ub."""
    raw = given.A
    if not hasattr(raw, "tocsr"):
        raw = np.atleast_2d(np.asarray(raw, dtype=np.float64))
    shape = tuple(int(k) for k in raw.shape)
    if len(shape) != 2 or shape[1] != n:
        raise ProblemError(f"{label}.A has shape {shape}; shape (rows, {n}) is needed")
    A: Any = FixedPattern(f"{label}.A", (shape[0], n))(raw)
    values = A if is_a(A, np.ndarray) else A.data
    if not np.isfinite(values).all():
        raise ProblemError(f"{label}.A has an entry that is not finite")
    cl, cu = _sides(label, given, shape[0])
    return Rows(label, cl, cu, lambda x: A @ x, lambda _: A, None, linear=True)


def _from_object(label: str, given: Any, context: Context) -> Rows:
    """Read lb <= fun(x) <= ub."""
    jac = getattr(given, "jac", None)
    # A NonlinearConstraint that was given no jac says "2-point".
    parts = _Parts(
        fun=given.fun,
        jac=None if isinstance(jac, str) and jac == "2-point" else jac,
        hess=getattr(given, "hess", None),
        step=getattr(given, "finite_diff_rel_step", None),
        pattern=getattr(given, "finite_diff_jac_sparsity", None),
    )
    return _from_function(
        label, parts, context, lambda size: _sides(label, given, size), linear=False
    )


def _from_dict(label: str, given: Mapping[str, Any], context: Context) -> Rows:
    """Read c(x) = 0 or c(x) >= 0."""
    for key in ("type", "fun"):
        if key not in given:
            raise ProblemError(f"{label} has no {key!r}; {_NEEDED}")
    unknown = sorted(str(key) for key in given if key not in _DICT_KEYS)
    if unknown:
        raise ProblemError(
            f"{label} has the unknown key(s) {', '.join(unknown)}; known: {', '.join(_DICT_KEYS)}"
        )
    kind = given["type"].lower() if isinstance(given["type"], str) else given["type"]
    if kind not in ("eq", "ineq"):
        raise ProblemError(
            f"{label} has type {given['type']!r}; 'eq' for c(x) = 0 or 'ineq' for c(x) >= 0 is needed"
        )
    parts = _Parts(
        fun=given["fun"],
        args=tuple_of(f"{label}['args']", given.get("args", ())),
        jac=given.get("jac"),
        hess=given.get("hess"),
    )
    above = 0.0 if kind == "eq" else np.inf
    return _from_function(
        label, parts, context, lambda size: (np.zeros(size), np.full(size, above)), linear=None
    )


def _sides(label: str, given: Any, size: int) -> tuple[Vector, Vector]:
    """Bring lb and ub to one number a row."""
    sides: list[Vector] = []
    for name in ("lb", "ub"):
        try:
            side = np.array(getattr(given, name), dtype=np.float64)
            sides.append(np.array(np.broadcast_to(side, (size,))))
        except (TypeError, ValueError) as error:
            shape = np.shape(getattr(given, name))
            raise ProblemError(
                f"{label}.{name} has shape {shape}; a number or shape ({size},) is needed, one for each row"
            ) from error
    return sides[0], sides[1]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a user gives of a constraint that is a function."""

    fun: Any
    jac: Any
    hess: Any
    args: tuple[Any, ...] = ()
    step: Any = None
    pattern: Any = None


def _from_function(
    label: str,
    parts: _Parts,
    context: Context,
    sides: Callable[[int], tuple[Vector, Vector]],
    *,
    linear: bool | None,
) -> Rows:
    """Read a constraint whose number of rows only its value at the start tells."""
    if not callable(parts.fun):
        raise ProblemError(f"{label} has fun = {parts.fun!r}; a function of x is needed")
    jac = first_order(f"{label}.jac", parts.jac)
    jac = context.scheme if jac is None else jac
    exact: Differentiated | None = None
    call: Call = with_args(parts.fun, parts.args)
    if is_provider(jac):
        plain = partial(applied, parts.fun, parts.args)
        exact = derivative_provider(jac).differentiate(plain, f"{label}.fun")
        call = exact.value
    call = Remembered(call)
    at_start: Any = np.atleast_1d(np.asarray(first_value(f"{label}.fun", call, context.x)))
    if at_start.ndim != 1 or at_start.dtype == object:
        raise ProblemError(
            f"{label}.fun returned shape {at_start.shape} of {at_start.dtype}; a number or a vector of "
            "numbers is needed"
        )
    size, n = at_start.size, context.x.size
    first = _first(label, exact.first if exact else jac, parts, (size, n))
    second = exact.second if exact else None
    if second is None:
        second = second_order(f"{label}.hess", parts.hess, first_is_exact=callable(first))
    if callable(second):
        second = _second(label, second, () if exact else parts.args, n)
    cl, cu = sides(size)
    return Rows(
        label, cl, cu, lambda x: vector_of(f"{label}.fun", call(x), size), first, second, linear,
        parts.pattern, noise_of_values(at_start),
    )  # fmt: skip


def _first(label: str, jac: Any, parts: _Parts, shape: tuple[int, int]) -> Any:
    """Return the Jacobian of some rows as Rows has it."""
    if is_a(jac, Differences):
        return with_step(f"{label}.finite_diff_rel_step", jac, parts.step)
    if jac is None:
        return None
    fixed = FixedPattern(f"{label}.jac", shape)
    given = with_args(jac, parts.args) if jac is parts.jac else jac

    def jacobian(x: Vector) -> Matrix:
        return fixed(given(x))

    return jacobian


def _second(label: str, hess: Callable[..., Any], args: tuple[Any, ...], n: int) -> Any:
    """Return the weighted Hessian of some rows in a form that stays."""
    fixed = FixedPattern(f"{label}.hess", (n, n))

    def weighted(x: Vector, v: Vector) -> Matrix:
        return fixed(hess(x.copy(), v.copy(), *args))

    return weighted
