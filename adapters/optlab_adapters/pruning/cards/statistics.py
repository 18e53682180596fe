"""How often a compact network is at least as accurate as a dense one, over many pairs: the statistics behind CARDs.

A pair is a cell (an architecture with an augmentation, say) in which a dense network was trained, too. Of a method at a
sparsity, with clean and corrupted accuracies a and b in percent, a' and b' those of the dense network of the same cell:

    wins    number of cells with a >= a' and b >= b'
    change  means over cells of a - a' and of b - b'
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from optlab.errors import ProblemError

__all__ = ["CardStatistics", "CompactModel", "card_statistics"]


@dataclass(frozen=True, slots=True)
class CompactModel:
    """One trained network."""

    cell: Hashable
    """What it is compared within."""

    method: str
    sparsity: float
    """0: dense."""

    clean: float
    corrupted: float


@dataclass(frozen=True, slots=True)
class CardStatistics:
    """A method at a sparsity against dense networks."""

    wins: int
    cells: int
    clean: float
    """Mean change of the accuracy on clean images, and on corrupted ones."""

    corrupted: float


def card_statistics(
    models: Iterable[CompactModel],
) -> dict[tuple[str, float], CardStatistics]:
    """Return the statistics by (method, sparsity).

    Raises
    ------
    ProblemError
        When a cell has no dense network, or several, or a method twice; names it.
    """
    found: dict[tuple[str, float], dict[Hashable, CompactModel]] = {}
    dense: dict[Hashable, CompactModel] = {}
    for model in models:
        key = (model.method, model.sparsity)
        cells = found.setdefault(key, {}) if model.sparsity else dense
        if model.cell in cells:
            raise ProblemError(
                f"cell {model.cell!r} has two networks of method {model.method!r} at sparsity "
                f"{model.sparsity:g}; one is needed"
            )
        cells[model.cell] = model
    return {key: _against(cells, dense) for key, cells in found.items()}


def _against(
    cells: Mapping[Hashable, CompactModel], dense: Mapping[Hashable, CompactModel]
) -> CardStatistics:
    changes = []
    for cell, model in cells.items():
        if cell not in dense:
            raise ProblemError(f"cell {cell!r} has no network of sparsity 0 to compare with")
        changes.append(
            (model.clean - dense[cell].clean, model.corrupted - dense[cell].corrupted)
        )
    return CardStatistics(
        wins=sum(a >= 0.0 and b >= 0.0 for a, b in changes),
        cells=len(changes),
        clean=fmean(a for a, _ in changes),
        corrupted=fmean(b for _, b in changes),
    )
