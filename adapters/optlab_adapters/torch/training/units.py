"""Displacements cut into units of work: the pieces that are evaluated together, wherever that is.

A unit is evaluated the same way in this process, in another one and on another rank, so that its values are the same
to the bit however the units are spread. Units of coordinates lie within one tensor of the parameters: all start at
the same stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.shifts import AbstractShifts, CoordinateShifts
from optlab.typing import Indices

if TYPE_CHECKING:
    from optlab_adapters.torch.training.chain import Chain
    from optlab_adapters.torch.training.parameters import Parameters

__all__ = ["Unit", "rows_of", "shares", "units_of"]

ROWS = 32
"""Displacements of a unit that are evaluated one by one: few enough to spread evenly."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Displacements that are evaluated together."""

    rows: Indices
    """Which ones, by their numbers in the query."""

    tensor: int
    """The tensor of the parameters that they displace; -1: none in particular."""

    cost: float
    """In the unit of the chain's costs."""


def units_of(
    shifts: AbstractShifts,
    parameters: Parameters,
    chain: Chain,
    together: Callable[[int], int],
    single: int = ROWS,
) -> list[Unit]:
    """Cut displacements into units, layer by layer; displacements that are none are left out.

    Parameters
    ----------
    shifts
        k displacements; others than coordinates move the whole vector.
    parameters
    chain
        Whose costs count.
    together
        How many displacements that start at a stage are evaluated together; 1: one by one.
    single
        Most displacements of a unit that are evaluated one by one; how many those are changes no value.
    """
    whole = chain.remaining[0]
    if not isinstance(shifts, CoordinateShifts):
        numbers = np.arange(len(shifts))
        return [Unit(rows, -1, whole * rows.size) for rows in _cut(numbers, single)]
    moved = np.flatnonzero(shifts.step)
    owner = parameters.owner(shifts.index[moved])
    units = []
    for tensor in np.unique(owner).tolist():
        start = chain.entry[tensor]
        cost, many = chain.remaining[start], together(start)
        rows = _cut(moved[owner == tensor], many if many > 1 else single)
        units += [Unit(part, tensor, cost * part.size) for part in rows]
    return units


def shares(units: Sequence[Unit], parts: int) -> list[list[Unit]]:
    """Cut units into contiguous shares of about equal cost; some may be empty."""
    ends = np.cumsum([unit.cost for unit in units])
    if not units:
        return [[] for _ in range(parts)]
    middles = ends - 0.5 * np.array([unit.cost for unit in units])
    place = np.minimum((middles / ends[-1] * parts).astype(int), parts - 1)
    return [
        [unit for unit, p in zip(units, place, strict=True) if p == part]
        for part in range(parts)
    ]


def rows_of(parts: Sequence[Sequence[Unit]]) -> list[Indices]:
    """Return the numbers of the displacements of each share, in the order of its units."""
    nothing = np.zeros(0, dtype=np.intp)
    return [np.concatenate([*(unit.rows for unit in part), nothing]) for part in parts]


def _cut(numbers: Indices, rows: int) -> list[Indices]:
    return [numbers[at : at + rows] for at in range(0, numbers.size, rows)]
