"""The fewest weights that keep the loss within a limit: pruning as a constrained problem for NPASA.

    minimize  sum_u n_u g_u / N      subject to   f(w * g) <= limit,   0 <= g <= 1

over one gate g_u for each unit u: a weight, or an output channel with its n_u weights. The objective is linear, so that at a
solution most gates are at a bound: what is at 0 is pruned, what lies in between shrinks its weights, and the network w * g
meets the limit as it is, without rounding. The multiplier of the row is what the limit costs: the share of
weights that one unit of loss is worth.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from optlab.core.problem import Problem
from optlab.core.sparsity import Sparsity
from optlab.core.stated import AbstractStated
from optlab.errors import OptionError
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    import torch

    from optlab.core.result import Result
    from optlab.typing import Vector
    from optlab_adapters.torch.training.network import Loss

__all__ = ["LossBudget"]


class LossBudget(AbstractStated):
    """The sparsest network within a limit on the loss, for ``optlab.minimize(..., method="npasa")``.

    Parameters
    ----------
    model, loss, data, **options
        As for :class:`optlab.adapters.TrainingTask`: a trained network. The loss is that over all samples, in evaluation
        mode.
    limit : float
        Largest loss.
    unit : {"weight", "channel"}
        What has a gate.

    Raises
    ------
    OptionError
        When the network does not keep to the limit as it is.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss,
        data: Any,
        *,
        limit: float,
        unit: Literal["weight", "channel"] = "weight",
        **options: Any,
    ) -> None:
        self.task = TrainingTask(model, loss, data, **({"training": False} | options))
        self.units = Sparsity.of(self.task.blocks, 1.0, "layerwise", unit)
        self.weights = self.task.vector()
        now = self.task.objective(self.weights)
        if not now <= limit < math.inf:
            raise OptionError(
                f"limit is {limit!r} and the loss of the network is {now:.4g}; a larger limit, or a better trained "
                "network, is needed"
            )
        self.limit = limit

    def gated(self, gates: Vector) -> Vector:
        """Return w * g, (n,), for gates of shape (number of units,)."""
        return self.weights * self.units.spread(gates, 1.0)

    def problem(self) -> Problem:
        """State the problem, from all gates open."""
        sizes = self.units.unit_sizes()
        shares = sizes / sizes.sum()

        def row(gates: Vector) -> Vector:
            slope = self.task.gradient(self.gated(gates), None)[1] * self.weights
            return self.units.gathered(slope)[None, :]

        return Problem(
            objective=lambda gates: float(shares @ gates),
            gradient=lambda _gates: shares,
            constraints=lambda gates: np.array([self.task.objective(self.gated(gates))]),
            jacobian=row,
            x0=np.ones(sizes.size),
            lb=0.0,
            ub=1.0,
            cl=[-np.inf],
            cu=[self.limit],
            linear=[False],
            name=f"fewest weights of {type(self.task.model).__name__}",
        )

    def deliver(self, result: Result) -> None:
        """Write w * g into the model."""
        self.task.write(self.gated(np.where(result.x > 0.0, result.x, 0.0)))
