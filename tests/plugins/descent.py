"""A small zeroth-order method for tests of the parts around methods: steps along central differences, some random."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from optlab.core.asktell import AbstractAskTell, Query
from optlab.core.method import MethodInfo, WarmStart
from optlab.core.oracle import Oracle
from optlab.core.progress import Progress
from optlab.core.sampled import AbstractSampled
from optlab.core.shifts import AbstractShifts, CoordinateShifts
from optlab.core.status import StopReason
from optlab.typing import Vector


@dataclass(frozen=True)
class DescentState:
    """Where the method is."""

    x: Vector
    seed: int
    k: int = 0
    f: float = math.nan
    told: tuple[float, ...] = ()
    """Number of finite values of each step."""


@dataclass(frozen=True, kw_only=True)
class Descent(AbstractAskTell[DescentState]):
    """x <- x - rate g, g by central differences along a random half of the coordinates."""

    info: ClassVar[MethodInfo] = MethodInfo("descent", needs_gradient=False, stochastic=True)
    records: ClassVar[tuple[type, ...]] = (DescentState,)
    rate: float = 0.2
    smoothing: float = 1e-3

    def init(
        self, oracle: Oracle, x0: Vector, rng: Any, *, warm: WarmStart | None = None
    ) -> DescentState:
        """Draw the seed; evaluate nothing."""
        return DescentState(x0, int(rng.integers(2**40)))

    def ask(self, state: DescentState) -> Query:
        """Ask for both sides of the chosen coordinates."""
        chosen = self._chosen(state)
        step = self.smoothing * np.tile([1.0, -1.0], chosen.size)
        return Query(
            state.x, CoordinateShifts(state.x.size, np.repeat(chosen, 2), step), state.k
        )

    def tell(self, state: DescentState, query: Query, values: Vector) -> DescentState:
        """Step along what is known."""
        pairs = values.reshape(-1, 2)
        g = np.zeros(state.x.size)
        g[self._chosen(state)] = (pairs[:, 0] - pairs[:, 1]) / (2.0 * self.smoothing)
        return replace(
            state,
            x=state.x - self.rate * np.nan_to_num(g),
            k=state.k + 1,
            f=float(np.nanmean(values)),
            told=(*state.told, float(np.isfinite(values).sum())),
        )

    def progress(self, state: DescentState) -> Progress:
        """Report the iterate."""
        return Progress(x=state.x, f=state.f, primal=0.0, dual=None)

    def stop(self, state: DescentState) -> StopReason | None:
        """Leave the end to the limits."""
        return None

    def _chosen(self, state: DescentState) -> Any:
        n = state.x.size
        rng = np.random.default_rng([state.seed, state.k])
        return np.sort(rng.choice(n, size=max(1, n // 2), replace=False))


@dataclass
class Targets(AbstractSampled):
    """F(x; b) = |x - t_b|^2 for the rows t_b of an array: the average has its minimum at their mean."""

    targets: Vector
    has_gradient: bool = True
    executors: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps_per_epoch = len(self.targets)

    def at(self, x: Vector, key: int | None) -> float:
        """Evaluate one sample, or the average."""
        rows = self.targets if key is None else self.targets[[key % len(self.targets)]]
        return float(((x - rows) ** 2).sum(axis=1).mean())

    def values(
        self, x: Vector, shifts: AbstractShifts, key: int | None, executor: Any
    ) -> Vector:
        """Evaluate displaced points."""
        self.executors.append(executor)
        return np.array([self.at(p, key) for p in shifts.points(x)])

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        """Return value and gradient."""
        rows = self.targets if key is None else self.targets[[key % len(self.targets)]]
        return self.at(x, key), 2.0 * (x - rows.mean(axis=0))
