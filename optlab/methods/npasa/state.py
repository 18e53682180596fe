"""What NPASA carries from one major iteration to the next."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.progress import Progress

if TYPE_CHECKING:
    from optlab.linalg.projection import Projector
    from optlab.methods.npasa.augmented import SlackRows
    from optlab.methods.npasa.phase_one import Subproblem
    from optlab.methods.npasa.warm import WarmRun
    from optlab.methods.pasa.face import FaceSolver
    from optlab.methods.pasa.objective import Curvature
    from optlab.methods.standard_form import StandardForm
    from optlab.typing import Vector

__all__ = ["Estimate", "Phase", "State", "Workspace"]


class Phase(enum.Enum):
    """The phase that produced an iterate."""

    START = "start"
    GLOBAL = "one"
    """Phase one: an augmented Lagrangian solved by PASA."""

    WARM = "warm"
    """Phase two on the active set of an earlier solve."""

    LOCAL = "two"
    """Phase two: a constraint step and a multiplier step."""

    FEASIBILITY = "feas"
    """|h|^2 minimised over Omega, before anything is said about infeasibility."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Primal-dual point with its error estimators, in the method's (scaled) space."""

    x: Vector
    y: Vector
    """(mh,) multipliers lambda of h."""

    mu: Vector
    """(ml,) multipliers of the rows of A."""

    reduced: Vector
    """(n,) grad f + J'y + A'mu; minus the bound multipliers at a solution."""

    Em0: float
    Em1: float
    Ec: float

    @property
    def E0(self) -> float:  # noqa: N802
        """Global estimator: sqrt(Em0^2 + Ec^2)."""
        return math.hypot(self.Em0, self.Ec)

    @property
    def E1(self) -> float:  # noqa: N802
        """Local estimator: sqrt(Em1^2 + Ec^2)."""
        return math.hypot(self.Em1, self.Ec)

    def distance(self, other: Estimate) -> float:
        """Return the Euclidean distance of the points."""
        return float(np.linalg.norm(other.x - self.x))

    @property
    def finite(self) -> bool:
        """Whether every number of the estimate is finite."""
        return math.isfinite(self.E1) and bool(np.all(np.isfinite(self.y)))


@dataclass(slots=True)
class Workspace:
    """Problem-bound machinery; holds no iterate, so a step depends on its state alone."""

    form: StandardForm
    projector: Projector
    faces: FaceSolver
    curvature: Curvature
    slacks: SlackRows


@dataclass(frozen=True, slots=True)
class State:
    """One major iterate of NPASA."""

    work: Workspace
    best: Estimate
    tol: float
    """E_1 wanted in the method's space."""

    f: float
    phase: Phase
    penalty: float
    """q of the augmented Lagrangian."""

    error_floor: float
    """e_k = min over k of E_0: 1/e_k drives the penalty (npasa specification, section 3.3)."""

    reference_Ec: float = math.inf
    """E_c that the next phase-one iterate has to beat."""

    inner: int = 0
    """Iterations of PASA (phase one) or face changes (phase two) in the last major iteration."""

    sigma: float = 0.0
    step: float = math.inf
    stalled: int = 0
    """Consecutive phase-one iterations that reduced neither estimator."""

    restarts: int = 0
    """Feasibility phases already spent."""

    subproblem: Subproblem | None = None
    """The augmented Lagrangian that phase one is still minimising."""

    record: Estimate | None = None
    """The iterate with the smallest E_1 so far."""

    idle: int = 0
    """Major iterations since the record was beaten clearly."""

    warm: WarmRun | None = None
    """Watched sweeps after a warm start, until they succeed or are given up."""

    feasibility_first: bool = False
    """Whether the gradient of f vanishes at the start, as it does for a system of equations."""

    try_local: bool = True
    converged: bool = False
    infeasible: bool = False
    unbounded: bool = False
    blocked: bool = False
    """No phase can improve the iterate any more."""

    def report(self) -> Progress:
        """Report the iterate with the estimators as columns."""
        best, form = self.best, self.work.form
        return Progress(
            x=best.x,
            f=self.f,
            primal=float(np.max(np.abs(form.h(best.x)), initial=0.0)),
            dual=best.Em1,
            complementarity=None,
            step=self.step,
            y=form.multipliers(best.y, best.mu),
            z=-best.reduced,
            extras={
                "phase": self.phase.value,
                "penalty": self.penalty,
                "Em0": best.Em0,
                "Em1": best.Em1,
                "Ec": best.Ec,
                "inner": self.inner,
                "sigma": self.sigma,
                "unbounded": self.unbounded,
            },
        )
