"""What a zeroth-order method knows between two queries: plain records, so that a run can be stored and resumed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.sampled import Block
from optlab.core.status import StopReason
from optlab.methods.zeroth.domain import Domain
from optlab.typing import Indices, Vector

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.methods.zeroth.rules import Memory

__all__ = ["RECORDS", "AbstractState", "Haven", "Phase", "Scene", "Shown", "State", "Trial"]


class Phase:
    """What the next query is for: names, because a state holds plain values only."""

    NOISE = "noise"
    """How much values at one place differ."""

    ESTIMATE = "estimate"
    """The gradient at the point."""

    SEARCH = "search"
    """Which length of the step lowers the objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What stays the same during a run."""

    seed: int
    """Everything random in step k follows from (seed, k)."""

    domain: Domain
    scale: Vector
    """(n,) natural size of a step in each variable; rules work in units of it."""

    horizon: int | None
    """Steps that the limits allow; None: any number."""

    evaluations: int | None
    """Evaluations that the limits allow; None: any number."""

    last_step: int | None
    """Steps after which the run ends by ``max_epochs``; None: none."""

    steps_per_epoch: int
    sampled: bool
    """Whether queries name a sample."""

    noisy: bool
    """Whether values at one point may differ, from sample to sample or from call to call."""

    blocks: tuple[Block, ...]

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.scale.size

    @property
    def free(self) -> Indices:
        """The variables that can move."""
        return np.flatnonzero(self.domain.lb < self.domain.ub)

    def generator(self, k: int, purpose: int = 0) -> np.random.Generator:
        """Return the random numbers of step k.

        Parameters
        ----------
        k
            Number of the step.
        purpose
            0 for its estimate; other numbers for what else is random in the step.
        """
        return np.random.default_rng([self.seed, k, purpose] if purpose else [self.seed, k])

    def key(self, k: int) -> int | None:
        """Return the sample that step k looks at."""
        return k if self.sampled else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a run shows: a point, and what is known of it."""

    x: Vector
    f: float = math.nan
    """Objective at x; an average over the last steps where values are noisy or of samples."""

    gnorm: float = math.nan
    """|P(x - g) - x| for the last estimate g of the gradient."""

    gnorm_se: float = math.nan
    """Standard error of that estimate, Euclidean."""

    step: float = 0.0
    """Length of the last step, Euclidean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A direction whose length is being searched."""

    direction: Vector
    """(n,) d; candidates are P(x - rate d)."""

    metric: Vector | None
    """(n,) weights of the projection."""

    f: float
    """Objective at x on the sample of the step; nan: not known."""

    by_chance: bool
    """Whether another estimate at the same point would give another direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Haven:
    """The point of the lowest average of values so far."""

    x: Vector
    f: float
    """That average."""

    start: float
    """The first average."""

    deviation: float
    """Least standard deviation of values round their average: steps that are too long add to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstractState(ABC):
    """Where a run is: what the states of all methods have."""

    scene: Scene
    x: Vector
    """(n,) point of the next estimate."""

    shown: Shown
    k: int = 0
    """Steps done."""

    queries: int = 0
    """Evaluations so far."""

    ended: StopReason | None = None
    """Why a step has ended the run."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """The rate of the steps; nan: none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State(AbstractState):
    """Where a descent with a rule is."""

    phase: str = Phase.ESTIMATE
    memory: Memory = field(default_factory=dict[str, Vector])
    """The rule's."""

    trial: Trial | None = None
    rate: float = math.nan
    """Last rate that a search found good; nan: none yet."""

    tried: Vector = field(default_factory=lambda: np.zeros(0))
    """(p,) rates that the first searches on a noisy objective try; empty: none yet."""

    rises: Vector = field(default_factory=lambda: np.zeros(0))
    """(p,) sums of the changes of the objective that they lead to."""

    base: float = math.nan
    """Rate at the schedule's factor 1 that follows from them; nan: not yet."""

    refinement: float = 1.0
    """Factor on the smoothing, which falls where no step lowers an exact objective."""

    vain: int = 0
    """Consecutive searches that found nothing lower."""

    noise: float = math.nan
    """Standard deviation of the errors of values, when it was measured."""

    mean_f: float = math.nan
    """Moving average of values."""

    square_f: float = 0.0
    """Moving average of the squares of what they differ from it."""

    haven: Haven | None = None
    """Where to go back to when the rate that was found turns out too long."""

    below: int = 0
    """Consecutive estimates whose norm is below the tolerance with confidence."""

    store: dict[str, Vector] = field(default_factory=dict[str, Vector])
    """Arrays that a method adds."""


RECORDS = (State, Scene, Shown, Trial, Haven, Domain, Block)
"""Everything a state is made of, for :attr:`optlab.core.method.AbstractMethod.records`."""


def natural_scale(oracle: Oracle, *, sampled: bool) -> Vector:
    """Guess the natural size of a step in each variable, (n,).

    A tenth of the distance of the bounds where there are two, else the power of ten of a start value of 10 and more,
    else 1; 1 for the weights of a learning task.
    """
    scale = np.ones(oracle.n)
    if not sampled:
        big = np.abs(oracle.x0) >= 10.0
        scale[big] = 10.0 ** np.floor(np.log10(np.abs(oracle.x0[big])))
    width = oracle.ub - oracle.lb
    boxed = np.isfinite(width) & (width > 0.0)
    scale[boxed] = 0.1 * width[boxed]
    return scale
