"""Energy of the arithmetic: so many picojoules for a multiply-accumulate, so many for an accumulate.

    E = sum over layers of  E_mac (multiply-accumulates) + E_ac (accumulations)

with the operations of :mod:`optlab_adapters.snn.operations`, which says what is left out. The constants are those of a 45 nm
process at 0.9 V (Horowitz, key ``horowitz2014`` in docs/refs.bib): additions 0.9, 0.1 and 0.03 pJ and multiplications 3.7, 3.1 and
0.2 pJ for 32-bit floating point, 32-bit and 8-bit integers. They compare networks; they do not predict a chip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from optlab.errors import OptionError

if TYPE_CHECKING:
    from optlab_adapters.snn.operations import LayerWork

__all__ = ["FLOAT32", "INT8", "INT32", "EnergyModel", "OperationEnergy"]


class EnergyModel(Protocol):
    """What :meth:`optlab.adapters.snn.SpikingNetwork.report` asks of an energy model."""

    def picojoules(self, layer: LayerWork) -> float:
        """Return the energy of a layer for one image."""


@dataclass(frozen=True)
class OperationEnergy:
    """A price for each operation.

    Attributes
    ----------
    multiply_accumulate : float
        Picojoules.
    accumulate : float
        Picojoules.
    """

    multiply_accumulate: float = 4.6
    accumulate: float = 0.9

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not 0 <= value < math.inf:
                raise OptionError(
                    f"{item.name} is {value!r}; a number >= 0 of picojoules is needed"
                )

    def __str__(self) -> str:
        """Return the prices in words."""
        return f"{self.multiply_accumulate:g} pJ a multiply-accumulate, {self.accumulate:g} pJ an accumulate"

    def picojoules(self, layer: LayerWork) -> float:
        """Return the energy of a layer for one image."""
        return (
            self.multiply_accumulate * layer.multiplications
            + self.accumulate * layer.accumulations
        )


FLOAT32 = OperationEnergy()
"""32-bit floating point: 3.7 + 0.9 and 0.9 pJ."""

INT32 = OperationEnergy(3.2, 0.1)
"""32-bit integers: 3.1 + 0.1 and 0.1 pJ."""

INT8 = OperationEnergy(0.23, 0.03)
"""8-bit integers: 0.2 + 0.03 and 0.03 pJ."""
