"""Clean and corrupted test images, and the accuracies that several models have on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.errors import ProblemError
from optlab_adapters.pruning.cards.outputs import Tensor, images_of, labels_of
from optlab_adapters.pruning.cards.table import CLEAN
from optlab_adapters.robustness import RobustnessTable

if TYPE_CHECKING:
    from optlab_adapters.robustness import CorruptionSuite

__all__ = ["Judged", "TestSets"]


class TestSets:
    """Test images and labels, clean and under every corruption of a suite.

    Parameters
    ----------
    data
        Images and labels, (N, channels, height, width) in [0, 1] and (N,).
    suite
        Corruptions; None: clean images only.

    Raises
    ------
    ProblemError
        When data is no pair of images and labels.
    """

    __test__ = False  # of pytest

    def __init__(self, data: Any, suite: CorruptionSuite | None) -> None:
        if not (isinstance(data, tuple | list) and len(data) == 2):
            raise ProblemError(
                f"data is a {type(data).__name__}; a pair (images, labels) is needed"
            )
        self.images = images_of(data[0])
        self.labels = labels_of(data[1], len(self.images))
        self.suite = suite

    def __iter__(self) -> Iterator[tuple[str, int, Tensor]]:
        """Yield the name, the severity and the images of every set: clean ones, of severity 0, first."""
        yield CLEAN, 0, self.images
        if self.suite is None:
            return
        pixels = np.moveaxis(self.images.numpy(), 1, -1)
        for name, severity in self.suite:
            corrupted = np.moveaxis(self.suite.apply(pixels, name, severity), -1, 1)
            yield name, severity, torch.from_numpy(np.ascontiguousarray(corrupted))


@dataclass
class Judged:
    """Collects the shares of right answers, set by set."""

    sets: TestSets
    rows: list[list[float]] = field(default_factory=list[list[float]])
    """For every set those of all models."""

    def add(self, probabilities: Sequence[Tensor]) -> None:
        """Judge the probabilities of all models, (N, classes) each, on the next set."""
        labels = self.sets.labels
        self.rows.append(
            [float((p.argmax(dim=1) == labels).double().mean()) for p in probabilities]
        )

    def tables(self, models: Sequence[str]) -> dict[str, RobustnessTable]:
        """Return the tables of the models, when all sets have been judged."""
        suite = self.sets.suite
        corruptions = () if suite is None else suite.corruptions
        severities = () if suite is None else suite.levels
        found = np.array(self.rows)
        return {
            model: RobustnessTable(
                corruptions,
                severities,
                column[1:].reshape(len(corruptions), len(severities)),
                float(column[0]),
                len(self.sets.labels),
                {} if suite is None else {"scale": suite.scale, "seed": int(suite.seed)},
            )
            for model, column in zip(models, found.T, strict=True)
        }
