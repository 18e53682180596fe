"""Hessians of the Lagrangian from differences of exact gradients.

    H(x, y, sigma) e_j  =  differences of  sigma grad f + J'y  along variable j

compressed by colouring the columns of the symmetric pattern; what the two halves say of an entry is
averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.derivatives.compression import Groups, Pattern, column_groups, read_pattern
from optlab.core.derivatives.estimates import AbstractEstimate, Sample, moved_together
from optlab.core.derivatives.options import Differences, stencil
from optlab.errors import EvaluationError, OptionError
from optlab.typing import Indices, Vector

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["EstimatedHessian"]


class EstimatedHessian(AbstractEstimate):
    """``hessian(x, y, sigma)`` from gradients, for a given symmetric pattern.

    Parameters
    ----------
    options
        ``hessian_pattern`` must be given; of the schemes, complex-step counts as 2-point.
    """

    __slots__ = ("_mirror", "groups", "pattern")

    def __init__(
        self,
        options: Differences,
        problem: Problem | None = None,
        steps: Vector | float | None = None,
    ) -> None:
        super().__init__(options, problem, steps)
        if problem is None:
            return
        if options.hessian_pattern is None:
            raise OptionError(
                "a Hessian can be estimated only with its pattern; pass hessian_pattern=... to Differences"
            )
        n = problem.n
        given = read_pattern(options.hessian_pattern, (n, n), "hessian_pattern")
        mirrored = Pattern.from_positions(given.columns, given.rows, (n, n))
        every: Indices = np.arange(n)
        diagonal = Pattern.from_positions(every, every, (n, n))
        self.pattern = given.union(mirrored).union(diagonal)
        self.groups: Groups = column_groups(self.pattern)
        # Entry k mirrored is entry mirror[k]: sort by (column, row) instead of (row, column).
        self._mirror = np.lexsort((self.pattern.rows, self.pattern.columns))

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
        central = o.scheme == "3-point"
        scheme, power = ("3-point", 1.0 / 3.0) if central else ("2-point", 0.5)
        points = stencil(x, p.lb, p.ub, scheme, o.noise**power)
        rows, cols = self.pattern.rows, self.pattern.columns
        values = np.zeros(self.pattern.nnz)
        base = self._gradient(sample, x, y, sigma) if points.needs_base else np.zeros(x.size)
        for columns, entries in zip(self.groups.columns, self.groups.entries, strict=True):
            values[entries] += points.base[cols[entries]] * base[rows[entries]]
            for offset, weight in zip(points.offsets, points.weights, strict=True):
                if weight[columns].any():
                    moved = moved_together(x, np.where(weight == 0.0, 0.0, offset), columns)
                    g = self._gradient(sample, moved, y, sigma)
                    values[entries] += weight[cols[entries]] * g[rows[entries]]
        if not np.isfinite(values).all():
            raise EvaluationError("hessian", x, "is not finite: a gradient next to x is not")
        # What only one of two mirrored columns can say (the other variable is fixed) counts alone.
        moves = points.weights[0] != 0.0
        weight = np.where(moves[cols], np.where(moves[rows], 0.5, 1.0), 0.0)
        return self.pattern.matrix(
            weight * values + weight[self._mirror] * values[self._mirror]
        )

    def _gradient(self, sample: Sample, x: Vector, y: Vector, sigma: float) -> Vector:
        g = np.zeros(x.size)
        if sigma != 0.0:
            g = sigma * np.asarray(sample("gradient", x), dtype=np.float64)
        if y.any():
            J: Any = sample("jacobian", x)
            g = g + np.asarray(J.T @ y)
        return g
