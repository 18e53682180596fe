"""Adaptation of networks at test time, without labels, as optimization problems.

:class:`BNAdaptation` states the entropy of a network's answers on a batch over the scales and offsets of its batch
normalizations; ``optlab.minimize(BNAdaptation(model, batch), method="adam")`` solves it, or any other method.
:func:`adapt_stream` does so batch after batch. :class:`Costs` is what it took.
"""

from __future__ import annotations

from optlab_adapters.adaptation.costs import Costs, peak_memory, saved_activations
from optlab_adapters.adaptation.energy import EnergyCounters
from optlab_adapters.adaptation.stream import Adapted, adapt_stream
from optlab_adapters.adaptation.task import BNAdaptation, entropy

__all__ = [
    "Adapted",
    "BNAdaptation",
    "Costs",
    "EnergyCounters",
    "adapt_stream",
    "entropy",
    "peak_memory",
    "saved_activations",
]
