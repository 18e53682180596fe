"""COBYQA again and again: what we recommend for few variables, no derivatives and up to some hundred n evaluations.

A run of COBYQA from the start is followed, while the limits allow it, by runs from

* the best point so far, with the first radius again: out of a minimum that only rounding, noise or a ripple makes, and
  on where the models had become too short-sighted;
* the best of n + 1 random points: into other valleys.

in turn. On Moré and Wild's problems it does what COBYQA does, which seldom leaves anything to do there; on COCO's bbob
it solves about a third more problems within 100 (n + 1) evaluations (docs/zeroth/low_dimension.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.errors import OptionError
from optlab.methods.external.cobyqa import COBYQA, Door

if TYPE_CHECKING:
    from optlab.methods.external.base import PeerState
    from optlab.typing import Vector

__all__ = ["ZOLocal"]

_STRIDE = 2.0
"""Standard deviation of a random start along a variable without two bounds, in units of max(1, |x|)."""

_RESTARTS = 10
"""Restarts when nothing limits the run."""

_WIDER = 2.0
"""Factor of the first radius in a box, where it becomes a fifth of the sides. Against 1: 5 % more area under the data
profiles of bbob (instances 6 to 8, n = 2 to 10; November 2026)."""


@register(
    MethodInfo(
        name="zo-local",
        summary="quadratic models with restarts: few variables, no derivatives (COBYQA)",
        needs_gradient=False,
        handles_bounds=True,
        handles_constraints="nonlinear",
        stochastic=True,
        reference="Ragonneau22",
        external=True,
        requires="cobyqa",
    )
)
@dataclass(frozen=True, kw_only=True)
class ZOLocal(COBYQA):
    """COBYQA with restarts, the variables scaled where all have two bounds."""

    info: ClassVar[MethodInfo]

    scale: bool = True
    """As for ``cobyqa``."""

    restarts: int | None = None
    """Runs after the first one; None: as many as ``max_eval`` and ``max_time`` allow, 10 when neither is given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.restarts is not None and self.restarts < 0:
            raise OptionError(f"restarts is {self.restarts!r}; None, 0 or more are needed")

    def first_radius(self, door: Door, state: PeerState) -> float:
        """Return the radius of the first run: wider than that of restarts in a box, to see past ripples."""
        radius = super().first_radius(door, state)
        known = self.radius is not None or state.warm is not None
        return radius if known or not self.scaled(door.oracle) else _WIDER * radius

    def search(self, door: Door, state: PeerState) -> tuple[StopReason, str]:
        """Run COBYQA from the start, then from the best point and from random ones in turn."""
        ends = [super().search(door, state)]
        if np.all(door.oracle.lb == door.oracle.ub):
            return ends[0]
        rng, radius = np.random.default_rng(state.memory["seed"]), self.usual_radius(door)
        for k in count() if door.limited and self.restarts is None else range(self._restarts()):
            if ends[-1][0] is StopReason.TARGET_REACHED:
                return ends[-1]
            start = _best(door) if k % 2 == 0 else _screened(door, rng)
            ends.append(self.descend(door, start, radius))
        # One run that breaks down does not undo what the others have found.
        return next((end for end in ends if end[0] is StopReason.CONVERGED), ends[-1])

    def _restarts(self) -> int:
        return _RESTARTS if self.restarts is None else self.restarts


def _best(door: Door) -> Vector:
    best = door.values.best
    assert best is not None, "the first run has evaluated something"
    return best.x


def _screened(door: Door, rng: np.random.Generator) -> Vector:
    """Return the best of n + 1 random points: the one with the least violation, then the least objective."""
    n, found = door.oracle.n, []
    for _ in range(n + 1):
        x = _random_point(door, rng)
        f = door.values.objective(x)
        found.append((door.values.violation(x), f, x))
    return min(found, key=lambda one: one[:2])[2]


def _random_point(door: Door, rng: np.random.Generator) -> Vector:
    """Draw a point: uniform between two bounds, elsewhere normal about the best point."""
    oracle, best = door.oracle, _best(door)
    boxed = np.isfinite(oracle.ub - oracle.lb)
    x = best + _STRIDE * np.maximum(1.0, np.abs(best)) * rng.standard_normal(oracle.n)
    x[boxed] = rng.uniform(oracle.lb[boxed], oracle.ub[boxed])
    return door.values.inside(x)
