"""Families of problems: p -> Problem, and how their data depend on p.

The derivatives with respect to p are taken at fixed x and y, so that no problem is solved for them. A
family may know them exactly (``optlab.adapters.TorchFamily``); :class:`DifferencedFamily` takes
differences of any function that builds a problem.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.core.problem import Problem
from optlab.errors import OptlabError, ProblemError
from optlab.parametric.perturbation import Perturbation
from optlab.typing import Vector, is_a

__all__ = ["AbstractFamily", "DifferencedFamily"]

_STEP = float(np.finfo(np.float64).eps) ** (1.0 / 3.0)
"""Relative step of central differences: its square and rounding over it are of one size."""


class AbstractFamily(ABC):
    """Problems of one structure, as a function of parameters."""

    @abstractmethod
    def problem(self, p: Any) -> Problem:
        """Return the problem at p."""

    @abstractmethod
    def perturbation(self, p: Any, x: Vector, y: Vector) -> Perturbation:
        """Return the derivatives of the problem's data with respect to p at fixed x and y."""


@dataclass(frozen=True, slots=True)
class DifferencedFamily(AbstractFamily):
    """A function that builds problems; derivatives with respect to p by central differences."""

    build: Callable[[Vector], Problem]
    """``build(p) -> Problem`` for p of shape (P,); sizes must not depend on p."""

    step: float = _STEP
    """Relative to max(1, \\|p_k\\|)."""

    def problem(self, p: Any) -> Problem:
        """Return ``build(p)``.

        Raises
        ------
        ProblemError
            When p is no vector of finite numbers, or ``build`` returns something else.
        """
        return self._built(_parameters(p))

    def perturbation(self, p: Any, x: Vector, y: Vector) -> Perturbation:
        """Take central differences in p of gradient, rows, objective and limits at fixed x and y.

        Costs two problems per parameter, each with one evaluation of all first-order functions.

        Raises
        ------
        ProblemError
            When ``build`` fails next to p, or sizes or the finiteness of limits depend on p.
        """
        at = _parameters(p)
        columns: list[dict[str, Any]] = []
        for k in range(at.size):
            h = self.step * max(1.0, abs(float(at[k])))
            above, below = at.copy(), at.copy()
            above[k] += h
            below[k] -= h
            high, low = (self._data(q, k, x, y) for q in (above, below))
            width = float(above[k] - below[k])
            columns.append({key: _slope(key, high[key], low[key], width) for key in high})
        slopes: dict[str, Any] = {
            key: np.stack([c[key] for c in columns], axis=-1) for key in columns[0]
        }
        return Perturbation(**slopes)

    def _built(self, p: Vector) -> Problem:
        problem = self.build(p)
        if not isinstance(problem, Problem):
            raise ProblemError(
                f"build(p) returned a {type(problem).__name__}; an optlab.Problem is needed for "
                "every p"
            )
        return problem

    def _data(self, p: Vector, k: int, x: Vector, y: Vector) -> dict[str, Any]:
        """Evaluate what may depend on p."""
        try:
            problem = self._built(p)
        except OptlabError:
            raise
        except Exception as error:
            raise ProblemError(
                f"build(p) raised {type(error).__name__}: {error}, at p[{k}] = {p[k]:.17g}, which is "
                "next to the given p: differences need problems on both sides. Choose a smaller step "
                "with DifferencedFamily(build, step=...), or give the derivatives as a Perturbation"
            ) from error
        if (problem.n, problem.m) != (x.size, y.size):
            raise ProblemError(
                f"build(p) has {problem.n} variables and {problem.m} rows at p[{k}] = {p[k]:.17g}, "
                f"and {x.size} and {y.size} at the solution; the sizes must not depend on p"
            )
        gradient = np.asarray(problem.gradient(x), dtype=np.float64)
        if problem.m:
            J: Any = problem.jacobian(x)
            gradient = gradient + J.T @ y
        return {
            "gradient": gradient,
            "constraints": np.asarray(problem.constraints(x), dtype=np.float64),
            "objective": float(problem.objective(x)),
            "lb": problem.lb,
            "ub": problem.ub,
            "cl": problem.cl,
            "cu": problem.cu,
        }


def _parameters(p: Any) -> Vector:
    try:
        at = np.atleast_1d(np.asarray(p, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ProblemError(
            f"the parameters p cannot be read as numbers ({error}); give the values at which the "
            "problem was solved, shape (P,)"
        ) from error
    if at.ndim != 1 or not at.size or not np.isfinite(at).all():
        raise ProblemError(
            f"the parameters p have shape {at.shape} or values that are not finite; a vector of P >= 1 "
            "finite numbers is needed"
        )
    return at


def _slope(key: str, high: Any, low: Any, width: float) -> Any:
    """Return the difference quotient; limits that stay infinite do not move."""
    if is_a(high, float):
        return (high - low) / width
    if not np.array_equal(np.isinf(high), np.isinf(low)):
        i = int(np.flatnonzero(np.isinf(high) != np.isinf(low))[0])
        raise ProblemError(
            f"{key}[{i}] is finite for some p and infinite for others next to it; a limit must exist "
            "on both sides of p, or on neither, for the solution to have a derivative"
        )
    still = np.isinf(high)
    return np.where(still, 0.0, np.where(still, 0.0, high) - np.where(still, 0.0, low)) / width
