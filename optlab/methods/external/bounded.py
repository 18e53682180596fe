"""One variable within bounds, by SciPy's bounded Brent method: for functions so costly that ten values must do."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.core.sparse import scipy_module
from optlab.core.status import StopReason
from optlab.errors import CapabilityError
from optlab.methods.external.base import AbstractPeer, PeerState, finished
from optlab.methods.external.values import Values

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle

__all__ = ["BoundedBrent"]

_NO_LIMIT = np.iinfo(np.int32).max
"""Limits are the driver's business."""


@register(
    MethodInfo(
        name="bounded",
        summary="peer: golden sections and parabolas between two bounds (SciPy's bounded Brent), one variable",
        needs_gradient=False,
        reference="Brent73",
        external=True,
        max_variables=1,
    )
)
@dataclass(frozen=True, kw_only=True)
class BoundedBrent(AbstractPeer):
    """SciPy's bounded Brent; the start is not used."""

    info: ClassVar[MethodInfo]
    accuracy: float = 1e-5
    """Distance in x, relative to that of the bounds, at which it ends."""

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Run SciPy between the bounds."""
        low, high = float(oracle.lb[0]), float(oracle.ub[0])
        if not np.isfinite([low, high]).all():
            raise CapabilityError(
                f"method 'bounded' needs both bounds of the variable; they are {low:g} and {high:g}"
            )
        values = Values(oracle, watch)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"scipy\.optimize")
            answer = scipy_module("optimize").minimize_scalar(
                lambda t: values.objective(np.array([t])),
                bounds=(low, high),
                method="bounded",
                options={
                    "xatol": self.accuracy * (high - low),
                    "maxiter": _NO_LIMIT,
                    **self.peer_options,
                },
            )
        stop = StopReason.CONVERGED if answer.success else StopReason.STALLED
        return finished(state, stop, str(answer.message), **values.ending())
