"""From functions, bounds and constraints in SciPy's forms to a Problem.

    min fun(x, *args)   subject to   bounds,   lb_k <= c_k(x) <= ub_k,   lb_k <= A_k x <= ub_k

The rows of all constraints are put one below the other, in the order in which they are given. Those of
LinearConstraints are known to be linear; those of dicts are looked at when a solve begins, if there is no
LinearConstraint; those of NonlinearConstraints count as nonlinear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from optlab.core.derivatives.jacobian import EstimatedJacobian, KnownRows
from optlab.core.derivatives.options import Differences
from optlab.core.derivatives.providers import (
    Differentiated,
    derivative_provider,
    is_provider,
)
from optlab.core.functions.bounds import read_bounds
from optlab.core.functions.calls import Call, Remembered, applied, number, tuple_of, with_args
from optlab.core.functions.patterns import FixedPattern, WeightedSum, stacked, vector_of
from optlab.core.functions.rows import Context, Rows, read_constraints
from optlab.core.functions.schemes import first_order, is_quasi_newton, second_order, with_step
from optlab.core.problem import Problem
from optlab.errors import ProblemError
from optlab.typing import Mask, Matrix, Vector, is_a

__all__ = ["Functions", "Stated", "problem_of_functions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """What ``scipy.optimize.minimize`` takes to state a problem, by the same names."""

    fun: Any
    x0: Any
    args: Any = ()
    jac: Any = None
    hess: Any = None
    hessp: Any = None
    bounds: Any = None
    constraints: Any = ()
    step: Any = None
    """Relative step of differences; None: chosen here."""

    def extras(self) -> list[str]:
        """Name what is given beside the function and the start."""
        names = ("args", "jac", "hess", "hessp", "bounds", "constraints")
        return [name for name in names if not _nothing(getattr(self, name))]


def _nothing(value: Any) -> bool:
    return value is None or (is_a(value, tuple) and not value)


@dataclass(frozen=True, slots=True)
class Stated:
    """The problem, and how its rows belong together."""

    problem: Problem
    parts: tuple[int, ...]
    """Number of rows of each constraint."""


def problem_of_functions(given: Functions, wanted: Differences | None) -> Stated:
    """State the problem.

    Every constraint that is a function is evaluated once at the start moved into the bounds, because only its value
    tells how many rows it has; a solve that begins there does not evaluate it again.

    Parameters
    ----------
    wanted
        How Jacobians that are not given are estimated; None: not at all.

    Raises
    ------
    ProblemError
        When an argument has the wrong form; names it.
    EvaluationError
        When a constraint cannot be evaluated at the start.
    MissingDependencyError
        When a provider of derivatives is not installed.
    """
    objective = _Objective(given)
    lb, ub = read_bounds(given.bounds)
    base = Problem(
        objective=objective.value,
        x0=_start(given.x0),
        gradient=objective.gradient,
        lb=lb,
        ub=ub,
    )
    start: Vector = np.clip(base.x0, base.lb, base.ub)
    scheme = objective.jac if is_a(objective.jac, Differences, str) else wanted
    rows = read_constraints(given.constraints, Context(start, scheme))
    objective.size = base.n
    second = _second_derivatives(objective, rows)
    if not rows:
        return Stated(base.replace(**second), ())
    functions = _Stack(rows, base.n)
    problem = base.replace(
        constraints=functions.values,
        jacobian=_jacobian(functions, wanted),
        cl=np.concatenate([part.cl for part in rows]),
        cu=np.concatenate([part.cu for part in rows]),
        linear=_linear(rows),
        constraint_names=_names(rows),
        **second,
    )
    return Stated(problem, tuple(part.size for part in rows))


def _start(x0: Any) -> Any:
    """Return the start point; a number is a vector of one entry."""
    if x0 is None:
        raise ProblemError(
            "a function is given without x0; pass the start point: minimize(fun, x0, ...)"
        )
    if np.iscomplexobj(x0):
        raise ProblemError("x0 is complex; real numbers are needed")
    return np.atleast_1d(x0)


class _Objective:
    """The objective with its derivatives."""

    def __init__(self, given: Functions) -> None:
        if not callable(given.fun):
            raise ProblemError(f"fun is {given.fun!r}; a function of x is needed")
        self.args = tuple_of("args", given.args)
        self.size = 0
        """Number of variables, set when it is known."""
        combined = given.jac is True
        self.jac: Any = None if combined else first_order("jac", given.jac)
        self._exact: Differentiated | None = None
        self._call = with_args(given.fun, self.args)
        if isinstance(self.jac, Differences):
            self.jac = with_step("the step of differences", self.jac, given.step)
        self.gradient: Any = self.jac
        if is_provider(self.jac):
            plain = partial(applied, given.fun, self.args)
            self._exact = derivative_provider(self.jac).differentiate(plain, "fun")
            self._call = self._exact.value
            self.gradient = partial(_flat, self._exact)
        elif combined:
            self._call = Remembered(self._call)
            self.gradient = self._second_of_pair
        elif callable(self.jac):
            self.gradient = _named("jac", with_args(self.jac, self.args))
        self._combined = combined
        self.hess = given.hess
        self.hessp = given.hessp
        if given.hessp is not None and not callable(given.hessp):
            raise ProblemError(f"hessp is {given.hessp!r}; a function hessp(x, p) is needed")

    def value(self, x: Any) -> Any:
        """Return f(x)."""
        raw = self._call(x)
        return number("fun", self._pair(raw)[0] if self._combined else raw)

    def _second_of_pair(self, x: Any) -> Any:
        return vector_of("the second value of fun", self._pair(self._call(x))[1], x.size)

    def _pair(self, raw: Any) -> Any:
        if not is_a(raw, tuple, list) or len(raw) != 2:
            raise ProblemError(
                f"jac=True, and fun returned a {type(raw).__name__}; the pair (f, gradient) is needed"
            )
        return raw

    def second(self) -> Any:
        """Return the Hessian as ``h(x) -> (n, n)``, a scheme, or None."""
        exact = self._exact
        if exact is not None and (self.hess is None or self.hess is False):
            return partial(_second, exact)
        given = second_order("hess", self.hess, first_is_exact=callable(self.gradient))
        if not callable(given):
            return given
        call, fixed = with_args(given, self.args), FixedPattern("hess", (self.size, self.size))

        def hessian(x: Vector) -> Matrix:
            return fixed(call(x))

        return hessian

    def product(self, x: Vector, v: Vector) -> Vector:
        """Return the Hessian times v, (n,)."""
        return vector_of("hessp", self.hessp(x.copy(), v.copy(), *self.args), self.size)


def _named(label: str, gradient: Call) -> Call:
    """Return a gradient whose shape is checked under the user's name for it."""

    def checked(x: Vector) -> Vector:
        return vector_of(label, gradient(x), x.size)

    return checked


def _flat(exact: Differentiated, x: Vector) -> Vector:
    """Return the gradient of a number, also of one that comes as an array of one entry."""
    return vector_of("the gradient of fun", np.reshape(exact.first(x), -1), x.size)


def _second(exact: Differentiated, x: Vector) -> Matrix:
    """Return the Hessian of a number."""
    return exact.second(x, np.ones(1))


def _second_derivatives(objective: _Objective, rows: list[Rows]) -> dict[str, Any]:
    """Choose how the Hessian of the Lagrangian is found.

    Exact when every nonlinear part of it is. By differences when some parts are schemes and all first derivatives
    exact. Learnt by quasi-Newton as soon as one part is, because the approximation is of the whole.
    """
    curved = [(k, part) for k, part in enumerate(rows) if part.linear is not True]
    own = objective.second()
    if own is None:
        products = objective.hessp is not None and all(callable(r.second) for _, r in curved)
        learnt = is_quasi_newton(objective.hess)
        return {"hprod": _Products(objective, rows)} if products and not learnt else {}
    seconds = [own, *(part.second for _, part in curved)]
    if any(second is None for second in seconds):
        return {}
    if all(callable(second) for second in seconds):
        return {"hessian": _Hessian(own, rows, objective.size)}
    firsts = [objective.gradient, *(part.first for part in rows)]
    return (
        {"hessian": _agreed([one for one in seconds if isinstance(one, Differences)])}
        if all(callable(first) for first in firsts)
        else {}
    )


def _agreed(schemes: list[Differences]) -> Differences:
    """Choose one scheme for all: the one that all ask for, else 3-point with the largest noise."""
    first = schemes[0]
    noise = max(one.noise for one in schemes)
    same = all(one.scheme == first.scheme for one in schemes)
    return replace(first, noise=noise, scheme=first.scheme if same else "3-point")


def _slices(rows: list[Rows]) -> list[slice]:
    """Return where each constraint's rows are."""
    ends = np.cumsum([0, *(part.size for part in rows)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


class _Hessian:
    """sigma Hess f(x) + sum_k (Hessian of y_k' c_k)."""

    def __init__(self, own: Callable[[Vector], Matrix], rows: list[Rows], n: int) -> None:
        self._own = own
        self._parts = [
            (part.second, at)
            for part, at in zip(rows, _slices(rows), strict=True)
            if part.linear is not True
        ]
        self._sum = WeightedSum(n)

    def __call__(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        """Evaluate it."""
        if not self._parts and sigma == 1.0:
            return self._own(x)
        terms: list[tuple[float, Matrix]] = [(sigma, self._own(x))]
        for second, at in self._parts:
            assert callable(second)
            terms.append((1.0, second(x, y[at])))
        return self._sum(terms)


class _Products:
    """The same, times a vector."""

    def __init__(self, objective: _Objective, rows: list[Rows]) -> None:
        self._objective = objective
        self._parts = [
            (part.second, at)
            for part, at in zip(rows, _slices(rows), strict=True)
            if part.linear is not True
        ]

    def __call__(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Evaluate it, (n,)."""
        product = sigma * self._objective.product(x, v)
        for second, at in self._parts:
            assert callable(second)
            product = product + second(x, y[at]) @ v
        return product


class _Stack:
    """Rows of all constraints, one below the other."""

    def __init__(self, rows: list[Rows], n: int) -> None:
        self.rows = rows
        self.n = n
        self.exact = [part for part in rows if callable(part.first)]
        self._stack = stacked(n)

    def values(self, x: Any) -> Any:
        """Return c(x), (m,)."""
        if len(self.rows) == 1:
            return self.rows[0].value(x)
        return np.concatenate([part.value(x) for part in self.rows])

    def jacobian(self, x: Vector) -> Matrix:
        """Return the Jacobian of the rows that have one, (k, n)."""
        return self._stack([part.first(x) for part in self.exact])  # type: ignore[misc,operator]

    def mask(self, chosen: list[Rows]) -> Mask:
        """Return the rows of some constraints, (m,)."""
        return np.concatenate(
            [np.full(part.size, any(part is one for one in chosen)) for part in self.rows]
        )


def _jacobian(functions: _Stack, wanted: Differences | None) -> Any:
    """Return the Jacobian, how it is estimated where parts are missing, or None."""
    missing = [part for part in functions.rows if not callable(part.first)]
    if not missing:
        return functions.jacobian
    schemes = [part.first if part.first is not None else wanted for part in missing]
    if any(scheme is None for scheme in schemes):
        return None
    noise = max(part.noise for part in missing)
    agreed = _agreed([scheme for scheme in schemes if isinstance(scheme, Differences)])
    agreed = replace(
        agreed, noise=max(agreed.noise, noise), jacobian_pattern=_pattern(functions, missing)
    )
    known = None
    if functions.exact:
        known = KnownRows(functions.mask(functions.exact), functions.jacobian)
    return EstimatedJacobian(agreed, known=known)


def _pattern(functions: _Stack, missing: list[Rows]) -> Any:
    """Return where the estimated rows may be nonzero, (m, n) bool; None: to be detected."""
    if all(part.pattern is None for part in missing):
        return None
    pieces: list[Any] = []
    for part in functions.rows:
        shape = (part.size, functions.n)
        if callable(part.first):
            pieces.append(np.zeros(shape, dtype=bool))
        elif part.pattern is None:
            pieces.append(np.ones(shape, dtype=bool))
        else:
            raw = part.pattern
            mask = np.asarray(raw.toarray() if hasattr(raw, "toarray") else raw) != 0
            if mask.shape != shape:
                raise ProblemError(
                    f"{part.label}.finite_diff_jac_sparsity has shape {mask.shape}; shape {shape} is needed"
                )
            pieces.append(mask)
    return np.concatenate(pieces)


def _linear(rows: list[Rows]) -> Mask | None:
    """Say which rows are linear; None where that is to be found out."""
    kinds = [part.linear for part in rows]
    if None in kinds and True not in kinds:
        return None
    return np.concatenate([np.full(part.size, part.linear is True) for part in rows])


def _names(rows: list[Rows]) -> list[str]:
    """Name every row after its constraint."""
    return [
        part.label if part.size == 1 else f"{part.label}[{i}]"
        for part in rows
        for i in range(part.size)
    ]
