"""A simulator as the objective of a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.status import StopReason
from optlab.errors import BudgetError, ProblemError
from optlab.typing import Vector
from optlab_adapters.blackbox.finite import finite_rows

if TYPE_CHECKING:
    from optlab_adapters.blackbox.simulator import Simulator

__all__ = ["SimulatorObjective"]


@dataclass(frozen=True)
class SimulatorObjective:
    """A loss of a simulator's outputs at one point and at many."""

    simulator: Simulator
    loss: Callable[[Vector], Any] | None
    """(m,) -> number; None when the simulator returns a number."""

    def value(self, x: Any) -> float:
        """Return the loss at a point (n,); nan where the simulator fails."""
        return float(self.values(np.asarray(x, dtype=np.float64)[None])[0])

    def values(self, points: Vector) -> Vector:
        """Return the losses at points (k, n), shape (k,).

        Raises
        ------
        ProblemError
            When there is no loss and the simulator returns several numbers.
        """
        simulator = self.simulator
        try:
            outputs = simulator.settled(simulator.evaluate(points).values)
        except BudgetError as error:
            # Ends the solve as a limit of its own would.
            raise BudgetSpent(StopReason.MAX_EVAL) from error
        if self.loss is None:
            if outputs.shape[1] != 1:
                raise ProblemError(
                    f"the simulator returns {outputs.shape[1]} numbers; a loss that makes one number of them is needed"
                )
            return outputs[:, 0]
        failed = ~finite_rows(outputs)
        return np.array(
            [
                np.nan if bad else float(self.loss(row))
                for bad, row in zip(failed, outputs, strict=True)
            ]
        )
