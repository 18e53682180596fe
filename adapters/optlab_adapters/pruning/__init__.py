"""Compact networks as optimization problems: loss over weights and masks, under a limit on how many weights stay.

:class:`PruningTask` states the problem; ``optlab.minimize(task, method="lrr")`` solves it. Methods are in
:mod:`optlab.methods.compact`. Where the number of weights is itself a variable: :class:`DensitySearch`,
:class:`MultiPrizeTicket`, :class:`LossBudget`. :func:`pack` makes a network of ternary weights run on bit planes; running a
:class:`PackedNetwork` needs no torch, so names that need it are imported when they are asked for. :class:`CardDeck` makes one
robust network of several compact ones, :func:`compare` judges them on clean and corrupted images.
:func:`remove_channels` takes channels without weights out of a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab_adapters.lazy import names_of
from optlab_adapters.pruning.cards.statistics import (
    CardStatistics,
    CompactModel,
    card_statistics,
)
from optlab_adapters.pruning.packed import PackedNetwork, TernaryWeight, pack

if TYPE_CHECKING:
    from optlab_adapters.pruning.activation import SignActivation
    from optlab_adapters.pruning.cards.augmentation import AugMix, GaussianNoise, unchanged
    from optlab_adapters.pruning.cards.compare import compare
    from optlab_adapters.pruning.cards.deck import CardDeck, DeckEvaluation
    from optlab_adapters.pruning.cards.table import AccuracyTable
    from optlab_adapters.pruning.grasp import grasp_densities
    from optlab_adapters.pruning.loss_budget import LossBudget
    from optlab_adapters.pruning.search import DensitySearch, MultiPrizeTicket
    from optlab_adapters.pruning.structured import Smaller, remove_channels
    from optlab_adapters.pruning.task import PruningTask

__all__ = [
    "AccuracyTable",
    "AugMix",
    "CardDeck",
    "CardStatistics",
    "CompactModel",
    "DeckEvaluation",
    "DensitySearch",
    "GaussianNoise",
    "LossBudget",
    "MultiPrizeTicket",
    "PackedNetwork",
    "PruningTask",
    "SignActivation",
    "Smaller",
    "TernaryWeight",
    "card_statistics",
    "compare",
    "grasp_densities",
    "pack",
    "remove_channels",
    "unchanged",
]

_LAZY = {
    "AccuracyTable": "cards.table",
    "AugMix": "cards.augmentation",
    "CardDeck": "cards.deck",
    "DeckEvaluation": "cards.deck",
    "DensitySearch": "search",
    "GaussianNoise": "cards.augmentation",
    "LossBudget": "loss_budget",
    "MultiPrizeTicket": "search",
    "PruningTask": "task",
    "SignActivation": "activation",
    "Smaller": "structured",
    "compare": "cards.compare",
    "grasp_densities": "grasp",
    "remove_channels": "structured",
    "unchanged": "cards.augmentation",
}
"""Names that need torch -> module."""

__getattr__ = names_of(
    __name__, {name: f"{__name__}.{module}" for name, module in _LAZY.items()}
)
