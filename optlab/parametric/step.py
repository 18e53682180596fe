"""A derivative of the solution along one direction of the parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optlab.typing import Vector

__all__ = ["CONSISTENT", "Step"]

CONSISTENT = 1e-6
"""Relative residual of a KKT solve above which the system has no solution: its matrix is singular and
the right-hand side leaves its range. The regularised factorizations reach 1e-8 where there is one."""


@dataclass(frozen=True, slots=True)
class Step:
    """Rates of change of the solution per unit of the parameters' direction.

    ``x``, ``y`` and ``z`` are nan where no derivative exists; ``message`` then says why.
    """

    x: Vector
    """(n,)"""

    y: Vector
    """(m,)"""

    z: Vector
    """(n,)"""

    f: float
    """Of the optimal value, by the envelope formula."""

    residual: float
    """Relative residual of the linear system or, with weakly active constraints, of the QP."""

    message: str = ""
    """Empty when all is well."""

    @classmethod
    def missing(
        cls,
        sizes: tuple[int, int],
        message: str,
        *,
        f: float = math.nan,
        residual: float = math.inf,
    ) -> Step:
        """Return what stands for a derivative that does not exist.

        Parameters
        ----------
        sizes
            n and m.
        message
            Why.
        f
            The optimal value may have a derivative all the same.
        """
        n, m = sizes
        x, y, z = (np.full(size, np.nan) for size in (n, m, n))
        return cls(x, y, z, f, residual, message)

    @property
    def exists(self) -> bool:
        """Whether there is a derivative along this direction."""
        return math.isfinite(self.residual) and self.residual <= CONSISTENT
