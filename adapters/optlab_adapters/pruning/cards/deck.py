"""Decks of compact networks trained with different augmentations, and the gate that chooses among them [DBBK21].

The output of a deck for image x in a batch B, with cards c of augmentations k:

    p(x) = sum_k w_k(B) mean over cards c of k of softmax(c(x))

================  ==========================================================================================
gate              w(B)
================  ==========================================================================================
``"average"``     the same for every card, whatever the batch
``"spectral"``    1 for the augmentation with the spectrum nearest to the batch's, 0 for the others
``"weights"``     those of the mixture of augmentations whose spectrum is nearest to the batch's: a QP over the simplex
================  ==========================================================================================

Spectra and distances: :mod:`optlab_adapters.pruning.cards.similarity`; the QP: :mod:`optlab_adapters.pruning.cards.mixture`.
No gate sees labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from optlab.errors import OptionError, ProblemError
from optlab.typing import is_a
from optlab_adapters.pruning.cards.compare import sets_of
from optlab_adapters.pruning.cards.mixture import simplex_weights
from optlab_adapters.pruning.cards.outputs import (
    Card,
    Tensor,
    accuracy,
    images_of,
    probabilities,
)
from optlab_adapters.pruning.cards.similarity import Measure, References
from optlab_adapters.pruning.cards.table import AccuracyTable, Row

if TYPE_CHECKING:
    from optlab.bench.report.svg import Chart
    from optlab.typing import Vector
    from optlab_adapters.robustness import CorruptionSuite

__all__ = ["CardDeck", "DeckEvaluation", "Gate"]

Gate = Literal["average", "spectral", "weights"]


@dataclass(frozen=True)
class DeckEvaluation:
    """What a deck gets right, beside its cards.

    Attributes
    ----------
    table : AccuracyTable
        Of every card by itself, ``"average"`` (all cards, always) and the gate.
    augmentations : tuple of str
    picks : mapping
        By (corruption, severity): weights of the augmentations for every batch, (batches, K); ``("clean", 0)`` is there.
    """

    table: AccuracyTable
    augmentations: tuple[str, ...]
    picks: Mapping[tuple[str, int], Vector]

    def __str__(self) -> str:
        """Return the table, and the mean weights of the augmentations."""
        width = max(len(name) for name, _ in self.picks)
        names = "  ".join(f"{name:>8}" for name in self.augmentations)
        lines = [str(self.table), "", f"{'mean weights':<{width + 2}}  {names}"]
        for (name, severity), weights in self.picks.items():
            means = "  ".join(
                f"{w:>{max(8, len(a))}.3f}"
                for w, a in zip(weights.mean(axis=0), self.augmentations, strict=True)
            )
            lines.append(f"{name:<{width}} {severity or ' '}  {means}")
        return "\n".join(lines)

    def chart(self) -> Chart:
        """Draw the table."""
        return self.table.chart("Accuracy of a deck and of its cards")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as numbers and strings, for JSON."""
        return self.table.as_dict() | {
            "augmentations": list(self.augmentations),
            "picks": [
                {"name": name, "severity": severity, "weights": weights.tolist()}
                for (name, severity), weights in self.picks.items()
            ],
        }


class CardDeck:
    """Several networks as one, batch by batch those that know images like these.

    Parameters
    ----------
    cards : mapping or sequence
        For every augmentation a model, or a sequence of models: modules, or functions from images to logits such as a
        :class:`PackedNetwork`. Names of augmentations are the keys, or "0", "1", ... for a sequence.
    references : mapping or sequence, optional
        For every augmentation training images with that augmentation, at least two, without labels; not needed for
        ``gate="average"``.
    gate : {"spectral", "average", "weights"}
        How the cards are weighed.
    batch : int
        Images that are weighed together: 1 to the number there is.
    measure : {"means", "neighbours"}
        Distance of the spectral gate.
    neighbours : int
        Number of nearest reference images of ``measure="neighbours"``.

    Raises
    ------
    ProblemError
        When cards and references do not fit together; names them.
    OptionError
        When an option is none.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import pruning
    >>> _ = torch.manual_seed(0)
    >>> card = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    >>> images = torch.rand(40, 1, 8, 8) / 4 + 0.25
    >>> noise, generator = pruning.GaussianNoise(0.2), torch.Generator().manual_seed(0)
    >>> deck = pruning.CardDeck(
    ...     {"clean": card(), "noise": card()},
    ...     {"clean": images[:20], "noise": noise(images[:20], generator)},
    ...     batch=10,
    ... )
    >>> deck.weights(noise(images[20:], generator))
    array([[0., 1.],
           [0., 1.]])
    """

    def __init__(
        self,
        cards: Mapping[str, Card | Sequence[Card]] | Sequence[Card],
        references: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        gate: Gate = "spectral",
        batch: int = 50,
        measure: Measure = "means",
        neighbours: int = 5,
    ) -> None:
        _check_option("gate", gate, ("average", "spectral", "weights"))
        _check_option("measure", measure, ("means", "neighbours"))
        for label, number in (("batch", batch), ("neighbours", neighbours)):
            if not (is_a(number, int) and number >= 1):
                raise OptionError(f"{label} is {number!r}; a positive whole number is needed")
        self.cards = {name: _several(some) for name, some in _by_name(cards).items()}
        if not self.cards or not all(self.cards.values()):
            raise ProblemError(
                "cards are empty; at least one card for every augmentation is needed"
            )
        self.gate, self.batch, self.measure, self.neighbours = gate, batch, measure, neighbours
        self._shape: tuple[int, ...] | None = None
        self._references: References | None = None
        if references is not None:
            self._refer(_by_name(references))
        elif gate != "average":
            raise ProblemError(
                f"references is None and gate is {gate!r}; images of every augmentation are needed, or "
                "gate='average'"
            )

    def _refer(self, references: Mapping[str, Any]) -> None:
        """Measure the reference images, and try the cards on some."""
        if set(references) != set(self.cards):
            raise ProblemError(
                f"references are for {sorted(references)} and cards for {sorted(self.cards)}; the same "
                "augmentations are needed"
            )
        found = {name: _reference(name, references[name]) for name in self.cards}
        shapes = {name: tuple(images.shape[1:]) for name, images in found.items()}
        if len(set(shapes.values())) > 1:
            raise ProblemError(f"reference images have shapes {shapes}; one shape is needed")
        first = next(iter(found.values()))
        self._shape = tuple(first.shape[1:])
        self._references = References.of({name: x.numpy() for name, x in found.items()})
        self._outputs(first[:2])

    # Use ----------------------------------------------------------------------------------------------

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Names, in the order of weights."""
        return tuple(self.cards)

    def predict(self, images: Any) -> Tensor:
        """Return the class of every image, (N,), of images (N, channels, height, width) in [0, 1]."""
        return self.probabilities(images).argmax(dim=1)

    def probabilities(self, images: Any) -> Tensor:
        """Return the probabilities of the classes, (N, classes), double precision."""
        checked = self._checked(images)
        return self._mixed(self._outputs(checked), self._weights(checked))

    def weights(self, images: Any) -> Vector:
        """Return the weights of the augmentations for every batch of consecutive images, (batches, K)."""
        return self._weights(self._checked(images))

    def evaluate(self, data: Any, suite: CorruptionSuite | None = None) -> DeckEvaluation:
        """Judge the deck, every card by itself and plain averaging on the same images.

        Parameters
        ----------
        data
            Test images and labels, (N, channels, height, width) in [0, 1] and (N,).
        suite : CorruptionSuite, optional
            Corruptions to be judged as well.
        """
        rows, picks = [], dict[tuple[str, int], Any]()
        for name, severity, images, labels in sets_of(data, suite):
            outputs, weights = self._outputs(self._checked(images)), self._weights(images)
            every = [p for group in outputs for p in group]
            columns = [*every, torch.stack(every).mean(dim=0)]
            if self.gate != "average":
                columns.append(self._mixed(outputs, weights))
            rows.append(Row(name, severity, tuple(accuracy(p, labels) for p in columns)))
            picks[name, severity] = weights
        gated = () if self.gate == "average" else (self._gate_name,)
        models = (*(name for name, _ in self._named_cards()), "average", *gated)
        return DeckEvaluation(AccuracyTable(models, tuple(rows)), self.augmentations, picks)

    # Parts --------------------------------------------------------------------------------------------

    @property
    def _gate_name(self) -> str:
        near = self.gate == "spectral" and self.measure == "neighbours"
        return f"{self.gate} ({self.measure})" if near else self.gate

    def _named_cards(self) -> Iterator[tuple[str, Card]]:
        for name, some in self.cards.items():
            for number, card in enumerate(some, 1):
                yield (name if len(some) == 1 else f"{name} {number}"), card

    def _checked(self, images: Any) -> Tensor:
        found = images_of(images)
        if self._shape is not None and tuple(found.shape[1:]) != self._shape:
            raise ProblemError(
                f"images have shape {tuple(found.shape)}; the reference images have {self._shape} each"
            )
        return found

    def _outputs(self, images: Tensor) -> list[list[Tensor]]:
        """Return the probabilities by augmentation and card, each (N, classes)."""
        given = {name: probabilities(name, c, images) for name, c in self._named_cards()}
        classes = {name: p.shape[1] for name, p in given.items()}
        if len(set(classes.values())) > 1:
            raise ProblemError(f"cards have numbers of classes {classes}; the same is needed")
        found = iter(given.values())
        return [[next(found) for _ in some] for some in self.cards.values()]

    def _weights(self, images: Tensor) -> Vector:
        starts = range(0, len(images), self.batch)
        if self.gate == "average":
            counts = np.array([len(some) for some in self.cards.values()], dtype=np.float64)
            return np.tile(counts / counts.sum(), (len(starts), 1))
        assert self._references is not None
        spectra = self._references.spectrum(images.numpy())
        return np.stack([self._weighed(spectra[at : at + self.batch]) for at in starts])

    def _weighed(self, spectra: Vector) -> Vector:
        """Return the weights for one batch, S of shape (N, R)."""
        references = self._references
        assert references is not None
        if self.gate == "weights":
            return simplex_weights(spectra.mean(axis=0), references.means).x
        distances = references.distances(spectra, self.measure, self.neighbours)
        picked = np.zeros(distances.size)
        picked[np.argmin(distances)] = 1.0
        return picked

    def _mixed(self, outputs: list[list[Tensor]], weights: Vector) -> Tensor:
        means = torch.stack([torch.stack(group).mean(dim=0) for group in outputs], dim=1)
        each = torch.from_numpy(weights).repeat_interleave(self.batch, dim=0)[: len(means)]
        return (each[:, :, None] * means).sum(dim=1)


def _check_option(label: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise OptionError(f"{label} is {given!r}; one of {', '.join(known)} is needed")


def _by_name(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    return {str(number): one for number, one in enumerate(given)}


def _several(card: Any) -> tuple[Card, ...]:
    # A Sequential is a module that has a length.
    return tuple(card) if isinstance(card, list | tuple) else (card,)


def _reference(name: str, images: Any) -> Tensor:
    if len(images) < 2:
        raise ProblemError(
            f"augmentation {name} has {len(images)} reference images; at least two are needed"
        )
    return images_of(images)
