"""What a method reports after every iteration, and the columns it declares for the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from optlab.typing import Vector

__all__ = ["Column", "Observer", "Progress"]

_NO_EXTRAS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Progress:
    """One iterate as a method sees it; the driver maps it to the user's variables."""

    x: Vector
    """Iterate, shape (n,)."""

    f: float
    """Objective at x."""

    primal: float
    """Largest violation of a bound or row, absolute; 0 when feasible."""

    dual: float | None
    """Stationarity residual in the method's own measure; None for methods without gradients."""

    complementarity: float | None = None
    """Complementarity residual in the method's own measure, None when it has none."""

    step: float = 0.0
    """Length of the last step, Euclidean norm."""

    y: Vector | None = None
    """Multipliers of the rows, shape (m,), or None when the method has none."""

    z: Vector | None = None
    """Multipliers of the bounds, shape (n,), or None when the method has none."""

    extras: Mapping[str, Any] = field(default_factory=lambda: _NO_EXTRAS)
    """Values of the method's own columns, by column name. ``extras["unbounded"]`` true proposes
    the point status UNBOUNDED_DIRECTION."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the iteration table that a method owns."""

    name: str
    """Key in ``Progress.extras``."""

    header: str
    """Text above the column."""

    format: str = "{:>9.2e}"
    """Format with one field for the value; a missing value is shown as a dash."""


Observer: TypeAlias = Callable[[int, Progress], bool | None]
"""Called as ``observer(k, progress)`` after every iteration; true stops the solve."""
