"""Steps of one length in every coordinate: d = sign(m), m a moving average of gradients.

Reference: [BWAA18]; with function values only: [LCCH19].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.methods.zeroth.rules.base import AbstractRule, Memory, Signal, Turn, need

__all__ = ["Sign"]


@dataclass(frozen=True, kw_only=True)
class Sign(AbstractRule):
    """The signs of the gradient's coordinates.

    Raises
    ------
    OptionError
        When a setting is out of its range.
    """

    momentum: float = 0.0
    """m_k = momentum m_{k-1} + (1 - momentum) g_k."""

    def __post_init__(self) -> None:
        need("momentum", self.momentum, 0.0, 1.0)

    def start(self, n: int) -> Memory:
        """Start the average at zero, where there is one."""
        return {"average": np.zeros(n)} if self.momentum else {}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Return the signs; 0 where nothing is known."""
        if not self.momentum:
            return Turn(direction=np.sign(signal.gradient), memory=memory)
        m = self.momentum * memory["average"] + (1.0 - self.momentum) * signal.gradient
        return Turn(direction=np.sign(m), memory={"average": m})
