"""What presolve did, step by step, and how each step is undone for multipliers.

Undoing keeps grad f + J'y + z as it is: whatever a row receives is taken from the multipliers of
the bounds, at first from the one that the row has replaced, then from those of variables that were
fixed before and are part of the row. The latter have either sign, and so may receive anything; an
earlier step passes it on to the row or bound that fixed them. Rows are numbered as in
:class:`LinearRows`; y is (k,), z is (n,); both are changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from optlab.core.reduction.presolve.rows import Entries
    from optlab.typing import Indices, Mask, Vector

__all__ = ["Forcing", "Merged", "Step", "Tightened"]


class Step(Protocol):
    """One step that multipliers have to know about."""

    def undo(self, y: Vector, z: Vector) -> None:
        """Move multipliers from the reduced problem to the one before the step."""
        ...


@dataclass(frozen=True, slots=True)
class Tightened:
    """Bounds that were replaced by the sides of rows with one variable left."""

    col: Indices
    """(t,) variables."""

    row: Indices
    """(t,) the rows that gave the bounds."""

    coefficient: Vector
    """(t,) of the variable in the row."""

    low: Mask
    """(t,) whether it is the lower bound of the variable."""

    others: Entries
    """Entries of the rows at variables that were fixed before."""

    def undo(self, y: Vector, z: Vector) -> None:
        """Give the multiplier of a replaced bound to the row: y_i = z_j / a_ij."""
        given = z[self.col]
        here = np.where(self.low, given < 0.0, given > 0.0)
        if not here.any():
            return
        moved = np.where(here, given / self.coefficient, 0.0)
        z[self.col[here]] = 0.0
        # One row may have given both bounds.
        np.add.at(y, self.row, moved)
        np.subtract.at(z, self.others.col, self.others.value * moved[self.others.owner])


@dataclass(frozen=True, slots=True)
class Forcing:
    """Rows that hold only where all their variables are at the bounds of least (or most) activity."""

    row: Indices
    """(t,)"""

    upper: Mask
    """(t,) whether the row's upper side did it: then y >= 0, else y <= 0."""

    free: Entries
    """Entries at the variables that the row fixed; every row has some."""

    others: Entries
    """Entries at variables that were fixed before."""

    def undo(self, y: Vector, z: Vector) -> None:
        """Choose the smallest y_i for which all z_j - a_ij y_i have the signs of their bounds."""
        owner, col, value = self.free
        begin = np.searchsorted(owner, np.arange(self.row.size))
        sign = np.where(self.upper, 1.0, -1.0)
        wanted = sign[owner] * z[col] / value
        moved = sign * np.maximum(0.0, np.maximum.reduceat(wanted, begin))
        y[self.row] += moved
        for owners, cols, values in (self.free, self.others):
            np.subtract.at(z, cols, values * moved[owners])
        # The one that asked for most is left with rounding of either sign.
        at_lower = (value > 0.0) == self.upper[owner]
        z[col] = np.where(at_lower, np.minimum(z[col], 0.0), np.maximum(z[col], 0.0))


@dataclass(frozen=True, slots=True)
class Merged:
    """Sides of kept rows that come from rows parallel to them."""

    kept: Indices
    """(t,)"""

    other: Indices
    """(t,) the row that gives the side."""

    scale: Vector
    """(t,) s in: other row = s * kept row on the variables that are not fixed."""

    low: Mask
    """(t,) whether it gives the kept row's lower side."""

    kept_fixed: Entries
    """Entries of the kept rows at fixed variables."""

    other_fixed: Entries
    """Entries of the other rows at fixed variables."""

    def undo(self, y: Vector, z: Vector) -> None:
        """Give the multiplier of a side to the row that the side came from: y_p = y_k / s."""
        given = y[self.kept]
        here = np.where(self.low, given < 0.0, given > 0.0)
        if not here.any():
            return
        given = np.where(here, given, 0.0)
        y[self.kept[here]] = 0.0
        moved = given / self.scale
        np.add.at(y, self.other, moved)
        self._balance(z, given, moved)

    def _balance(self, z: Vector, given: Vector, moved: Vector) -> None:
        """Keep J'y + z at the fixed variables."""
        owner, col, value = self.kept_fixed
        np.add.at(z, col, value * given[owner])
        owner, col, value = self.other_fixed
        np.subtract.at(z, col, value * moved[owner])
