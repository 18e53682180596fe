"""A drop-in for ``scipy.optimize.minimize``: the same signature, positional arguments included.

    from optlab.scipy import minimize      # instead of: from scipy.optimize import minimize

Names of scipy.optimize that are not here (``Bounds``, ``NonlinearConstraint``, ``BFGS`` ...) are passed on from there,
so that a line that imports several of them needs no other change. What differs is in docs/scipy.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optlab import api
from optlab.core.derivatives import Differences, wanted_differences
from optlab.core.functions import Functions, problem_of_functions
from optlab.core.sparse import scipy_module

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.progress import Progress
    from optlab.core.result import Result

__all__ = ["minimize", "problem"]


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable[..., Any] | None = None,
    options: Any = None,
) -> Result:
    """Minimise a function as ``scipy.optimize.minimize`` does; see :func:`optlab.minimize`.

    Parameters
    ----------
    method
        None: chosen by optlab. SciPy's SLSQP, trust-constr, L-BFGS-B, COBYQA, Nelder-Mead and Powell run behind
        the same call; every other name of :func:`optlab.methods` is accepted.
    tol
        None: 1e-6.
    callback
        ``callback(intermediate_result)``, ``callback(x)``, or ``callback(x, state)`` as trust-constr has it.

    Returns
    -------
    Result
        With the fields of ``OptimizeResult``, as attributes and as items.

    Examples
    --------
    >>> from optlab.scipy import LinearConstraint, minimize
    >>> r = minimize(lambda x: (x[0] - 1) ** 2 + x[1] ** 2, [0, 1], constraints=LinearConstraint([1, 1], 2, 2))
    >>> r.success, r["x"].round(6).tolist(), r.status
    (True, [1.5, 0.5], 0)
    """
    return api.minimize(
        fun,
        x0,
        method,
        args=args,
        jac=jac,
        hess=hess,
        hessp=hessp,
        bounds=bounds,
        constraints=constraints,
        tol=tol,
        callback=None if callback is None else _two_arguments(callback),
        options=options,
    )


def problem(
    fun: Callable[..., Any],
    x0: Any,
    *,
    derivatives: str | Differences = "auto",
    **more: Any,
) -> Problem:
    """Return the Problem that :func:`minimize` would solve, for :func:`optlab.check_derivatives` and the like.

    Parameters
    ----------
    fun, x0, more
        ``args, jac, hess, hessp, bounds, constraints`` as for :func:`minimize`.
    derivatives
        As for :func:`optlab.minimize`; used for Jacobians of which only some rows are given.

    Raises
    ------
    ProblemError
        When an argument has the wrong form.

    Examples
    --------
    >>> problem(lambda x: x @ x, [1.0, 2.0], jac=lambda x: 2 * x, bounds=[(0, None), (0, 1)])
    Problem(n=2, m=0, has: gradient, jacobian)
    """
    functions = Functions(fun=fun, x0=x0, **more)
    return problem_of_functions(functions, wanted_differences(derivatives)).problem


def _two_arguments(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Give trust-constr's form of a callback what it expects; leave the others as they are."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return callback
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in plain and p.default is inspect.Parameter.empty]
    if len(needed) != 2:
        return callback
    result = scipy_module("optimize").OptimizeResult

    def both(k: int, progress: Progress) -> Any:
        x = progress.x.copy()
        state = result(
            x=x,
            fun=progress.f,
            nit=k,
            niter=k,
            constr_violation=progress.primal,
            optimality=progress.dual,
        )
        return callback(x, state)

    return both


def __getattr__(name: str) -> Any:
    """Pass on what else scipy.optimize has."""
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return getattr(scipy_module("optimize"), name)
    except AttributeError:
        raise AttributeError(f"module 'optlab.scipy' has no attribute {name!r}") from None
