"""Compare the derivatives that a problem gives with differences.

    gradient_j     with the slope of the objective along variable j
    jacobian_ij    with the slope of row i along variable j
    hessian_ij     with the slope of (sigma grad f + J'y)_i along variable j

Every slope is a 3-point difference with two steps, one ten times the other: an entry is wrong when it differs
from both by more than they differ from each other and the noise of the function, which is measured, explains. Where
the two steps disagree, because a variable or a function is badly scaled, other steps are tried, and the two neighbours
that agree best decide, entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.derivatives.estimates import AbstractEstimate
from optlab.core.derivatives.findings import DerivativeCheck, WrongEntry
from optlab.core.derivatives.noise import measured_noise
from optlab.core.derivatives.options import stencil
from optlab.errors import EvaluationError, OptionError, ProblemError
from optlab.typing import Indices, Mask, Vector, is_a

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.core.problem import Problem

__all__ = ["check_derivatives"]

_EPS = float(np.finfo(np.float64).eps)

_STEPS = (1.0, 10.0)
"""Steps relative to eps^(1/3) max(1, |x_j|)."""

_MORE_STEPS = (1e-4, 1e-3, 1e-2, 1e-1, *_STEPS, 1e2, 1e3)
"""The same where these two disagree."""

_ROUNDING = 100.0
"""Rounding allowed in a function's value, in units of eps |value|."""

_NOISE = 10.0
"""Noise allowed in a value, in units of its measured standard deviation."""

_SMALL = 1e-3
"""Entries smaller than this share of the largest of their row count as that large."""

_ASYMMETRY = 1e-8
"""Difference of mirrored entries, relative to the larger, that rounding may leave."""


def check_derivatives(
    problem: Problem, x: Any = None, y: Any = None, *, rtol: float = 1e-5
) -> DerivativeCheck:
    """Compare gradient, Jacobian and Hessian at a point with differences; names the wrong entries.

    Costs four evaluations of every function for every variable, 16 for a variable where steps disagree, and seven
    to measure the noise. Points stay within the bounds; along variables with equal bounds nothing can be compared.
    Functions that are not smooth at x fail the check. An entry that a sparse matrix does not store is compared like all
    others and named with that remark; so is an entry of the Hessian that is not equal to its mirror image.

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
        check.compare_halves(problem.hessian(point, weights, 1.0))
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
        given = np.atleast_2d(_dense(raw))
        if given.shape != (value.size, self.x.size):
            shape = (self.x.size,) if verb == "gradient" else (value.size, self.x.size)
            raise ProblemError(f"{verb} has shape {np.shape(raw)}; shape {shape} is needed")
        self.checked[verb] = 0
        judged = _Judged(
            verb, function, value, given, _stored(raw), self._noise(function, value)
        )
        for j in np.flatnonzero(self.problem.lb < self.problem.ub):
            slopes = self._slopes(judged, int(j))
            if slopes is not None:
                self.checked[verb] += value.size
                self._judge(judged, int(j), slopes)

    def compare_halves(self, raw: Any) -> None:
        """Compare the two halves of a Hessian that nothing else can be compared with."""
        H = _dense(raw)
        wrong = np.triu(_asymmetric(H), 1)
        for i, j in np.argwhere(wrong):
            remark = f"{self._label('hessian', int(j), int(i))} is the other value"
            label = self._label("hessian", int(i), int(j))
            entry = WrongEntry(
                "hessian", int(i), int(j), float(H[i, j]), float(H[j, i]), label, remark
            )
            self.wrong.append((abs(entry.given - entry.difference), entry))

    def _noise(self, function: Callable[[Vector], Any], value: Vector) -> Vector:
        """Measure the noise of a function; what cannot be evaluated has none that is known."""
        try:
            noise = measured_noise(function, self.problem, self.x)
        except (ArithmeticError, ValueError, EvaluationError):
            return np.zeros(value.size)
        return np.where(np.isfinite(noise), _NOISE * noise, 0.0)

    def _slopes(self, judged: _Judged, j: int) -> tuple[Vector, Vector, Vector] | None:
        """Return two slopes that agree as well as any, and the rounding in them."""
        try:
            found = [self._slope(judged, j, step) for step in _STEPS]
        except _FAILURES as error:
            self.skipped.append(f"column {j} of the {judged.verb}: {error}")
            return None
        (fine, rounding), (coarse, _) = found
        unclear = np.abs(fine - coarse) + rounding > self.rtol * judged.size(j, fine)
        if not unclear.any():
            return fine, coarse, rounding
        table: list[tuple[Vector, Vector]] = []
        for step in _MORE_STEPS:
            try:
                table.append(self._slope(judged, j, step))
            except _FAILURES:
                continue  # a long step may leave the domain of a function
        values: Vector = np.array([slope for slope, _ in table])
        errors: Vector = np.array([rounding for _, rounding in table])
        doubt = np.abs(np.diff(values, axis=0)) + errors[:-1]
        best = np.argmin(np.where(np.isnan(doubt), np.inf, doubt), axis=0)
        return _picked(values, best), _picked(values, best + 1), _picked(errors, best)

    def _slope(self, judged: _Judged, j: int, step: float) -> tuple[Vector, Vector]:
        """Return the slope along variable j with one step, and the rounding in it."""
        p = self.problem
        points = stencil(self.x, p.lb, p.ub, "3-point", step * _EPS ** (1.0 / 3.0))
        total = points.base[j] * judged.value
        rounding = np.zeros(judged.value.size)
        for offset, weight in zip(points.offsets, points.weights, strict=True):
            moved = self.x.copy()
            moved[j] += offset[j]
            at = np.asarray(judged.function(moved), dtype=np.float64)
            total = total + weight[j] * at
            size = np.maximum(np.abs(at), np.abs(judged.value))
            noise = np.maximum(judged.noise, _ROUNDING * _EPS * size)
            rounding = np.maximum(rounding, noise * abs(weight[j]))
        return total, rounding

    def _judge(self, judged: _Judged, j: int, slopes: tuple[Vector, Vector, Vector]) -> None:
        fine, coarse, rounding = slopes
        given = judged.given[:, j]
        nearer = np.where(np.abs(given - fine) <= np.abs(given - coarse), fine, coarse)
        error = np.abs(given - nearer)
        size = np.maximum(judged.size(j, nearer), np.finfo(np.float64).tiny)
        allowed = self.rtol * size + np.abs(fine - coarse) + rounding
        relative = error / size
        finite = np.isfinite(relative)
        # What the noise explains is no error.
        certain = np.where(finite, np.maximum(0.0, error - rounding) / size, 0.0)
        self.largest = max(self.largest, float(certain.max(initial=0.0)))
        for i in np.flatnonzero(~(error <= allowed)):
            row = None if judged.verb == "gradient" else int(i)
            label, remark = self._label(judged.verb, int(i), j), judged.remark(int(i), j)
            entry = WrongEntry(
                judged.verb, row, j, float(given[i]), float(nearer[i]), label, remark
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


@dataclass(frozen=True, slots=True)
class _Judged:
    """A derivative that is compared, and the function that it belongs to."""

    verb: str
    function: Callable[[Vector], Any]
    value: Vector
    """(k,) of the function at the point."""

    given: Vector
    """(k, n)"""

    stored: Mask | None
    """(k, n) entries that a sparse matrix stores; None: dense."""

    noise: Vector
    """(k,) allowed in the values."""

    def size(self, j: int, slope: Vector) -> Vector:
        """Return what errors in column j are compared with, (k,)."""
        largest = np.fmax.reduce(np.abs(self.given), axis=1, initial=0.0)
        entries = np.maximum(np.abs(self.given[:, j]), np.abs(slope))
        size: Vector = np.maximum(entries, _SMALL * largest)
        return size

    def remark(self, i: int, j: int) -> str:
        """Say what else is wrong with an entry."""
        if self.stored is not None and not self.stored[i, j]:
            return "not in the sparsity pattern"
        if self.verb == "hessian" and i != j and _asymmetric(self.given)[i, j]:
            return f"the mirrored entry is {self.given[j, i]:.8g}"
        return ""


_FAILURES = (ArithmeticError, ValueError, EvaluationError)
"""What says that a function cannot be evaluated at a point."""


def _picked(table: Vector, rows: Indices) -> Vector:
    """Take one entry of each column."""
    taken: Vector = np.take_along_axis(table, rows[None, :], axis=0)[0]
    return taken


def _dense(raw: Any) -> Vector:
    dense: Vector = np.asarray(
        raw.toarray() if hasattr(raw, "toarray") else raw, dtype=np.float64
    )
    return dense


def _stored(raw: Any) -> Mask | None:
    """Return which entries a sparse matrix stores, zeros included."""
    if not hasattr(raw, "tocoo"):
        return None
    entries: Any = raw.tocoo()
    mask = np.zeros(entries.shape, dtype=bool)
    mask[entries.row, entries.col] = True
    return mask


def _asymmetric(H: Vector) -> Mask:
    """Return which entries differ from their mirror images by more than rounding."""
    allowed = _ASYMMETRY * np.maximum(np.abs(H), np.abs(H.T))
    return np.asarray(np.abs(H - H.T) > allowed)
