"""Gradients and Jacobians from function values, as functions that a problem can carry.

An estimate is bound to the problem that carries it (its functions, bounds, start point and linear
rows), so ``problem.replace(lb=...)`` moves the steps as well. Called directly it calls the problem's
functions; an oracle connects it to its own door instead, so that every evaluation is counted and limited.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from optlab.core.derivatives.options import Differences, Stencil, differences, stencil
from optlab.core.guards import finite_number
from optlab.errors import EvaluationError, OptionError, OptlabError, ProblemError
from optlab.typing import Indices, Vector, is_a

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = [
    "AbstractEstimate",
    "AbstractFirstOrder",
    "EstimatedGradient",
    "Sample",
    "as_estimate",
    "connected",
    "imaginary",
    "moved_together",
    "noise_of_values",
]

Sample: TypeAlias = Callable[[str, Any], Any]
"""``sample(verb, x)``: evaluate a function of the problem at a point that is no iterate."""


_EPS = float(np.finfo(np.float64).eps)


class AbstractEstimate(ABC):
    """A derivative estimated from values of another function."""

    __slots__ = ("options", "problem", "steps")

    def __init__(
        self,
        options: Differences,
        problem: Problem | None = None,
        steps: Vector | float | None = None,
    ) -> None:
        self.options = options
        self.problem = problem
        self.steps: Vector | float = options.relative_step() if steps is None else steps
        """Steps relative to max(1, |x_j|), (n,) or one for all."""

    def bound_to(self, problem: Problem) -> Self:
        """Return the same estimate for another problem."""
        return type(self)(self.options, problem, self._steps_for(problem))

    def _steps_for(self, problem: Problem) -> Vector | float | None:
        """Return the steps, None when they were chosen for another number of variables."""
        return self.steps if np.size(self.steps) in (1, problem.n) else None

    @abstractmethod
    def through(self, sample: Sample) -> Callable[..., Any]:
        """Return the estimate as a function whose evaluations go through ``sample``."""

    def direct(self, verb: str, x: Any) -> Any:
        """Call a function of the problem; what it raises names the function and x."""
        try:
            return getattr(self.home, verb)(x)
        except OptlabError:
            raise
        except Exception as error:
            raise EvaluationError(verb, np.real(x), error) from error

    @property
    def home(self) -> Problem:
        """The problem that carries the estimate."""
        if self.problem is None:
            raise ProblemError(
                "an estimate that belongs to no problem was called; pass it to optlab.Problem"
            )
        return self.problem

    def real_stencil(self, x: Vector) -> Stencil:
        """Return the scheme's points around x, within the bounds."""
        p = self.home
        return stencil(x, p.lb, p.ub, self.options.scheme, self.steps)


class AbstractFirstOrder(AbstractEstimate):
    """A first derivative: a function of x alone."""

    __slots__ = ()

    @abstractmethod
    def estimate(self, sample: Sample, x: Vector) -> Any:
        """Estimate the derivative at x, (n,), from values that ``sample`` gives."""

    @abstractmethod
    def with_steps(self, options: Differences, steps: Vector | float) -> Self:
        """Return the same estimate with another scheme and relative steps."""

    def __call__(self, x: Vector) -> Any:
        """Estimate at x, calling the problem's functions directly."""
        return self.estimate(self.direct, np.asarray(x, dtype=np.float64))

    def through(self, sample: Sample) -> Callable[[Vector], Any]:
        """Return the estimate as a function whose evaluations go through ``sample``."""
        return partial(self.estimate, sample)


class EstimatedGradient(AbstractFirstOrder):
    """Gradient of the objective: one or two evaluations for every variable that can move."""

    __slots__ = ()

    def with_steps(self, options: Differences, steps: Vector | float) -> EstimatedGradient:
        """Return the same estimate with another scheme and relative steps."""
        return EstimatedGradient(options, self.problem, steps)

    def estimate(self, sample: Sample, x: Vector) -> Vector:
        """Estimate the gradient at x, shape (n,)."""
        if self.options.scheme == "complex-step":
            return self._complex(sample, x)
        points = self.real_stencil(x)
        coarsest = 0.0

        def value(at: Vector) -> float:
            nonlocal coarsest
            raw = sample("objective", at)
            coarsest = max(coarsest, noise_of_values(raw))
            return finite_number("objective", raw, at)

        base = value(x) if points.needs_base else 0.0
        g = points.base * base
        for offset, weight in zip(points.offsets, points.weights, strict=True):
            for j in offset.nonzero()[0]:
                if weight[j] != 0.0:
                    moved = x.copy()
                    moved[j] += offset[j]
                    g[j] += weight[j] * value(moved)
        if coarsest > self.options.noise:
            # The function computes in single precision: such short steps see rounding only.
            self.options = replace(self.options, noise=coarsest)
            self.steps = np.maximum(self.steps, self.options.relative_step())
            return self.estimate(sample, x)
        return g

    def _complex(self, sample: Sample, x: Vector) -> Vector:
        g = np.zeros(x.size)
        p = self.home
        step = self.options.relative_step() * np.maximum(1.0, np.abs(x))
        for j in np.flatnonzero(p.lb < p.ub):
            moved = x.astype(np.complex128)
            moved[j] += 1j * step[j]
            value = np.asarray(sample("objective", moved))
            if value.shape != ():
                raise ProblemError(f"objective(x) has shape {value.shape}; a number is needed")
            g[j] = imaginary("objective", value, x) / step[j]
        return g


def noise_of_values(value: Any) -> float:
    """Return the relative rounding of values of this type: float32 has fewer digits than float64."""
    if type(value) is float:
        return _EPS
    kind = np.asarray(value).dtype
    return float(np.finfo(kind).eps) if kind.kind in "fc" else _EPS


def imaginary(verb: str, value: Any, x: Vector) -> Any:
    """Return the imaginary part of a value at a complex point.

    Raises
    ------
    EvaluationError
        When the function lost it, or it is not finite.
    """
    if not np.iscomplexobj(value):
        raise EvaluationError(
            verb, x, "returned real numbers at a complex point, so it does not take complex input; "
            "use the scheme '3-point'"
        )  # fmt: skip
    if not np.isfinite(value).all():
        raise EvaluationError(verb, x, "is not finite at a complex point next to x")
    return np.imag(value)


def moved_together(x: Vector, offset: Vector, columns: Indices) -> Vector:
    """Return x with the given columns moved by their offsets."""
    moved = x.copy()
    moved[columns] += offset[columns]
    return moved


def as_estimate(kind: Callable[[Differences], AbstractEstimate], given: Any) -> Any:
    """Turn a scheme's name or record, given in place of a function, into an estimate.

    Raises
    ------
    OptionError
        When the name is unknown.
    """
    if is_a(given, str, Differences):
        try:
            return kind(differences(given))
        except OptionError as error:
            raise OptionError(f"{error}, or a function") from error
    return given


def connected(function: Any, sample: Sample) -> Any:
    """Let an estimate take its values from ``sample``; any other function stays as it is."""
    if is_a(function, AbstractEstimate):
        return function.through(sample)
    return function
