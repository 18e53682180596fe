"""Compare the derivatives that a problem gives with differences.

    gradient_j     with the slope of the objective along variable j
    jacobian_ij    with the slope of row i along variable j
    hessian_ij     with the slope of (sigma grad f + J'y)_i along variable j

Every slope is a 3-point difference with two steps, one ten times the other: an entry is wrong when it differs
from both by more than they differ from each other and rounding explains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.derivatives.estimates import AbstractEstimate
from optlab.core.derivatives.options import stencil
from optlab.errors import EvaluationError, OptionError, ProblemError
from optlab.typing import Vector, is_a

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.core.problem import Problem

__all__ = ["DerivativeCheck", "WrongEntry", "check_derivatives"]

_EPS = float(np.finfo(np.float64).eps)

_STEPS = (_EPS ** (1.0 / 3.0), 10.0 * _EPS ** (1.0 / 3.0))

_ROUNDING = 100.0
"""Rounding allowed in a function's value, in units of eps |value|."""

_LISTED = 20
"""Wrong entries that the repr lists."""


@dataclass(frozen=True, slots=True)
class WrongEntry:
    """One entry that the differences contradict."""

    verb: str
    """``"gradient"``, ``"jacobian"`` or ``"hessian"``."""

    row: int | None
    """Row of the matrix; None for the gradient."""

    column: int
    given: float
    difference: float
    """The difference that is nearer to the given value."""

    label: str
    """The entry in words, with names where the problem has them."""

    def __str__(self) -> str:
        return f"{self.label}: given {self.given:.8g}, by differences {self.difference:.8g}"


@dataclass(frozen=True, slots=True)
class DerivativeCheck:
    """What :func:`check_derivatives` found."""

    wrong: tuple[WrongEntry, ...]
    """Worst first."""

    checked: dict[str, int] = field(default_factory=dict[str, int])
    """Entries compared, by verb."""

    largest_error: float = 0.0
    """Largest |given - difference| / max(1, |given|, |difference|)."""

    skipped: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return self.ok

    def __repr__(self) -> str:
        what = ", ".join(f"{count} of the {verb}" for verb, count in self.checked.items())
        head = f"compared entries: {what or 'none'}; largest relative error {self.largest_error:.1e}"
        lines = [f"{len(self.wrong)} wrong" if self.wrong else "no entry is wrong", head]
        lines += [f"  {entry}" for entry in self.wrong[:_LISTED]]
        if len(self.wrong) > _LISTED:
            lines.append(f"  ... and {len(self.wrong) - _LISTED} more")
        lines += [f"  not compared: {reason}" for reason in self.skipped]
        return "\n".join(lines)


def check_derivatives(
    problem: Problem, x: Any = None, y: Any = None, *, rtol: float = 1e-5
) -> DerivativeCheck:
    """Compare gradient, Jacobian and Hessian at a point with differences; names the wrong entries.

    Costs four evaluations of every function for every variable. Points stay within the bounds; along
    variables with equal bounds nothing can be compared. Functions that are not smooth at x fail the check.

    Parameters
    ----------
    x
        Point, (n,); None: a point near ``problem.x0``, because start points like to have zeros that hide
        errors.
    y
        Row weights for the Hessian, (m,); None: 1, -1, 1/2, -1/2, 1/3 ...
    rtol
        Relative error that is accepted.

    Raises
    ------
    ProblemError
        When x or y has the wrong shape, or a function returns one.
    EvaluationError
        When a function cannot be evaluated at x itself.

    Examples
    --------
    >>> import numpy as np
    >>> from optlab import Problem
    >>> p = Problem(objective=lambda x: x[0] * x[1], gradient=lambda x: x, x0=[1.0, 3.0])
    >>> check = check_derivatives(p, [1.0, 3.0])
    >>> check.ok, sorted(entry.column for entry in check.wrong)
    (False, [0, 1])
    """
    if not rtol > 0.0:
        raise OptionError(f"rtol is {rtol!r}; a positive number is needed")
    point = _point(problem, x)
    weights = _weights(problem, y)
    check = _Check(problem, point, rtol)
    check.compare("gradient", lambda p: np.atleast_1d(problem.objective(p)), problem.gradient)
    if problem.m:
        check.compare("jacobian", problem.constraints, problem.jacobian)

    def lagrangian_gradient(p: Vector) -> Vector:
        g = np.asarray(problem.gradient(p), dtype=np.float64)
        J: Any = problem.jacobian(p)
        return g + np.asarray(J.T @ weights) if problem.m else g

    has_first = problem.has_gradient and (problem.has_jacobian or not problem.m)
    if problem.has_hessian and has_first and problem.derivatives == "exact":
        check.compare(
            "hessian", lagrangian_gradient, lambda p: problem.hessian(p, weights, 1.0)
        )
    elif problem.has_hessian:
        check.skipped.append("the Hessian, because gradient or Jacobian is not exact")
    return check.record()


def _point(problem: Problem, x: Any) -> Vector:
    if x is None:
        rng = np.random.default_rng(problem.n)
        away = 1e-2 * rng.uniform(-1.0, 1.0, problem.n) * np.maximum(1.0, np.abs(problem.x0))
        near: Vector = np.clip(problem.x0 + away, problem.lb, problem.ub)
        return near
    point: Vector = np.array(x, dtype=np.float64)
    if point.shape != (problem.n,):
        raise ProblemError(f"x has shape {point.shape}; shape ({problem.n},) is needed")
    return point


def _weights(problem: Problem, y: Any) -> Vector:
    if y is None:
        k = np.arange(problem.m)
        alternating: Vector = np.where(k % 2 == 0, 1.0, -1.0) / (1.0 + k // 2)
        return alternating
    weights: Vector = np.array(y, dtype=np.float64)
    if weights.shape != (problem.m,):
        raise ProblemError(f"y has shape {weights.shape}; shape ({problem.m},) is needed")
    return weights


class _Check:
    """Collects what is wrong."""

    def __init__(self, problem: Problem, x: Vector, rtol: float) -> None:
        self.problem = problem
        self.x = x
        self.rtol = rtol
        self.wrong: list[tuple[float, WrongEntry]] = []
        self.checked: dict[str, int] = {}
        self.skipped: list[str] = []
        self.largest = 0.0
        fixed = int(np.count_nonzero(problem.lb == problem.ub))
        if fixed:
            self.skipped.append(f"{fixed} variable(s) whose bounds are equal")

    def record(self) -> DerivativeCheck:
        """Return the findings, worst first."""
        ranked = sorted(self.wrong, key=lambda pair: -pair[0])
        entries = tuple(entry for _, entry in ranked)
        return DerivativeCheck(entries, self.checked, self.largest, tuple(self.skipped))

    def compare(
        self, verb: str, function: Callable[[Vector], Any], derivative: Callable[[Vector], Any]
    ) -> None:
        """Compare one derivative with differences of the function that it belongs to."""
        if not getattr(self.problem, f"has_{verb}"):
            return
        if is_a(derivative, AbstractEstimate):
            self.skipped.append(f"the {verb}, which is itself estimated")
            return
        value = np.asarray(function(self.x), dtype=np.float64)
        raw: Any = derivative(self.x)
        given = np.asarray(raw.toarray() if hasattr(raw, "toarray") else raw, dtype=np.float64)
        given = np.atleast_2d(given)
        if given.shape != (value.size, self.x.size):
            shape = (self.x.size,) if verb == "gradient" else (value.size, self.x.size)
            raise ProblemError(f"{verb} has shape {np.shape(raw)}; shape {shape} is needed")
        self.checked[verb] = 0
        for j in np.flatnonzero(self.problem.lb < self.problem.ub):
            slopes = self._slopes(verb, function, value, int(j))
            if slopes is not None:
                self.checked[verb] += value.size
                self._judge(verb, int(j), given[:, j], slopes)

    def _slopes(
        self, verb: str, function: Callable[[Vector], Any], value: Vector, j: int
    ) -> tuple[Vector, Vector, Vector] | None:
        """Return the slopes with both steps, and the rounding in them."""
        p = self.problem
        found: list[Vector] = []
        rounding = np.zeros(value.size)
        for step in _STEPS:
            points = stencil(self.x, p.lb, p.ub, "3-point", step)
            total = points.base[j] * value
            for offset, weight in zip(points.offsets, points.weights, strict=True):
                moved = self.x.copy()
                moved[j] += offset[j]
                try:
                    at = np.asarray(function(moved), dtype=np.float64)
                except (ArithmeticError, ValueError, EvaluationError) as error:
                    self.skipped.append(f"column {j} of the {verb}: {error}")
                    return None
                total = total + weight[j] * at
                size = np.maximum(np.abs(at), np.abs(value))
                rounding = np.maximum(rounding, _ROUNDING * _EPS * size * abs(weight[j]))
            found.append(total)
        return found[0], found[1], rounding

    def _judge(
        self, verb: str, j: int, given: Vector, slopes: tuple[Vector, Vector, Vector]
    ) -> None:
        fine, coarse, rounding = slopes
        nearer = np.where(np.abs(given - fine) <= np.abs(given - coarse), fine, coarse)
        error = np.abs(given - nearer)
        size = np.maximum(np.maximum(np.abs(given), np.abs(nearer)), 1.0)
        allowed = self.rtol * size + np.abs(fine - coarse) + rounding
        relative = error / size
        finite = np.isfinite(relative)
        self.largest = max(self.largest, float(relative[finite].max(initial=0.0)))
        for i in np.flatnonzero(~(error <= allowed)):
            row = None if verb == "gradient" else int(i)
            entry = WrongEntry(
                verb, row, j, float(given[i]), float(nearer[i]), self._label(verb, int(i), j)
            )
            self.wrong.append((float(relative[i]) if finite[i] else np.inf, entry))

    def _label(self, verb: str, i: int, j: int) -> str:
        variables, rows = self.problem.variable_names, self.problem.constraint_names
        column = f"{j}" if variables is None else f"{j} ({variables[j]})"
        if verb == "gradient":
            return f"gradient[{column}]"
        names = rows if verb == "jacobian" else variables
        row = f"{i}" if names is None else f"{i} ({names[i]})"
        return f"{verb}[{row}, {column}]"
