"""The front door: derivatives of a solution with respect to parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from optlab.core.method import WarmStart
from optlab.core.problem import Problem
from optlab.core.problem_sources import load_problem
from optlab.errors import OptionError, ProblemError, SolveError
from optlab.parametric.activity import DEFAULT_ACTIVITY_TOL
from optlab.parametric.family import AbstractFamily, DifferencedFamily
from optlab.parametric.perturbation import Change, Perturbation, named_perturbation
from optlab.parametric.point import Point, evaluated
from optlab.parametric.regularity import Regularity
from optlab.parametric.solution import Solution, solution_map
from optlab.parametric.step import CONSISTENT, Step
from optlab.typing import Vector, is_a

if TYPE_CHECKING:
    from optlab.core.result import Result

__all__ = ["Sensitivity", "sensitivity"]


def sensitivity(
    problem: Problem | AbstractFamily | Callable[[Vector], Problem] | Any,
    result: Result | WarmStart,
    parameters: Perturbation | str | Any,
    *,
    tol: float = DEFAULT_ACTIVITY_TOL,
) -> Sensitivity:
    """Differentiate a solution with respect to parameters, without solving again.

    Parameters
    ----------
    problem
        The problem that was solved, or a family: a function ``build(p) -> Problem`` (its data are then
        differentiated by central differences in p, no solve among them) or an
        :class:`~optlab.parametric.family.AbstractFamily` that knows its derivatives.
    result
        Of a solve of that problem; a tight ``tol`` there makes accurate derivatives here. Or a
        ``WarmStart(x, y, z)``.
    parameters
        For a family: the values p, (P,), that were solved for. For a problem: a
        :class:`~optlab.parametric.perturbation.Perturbation` with the derivatives of its data, or the
        name of the data that are the parameters: ``"cl"``, ``"cu"``, ``"lb"``, ``"ub"``, or ``"linear"``
        for a linear term p'x of the objective.
    tol
        Relative size below which a multiplier and a gap count as zero.

    Returns
    -------
    Sensitivity
        With ``dx``, ``dy``, ``dz``, ``df``, derivatives along directions, their adjoint, and what stands
        in the way: ``weakly_active``, ``issues``.

    Raises
    ------
    SolveError
        When the point is not stationary.
    ProblemError, OptionError, CapabilityError
        When sizes, parameters or derivatives do not fit: what was given, needed, and how to fix it.

    Examples
    --------
    The point of x1 + x2 = p that is nearest to the origin, and its distance squared:

    >>> import numpy as np, optlab
    >>> def nearest(p):
    ...     return optlab.Problem(
    ...         objective=lambda x: float(x @ x), gradient=lambda x: 2 * x,
    ...         hessian=lambda x, y, sigma: 2 * sigma * np.eye(2), x0=np.zeros(2),
    ...         constraints=lambda x: np.array([x.sum()]), jacobian=lambda x: np.ones((1, 2)),
    ...         cl=p, cu=p)
    >>> result = optlab.minimize(nearest([1.0]))
    >>> s = optlab.sensitivity(nearest, result, [1.0])
    >>> s.dx.round(6).tolist(), s.df.round(6).tolist(), s.regular
    ([[0.5], [0.5]], [1.0], True)
    """
    if not 0.0 < tol < 1.0:
        raise OptionError(
            f"tol is {tol!r}; a relative size between 0 and 1 is needed, below which a multiplier "
            "and a gap count as zero (the default is 1e-6)"
        )
    if callable(problem) and not is_a(problem, Problem, AbstractFamily):
        problem = DifferencedFamily(problem)
    differentiate: Any = _of_family if is_a(problem, AbstractFamily) else _of_problem
    point, perturbation, at = differentiate(problem, result, parameters)
    return Sensitivity(solution_map(point, tol), perturbation.fitting(point.problem), at)


AtMultipliers: TypeAlias = "Callable[[Vector], Perturbation] | None"
"""The perturbation with grad_x L taken at given y; None where that is not known."""


def _of_family(
    family: AbstractFamily, result: Result | WarmStart, p: Any
) -> tuple[Point, Perturbation, AtMultipliers]:
    """Evaluate the member of a family and its derivatives with respect to p."""
    if is_a(p, Perturbation, str):
        raise OptionError(
            "a family is given with parameters that are not values of p; pass the p that was solved "
            "for, or the problem at that p in place of the family"
        )
    point = evaluated(family.problem(p), result)
    found = family.perturbation(p, point.x, point.y)
    return point, found, lambda y: family.perturbation(p, point.x, y)


def _of_problem(
    given: Any, result: Result | WarmStart, parameters: Any
) -> tuple[Point, Perturbation, AtMultipliers]:
    """Evaluate a problem, and read which of its data are the parameters."""
    problem = load_problem(given, None)
    if not is_a(parameters, Perturbation, str):
        raise OptionError(
            f"parameters is a {type(parameters).__name__}; beside a Problem, a Perturbation or one "
            "of the names 'cl', 'cu', 'lb', 'ub', 'linear' is needed. Values of p belong to a family: "
            "pass the function build(p) in place of the problem"
        )
    point = evaluated(problem, result)
    own: Perturbation = (
        named_perturbation(parameters, problem, point.x)
        if is_a(parameters, str)
        else parameters
    )
    # Where no row depends on p, grad_x L depends on p in the same way for all y.
    return point, own, None if own.constraints is not None else lambda _y: own


@dataclass(frozen=True)
class Sensitivity:
    """Derivatives of a solution with respect to P parameters.

    ``dx``, ``dy``, ``dz`` are computed when they are first asked for, one solve per parameter with the
    factorization that is there; :meth:`adjoint` takes one solve for all parameters.

    Where constraints are weakly active the solution has one-sided derivatives only: :meth:`directional`
    returns them, and ``dx`` and :meth:`adjoint` belong to the directions along which these constraints
    stay active. Where no derivative exists there is nan.
    """

    solution: Solution
    perturbation: Perturbation
    at: AtMultipliers
    """The perturbation at other multipliers."""

    @property
    def weakly_active(self) -> tuple[str, ...]:
        """Rows and bounds that are active with a multiplier not told from zero, in words."""
        return self.solution.weakly_active

    @property
    def regularity(self) -> Regularity:
        """Whether gradients are independent and the second-order condition holds."""
        return self.solution.regularity

    @property
    def issues(self) -> tuple[str, ...]:
        """Everything that keeps the solution from being differentiable, in words; empty: nothing."""
        return self.solution.issues

    @property
    def regular(self) -> bool:
        """Whether the derivatives exist and are unique: no issue."""
        return not self.issues

    def raise_if_irregular(self) -> Sensitivity:
        """Return itself, or raise when there is an issue.

        Raises
        ------
        SolveError
            With all issues.
        """
        if self.issues:
            raise SolveError("the solution is not differentiable: " + "; ".join(self.issues))
        return self

    @property
    def dx(self) -> Vector:
        """(n, P) derivatives of the point."""
        return self._columns[0]

    @property
    def dy(self) -> Vector:
        """(m, P) derivatives of the row multipliers."""
        return self._columns[1]

    @property
    def dz(self) -> Vector:
        """(n, P) derivatives of the bound multipliers."""
        return self._columns[2]

    @cached_property
    def df(self) -> Vector:
        """(P,) derivatives of the optimal value; no solve is needed for them."""
        n = self.solution.point.problem.n
        weights, _ = self.solution.adjoint(np.zeros(n), vf=1.0)
        return self.perturbation.contracted(weights)

    def along(self, direction: Any) -> Step:
        """Return the linear map applied to a direction, (P,): one solve."""
        return self.solution.face.forward(self._change(direction))

    def directional(self, direction: Any) -> Step:
        """Return lim (x(p + t direction) - x(p)) / t for t -> 0 from above, and so for y, z, f.

        One solve, or a quadratic program where constraints are weakly active.

        Parameters
        ----------
        direction
            (P,)
        """
        problem, at = self.solution.point.problem, self.at
        vector = _weights("direction", direction, self.perturbation.count)
        change = self.perturbation.along(vector, problem)
        if at is None:
            return self.solution.directional(change)
        return self.solution.directional(change, lambda y: at(y).along(vector, problem))

    def adjoint(self, vx: Any, vy: Any = None, vz: Any = None, vf: float = 0.0) -> Vector:
        """Return vx'dx + vy'dy + vz'dz + vf df, (P,), by one solve whatever P is.

        Parameters
        ----------
        vx
            (n,) weights, for instance the gradient of a loss with respect to x.
        vy
            (m,) or None for zeros.
        vz
            (n,) or None.
        vf
            Weight of the optimal value.

        Raises
        ------
        ProblemError
            When a shape is wrong.
        """
        n, m = self.solution.point.problem.n, self.solution.point.problem.m
        parts = [_weights(k, v, s) for k, v, s in (("vx", vx, n), ("vy", vy, m), ("vz", vz, n))]
        weights, residual = self.solution.adjoint(parts[0], parts[1], parts[2], float(vf))
        if residual > CONSISTENT:
            return np.full(self.perturbation.count, np.nan)
        return self.perturbation.contracted(weights)

    def predict(self, direction: Any) -> WarmStart:
        """Return the first-order prediction of the solution at p + direction, to start a solve from.

        The point is moved into the bounds as they will be.
        """
        point, change = self.solution.point, self._change(direction)
        step = self.directional(direction)
        if not step.exists:
            return WarmStart(point.x, point.y, point.z)
        problem = point.problem
        x = np.clip(point.x + step.x, problem.lb + change.lb, problem.ub + change.ub)
        return WarmStart(x, point.y + step.y, point.z + step.z)

    def __repr__(self) -> str:
        problem, active = self.solution.point.problem, self.solution.active
        head = (
            f"Sensitivity({problem.n} variables, {problem.m} rows, {self.perturbation.count} parameters; "
            f"active: {np.count_nonzero(active.rows)} rows, {np.count_nonzero(active.bounds)} bounds)"
        )
        return "\n".join((head, *(f"  {issue}" for issue in self.issues)))

    @cached_property
    def _columns(self) -> tuple[Vector, Vector, Vector]:
        count = self.perturbation.count
        steps = [self.along(np.arange(count) == k) for k in range(count)]
        x, y, z = (
            np.column_stack([getattr(step, part) for step in steps]) for part in ("x", "y", "z")
        )
        return x, y, z

    def _change(self, direction: Any) -> Change:
        vector = _weights("direction", direction, self.perturbation.count)
        return self.perturbation.along(vector, self.solution.point.problem)


def _weights(label: str, value: Any, size: int) -> Vector:
    if value is None:
        return np.zeros(size)
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{label} cannot be read as numbers: {error}") from error
    if vector.shape != (size,):
        raise ProblemError(f"{label} has shape {vector.shape}; shape ({size},) is needed")
    if not np.isfinite(vector).all():
        raise ProblemError(f"{label} has entries that are not finite; give numbers")
    return vector
