"""The one checker: error estimators, residuals and point status on the user's own problem.

Every finite side of a bound or row has a multiplier mu >= 0 and a value r(x) <= 0. A nonlinear row
with two different sides is c_i(x) - s_i = 0 with a bounded slack; the checker puts the slack where
it serves best, s_i = P[cl_i, cu_i](c_i(x)), and its bound multipliers where they cancel the
slack's gradient, mu = max(y_i, 0) above and max(-y_i, 0) below. A linear row is itself r(x) <= 0
with the same mu, and what it is violated by counts as constraint error, like any violation of a
bound. So all rows and bounds obey one formula, whether they are linear or not, and the numbers do
not depend on how a problem was reduced ([DH21], sections 1 and 2):

    Em0^2 = |grad_x L|^2 + sum mu * gap              Ec^2 = |violation|^2
    Em1^2 = |grad_x L|^2 + sum min(mu, gap)^2        Ej^2 = Emj^2 + Ec^2,  j = 0, 1

with grad_x L = grad f + J'y + z and gap = -r >= 0 (taken after the projection of c and x onto their
sides). A multiplier of a side that does not exist has an infinite gap: it contributes mu^2 to both.

===============  =======================================================
paper            code
===============  =======================================================
lambda, mu       y and z: mu_upper = max(., 0), mu_lower = max(-., 0)
h(x)             violation of a row, c - P[cl, cu](c)
r(x)             -gap
===============  =======================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from optlab.core.multipliers import bound_multipliers, fit_multipliers
from optlab.errors import ProblemError
from optlab.typing import Mask, Matrix, Vector

__all__ = [
    "Certificate",
    "Evaluable",
    "certificate",
    "derived_bound_multipliers",
    "error_estimators",
    "fitted_multipliers",
    "least_squares_multipliers",
]


class Evaluable(Protocol):
    """What the checker needs: an Oracle or a Problem."""

    @property
    def n(self) -> int:
        """Number of variables."""
        ...

    @property
    def m(self) -> int:
        """Number of rows."""
        ...

    @property
    def lb(self) -> Vector:
        """Lower bounds."""
        ...

    @property
    def ub(self) -> Vector:
        """Upper bounds."""
        ...

    @property
    def cl(self) -> Vector:
        """Lower row bounds."""
        ...

    @property
    def cu(self) -> Vector:
        """Upper row bounds."""
        ...

    @property
    def linear(self) -> Mask | None:
        """Rows known to be linear."""
        ...

    @property
    def derivatives(self) -> str:
        """``"exact"`` or ``"estimated"``: where gradient and Jacobian come from."""
        ...

    @property
    def has_gradient(self) -> bool:
        """Whether there is a gradient."""
        ...

    @property
    def has_jacobian(self) -> bool:
        """Whether there is a Jacobian."""
        ...

    @property
    def gradient(self) -> Any:
        """Gradient of the objective."""
        ...

    @property
    def constraints(self) -> Any:
        """Rows."""
        ...

    @property
    def jacobian(self) -> Any:
        """Jacobian of the rows."""
        ...


@dataclass(frozen=True, slots=True)
class Certificate:
    """Error estimators (Euclidean) and residuals (max-norm) of a point, unscaled.

    nan where something could not be evaluated; a problem without derivatives has only ``primal``.
    """

    E0: float = math.nan
    """sqrt(Em0^2 + Ec^2), the global estimator."""

    E1: float = math.nan
    """sqrt(Em1^2 + Ec^2), the local estimator."""

    Em0: float = math.nan
    """Multiplier error, products of multiplier and gap."""

    Em1: float = math.nan
    """Multiplier error, minimum of multiplier and gap."""

    Ec: float = math.nan
    """Constraint error |violation|."""

    primal: float = math.nan
    """Largest violation of a bound or row."""

    dual: float = math.nan
    """Largest of |P[lb, ub](x - grad f - J'y) - x|, |grad f + J'y + z| and the multipliers of
    sides that do not exist."""

    complementarity: float = math.nan
    """Largest min(multiplier, gap)."""

    scale: float = 1.0
    """max(100, mean |multiplier|) / 100: dual and complementarity are divided by it before they are
    compared with a tolerance (s_d of [WB06])."""

    derivatives: str = "exact"
    """``"estimated"`` when gradient or Jacobian come from differences: ``dual``, ``complementarity`` and
    the estimators are then only as good as these; ``primal`` and ``Ec`` do not depend on them."""

    derivative_error: float = 0.0
    """How far grad f + J'y may be off (max-norm): its change when the steps of the differences are
    doubled. Looked at before a point is called stationary, and counted with ``dual`` then; 0 for exact
    derivatives, nan when it was not looked at."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def error_estimators(problem: Evaluable, x: Any, y: Any = None, z: Any = None) -> Certificate:
    """Evaluate the error estimators of [DH21] and the max-norm residuals at any point.

    Parameters
    ----------
    problem
        A Problem (its functions are called directly) or an Oracle.
    x
        Point, shape (n,).
    y
        Multipliers of the rows, shape (m,); None: least-squares multipliers.
    z
        Multipliers of the bounds, shape (n,); None: those that minimise the estimators.

    Raises
    ------
    ProblemError
        When a shape is wrong.

    Examples
    --------
    >>> from optlab import Problem
    >>> p = Problem(objective=lambda x: x[0], gradient=lambda x: [1.0], x0=[2.0], lb=[1.0])
    >>> error_estimators(p, [1.0], None, [-1.0]).E1
    0.0
    """
    x = _shaped("x", x, problem.n)
    if y is not None:
        y = _shaped("y", y, problem.m)
    elif problem.m:
        y, _ = least_squares_multipliers(problem, x)
    if z is not None:
        z = _shaped("z", z, problem.n)
    return certificate(problem, x, y, z)


def certificate(
    problem: Evaluable, x: Vector, y: Vector | None, z: Vector | None
) -> Certificate:
    """Evaluate the certificate of (x, y, z).

    Parameters
    ----------
    problem
        Problem or Oracle.
    x
        (n,)
    y
        (m,), or None for zeros.
    z
        (n,), or None to derive z from grad f + J'y (:func:`bound_multipliers`).
    """
    c = np.asarray(problem.constraints(x), dtype=np.float64)
    s = np.clip(c, problem.cl, problem.cu)
    inside = np.clip(x, problem.lb, problem.ub)
    violation = np.concatenate((c - s, x - inside))
    primal = _max(np.abs(violation))
    Ec = float(np.linalg.norm(violation))
    if not problem.has_gradient or (problem.m and not problem.has_jacobian):
        return Certificate(Ec=Ec, primal=primal)
    d = np.asarray(problem.gradient(x), dtype=np.float64)
    if y is None:
        y = np.zeros(problem.m)
    elif problem.m:
        d = d + problem.jacobian(x).T @ y
    if z is None:
        z = bound_multipliers(inside, d, problem.lb, problem.ub)
    return _estimators(problem, (s, inside), (y, z), d, (primal, Ec))


def _estimators(
    problem: Evaluable,
    inside: tuple[Vector, Vector],
    multipliers: tuple[Vector, Vector],
    d: Vector,
    constraint_errors: tuple[float, float],
) -> Certificate:
    """Evaluate the formulas of the module's docstring.

    Parameters
    ----------
    inside
        Rows and point after projection onto their sides.
    multipliers
        y and z.
    d
        grad f + J'y, (n,).
    constraint_errors
        Max-norm and Euclidean norm of the violation.
    """
    s, x = inside
    y, z = multipliers
    primal, Ec = constraint_errors
    signed = np.concatenate((y, z))
    at = np.concatenate((s, x))
    low = at - np.concatenate((problem.cl, problem.lb))
    up = np.concatenate((problem.cu, problem.ub)) - at
    mu = np.abs(signed)
    gap = np.where(signed > 0.0, up, np.where(signed < 0.0, low, 0.0))
    missing = np.isinf(gap)
    minima = np.minimum(mu, gap)
    products = mu * np.where(missing, mu, gap)
    gradient = d + z
    squared = float(gradient @ gradient)
    Em0 = math.sqrt(squared + float(products.sum()))
    Em1 = math.sqrt(squared + float(minima @ minima))
    projected = np.clip(x - d, problem.lb, problem.ub) - x
    dual = max(_max(np.abs(projected)), _max(np.abs(gradient)), _max(mu[missing]))
    scale = max(100.0, float(mu.sum()) / max(1, mu.size)) / 100.0
    return Certificate(
        E0=math.hypot(Em0, Ec),
        E1=math.hypot(Em1, Ec),
        Em0=Em0,
        Em1=Em1,
        Ec=Ec,
        primal=primal,
        dual=dual,
        complementarity=_max(minima[~missing]),
        scale=scale,
        derivatives=problem.derivatives,
        derivative_error=0.0 if problem.derivatives == "exact" else math.nan,
    )


def least_squares_multipliers(problem: Evaluable, x: Vector) -> tuple[Vector, Vector]:
    """Estimate multipliers at a point that has none.

    Solves the bounded least-squares problem

        min over y, z of |grad f + J'y + z|^2 + |gap * (y, z)|^2

    with the sign that the nearer side of each row or bound allows (equalities: any sign). The
    second term keeps multipliers of distant sides small without an activity tolerance; it is the
    product form of E_m1.

    Parameters
    ----------
    x
        (n,)

    Returns
    -------
    tuple
        y (m,) and z (n,).
    """
    g = np.asarray(problem.gradient(x), dtype=np.float64)
    if not problem.m:
        return np.zeros(0), bound_multipliers(x, g, problem.lb, problem.ub)
    J = problem.jacobian(x)
    c = np.asarray(problem.constraints(x), dtype=np.float64)
    return fitted_multipliers(problem, x, g, J, c, np.ones(problem.m, dtype=bool))


def derived_bound_multipliers(problem: Evaluable, x: Vector, y: Vector) -> Vector:
    """Derive z (n,) from x and y; see :func:`optlab.core.multipliers.bound_multipliers`."""
    d = np.asarray(problem.gradient(x), dtype=np.float64)
    if problem.m:
        d = d + problem.jacobian(x).T @ y
    return bound_multipliers(np.clip(x, problem.lb, problem.ub), d, problem.lb, problem.ub)


def fitted_multipliers(
    problem: Evaluable, x: Vector, g: Vector, J: Matrix, c: Vector, rows: Mask
) -> tuple[Vector, Vector]:
    """Solve the problem of :func:`least_squares_multipliers` with g for grad f and some rows only.

    Parameters
    ----------
    x, g
        (n,)
    J
        (m, n) Jacobian at x.
    c
        (m,) rows at x.
    rows
        (m,) rows that may have a multiplier.
    """
    s = np.clip(c, problem.cl, problem.cu)
    inside = np.clip(x, problem.lb, problem.ub)
    return fit_multipliers(
        g,
        J,
        (s - problem.cl, problem.cu - s),
        (inside - problem.lb, problem.ub - inside),
        rows,
    )


def _shaped(label: str, value: Any, size: int) -> Vector:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != (size,):
        raise ProblemError(f"{label} has shape {array.shape}; shape ({size},) is needed")
    return array


def _max(values: Vector) -> float:
    return float(values.max()) if values.size else 0.0
