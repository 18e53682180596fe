"""SciPy's positional arguments: a tuple in third place means ``args``, and its order from there on."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["accepting_scipy_order"]

P = ParamSpec("P")
R = TypeVar("R")

_ORDER = (
    "args", "method", "jac", "hess", "hessp", "bounds", "constraints", "tol", "callback", "options",
)  # fmt: skip
"""What follows ``fun`` and ``x0`` in SciPy."""


def accepting_scipy_order(minimize: Callable[P, R]) -> Callable[P, R]:
    """Let a function ``minimize(fun, x0, method, *, ...)`` be called in SciPy's order as well.

    No method is a tuple, so a tuple in third place can only be SciPy's ``args``.

    Examples
    --------
    >>> @accepting_scipy_order
    ... def minimize(fun, x0, method="auto", *, args=()):
    ...     return method, args
    >>> minimize(abs, 1.0, (2,), "SLSQP"), minimize(abs, 1.0, "SLSQP")
    (('SLSQP', (2,)), ('SLSQP', ()))
    """

    @wraps(minimize)
    def called(*given: P.args, **named: P.kwargs) -> R:
        if len(given) < 3 or not isinstance(given[2], tuple):
            return minimize(*given, **named)
        rest: dict[str, Any] = dict(zip(_ORDER, given[2:], strict=False))
        if len(given) - 2 > len(_ORDER):
            raise TypeError(f"minimize takes at most {2 + len(_ORDER)} arguments by position")
        twice = sorted(rest.keys() & named.keys())
        if twice:
            raise TypeError(f"minimize got several values for {', '.join(twice)}")
        again: Any = minimize
        return again(*given[:2], **rest, **named)  # type: ignore[no-any-return]

    return called
