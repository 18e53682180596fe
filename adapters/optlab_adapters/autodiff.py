"""What the providers of exact derivatives share: a problem from functions that a program differentiates.

    min f(x)   subject to   lb <= x <= ub,   cl <= c(x) <= cu

with f and c written in the operations of torch or JAX. The Hessian of the Lagrangian is that of sigma f + y'c, forward
over reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from optlab import Problem
from optlab.core.derivatives.providers import Differentiated
from optlab.errors import ProblemError
from optlab.typing import Vector

__all__ = ["Provider", "problem_from"]

Provider = Callable[[Callable[[Any], Any], str], Differentiated]
"""``differentiate(function, label)``."""

_SCALAR = np.ones(1)


def problem_from(
    differentiate: Provider,
    objective: Callable[[Any], Any],
    x0: Any,
    constraints: Callable[[Any], Any] | None,
    more: Mapping[str, Any],
) -> Problem:
    """Make a Problem whose derivatives are exact.

    Parameters
    ----------
    objective, constraints
        In the provider's operations: a number, and (m,).
    more
        What else :class:`optlab.Problem` takes: cl, cu, lb, ub, linear, names.

    Raises
    ------
    ProblemError
        When ``more`` gives derivatives, or the shapes contradict each other.
    """
    twice = sorted({"gradient", "jacobian", "hessian", "hprod"} & more.keys())
    if twice:
        raise ProblemError(f"{', '.join(twice)} are made from the functions; leave them out")
    f = differentiate(objective, "objective")
    given: dict[str, Any] = {
        # A number may come as an array of one entry.
        "objective": lambda x: np.asarray(f.value(x)).item(),
        "gradient": lambda x: np.reshape(f.first(x), -1),
        "x0": np.atleast_1d(x0),
        **more,
    }

    if constraints is None:

        def hessian_of_f(x: Vector, y: Vector, sigma: float) -> Any:  # noqa: ARG001
            return sigma * np.asarray(f.second(x, _SCALAR))

        return Problem(hessian=hessian_of_f, **given)
    c = differentiate(constraints, "constraints")

    def hessian(x: Vector, y: Vector, sigma: float) -> Any:
        total = np.asarray(c.second(x, y))
        return total + sigma * np.asarray(f.second(x, _SCALAR)) if sigma else total

    return Problem(hessian=hessian, constraints=c.value, jacobian=c.first, **given)
