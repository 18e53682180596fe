"""What the method ``zo`` knows between two queries: plain records, so that a run can be stored and resumed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optlab.core.asktell import Query
from optlab.core.sampled import Block
from optlab.core.shifts import AbstractShifts
from optlab.errors import EvaluationError
from optlab.methods.zeroth.domain import Domain
from optlab.methods.zeroth.state import AbstractState, Scene, Shown
from optlab.typing import Vector

__all__ = ["RECORDS", "Descent", "Newton", "Phase", "State", "Told", "query_at"]


class Phase:
    """What the next query is for: names, because a state holds plain values only."""

    NOISE = "noise"
    """How much values at one place differ."""

    GRADIENT = "gradient"
    """The slopes at the point."""

    STEP = "step"
    """How far to go along the direction found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """What the descent along random directions remembers."""

    rate: float = math.nan
    """Greedy rate; nan before the first step."""

    slope: float = 0.0
    """Discounted sum of g'd, d the estimate of the gradient g."""

    bend: float = 0.0
    """Discounted sum of d'Hd, H the Hessian matrix."""

    weight: float = 0.0
    """Discounted number of both."""

    smoothing: float
    """Root mean square of a displacement, natural units."""

    paired: bool
    """Whether values have errors, so that every direction takes a pair of points."""

    shape: Vector
    """(n,) factors on the scale, of geometric mean 1: the metric of the steps."""

    probe: float = 0.0
    """Rate of the point at which the curvature is being measured."""

    steep: float = 0.0
    """g'd of the step in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newton:
    """What the quasi-Newton iteration remembers."""

    B: Vector
    """(m, m) approximation of the Hessian matrix in the free variables; (0, 0) before the first step."""

    gradient: Vector
    """(m,) at the point before."""

    s: Vector
    """(m,) last step; zeros when there was none."""

    smoothing: float
    """Displacement of the differences, natural units."""

    reach: float = 1.0
    """Factor on the lengths of the next search."""

    vain: int = 0
    """Consecutive searches that found nothing lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State(AbstractState):
    """Where a run is."""

    base: float = math.nan
    """Objective at x on the sample of the step in progress."""

    phase: str = Phase.NOISE
    noise: float = 0.0
    """Standard deviation of the error of one value."""

    direction: Vector
    """(n,) of the step in progress, which goes against it."""

    descent: Descent | None = None
    newton: Newton | None = None

    @property
    def rate(self) -> float:
        """Greedy rate of the descent; nan: none yet."""
        return math.nan if self.descent is None else self.descent.rate

    @property
    def left(self) -> float:
        """Share of the run that is left, in (0, 1]; 1 where nothing limits it."""
        scene, shares = self.scene, [0.0]
        if scene.evaluations:
            shares.append(self.queries / scene.evaluations)
        if scene.horizon:
            shares.append(self.k / scene.horizon)
        return max(0.0, 1.0 - max(shares))


class Told(NamedTuple):
    """Points wanted in a state, and the values there."""

    shifts: AbstractShifts
    values: Vector

    def need(self, x: Vector, there: int) -> None:
        """Refuse to go on when too few of the values are finite.

        Raises
        ------
        EvaluationError
            When fewer than ``there`` values are finite.
        """
        finite = int(np.isfinite(self.values).sum())
        if finite < there:
            raise EvaluationError(
                "objective",
                x,
                f"gives too few values for a step: {finite} of {self.values.size} points, {there} are needed",
            )


def query_at(state: State, shifts: AbstractShifts) -> Query:
    """Return the query for displacements of the state's point, on the sample of its step."""
    return Query(state.x, shifts, state.scene.key(state.k))


RECORDS = (State, Scene, Shown, Descent, Newton, Domain, Block)
"""Everything a state is made of, for :attr:`optlab.core.method.AbstractMethod.records`."""
