"""Adaptation of networks at test time, without labels, as optimization problems.

:class:`BNAdaptation` states the entropy of a network's answers on a batch over the scales and offsets of its batch
normalizations; ``optlab.minimize(BNAdaptation(model, batch), method="adam")`` solves it, or any other method.
:func:`adapt_stream` does so batch after batch. :class:`Costs` is what it took.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from optlab.errors import MissingDependencyError
from optlab_adapters.adaptation.energy import EnergyCounters

if TYPE_CHECKING:
    from optlab_adapters.adaptation.costs import Costs, peak_memory, saved_activations
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

_LAZY = {
    "Adapted": "stream",
    "BNAdaptation": "task",
    "Costs": "costs",
    "adapt_stream": "stream",
    "entropy": "task",
    "peak_memory": "costs",
    "saved_activations": "costs",
}
"""Names that need torch -> module."""


def __getattr__(name: str) -> Any:
    """Import a name that needs torch."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    except ImportError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch", "torch", name) from error
