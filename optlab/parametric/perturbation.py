"""How the data of a problem depend on parameters, to first order and at one point.

Everything that the derivative of a solution needs is linear in seven vectors, the :class:`Change` of

    grad_x L(x, y; p),  c(x; p),  f(x; p),  lb(p),  ub(p),  cl(p),  cu(p)     at fixed x and y.

A :class:`Perturbation` holds their derivatives with respect to the parameters, column by column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.sparse import csr, scipy_module
from optlab.errors import OptionError, ProblemError
from optlab.typing import Vector

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["NAMED", "Change", "Perturbation", "named_perturbation"]

NAMED = ("linear", "lb", "ub", "cl", "cu")
"""Data that can be named as parameters: the linear term of the objective, bounds, row bounds."""

_ROUNDING = 1e-6
"""Relative difference of two rates up to which they count as equal."""

_VARIABLES = ("gradient", "lb", "ub")
_ROWS = ("constraints", "cl", "cu")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the problem's data, or a linear functional of such changes.

    The adjoint of the map from changes to steps of the solution returns the second kind: one weight for
    every entry.
    """

    gradient: Vector
    """(n,) of grad f + J'y."""

    constraints: Vector
    """(m,)"""

    objective: float
    lb: Vector
    """(n,)"""

    ub: Vector
    """(n,)"""

    cl: Vector
    """(m,)"""

    cu: Vector
    """(m,)"""

    def size(self) -> float:
        """Return the largest magnitude of what moves the solution."""
        parts = (self.gradient, self.constraints, self.lb, self.ub, self.cl, self.cu)
        return max(float(np.abs(part).max(initial=0.0)) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """Derivatives of a problem's data with respect to P parameters, at the solution.

    All parts are arrays or scipy.sparse matrices with one column per parameter; a vector stands for a
    single parameter, None for zeros. Rows with ``cl = cu`` move as a whole: there the columns of ``cl``
    and ``cu`` must be equal, and so for ``lb`` and ``ub`` of fixed variables.

    Examples
    --------
    The objective p x1 at x = (3, 4) has the gradient (p, 0) and the value 3 p:

    >>> Perturbation(gradient=[1.0, 0.0], objective=3.0).count
    1
    """

    gradient: Any = None
    """(n, P) of grad f(x; p) + J(x; p)'y at fixed x and y."""

    constraints: Any = None
    """(m, P) of c(x; p) at fixed x."""

    objective: Any = None
    """(P,) of f(x; p) at fixed x; only ``df`` uses it."""

    lb: Any = None
    """(n, P)"""

    ub: Any = None
    """(n, P)"""

    cl: Any = None
    """(m, P)"""

    cu: Any = None
    """(m, P)"""

    names: Sequence[str] | None = None
    """P names for people."""

    def __post_init__(self) -> None:
        """Bring all parts into matrices with the same number of columns.

        Raises
        ------
        ProblemError
            When they disagree, hold values that are not finite, or nothing is given.
        """
        counts: dict[str, int] = {}
        for part in (*_VARIABLES, *_ROWS):
            value = getattr(self, part)
            if value is not None:
                matrix = _columns(part, value)
                object.__setattr__(self, part, matrix)
                counts[part] = int(matrix.shape[1])
        if self.objective is not None:
            rates = np.atleast_1d(_numbers("objective", self.objective))
            if rates.ndim != 1:
                raise ProblemError(
                    f"objective of a Perturbation has shape {rates.shape}; one number per "
                    "parameter, shape (P,), is needed"
                )
            object.__setattr__(self, "objective", rates)
            counts["objective"] = rates.size
        if not counts:
            raise ProblemError(
                "a Perturbation without any part moves nothing; give the derivatives of at least one "
                "of gradient, constraints, objective, lb, ub, cl, cu with respect to the parameters"
            )
        if self.names is not None:
            counts["names"] = len(self.names)
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{part}: {count}" for part, count in counts.items())
            raise ProblemError(
                f"the parts of a Perturbation are for different numbers of parameters ({listed}); "
                "give each part one column per parameter, zero where it does not depend on it"
            )

    @property
    def count(self) -> int:
        """Number of parameters P."""
        parts = [getattr(self, part) for part in (*_VARIABLES, *_ROWS)]
        widths = [int(part.shape[1]) for part in parts if part is not None]
        return widths[0] if widths else int(self.objective.size)

    def fitting(self, problem: Problem) -> Perturbation:
        """Return itself, or say what does not fit the problem.

        Raises
        ------
        ProblemError
            When a part has the wrong number of rows, or the two sides of an equality move apart.
        """
        for parts, size, what in (
            (_VARIABLES, problem.n, "variables"),
            (_ROWS, problem.m, "rows"),
        ):
            for part in parts:
                matrix = getattr(self, part)
                if matrix is not None and matrix.shape[0] != size:
                    raise ProblemError(
                        f"{part} of the Perturbation has shape {matrix.shape}; the problem has {size} "
                        f"{what}, so shape ({size}, {self.count}) is needed"
                    )
        self._check_equalities("cl", "cu", problem.cl == problem.cu, "row")
        self._check_equalities("lb", "ub", problem.lb == problem.ub, "variable")
        return self

    def along(self, direction: Vector, problem: Problem) -> Change:
        """Return the change of the data along a direction (P,) of the parameters."""

        def moved(part: str, size: int) -> Vector:
            matrix = getattr(self, part)
            return np.zeros(size) if matrix is None else np.asarray(matrix @ direction)

        n, m = problem.n, problem.m
        return Change(
            gradient=moved("gradient", n),
            constraints=moved("constraints", m),
            objective=0.0 if self.objective is None else float(self.objective @ direction),
            lb=moved("lb", n),
            ub=moved("ub", n),
            cl=moved("cl", m),
            cu=moved("cu", m),
        )

    def contracted(self, weights: Change) -> Vector:
        """Return the weighted sums of the data's derivatives, (P,)."""
        total = np.zeros(self.count)
        for part in (*_VARIABLES, *_ROWS):
            matrix = getattr(self, part)
            if matrix is not None:
                total += np.asarray(matrix.T @ getattr(weights, part))
        if self.objective is not None:
            total += weights.objective * self.objective
        return total

    def _check_equalities(self, low: str, up: str, equal: Any, what: str) -> None:
        a, b = (_some_rows(getattr(self, side), equal, self.count) for side in (low, up))
        # Differences in p leave rounding errors.
        apart = (abs(a - b) - _ROUNDING * (abs(a) + abs(b)) > _ROUNDING).tocoo()
        if apart.nnz:
            i = int(np.flatnonzero(equal)[apart.coords[0][0]])
            raise ProblemError(
                f"{what} {i} has {low} = {up}, but the Perturbation moves the two sides differently; "
                f"give {low} and {up} equal columns there, since such a {what} moves as a whole"
            )


def named_perturbation(name: str, problem: Problem, x: Vector) -> Perturbation:
    """Take a vector of the problem's data as parameters.

    Parameters
    ----------
    name
        ``"linear"``: p is added as p'x to the objective, at p = 0. ``"lb"``, ``"ub"``, ``"cl"``,
        ``"cu"``: these limits; equalities and fixed variables move as a whole.
    x
        (n,) the solution.

    Raises
    ------
    OptionError
        When the name is another one.
    """
    if name not in NAMED:
        raise OptionError(
            f"parameters={name!r} names no data of a problem; use one of "
            f"{', '.join(map(repr, NAMED))}, a Perturbation, or the values p of a family"
        )
    if name == "linear":
        return Perturbation(gradient=_diagonal(np.ones(problem.n)), objective=x)
    other = {"lb": "ub", "ub": "lb", "cl": "cu", "cu": "cl"}[name]
    equal = np.asarray(getattr(problem, name) == getattr(problem, other), dtype=np.float64)
    moves = np.isfinite(getattr(problem, name)).astype(np.float64)
    return Perturbation(**{name: _diagonal(moves), other: _diagonal(moves * equal)})


def _diagonal(values: Vector) -> Any:
    size = values.size
    return csr(values, np.arange(size), np.arange(size + 1), (size, size))


def _columns(part: str, value: Any) -> Any:
    """Return a finite float matrix with one column per parameter."""
    if hasattr(value, "tocsr"):
        matrix = value.tocsr().astype(np.float64)
        data = matrix.data
    else:
        matrix = data = _numbers(part, value)
        if matrix.ndim == 1:
            matrix = matrix[:, None]
        if matrix.ndim != 2:
            raise ProblemError(
                f"{part} of a Perturbation has shape {matrix.shape}; a matrix with one column per "
                "parameter is needed, or a vector for a single parameter"
            )
    if not np.isfinite(data).all():
        raise ProblemError(
            f"{part} of a Perturbation has entries that are not finite; use 0 for what does not "
            "move, infinite bounds included"
        )
    return matrix


def _numbers(part: str, value: Any) -> Vector:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(
            f"{part} of a Perturbation cannot be read as numbers: {error}"
        ) from error


def _some_rows(matrix: Any, rows: Any, count: int) -> Any:
    """Return the chosen rows as a csr_array."""
    sparse = scipy_module("sparse")
    chosen = rows.nonzero()[0]
    if matrix is None:
        return sparse.csr_array((chosen.size, count))
    return sparse.csr_array(matrix[chosen])
