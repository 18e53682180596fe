"""What peers that ask for function values only share: a door that moderates, remembers and shows.

Such a peer has no iterates but the points that it evaluates: each is an iteration, and what is shown of it is the
best point so far. Where a function fails the peer must see a number, because its models take nothing else. A huge
one (an extreme barrier) spoils a quadratic model for many evaluations, so that it is moderated, see :class:`Span`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.progress import Progress
from optlab.core.sparse import scipy_module
from optlab.core.status import StopReason
from optlab.errors import EvaluationError
from optlab.methods.external.archive import Archive
from optlab.methods.external.base import violation

if TYPE_CHECKING:
    from optlab.core.guards import Incumbent
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle
    from optlab.typing import Mask, Vector

__all__ = ["Span", "Values", "rows_of"]


@dataclass(frozen=True, slots=True)
class Span:
    """Smallest and largest value that the objective has had."""

    low: float = np.inf
    high: float = -np.inf

    def with_value(self, f: float) -> Span:
        """Return the span that has f, too."""
        return Span(min(self.low, f), max(self.high, f))

    def moderated(self) -> float:
        """Return what a point without a value counts as: worse than every value, by no more than they differ.

        Where they do not differ yet, by 1 + |f|.
        """
        if self.low < self.high:
            return self.high + (self.high - self.low)
        return self.high + 1.0 + abs(self.high)


class Values:
    """The objective and the rows as a peer without derivatives may call them, one point at a time.

    Parameters
    ----------
    oracle
        Whatever it raises other than a failed evaluation passes through the peer.
    watch
        Shown the best point after every evaluation.
    unit
        Length that counts as 1, per variable, shape (n,); None: 1.
    """

    __slots__ = ("_archive", "_oracle", "_shown", "_span", "_watch", "best")

    def __init__(self, oracle: Oracle, watch: Watch, unit: Vector | None = None) -> None:
        self._oracle, self._watch = oracle, watch
        self._archive = Archive(oracle, np.ones(oracle.n) if unit is None else unit)
        self._span, self._shown = Span(), 0
        self.best: Incumbent | None = None
        """The point with the least violation above the tolerance, then the least objective."""

    def objective(self, x: Vector) -> float:
        """Evaluate f and the rows at x moved into the bounds.

        Raises
        ------
        EvaluationError
            When the very first evaluation fails; later ones are moderated.
        """
        if self._shown > self._watch.max_iter:
            raise BudgetSpent(StopReason.MAX_ITER)
        x = self.inside(x)
        try:
            point = self._oracle.point(x)
        except EvaluationError:
            if self.best is None:
                raise
            f = self._span.moderated()
            self._show(self.best)
            return f
        self._span = self._span.with_value(point.f)
        self._archive.add(point.x, point.f)
        self._show(self._better(point))
        return point.f

    def constraints(self, x: Vector) -> Vector:
        """Evaluate the rows; violated by 1 where they fail."""
        try:
            return np.array(self._oracle.constraints(self.inside(x)))
        except EvaluationError:
            low, high = self._oracle.cl, self._oracle.cu
            return np.where(np.isfinite(low), low - 1.0, high + 1.0)

    def violation(self, x: Vector) -> float:
        """Return the largest violation at a point in the bounds that was evaluated last."""
        return violation(self._oracle, x, self.constraints(x))

    def inside(self, x: Any) -> Vector:
        """Return x in the bounds, as a float64 array of its own."""
        return np.clip(np.asarray(x, dtype=np.float64), self._oracle.lb, self._oracle.ub)

    @property
    def feasible(self) -> bool:
        """Whether the best point violates nothing by more than the tolerance."""
        return self.best is not None and self.best.violation == 0.0

    def memory(self) -> dict[str, Any]:
        """Return what a later run may go on from, and how steep f is at the best point, as far as the points tell."""
        if self.best is None:
            return {}
        found: dict[str, Any] = {"radius": self._archive.radius(self.best.x)}
        if not self._oracle.m:
            norm, error = self._archive.steepness(self.best.x)
            found |= {"estimated_gradient_norm": norm, "standard_error": error}
        return found

    def ending(self) -> dict[str, Any]:
        """Return the best point as fields of a peer's state."""
        if self.best is None:
            return {}
        return {"x": self.best.x, "f": self.best.f, "primal": self.best.violation}

    def _better(self, point: Incumbent) -> Incumbent:
        """Keep a point if it is the best so far; return the best one."""
        best = self.best
        if best is None or (point.violation, point.f) < (best.violation, best.f):
            self.best = best = point
        return best

    def _show(self, best: Incumbent) -> None:
        self._shown += 1
        self._watch.show(Progress(best.x, best.f, best.violation, dual=None))


def rows_of(values: Values, oracle: Oracle) -> list[Any]:
    """State the rows as SciPy's constraint objects: those known to be linear by their matrix.

    The matrix is taken from the Jacobian where the problem has one; it is constant. Without it linear rows are
    given as nonlinear ones, whose models are exact.
    """
    if not oracle.m:
        return []
    optimize = scipy_module("optimize")
    linear: Mask = oracle.linear & oracle.has_jacobian
    found: list[Any] = []
    if linear.any():
        x = values.inside(oracle.x0)
        J: Any = oracle.jacobian(x)
        full = J if isinstance(J, np.ndarray) else J.toarray()
        offset = oracle.constraints(x) - full @ x
        low, high = oracle.cl - offset, oracle.cu - offset
        found.append(optimize.LinearConstraint(full[linear], low[linear], high[linear]))
    if not linear.all():
        rest = np.flatnonzero(~linear)

        def curved(x: Vector) -> Vector:
            return values.constraints(x)[rest]

        found.append(optimize.NonlinearConstraint(curved, oracle.cl[rest], oracle.cu[rest]))
    return found
