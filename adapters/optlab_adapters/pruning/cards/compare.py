"""Compressed networks side by side on clean and corrupted images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from optlab.errors import ProblemError
from optlab_adapters.pruning.cards.outputs import Card, probabilities
from optlab_adapters.pruning.cards.sets import Judged, TestSets
from optlab_adapters.pruning.cards.table import AccuracyTable
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    from optlab_adapters.robustness import CorruptionSuite

__all__ = ["compare"]


def compare(
    models: Mapping[str, Card | TrainingTask],
    data: Any,
    suite: CorruptionSuite | None = None,
    facts: Mapping[str, Mapping[str, float]] | None = None,
) -> AccuracyTable:
    """Judge models on the same clean and corrupted images.

    Parameters
    ----------
    models : mapping
        By name: modules, tasks whose models have been trained, or functions from images to logits.
    data
        Test images and labels, (N, channels, height, width) in [0, 1] and (N,).
    suite : CorruptionSuite, optional
        Corruptions to be judged as well.
    facts : mapping, optional
        What is to stand beside the accuracies, such as ``{"CPU s": {"lrr": 120.0}}``.

    Returns
    -------
    AccuracyTable
        With the density of every module among its facts: the share of the weights of two and more axes that differ from 0.

    Raises
    ------
    ProblemError
        When there are no models, or one cannot be judged; names it.
    """
    if not models:
        raise ProblemError("models are empty; at least one is needed")
    cards = {n: m.model if isinstance(m, TrainingTask) else m for n, m in models.items()}
    sets = TestSets(data, suite)
    judged = Judged(sets)
    for _, _, images in sets:
        judged.add([probabilities(name, card, images) for name, card in cards.items()])
    densities = {n: _density(c) for n, c in cards.items() if isinstance(c, torch.nn.Module)}
    return AccuracyTable(
        judged.tables(tuple(cards)), {"density": densities} | dict(facts or {})
    )


def _density(model: torch.nn.Module) -> float:
    weights = [p for p in model.parameters() if p.ndim >= 2]
    every = sum(p.numel() for p in weights)
    return sum(int(torch.count_nonzero(p)) for p in weights) / every if every else 1.0
