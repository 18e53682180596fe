"""Decks of compact networks trained with different augmentations, and the gate that chooses among them [DBBK21].

The output of a deck for image x in a batch B, with cards c of augmentations k:

    p(x) = sum_k w_k(B) mean over cards c of k of softmax(c(x))

================  ==========================================================================================
gate              w(B)
================  ==========================================================================================
``"average"``     the same for every card, whatever the batch
``"spectral"``    1 for the augmentation with the spectrum nearest to the batch's by means, 0 for the others
``"neighbours"``  the same by nearest neighbours
``"weights"``     those of the mixture of augmentations whose spectrum is nearest to the batch's: a QP over the simplex
================  ==========================================================================================

Spectra and distances: :mod:`optlab_adapters.pruning.cards.similarity`; the QP: :mod:`optlab_adapters.pruning.cards.mixture`.
No gate sees labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch

from optlab.errors import OptionError, ProblemError
from optlab.typing import is_a
from optlab_adapters.pruning.cards.mixture import simplex_weights
from optlab_adapters.pruning.cards.outputs import Card, Tensor, images_of, probabilities
from optlab_adapters.pruning.cards.sets import Judged, TestSets
from optlab_adapters.pruning.cards.similarity import References
from optlab_adapters.pruning.cards.table import AccuracyTable

if TYPE_CHECKING:
    from optlab.typing import Vector
    from optlab_adapters.charts import Chart
    from optlab_adapters.robustness import CorruptionSuite

__all__ = ["CardDeck", "DeckEvaluation", "Gate"]

Gate = Literal["average", "spectral", "neighbours", "weights"]

_GATES: tuple[Gate, ...] = get_args(Gate)


@dataclass(frozen=True, eq=False)
class DeckEvaluation:
    """What a deck gets right, beside its cards.

    Attributes
    ----------
    table : AccuracyTable
        Of every card by itself, ``"average"`` (all cards, always) and the gates.
    augmentations : tuple of str
    picks : mapping
        By gate, then by (corruption, severity): the weights of the augmentations for every batch, (batches, K);
        ``("clean", 0)`` is there.
    """

    table: AccuracyTable
    augmentations: tuple[str, ...]
    picks: Mapping[str, Mapping[tuple[str, int], Vector]]

    def __str__(self) -> str:
        """Return the table, and the mean weights of the augmentations."""
        lines = [str(self.table)]
        columns = [f"{name:>8}" for name in self.augmentations]
        for gate, sets in self.picks.items():
            wide = max(len(gate) + 8, *(len(name) + 2 for name, _ in sets))
            lines += ["", "  ".join([f"{gate} weights".ljust(wide), *columns])]
            for (name, severity), weights in sets.items():
                means = (
                    f"{w:>{len(column)}.3f}"
                    for w, column in zip(weights.mean(axis=0), columns, strict=True)
                )
                label = f"{name} {severity}" if severity else name
                lines.append("  ".join([label.ljust(wide), *means]))
        return "\n".join(lines)

    def plot(self) -> Chart:
        """Draw the table."""
        return self.table.plot("Accuracy of a deck and of its cards")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        picks = [
            {"gate": gate, "name": name, "severity": severity, "weights": weights.tolist()}
            for gate, sets in self.picks.items()
            for (name, severity), weights in sets.items()
        ]
        return self.table.to_dict() | {
            "augmentations": list(self.augmentations),
            "picks": picks,
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
    gate : {"spectral", "neighbours", "weights", "average"}
        How the cards are weighed.
    batch : int
        Images that are weighed together: 1 to the number there is.
    neighbours : int
        Number of nearest reference images of ``gate="neighbours"``.

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
        neighbours: int = 5,
    ) -> None:
        _check_gate(gate)
        for label, number in (("batch", batch), ("neighbours", neighbours)):
            if not (is_a(number, int) and number >= 1):
                raise OptionError(f"{label} is {number!r}; a positive whole number is needed")
        self.cards = {name: _several(some) for name, some in _by_name(cards).items()}
        if not self.cards or not all(self.cards.values()):
            raise ProblemError(
                "cards are empty; at least one card for every augmentation is needed"
            )
        names = [name for name, _ in self._named_cards()]
        if len(set(names) - set(_GATES)) < len(names):
            raise ProblemError(
                f"cards are named {names}; different names are needed, none of them that of a gate"
            )
        self.gate, self.batch, self.neighbours = gate, batch, neighbours
        self._shape: tuple[int, ...] | None = None
        self._references: References | None = None
        if references is not None:
            self._refer(_by_name(references))
        self._need_references(gate)

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
        return self._mixed(self._outputs(checked), self._weights(checked, self.gate))

    def weights(self, images: Any) -> Vector:
        """Return the weights of the augmentations for every batch of consecutive images, (batches, K)."""
        return self._weights(self._checked(images), self.gate)

    def evaluate(
        self,
        data: Any,
        suite: CorruptionSuite | None = None,
        gates: Sequence[Gate] | None = None,
    ) -> DeckEvaluation:
        """Judge the deck, every card by itself and plain averaging on the same images.

        Parameters
        ----------
        data
            Test images and labels, (N, channels, height, width) in [0, 1] and (N,).
        suite : CorruptionSuite, optional
            Corruptions to be judged as well.
        gates : sequence of str, optional
            Gates to be judged; None: that of the deck.
        """
        gates = [g for g in dict.fromkeys(gates or (self.gate,)) if g != "average"]
        for gate in gates:
            _check_gate(gate)
            self._need_references(gate)
        sets = TestSets(data, suite)
        judged = Judged(sets)
        picks: dict[str, dict[tuple[str, int], Vector]] = {gate: {} for gate in gates}
        for name, severity, images in sets:
            outputs = self._outputs(self._checked(images))
            every = [p for group in outputs for p in group]
            found = [*every, torch.stack(every).mean(dim=0)]
            for gate in gates:
                picks[gate][name, severity] = self._weights(images, gate)
                found.append(self._mixed(outputs, picks[gate][name, severity]))
            judged.add(found)
        names = (name for name, _ in self._named_cards())
        table = AccuracyTable(judged.tables([*names, "average", *gates]))
        return DeckEvaluation(table, self.augmentations, picks)

    # Parts --------------------------------------------------------------------------------------------

    def _need_references(self, gate: Gate) -> None:
        if gate != "average" and self._references is None:
            raise ProblemError(
                f"references is None and gate is {gate!r}; images of every augmentation are needed, or "
                "gate='average'"
            )

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

    def _weights(self, images: Tensor, gate: Gate) -> Vector:
        starts = range(0, len(images), self.batch)
        if gate == "average":
            counts = np.array([len(some) for some in self.cards.values()], dtype=np.float64)
            return np.tile(counts / counts.sum(), (len(starts), 1))
        assert self._references is not None
        weigh = partial(_weighed, self._references, gate=gate, neighbours=self.neighbours)
        spectra = self._references.spectrum(images.numpy())
        return np.stack([weigh(spectra[at : at + self.batch]) for at in starts])

    def _mixed(self, outputs: list[list[Tensor]], weights: Vector) -> Tensor:
        means = torch.stack([torch.stack(group).mean(dim=0) for group in outputs], dim=1)
        each = torch.from_numpy(weights).repeat_interleave(self.batch, dim=0)[: len(means)]
        return (each[:, :, None] * means).sum(dim=1)


def _weighed(references: References, batch: Vector, *, gate: Gate, neighbours: int) -> Vector:
    """Return the weights for one batch, S of shape (N, R)."""
    if gate == "weights":
        return simplex_weights(batch.mean(axis=0), references.means).x
    distances = (
        references.neighbour_distances(batch, neighbours)
        if gate == "neighbours"
        else references.distances(batch)
    )
    picked = np.zeros(distances.size)
    picked[np.argmin(distances)] = 1.0
    return picked


def _check_gate(gate: str) -> None:
    if gate not in _GATES:
        raise OptionError(f"gate is {gate!r}; one of {', '.join(_GATES)} is needed")


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
