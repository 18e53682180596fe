"""Training with exact gradients, for comparison: the same rules, schedules and projection.

The gradient is that of a sample where the objective is an average over samples, else that of the objective.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.batch import gradient_at
from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.methods.zeroth.descent import AbstractDescent
from optlab.methods.zeroth.estimators.base import Estimate
from optlab.methods.zeroth.rules import AbstractRule, Adam, Momentum
from optlab.methods.zeroth.sight import Sight
from optlab.methods.zeroth.state import State

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle

__all__ = ["FirstOrderAdam", "FirstOrderSGD"]


@dataclass(frozen=True, kw_only=True)
class _FirstOrder(AbstractDescent):
    """Descent on gradients."""

    def step(self, oracle: Oracle, state: State) -> State:
        """Take the gradient, and search the rate where it is not given."""
        f, gradient = gradient_at(oracle, state.x, state.scene.key(state.k))
        exact = Estimate(gradient=gradient, f=f, standard_error=0.0, queries=0)
        slope = float(np.linalg.norm(gradient * state.scene.scale))
        k = state.k
        state = self._estimated(state, exact, Sight(f, slope))
        while state.k == k:
            turn = self._searching(state)
            state = turn.absorb(oracle.values(turn.query))
        return state


def _info(name: str, summary: str, reference: str) -> MethodInfo:
    return MethodInfo(
        name=name,
        summary=summary,
        handles_constraints="linear",
        stochastic=True,
        batch=True,
        reference=reference,
    )


@register(
    _info("sgd", "gradient descent with momentum, on samples where there are any", "SMDH13")
)
@dataclass(frozen=True, kw_only=True)
class FirstOrderSGD(_FirstOrder):
    """Gradient descent."""

    rule: AbstractRule = Momentum()  # noqa: RUF009 - frozen


@register(_info("adam", "Adam, on samples where there are any", "KB15"))
@dataclass(frozen=True, kw_only=True)
class FirstOrderAdam(_FirstOrder):
    """Adam."""

    rule: AbstractRule = Adam()  # noqa: RUF009 - frozen
