"""The parameters that a SIF file lets its user set: lines marked ``$-PARAMETER``."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab_problems.sif.cards import read_lines, settings, to_number
from optlab_problems.sif.errors import Limits, SifError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SifParameter", "checked_parameters", "sif_parameters"]


@dataclass(frozen=True, slots=True)
class SifParameter:
    """A parameter that the caller may set."""

    name: str
    integer: bool
    default: float | None
    """Value of the active line; None when all lines are commented out (the file then fails unless
    it is set, or gives it a value elsewhere)."""
    offered: tuple[float, ...]
    """Values that the file mentions, active or commented out, in its order."""


def sif_parameters(path: str | Path) -> dict[str, SifParameter]:
    """List the parameters that a SIF file lets its user set.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    SifError
        When the file is too large.
    OSError
        When it cannot be read.
    """
    found: dict[str, SifParameter] = {}
    for setting in settings(read_lines(path, Limits())):
        before = found.get(setting.name)
        default = setting.value if setting.active else (before.default if before else None)
        offered = before.offered if before else ()
        integer = setting.integer or bool(before and before.integer)
        found[setting.name] = SifParameter(
            setting.name, integer, default, (*offered, setting.value)
        )
    return found


def checked_parameters(path: str | Path, params: Mapping[str, Any] | None) -> dict[str, float]:
    """Check the values that a caller gives against what the file offers.

    Parameters
    ----------
    path
        The file.
    params
        Values by name; text is read as a number.

    Raises
    ------
    SifError
        When a name is not offered, or a value does not suit its kind.
    """
    if not params:
        return {}
    available = sif_parameters(path)
    checked: dict[str, float] = {}
    for name, given in params.items():
        known = available.get(name)
        if known is None:
            raise SifError(_unknown(name, available), path)
        checked[name] = _number(path, known, given)
    return checked


def _number(path: str | Path, known: SifParameter, given: Any) -> float:
    try:
        value = to_number(given) if isinstance(given, str) else float(given)
    except (TypeError, ValueError):
        raise SifError(f"parameter {known.name} needs a number, not {given!r}", path) from None
    if not math.isfinite(value):
        raise SifError(f"parameter {known.name} needs a finite number, not {given!r}", path)
    if not known.integer:
        return value
    if value != int(value):
        raise SifError(f"parameter {known.name} needs an integer, not {given!r}", path)
    return int(value)


def _unknown(name: str, available: Mapping[str, SifParameter]) -> str:
    if not available:
        return f"there is no parameter {name!r}: this file has no $-PARAMETER lines"
    near = difflib.get_close_matches(name, available, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    listed = "; ".join(
        f"{p.name}: {', '.join(f'{value:g}' for value in p.offered)}"
        for p in available.values()
    )
    return f"there is no parameter {name!r}{hint}. Those of this file and the values it offers: {listed}"
