"""The variables that one estimate displaces: which, by how much, and how much room their bounds leave.

Estimators draw directions u in R^m for the m displaced variables and ask for the objective at x + s with

    s_i = smoothing * scale_i * u_i,    cut so that -down_i <= s_i <= up_i.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.errors import OptionError
from optlab.typing import Indices, Vector

if TYPE_CHECKING:
    from optlab.methods.zeroth.estimators.base import Box

__all__ = ["Space", "space_of", "variables"]


@dataclass(frozen=True, slots=True)
class Space:
    """m of n variables, their steps and their room."""

    n: int
    index: Indices
    """(m,) the displaced variables, in increasing order."""

    scale: Vector
    """(m,) natural size of a step."""

    up: Vector
    """(m,) how far each may grow; inf without a bound."""

    down: Vector
    """(m,) how far each may fall, not negative."""

    @property
    def size(self) -> int:
        """The number m of displaced variables."""
        return self.index.size

    def cut(self, displacements: Vector) -> Vector:
        """Bring displacements (..., m) within the bounds, in place."""
        np.minimum(displacements, self.up, out=displacements)
        return np.maximum(displacements, -self.down, out=displacements)

    def lift(self, part: Vector) -> Vector:
        """Put values (..., m) of the displaced variables among zeros, (..., n)."""
        whole = np.zeros((*part.shape[:-1], self.n))
        whole[..., self.index] = part
        return whole


def variables(n: int, active: Indices | None) -> Indices:
    """Return the displaced variables.

    Raises
    ------
    OptionError
        When ``active`` is not an increasing list of variables.
    """
    if active is None:
        return np.arange(n)
    index = np.asarray(active, dtype=np.intp)
    if index.ndim != 1 or (
        index.size and (index[0] < 0 or index[-1] >= n or np.any(np.diff(index) <= 0))
    ):
        raise OptionError(
            f"active has shape {index.shape} and entries from "
            f"{index.min(initial=n)} to {index.max(initial=-1)}; "
            f"different numbers of variables in increasing order, from 0 to {n - 1}, are needed"
        )
    return index


def space_of(n: int, scale: Vector | None, box: Box | None, active: Indices | None) -> Space:
    """Gather what one estimate may displace.

    Parameters
    ----------
    n
        Number of variables.
    scale
        (n,) or a number; None: ones.
    box
        The point and its bounds; None: no bounds.
    active
        Variables that may be displaced; None: all.

    Raises
    ------
    OptionError
        When a length is not n.
    """
    index = variables(n, active)
    if scale is not None and scale.shape not in ((), (n,)):
        raise OptionError(
            f"scale has shape {scale.shape}; one number for each of {n} variables is needed"
        )
    size = np.ones(index.size) if scale is None else np.broadcast_to(scale, n)[index]
    if box is None:
        free = np.full(index.size, np.inf)
        return Space(n, index, size, free, free)
    for name in ("x", "lb", "ub"):
        if (shape := getattr(box, name).shape) != (n,):
            raise OptionError(f"{name} of the box has shape {shape}; ({n},) is needed")
    x, lb, ub = box.x[index], box.lb[index], box.ub[index]
    return Space(n, index, size, _room(x, ub), _room(-x, -lb))


def _room(x: Vector, ub: Vector) -> Vector:
    """Return the largest r >= 0 with x + r <= ub in floating-point arithmetic."""
    room = np.maximum(ub - x, 0.0)
    return np.where(x + room > ub, np.nextafter(room, 0.0), room)
