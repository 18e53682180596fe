"""Compact networks as optimization problems: loss over weights and masks, under a limit on how many weights stay.

:class:`PruningTask` states the problem; ``optlab.minimize(task, method="lrr")`` solves it. Methods are in
:mod:`optlab.methods.compact`. Where the number of weights is itself a variable: :class:`DensitySearch`,
:class:`MultiPrizeTicket`, :class:`LossBudget`.
"""

from __future__ import annotations

from optlab_adapters.pruning.activation import SignActivation
from optlab_adapters.pruning.loss_budget import LossBudget
from optlab_adapters.pruning.search import DensitySearch, MultiPrizeTicket
from optlab_adapters.pruning.task import PruningTask

__all__ = [
    "DensitySearch",
    "LossBudget",
    "MultiPrizeTicket",
    "PruningTask",
    "SignActivation",
]
