"""SciPy's methods that need values only: nelder-mead and powell.

They are here because they are what people have used; ``cobyqa`` and ``cma-es`` need fewer evaluations
(docs/zeroth/low_dimension.md). COBYLA is not: its linear models do not reach the minimum of Rosenbrock's function in
two variables within 800 evaluations, and ``cobyqa`` takes the same problems.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.core.sparse import scipy_module
from optlab.core.status import StopReason
from optlab.methods.external.base import AbstractPeer, PeerState, finished
from optlab.methods.external.scipy_peers import minimized
from optlab.methods.external.values import Values

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle

__all__ = ["NelderMead", "Powell"]

_NO_LIMIT = np.iinfo(np.int32).max
"""Limits are the driver's business."""


@dataclass(frozen=True, kw_only=True)
class AbstractScipyValues(AbstractPeer):
    """A method of ``scipy.optimize.minimize`` that evaluates one point after the other."""

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Run SciPy from the start point moved into the bounds."""
        values = Values(oracle, watch)
        bounds = scipy_module("optimize").Bounds(oracle.lb, oracle.ub)
        with warnings.catch_warnings():
            # SciPy comments on its own steps; what a user's function warns of has other modules.
            warnings.filterwarnings("ignore", module=r"scipy\.optimize")
            answer = minimized(
                self.info.name,
                values.objective,
                values.inside(state.x),
                bounds=bounds,
                **self.call(),
            )
        done = bool(answer.success) and values.feasible
        stop = StopReason.CONVERGED if done else StopReason.STALLED
        return finished(state, stop, str(answer.message), **values.ending())

    @abstractmethod
    def call(self) -> dict[str, Any]:
        """Return SciPy's ``method`` and ``options``."""


def _info(name: str, summary: str, reference: str) -> MethodInfo:
    return MethodInfo(
        name=name,
        summary=f"peer: {summary}",
        needs_gradient=False,
        reference=reference,
        external=True,
    )


@register(_info("nelder-mead", "simplex search (SciPy's Nelder-Mead)", "NM65"))
@dataclass(frozen=True, kw_only=True)
class NelderMead(AbstractScipyValues):
    """SciPy's Nelder-Mead; ``tol`` is the size of the simplex, in x and in f, at which it ends."""

    info: ClassVar[MethodInfo]

    def call(self) -> dict[str, Any]:
        """Call it with steps adapted to the number of variables, as [GH12] advises."""
        options = {
            "xatol": self.tol,
            "fatol": self.tol,
            "adaptive": True,
            "maxiter": _NO_LIMIT,
            "maxfev": _NO_LIMIT,
            **self.peer_options,
        }
        return {"method": "Nelder-Mead", "options": options}


@register(
    _info("powell", "line searches along conjugate directions (SciPy's Powell)", "Powell64")
)
@dataclass(frozen=True, kw_only=True)
class Powell(AbstractScipyValues):
    """SciPy's Powell; ``tol`` is the relative change of x and f in an iteration at which it ends."""

    info: ClassVar[MethodInfo]

    def call(self) -> dict[str, Any]:
        """Call it with both of its tests at ``tol``."""
        options = {
            "xtol": self.tol,
            "ftol": self.tol,
            "maxiter": _NO_LIMIT,
            "maxfev": _NO_LIMIT,
            **self.peer_options,
        }
        return {"method": "Powell", "options": options}
