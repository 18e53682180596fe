"""COBYQA [Ragonneau22] behind our call: a model-based method for few variables and functions without derivatives.

Quadratic models that interpolate the objective and every nonlinear row at 2n + 1 points are minimised in a trust
region, by a step of sequential quadratic programming. Linear rows and bounds enter exactly, and no point outside the
bounds is evaluated. Good for n up to about 50; the work per evaluation grows like n^3.

The package ``cobyqa`` is used and not SciPy's copy of it (``scipy.optimize.minimize(method="COBYQA")``), which holds a
global lock that is not re-entrant while it runs: a solve inside the objective of another would wait for ever.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.core.sparse import scipy_module
from optlab.core.status import StopReason
from optlab.errors import OptionError, OptlabError
from optlab.methods.external.base import AbstractPeer, PeerState, finished
from optlab.methods.external.values import Values, rows_of

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["COBYQA", "Door"]

_RADIUS = 1.0
"""COBYQA's own default of the first trust-region radius."""

_SCALED_RADIUS = 0.2
"""A tenth of the distance of the bounds, COBYQA's advice."""

_RESUMED = 1e-3
"""A restart begins with the radius at which the earlier solve ended, but no less than this times ``radius``: the
problem may have changed."""

_NO_LIMIT = np.iinfo(np.int32).max
"""Limits are the driver's business."""

_SCIPY = {
    "initial_tr_radius": "radius_init",
    "final_tr_radius": "radius_final",
    "f_target": "target",
}
"""SciPy's name of an option -> the package's."""

_STOPS = {
    0: StopReason.CONVERGED,
    1: StopReason.TARGET_REACHED,
    2: StopReason.CONVERGED,  # all variables are fixed
    5: StopReason.MAX_EVAL,
    6: StopReason.MAX_ITER,
    -2: StopReason.NUMERICAL_ERROR,
}
"""COBYQA's exit status; the others cannot happen here."""


@dataclass(frozen=True, slots=True)
class Door:
    """What one run of COBYQA needs."""

    package: Any
    """The imported package."""

    values: Values
    oracle: Oracle
    limited: bool
    """Whether evaluations or time have a limit."""


@register(
    MethodInfo(
        name="cobyqa",
        summary="peer: quadratic models of functions without derivatives (COBYQA)",
        needs_gradient=False,
        handles_bounds=True,
        handles_constraints="nonlinear",
        reference="Ragonneau22",
        external=True,
        requires="cobyqa",
    )
)
@dataclass(frozen=True, kw_only=True)
class COBYQA(AbstractPeer):
    """COBYQA; ``tol`` is the trust-region radius at which it ends.

    ``peer_options`` are COBYQA's options and constants; SciPy's names of them are understood.
    """

    info: ClassVar[MethodInfo]

    radius: float | None = None
    """First trust-region radius, about a tenth of the distance that a variable may have to go; None: 1, or 0.2 when the
    variables are scaled."""

    points: int | None = None
    """Interpolation points, n + 2 to (n + 1)(n + 2)/2; None: 2n + 1."""

    scale: bool = False
    """Whether to scale the variables to [-1, 1] where all have two bounds; ``radius`` and ``tol`` are then about the
    scaled variables."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radius is not None and not self.radius >= self.tol:
            raise OptionError(
                f"radius is {self.radius!r}; a number not below tol ({self.tol!r}) is needed"
            )

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Run COBYQA from the start point moved into the bounds."""
        values = Values(oracle, watch, self._unit(oracle))
        limited = math.isfinite(min(oracle.evaluations_left, watch.max_time))
        door = Door(self.load("cobyqa"), values, oracle, limited)
        try:
            stop, words = self.search(door, state)
        except BudgetSpent as spent:
            if values.best is None:
                raise
            # A later run may go on from here, so that the radius is kept.
            stop, words = spent.reason, str(spent.reason.value)
        return finished(state, stop, words, memory=values.memory(), **values.ending())

    def search(self, door: Door, state: PeerState) -> tuple[StopReason, str]:
        """Look for a minimum; return why that ended and COBYQA's words for it."""
        return self.descend(door, door.values.inside(state.x), self.first_radius(door, state))

    def descend(self, door: Door, start: Vector, radius: float) -> tuple[StopReason, str]:
        """Run COBYQA once; options that it does not know are refused."""
        oracle, values = door.oracle, door.values
        options, constants = self._options(door.package, radius)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Unknown option", category=RuntimeWarning)
            try:
                answer = door.package.minimize(
                    values.objective,
                    start,
                    bounds=scipy_module("optimize").Bounds(oracle.lb, oracle.ub),
                    constraints=rows_of(values, oracle),
                    options=options,
                    **constants,
                )
            except (RuntimeWarning, ValueError) as error:
                # What the user's functions raise arrives as an EvaluationError.
                if isinstance(error, OptlabError):
                    raise
                raise OptionError(f"{self.info.name} refuses an option: {error}") from error
        stop = _STOPS.get(int(answer.status), StopReason.STALLED)
        if stop is StopReason.CONVERGED and not values.feasible:
            stop = StopReason.STALLED
        return stop, str(answer.message)

    def first_radius(self, door: Door, state: PeerState) -> float:
        """Return the radius to begin with: after an earlier solve, that at which it ended."""
        usual = self.usual_radius(door)
        extras: Mapping[str, Any] = {} if state.warm is None else state.warm.extras
        earlier = float(extras.get("radius", math.nan))
        if not math.isfinite(earlier):
            return usual
        return float(np.clip(earlier, max(self.tol, _RESUMED * usual), usual))

    def usual_radius(self, door: Door) -> float:
        """Return the radius to begin with where nothing is known."""
        scaled = self.scaled(door.oracle)
        usual = _SCALED_RADIUS if scaled else _RADIUS
        return max(usual if self.radius is None else self.radius, self.tol)

    def _options(self, package: Any, radius: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return COBYQA's options and its constants, which it takes as keywords."""
        names = {option.value for option in package.settings.Options}
        given = {_SCIPY.get(key, key): value for key, value in self.peer_options.items()}
        options = {
            "radius_init": radius,
            "radius_final": self.tol,
            "feasibility_tol": self.tolerances().ctol,
            "scale": self.scale,
            "maxfev": _NO_LIMIT,
            "maxiter": _NO_LIMIT,
        }
        if self.points is not None:
            options["nb_points"] = self.points
        options.update({key: value for key, value in given.items() if key in names})
        return options, {key: value for key, value in given.items() if key not in names}

    def scaled(self, oracle: Oracle) -> bool:
        """Whether the variables are scaled."""
        return self.scale and bool(np.isfinite(oracle.ub - oracle.lb).all())

    def _unit(self, oracle: Oracle) -> Vector:
        """Return what is a distance of 1 for COBYQA, per variable."""
        half = 0.5 * (oracle.ub - oracle.lb)
        return np.where(half > 0.0, half, 1.0) if self.scaled(oracle) else np.ones(oracle.n)
