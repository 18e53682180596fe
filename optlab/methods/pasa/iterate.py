"""An iterate of PASA: where it is, which constraints are active, how far from stationary."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optlab.linalg.polyhedron import Polyhedron
    from optlab.linesearch import Reference
    from optlab.methods.pasa.working_set import WorkingSet
    from optlab.typing import Vector

__all__ = ["KernelState", "Phase", "multiplier_error"]


class Phase(enum.Enum):
    """Which of PASA's two phases made the last step."""

    START = "start"
    GRADIENT_PROJECTION = "gp"
    FACE = "face"
    BLOCKED = "blocked"
    """Neither phase found a lower point: the iterate is as good as rounding allows."""


@dataclass(frozen=True, slots=True)
class KernelState:
    """One iterate of PASA; arrays are read-only by convention."""

    x: Vector
    value: float
    gradient: Vector
    held: WorkingSet
    row_multipliers: Vector
    """(ml,) multipliers of the rows of A."""

    reduced: Vector
    """(n,) gradient + A' row_multipliers; minus the bound multipliers at a solution."""

    error: float
    """Em1 of the iterate: see :func:`multiplier_error`."""

    phase: Phase
    step_norm: float = math.inf
    sigma: float = 0.0
    block_multipliers: Vector | None = None
    """(mh,) nu of the last face step: second-order multiplier change of a penalty block."""

    unbounded: bool = False
    """Whether the objective fell below every threshold along a feasible ray."""

    evaluations: int = 0
    """Trial points of the last step."""

    radius: float = math.inf
    """Longest model step that is tried next (max-norm): some times the last one, if that was cut."""

    reference: Reference | None = None
    """What the nonmonotone search compares with; None stands for the value itself."""

    blind: int = 0
    """Iterations in a row without second derivatives, because they could not be evaluated."""


def multiplier_error(
    x: Vector, reduced: Vector, mu: Vector, row_values: Vector, polyhedron: Polyhedron
) -> float:
    """Evaluate E_m1 over Omega: |grad L|^2 + |min(mu, -r)|^2, square root.

    The bound multipliers are chosen best: with ``t = grad + A'mu`` a component contributes
    ``min(|t|, dist)``, dist being the distance to the bound that -t points to. (The difference
    ``P[lo,hi](x - t) - x`` is the same number, but rounds to zero where x is large.)
    """
    distance = np.where(reduced > 0.0, x - polyhedron.lo, polyhedron.hi - x)
    projected = np.minimum(np.abs(reduced), np.maximum(distance, 0.0))
    total = float(projected @ projected)
    if mu.size:
        slack = np.where(mu > 0.0, polyhedron.bu - row_values, row_values - polyhedron.bl)
        loss = np.minimum(np.abs(mu), np.maximum(slack, 0.0))
        total += float(loss @ loss)
    return math.sqrt(total)
