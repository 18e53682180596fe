"""Hessians of the Lagrangian from differences of exact gradients.

    H(x, y, sigma) e_j  =  differences of  sigma grad f + J'y  along variable j

compressed by a star colouring of the symmetric pattern. Entries that can be read in both halves are the mean of
the two. The pattern is told by the user, or found by dense differences at two random points near the start, with
random row weights. An entry that a detected pattern lacks costs speed, never correctness: no certificate depends on
second derivatives.

With exact gradients of relative error eps the error of an entry is about eps^(2/3) of the size of the gradient's
second derivatives for "3-point", eps^(1/2) for "2-point": 10 and 7 digits at best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from optlab.core.derivatives.compression import (
    Groups,
    Pattern,
    column_groups,
    read_pattern,
    symmetric_groups,
)
from optlab.core.derivatives.detection import DETECTION_SIZE, SEED, detected_pattern
from optlab.core.derivatives.estimates import AbstractEstimate, Sample, moved_together
from optlab.core.derivatives.options import Differences, stencil
from optlab.errors import EvaluationError
from optlab.typing import Indices, Mask, Vector

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["EstimatedHessian"]


_GRADIENT_NOISE = 1e-14
"""Relative change of a component of grad f + J'y that rounding in its sum may cause."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is decided once."""

    pattern: Pattern
    groups: Groups
    mirror: Indices
    """(nnz,) position of the entry (j, i) for every entry (i, j)."""

    readable: Mask
    """(nnz,) entries that the groups give; of two mirrored ones at least one is."""


class EstimatedHessian(AbstractEstimate):
    """``hessian(x, y, sigma)`` from gradients.

    Parameters
    ----------
    options
        Of the schemes, complex-step counts as 2-point.
    """

    __slots__ = ("_plan",)

    def __init__(
        self,
        options: Differences,
        problem: Problem | None = None,
        steps: Vector | float | None = None,
        plan: _Plan | None = None,
    ) -> None:
        super().__init__(options, problem, steps)
        self._plan = plan
        if plan is None and problem is not None and options.hessian_pattern is not None:
            n = problem.n
            given = read_pattern(options.hessian_pattern, (n, n), "hessian_pattern")
            self._plan = self._make_plan(given)

    @property
    def plan(self) -> _Plan | None:
        """Pattern and groups; None before the first estimate found them."""
        return self._plan

    def bound_to(self, problem: Problem) -> Self:
        """Return the same estimate for another problem; what was found for the same functions is kept."""
        old = self.problem
        same = (
            old is not None
            and old.n == problem.n
            and (old.gradient, old.jacobian) == (problem.gradient, problem.jacobian)
            and np.array_equal(old.lb == old.ub, problem.lb == problem.ub)
        )
        steps = self._steps_for(problem)
        return type(self)(self.options, problem, steps, self._plan if same else None)

    def through(self, sample: Sample) -> Callable[[Vector, Vector, float], Any]:
        """Return the estimate as a function whose evaluations go through ``sample``."""
        return lambda x, y, sigma: self.estimate(sample, (x, y, sigma))

    def __call__(self, x: Vector, y: Vector, sigma: float) -> Any:
        """Estimate sigma * Hess f + sum_i y_i Hess c_i, calling the problem's functions directly."""
        at = (np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), sigma)
        return self.estimate(self.direct, at)

    def estimate(self, sample: Sample, at: tuple[Vector, Vector, float]) -> Any:
        """Estimate the Hessian: an (n, n) array, or csr_array where that is smaller."""
        x, y, sigma = at
        p, o = self.home, self.options
        if self._plan is None:
            self._plan = self._make_plan(self._detected(sample))
        plan = self._plan
        central = o.scheme == "3-point"
        scheme, power = ("3-point", 1.0 / 3.0) if central else ("2-point", 0.5)
        points = stencil(x, p.lb, p.ub, scheme, o.noise**power)
        rows, cols = plan.pattern.rows, plan.pattern.columns
        values = np.zeros(plan.pattern.nnz)
        base = self._gradient(sample, x, y, sigma) if points.needs_base else np.zeros(x.size)
        for columns, entries in zip(plan.groups.columns, plan.groups.entries, strict=True):
            values[entries] += points.base[cols[entries]] * base[rows[entries]]
            for offset, weight in zip(points.offsets, points.weights, strict=True):
                if weight[columns].any():
                    moved = moved_together(x, np.where(weight == 0.0, 0.0, offset), columns)
                    g = self._gradient(sample, moved, y, sigma)
                    values[entries] += weight[cols[entries]] * g[rows[entries]]
        if not np.isfinite(values).all():
            raise EvaluationError("hessian", x, "is not finite: a gradient next to x is not")
        # What only one of the two places can say (the other is not readable, or its variable fixed) counts alone.
        known = plan.readable & (points.weights[0] != 0.0)[cols]
        values = np.where(known, values, 0.0)
        times = np.maximum(1, known.astype(np.intp) + known[plan.mirror])
        return plan.pattern.matrix((values + values[plan.mirror]) / times)

    def _make_plan(self, given: Pattern) -> _Plan:
        """Complete a pattern by symmetry and the diagonal; group its columns."""
        p = self.home
        mirrored = Pattern.from_positions(given.columns, given.rows, given.shape)
        every: Indices = np.arange(p.n)
        diagonal = Pattern.from_positions(every, every, given.shape)
        pattern = given.union(mirrored).union(diagonal)
        # The entries of a fixed variable can be read in the other half only: that needs the finer groups.
        fixed = bool((p.lb == p.ub).any())
        groups = column_groups(pattern) if fixed else symmetric_groups(pattern)
        readable = np.zeros(pattern.nnz, dtype=bool)
        for entries in groups.entries:
            readable[entries] = True
        # Entry k mirrored is entry mirror[k]: sort by (column, row) instead of (row, column).
        return _Plan(pattern, groups, np.lexsort((pattern.rows, pattern.columns)), readable)

    def _detected(self, sample: Sample) -> Pattern:
        """Look for the entries that can be nonzero."""
        p = self.home
        if p.n * p.n <= DETECTION_SIZE:
            return Pattern.of(np.ones((p.n, p.n), dtype=bool))
        weights = np.random.default_rng(SEED).uniform(0.5, 1.0, p.m)

        def values(x: Vector) -> Vector | None:
            try:
                return self._gradient(sample, x, weights, 1.0)
            except EvaluationError:
                return None

        noise = max(self.options.noise, _GRADIENT_NOISE)
        return detected_pattern(values, p, p.x0, noise)

    def _gradient(self, sample: Sample, x: Vector, y: Vector, sigma: float) -> Vector:
        g = np.zeros(x.size)
        if sigma != 0.0:
            g = sigma * np.asarray(sample("gradient", x), dtype=np.float64)
        if y.any():
            J: Any = sample("jacobian", x)
            g = g + np.asarray(J.T @ y)
        return g
