"""How a solve ended: why it stopped, and what the point it returns is."""

from __future__ import annotations

from enum import Enum

__all__ = ["PointStatus", "StopReason"]


class StopReason(Enum):
    """Why the iteration ended; the value is a sentence for people."""

    CONVERGED = "the method's convergence test holds"
    TARGET_REACHED = "the target value of the objective is reached"
    COMPLETED = "the run that was planned is complete"
    SMALL_STEP = "the steps became too small to matter"
    STALLED = "no further progress is possible"
    MAX_ITER = "the limit on iterations is reached"
    MAX_EVAL = "the limit on evaluations is reached"
    MAX_TIME = "the time limit is reached"
    EVAL_ERROR = "a function of the problem could not be evaluated"
    NUMERICAL_ERROR = "a numerical failure inside the method"
    USER = "stopped by the user"


class PointStatus(Enum):
    """What the shared checker (:mod:`optlab.core.kkt`) confirms about the returned point."""

    STATIONARY = "satisfies the first-order conditions within the tolerances"
    FEASIBLE = "satisfies the constraints within the tolerance"
    INFEASIBLE_STATIONARY = "is a stationary point of the infeasibility (locally infeasible)"
    UNBOUNDED_DIRECTION = "is feasible with an objective that falls without bound"
    UNKNOWN = "nothing is confirmed"
