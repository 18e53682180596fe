"""Derivatives by ``torch.func``, in double precision.

    gradient      reverse mode
    Jacobian      reverse mode when there are fewer rows than variables, forward mode otherwise
    Hessian       of v'f: forward mode over the reverse-mode gradient

The columns are computed together by vmap. A function that branches on values cannot be; it is found out at the
first call and differentiated column by column from then on.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from optlab import Problem
from optlab.core.derivatives.providers import Differentiated
from optlab.errors import MissingDependencyError, ProblemError
from optlab.typing import Vector
from optlab_adapters.autodiff import problem_from

__all__ = ["differentiate", "torch_problem"]


def torch_problem(
    objective: Callable[[Any], Any],
    x0: Any,
    constraints: Callable[[Any], Any] | None = None,
    **more: Any,
) -> Problem:
    """Make a Problem from functions written with torch operations, all derivatives exact.

    Parameters
    ----------
    objective
        Tensor (n,) of float64 -> tensor with one entry.
    x0
        Start point, (n,).
    constraints
        Tensor (n,) -> tensor (m,).
    more
        ``cl, cu, lb, ub, linear, name`` and what else :class:`optlab.Problem` takes, derivatives excepted.

    Raises
    ------
    MissingDependencyError
        When torch is not installed.
    ProblemError
        When derivatives are given, or the shapes contradict each other.

    Examples
    --------
    >>> import pytest; _ = pytest.importorskip("torch")
    >>> problem = torch_problem(lambda x: (x**4).sum(), [1.0, 2.0])
    >>> problem.gradient(problem.x0)
    array([ 4., 32.])
    """
    return problem_from(differentiate, objective, x0, constraints, more)


def differentiate(function: Callable[[Any], Any], label: str) -> Differentiated:
    """Return a torch function's value and derivatives as functions of NumPy vectors.

    Parameters
    ----------
    function
        Tensor (n,) of float64 -> tensor with one entry or (m,), of float64.
    label
        Names it in messages.

    Raises
    ------
    MissingDependencyError
        When torch is not installed.
    """
    made = _TorchFunction(_torch(), function, label)
    return Differentiated(made.value, made.first, made.second)


@cache
def _torch() -> Any:
    """Import torch and let it load its forward mode, which warns of torch's own deprecated parts."""
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise MissingDependencyError("torch", "torch", "a derivative by torch") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        one = torch.ones(1, dtype=torch.float64)
        torch.func.jvp(lambda t: t * t, (one,), (one,))
    return torch


class _TorchFunction:
    """A function and its derivatives."""

    def __init__(self, torch: Any, function: Callable[[Any], Any], label: str) -> None:
        self._torch = torch
        self._function = function
        self._label = label
        self._together = True
        """Whether vmap takes the function."""

    def value(self, x: Vector) -> Any:
        """Return f(x): a number or (m,)."""
        with self._torch.no_grad():
            return self._checked(self._tensor(x)).numpy().copy()

    def first(self, x: Vector) -> Vector:
        """Return the gradient (n,) or the Jacobian (m, n)."""
        func, at = self._torch.func, self._tensor(x)
        shape = tuple(self._checked(at.clone()).shape)
        if shape in ((), (1,)):
            gradient = func.grad(lambda t: self._checked(t).reshape(()))(at)
            return self._array(gradient if shape == () else gradient.reshape(1, -1))
        mode = func.jacrev if shape[0] < at.numel() else func.jacfwd
        return self._array(self._columns(mode, self._checked, at))

    def second(self, x: Vector, v: Vector) -> Vector:
        """Return sum_i v_i Hess f_i, (n, n)."""
        weights = self._tensor(v)

        def weighted(t: Any) -> Any:
            return (self._checked(t).reshape(-1) * weights).sum()

        gradient = self._torch.func.grad(weighted)
        H = self._array(self._columns(self._torch.func.jacfwd, gradient, self._tensor(x)))
        return 0.5 * (H + H.T)

    def _columns(self, mode: Any, function: Callable[[Any], Any], at: Any) -> Any:
        """Differentiate a vector function, all columns together where that is possible."""
        if self._together:
            try:
                return mode(function)(at)
            except RuntimeError as error:
                # What vmap says of functions that look at values; anything else is the user's.
                if not any(
                    word in str(error) for word in ("vmap", "data-dependent", "randomness")
                ):
                    raise
                self._together = False
        torch = self._torch
        unit = torch.eye(at.numel(), dtype=torch.float64)
        columns = [torch.func.jvp(function, (at,), (row,))[1] for row in unit]
        return torch.stack(columns, dim=-1)

    def _checked(self, t: Any) -> Any:
        """Evaluate the function; refuse what is no tensor of doubles."""
        torch = self._torch
        value = self._function(t)
        if not isinstance(value, torch.Tensor):
            raise ProblemError(
                f"{self._label} returned a {type(value).__name__} when it was given a tensor; it must be "
                "written with torch operations to be differentiated by torch"
            )
        if value.dtype != torch.float64:
            raise ProblemError(
                f"{self._label} returned {value.dtype}; torch.float64 is needed. The argument is float64: make "
                "the constants inside float64, too (torch.set_default_dtype(torch.float64))"
            )
        if value.dim() > 1:
            raise ProblemError(
                f"{self._label} returned shape {tuple(value.shape)}; a number or a vector is needed"
            )
        return value

    def _tensor(self, x: Vector) -> Any:
        return self._torch.from_numpy(np.array(x, dtype=np.float64))

    def _array(self, tensor: Any) -> Vector:
        found: Vector = np.asarray(tensor.detach().numpy(), dtype=np.float64)
        return found
