"""Derivatives by JAX, compiled, in double precision whatever the process's default is.

gradient      reverse mode
Jacobian      reverse mode when there are fewer rows than variables, forward mode otherwise
Hessian       of v'f: forward mode over the reverse-mode gradient
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from optlab import Problem
from optlab.core.derivatives.providers import Differentiated
from optlab.errors import MissingDependencyError, ProblemError
from optlab.typing import Vector
from optlab_adapters.autodiff import problem_from

__all__ = ["differentiate", "jax_problem"]


def jax_problem(
    objective: Callable[[Any], Any],
    x0: Any,
    constraints: Callable[[Any], Any] | None = None,
    **more: Any,
) -> Problem:
    """Make a Problem from functions written with ``jax.numpy``, all derivatives exact.

    Parameters
    ----------
    objective
        Array (n,) of float64 -> array with one entry.
    x0
        Start point, (n,).
    constraints
        Array (n,) -> array (m,).
    more
        ``cl, cu, lb, ub, linear, name`` and what else :class:`optlab.Problem` takes, derivatives excepted.

    Raises
    ------
    MissingDependencyError
        When JAX is not installed.
    ProblemError
        When derivatives are given, or the shapes contradict each other.
    """
    return problem_from(differentiate, objective, x0, constraints, more)


def differentiate(function: Callable[[Any], Any], label: str) -> Differentiated:
    """Return a JAX function's value and derivatives as functions of NumPy vectors.

    Parameters
    ----------
    function
        Array (n,) -> array with one entry or (m,); must be traceable by ``jax.jit``.
    label
        Names it in messages.

    Raises
    ------
    MissingDependencyError
        When JAX is not installed.
    """
    try:
        jax = importlib.import_module("jax")
    except ImportError as error:
        raise MissingDependencyError("jax", "jax", "a derivative by JAX") from error
    made = _JaxFunction(jax, function, label)
    return Differentiated(made.value, made.first, made.second)


class _JaxFunction:
    """A function and its derivatives."""

    def __init__(self, jax: Any, function: Callable[[Any], Any], label: str) -> None:
        self._jax = jax
        self._function = function
        self._label = label
        self._value = jax.jit(self._checked)
        self._first: Any = None
        self._second = jax.jit(jax.jacfwd(jax.grad(self._weighted)))

    def value(self, x: Vector) -> Any:
        """Return f(x): a number or (m,)."""
        return self._double(self._value, x)

    def first(self, x: Vector) -> Vector:
        """Return the gradient (n,) or the Jacobian (m, n)."""
        if self._first is None:
            self._first = self._jax.jit(self._mode(x)(self._checked))
        found: Vector = self._double(self._first, x)
        return found

    def second(self, x: Vector, v: Vector) -> Vector:
        """Return sum_i v_i Hess f_i, (n, n)."""
        H: Vector = self._double(self._second, x, v)
        return 0.5 * (H + H.T)

    def _mode(self, x: Vector) -> Any:
        """Choose forward or reverse mode by the shape of the value."""
        with self._jax.enable_x64(True):
            m = self._jax.eval_shape(self._checked, np.asarray(x, dtype=np.float64)).size
        return self._jax.jacrev if m < x.size else self._jax.jacfwd

    def _weighted(self, x: Any, v: Any) -> Any:
        return (self._checked(x).reshape(-1) * v).sum()

    def _checked(self, x: Any) -> Any:
        """Evaluate the function; refuse what is no array of doubles."""
        value = self._function(x)
        if not isinstance(value, self._jax.Array) or value.dtype != np.float64:
            what = getattr(value, "dtype", type(value).__name__)
            raise ProblemError(
                f"{self._label} returned {what} when it was given float64; it must be written with jax.numpy, and "
                "no operation in it may lower the precision"
            )
        if value.ndim > 1:
            raise ProblemError(
                f"{self._label} returned shape {value.shape}; a number or a vector is needed"
            )
        return value

    def _double(self, function: Any, *arguments: Vector) -> Any:
        """Call a compiled function in double precision."""
        with self._jax.enable_x64(True):
            return np.array(function(*(np.array(a, dtype=np.float64) for a in arguments)))
