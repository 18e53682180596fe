"""Compressed networks side by side on clean and corrupted images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.errors import ProblemError
from optlab_adapters.pruning.cards.outputs import (
    Card,
    Tensor,
    accuracy,
    images_of,
    labels_of,
    probabilities,
)
from optlab_adapters.pruning.cards.table import CLEAN, AccuracyTable, Row
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    from optlab_adapters.robustness import CorruptionSuite

__all__ = ["compare", "sets_of"]


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
    rows = []
    for name, severity, images, labels in sets_of(data, suite):
        found = tuple(accuracy(probabilities(n, c, images), labels) for n, c in cards.items())
        rows.append(Row(name, severity, found))
    densities = {n: _density(c) for n, c in cards.items() if isinstance(c, torch.nn.Module)}
    return AccuracyTable(tuple(cards), tuple(rows), {"density": densities} | dict(facts or {}))


def sets_of(
    data: Any, suite: CorruptionSuite | None
) -> Iterator[tuple[str, int, Tensor, Tensor]]:
    """Yield the name, the severity, images and labels of every set: clean ones first.

    Raises
    ------
    ProblemError
        When data is no pair of images and labels.
    """
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise ProblemError(
            f"data is a {type(data).__name__}; a pair (images, labels) is needed"
        )
    images = images_of(data[0])
    labels = labels_of(data[1], len(images))
    yield CLEAN, 0, images, labels
    if suite is None:
        return
    pixels = np.moveaxis(images.numpy(), 1, -1)
    for name, severity in suite:
        corrupted = np.moveaxis(suite.apply(pixels, name, severity), -1, 1)
        yield name, severity, torch.from_numpy(np.ascontiguousarray(corrupted)), labels


def _density(model: torch.nn.Module) -> float:
    weights = [p for p in model.parameters() if p.ndim >= 2]
    every = sum(p.numel() for p in weights)
    return sum(int(torch.count_nonzero(p)) for p in weights) / every if every else 1.0
