"""CMA-ES [Hansen16] behind our call: an evolution strategy for rugged functions and noisy ones.

A generation of 4 + 3 log n points is drawn from a normal distribution, whose mean, size and covariance follow the
better half of them. Only the order of the values matters. The answer is the best point seen or, where values are noisy, the
mean of the last distribution with the mean value of its generation: the least of many noisy values says little. All points of a generation are evaluated at once, by the
objective's vectorised form or in an executor. With ``restarts`` a finished run is followed by one from the start with
twice the points [AH05], which finds its way out of worse minima.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.asktell import Query
from optlab.core.control import BudgetSpent
from optlab.core.method import MethodInfo, WarmStart
from optlab.core.progress import Column, Progress
from optlab.core.registry import register
from optlab.core.shifts import DenseShifts
from optlab.core.status import StopReason
from optlab.errors import EvaluationError, OptionError
from optlab.methods.external.base import AbstractPeer, PeerState, finished
from optlab.methods.external.values import Span

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["CMAES"]

_SHARE = 0.2
"""First standard deviation of a variable with two bounds, as a share of their distance: what users of CMA-ES take on
the box [-5, 5] of COCO."""

_RADIUS = 1.0
"""First standard deviation of other variables."""

_RESUMED = 1e-3
"""A restart from an earlier answer begins with the size at which it ended, but no less than this times the usual
one: the problem may have changed."""

_CONVERGED = frozenset({"tolx", "tolfun", "tolfunhist", "tolfunrel"})
"""Names that the package has for the ends that mean a minimum; the others mean that no progress is possible."""

_GROWTH = 2
"""Factor of the population at a restart [AH05]."""


@register(
    MethodInfo(
        name="cma-es",
        summary="peer: evolution strategy with covariance adaptation, for rugged functions",
        needs_gradient=False,
        handles_bounds=True,
        stochastic=True,
        batch=True,
        reference="Hansen16",
        external=True,
        requires="cma",
    )
)
@dataclass(frozen=True, kw_only=True)
class CMAES(AbstractPeer):
    """CMA-ES; ``tol`` is the standard deviation of all variables at which it ends.

    ``peer_options`` are options of ``cma.CMAEvolutionStrategy``.
    """

    info: ClassVar[MethodInfo]

    columns = (Column("sigma", "sigma"),)

    radius: float | None = None
    """First standard deviation of every variable; None: a fifth of the distance of its bounds, else 1."""

    population: int | None = None
    """Points per generation; None: 4 + 3 log n."""

    restarts: int = 0
    """How often a finished run is followed by one with twice the population."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radius is not None and not self.radius > 0.0:
            raise OptionError(f"radius is {self.radius!r}; a positive number or None is needed")
        if self.population is not None and self.population < 3:
            raise OptionError(f"population is {self.population!r}; 3 or more points are needed")
        if self.restarts < 0:
            raise OptionError(f"restarts is {self.restarts!r}; 0 or more are needed")

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Run CMA-ES from the start point moved into the bounds, and again where that is asked for."""
        package = self.load("cma")
        search = _Search(oracle, watch, np.clip(state.x, oracle.lb, oracle.ub))
        rng = np.random.default_rng(state.memory["seed"])
        spread = self._spread(search, state.warm)
        stop, words = StopReason.CONVERGED, "all variables are fixed"
        start, population = search.best[0], self.population
        try:
            search.show()
            for _ in range(self.restarts + 1 if search.free.any() else 0):
                strategy = self._strategy(package, search, start, (spread, population), rng)
                words = search.run(strategy)
                stop = StopReason.CONVERGED if words in _CONVERGED else StopReason.STALLED
                population = _GROWTH * strategy.popsize
                start, spread = search.another_start(rng), self._spread(search, None)
        except BudgetSpent as spent:
            # A later run may go on from here, so that the size is kept.
            stop, words = spent.reason, str(spent.reason.value)
        x, f = search.best
        return finished(
            state, stop, words, x=x, f=f, primal=0.0, memory={"radius": search.radius}
        )

    def _spread(self, search: _Search, warm: WarmStart | None) -> Vector:
        """Return the first standard deviations of the free variables."""
        width = (search.high - search.low)[search.free]
        usual = np.where(np.isfinite(width), _SHARE * width, _RADIUS)
        if self.radius is not None:
            usual = np.where(np.isfinite(width), np.minimum(self.radius, width), self.radius)
        extras: Mapping[str, Any] = {} if warm is None else warm.extras
        earlier = float(extras.get("radius", math.nan))
        if not math.isfinite(earlier):
            return usual
        resumed: Vector = np.clip(earlier, _RESUMED * usual, usual)
        return resumed

    def _strategy(
        self,
        package: Any,
        search: _Search,
        start: Vector,
        size: tuple[Vector, int | None],
        rng: np.random.Generator,
    ) -> Any:
        """Make the package's object over the free variables; ``size`` is spread and population."""
        free, (spread, population) = search.free, size
        options = {
            # The package's own source of randomness is NumPy's global one, which is not ours to touch.
            "seed": math.nan,
            "randn": lambda *shape: rng.standard_normal(shape),
            "bounds": [search.low[free], search.high[free]],
            "CMA_stds": spread,
            "tolx": self.tol,
            "maxiter": math.inf,
            # At -10 it says nothing, and reads no file of signals in the working directory.
            "verbose": -10,
            "verb_log": 0,
            **({} if population is None else {"popsize": population}),
            **self.peer_options,
        }
        try:
            return package.CMAEvolutionStrategy(start[free], 1.0, options)
        except ValueError as error:
            raise OptionError(f"cma-es refuses an option: {error}") from error


class _Search:
    """The objective by generations, the best point, and the iterates shown to the driver."""

    def __init__(self, oracle: Oracle, watch: Watch, start: Vector) -> None:
        self._oracle, self._watch = oracle, watch
        self._start, self._shown = start, 0
        self.low, self.high = oracle.lb, oracle.ub
        self.free = oracle.lb < oracle.ub
        f = oracle.objective(start)
        self.best: tuple[Vector, float] = (start, f)
        self.radius = 0.0
        """Largest standard deviation of the latest generation."""

        self._span = Span().with_value(f)

    def run(self, strategy: Any) -> str:
        """Iterate to the end of one strategy; return the package's word for it."""
        while not (ends := strategy.stop()):
            if self._shown > self._watch.max_iter:
                raise BudgetSpent(StopReason.MAX_ITER)
            inner = strategy.ask()
            values = self._evaluate(inner)
            strategy.tell(inner, values.tolist())
            if self._oracle.problem.noisy:
                centre = self._whole([strategy.result.xfavorite])[0]
                self.best = (centre, float(np.mean(values)))
            self.radius = float(np.max(strategy.result.stds))
            self.show(float(strategy.sigma))
        words = [str(word) for word in ends]
        return next((word for word in words if word in _CONVERGED), words[0])

    def another_start(self, rng: np.random.Generator) -> Vector:
        """Return where to begin again: anywhere between two bounds, else at the start."""
        boxed = np.isfinite(self.low) & np.isfinite(self.high)
        x = self._start.copy()
        x[boxed] = rng.uniform(self.low[boxed], self.high[boxed])
        return x

    def _evaluate(self, inner: list[Vector]) -> Vector:
        """Evaluate a generation given in the free variables; points without a value are moderated."""
        points = self._whole(inner)
        query = Query(np.zeros(points.shape[1]), DenseShifts(points))
        try:
            values = self._oracle.values(query)
        except EvaluationError:
            # Not one of them has a value; a simulator that is down makes all generations equal, which ends the run.
            return np.full(len(points), self._span.moderated())
        k = int(np.nanargmin(values))
        if values[k] < self.best[1]:
            self.best = (points[k], float(values[k]))
        self._span = self._span.with_value(self.best[1]).with_value(float(np.nanmax(values)))
        return np.where(np.isnan(values), self._span.moderated(), values)

    def _whole(self, inner: list[Vector]) -> Vector:
        """Return points of the free variables as points of all, shape (k, n)."""
        points = np.tile(self._start, (len(inner), 1))
        points[:, self.free] = inner
        within: Vector = np.clip(points, self.low, self.high)
        return within

    def show(self, sigma: float | None = None) -> None:
        """Show the best point and the step size of the strategy, None before the first generation."""
        extras = {} if sigma is None else {"sigma": sigma}
        self._shown += 1
        x, f = self.best
        self._watch.show(Progress(x, f, 0.0, dual=None, extras=extras))
