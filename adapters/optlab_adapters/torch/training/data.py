"""Minibatches that are pure functions of a number: the samples of F(x; key).

Key k stands for batch k mod b of epoch k div b, where b is the number of batches of an epoch; each epoch has an order
of its own, which follows from the seed. Augmentation and random data sets get their random numbers from (seed, key).
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate

from optlab.errors import OptionError, ProblemError
from optlab.typing import Indices, is_a

__all__ = ["Batch", "Minibatches", "random_seed", "samples_of"]

Augmentation = Callable[[Any, torch.Generator], Any]
"""``augment(inputs, generator) -> inputs``; random numbers from the generator only."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the model is called with, what the loss compares with, and how many samples that is."""

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    target: Any
    size: int

    def tensors(self) -> list[torch.Tensor]:
        """List the tensors that the model is called with."""
        every = (*self.arguments, *self.keywords.values())
        return [value for value in every if isinstance(value, torch.Tensor)]

    def copy(self) -> Batch:
        """Copy what the model is called with."""
        return Batch(
            tuple(_each(a, _clone) for a in self.arguments),
            {name: _each(a, _clone) for name, a in self.keywords.items()},
            self.target,
            self.size,
        )

    def to(self, device: torch.device) -> Batch:
        """Bring everything to a device."""

        def there(value: Any) -> Any:
            return value.to(device) if isinstance(value, torch.Tensor) else value

        return Batch(
            tuple(_each(a, there) for a in self.arguments),
            {name: _each(a, there) for name, a in self.keywords.items()},
            _each(self.target, there),
            self.size,
        )


class AbstractSamples(ABC):
    """Samples by number."""

    size: int

    @abstractmethod
    def fetch(self, numbers: Indices) -> tuple[Any, Any]:
        """Return the inputs and the targets of some samples, collated."""


class _Arrays(AbstractSamples):
    """Inputs and targets that lie in memory, the samples along their first axis."""

    def __init__(self, inputs: Any, target: Any) -> None:
        self._inputs, self._target = inputs, target
        sizes = {len(leaf) for leaf in (*_leaves(inputs), *_leaves(target))}
        if len(sizes) != 1:
            raise ProblemError(
                f"inputs and targets have {sorted(sizes)} samples; the same number is needed"
            )
        self.size = sizes.pop()

    def fetch(self, numbers: Indices) -> tuple[Any, Any]:
        index = torch.from_numpy(numbers.astype(np.int64))
        return tuple(
            _each(part, lambda t: t[index.to(t.device)])
            for part in (self._inputs, self._target)
        )


class _Items(AbstractSamples):
    """A map-style data set."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]) -> None:
        self._dataset, self._collate = dataset, collate
        self.size = len(dataset)

    def fetch(self, numbers: Indices) -> tuple[Any, Any]:
        batch = self._collate([self._dataset[i] for i in numbers.tolist()])
        if not isinstance(batch, Sequence) or len(batch) != 2:
            raise ProblemError(
                f"a batch of the data set is a {type(batch).__name__}; a pair (inputs, targets) is "
                "needed: wrap the data set, or pass a DataLoader whose collate_fn makes one"
            )
        return batch[0], batch[1]


def samples_of(data: Any, dtype: torch.dtype) -> tuple[AbstractSamples, int | None]:
    """Take samples from what the user has.

    Parameters
    ----------
    data
        A pair (inputs, targets) of tensors or arrays, a map-style Dataset, or a DataLoader, of which
        the data set, the batch size and ``collate_fn`` are used. Inputs may be a tuple or a dict of
        tensors, for models with several arguments.
    dtype
        What NumPy arrays of floating-point numbers become.

    Returns
    -------
    samples
    batch_size
        That of a DataLoader.

    Raises
    ------
    ProblemError
        When it is nothing of these, or empty.
    """
    batch_size, collate = None, default_collate
    if isinstance(data, DataLoader) or (
        hasattr(data, "dataset") and not callable(data.dataset)
    ):
        batch_size = getattr(data, "batch_size", None)
        collate = getattr(data, "collate_fn", None) or default_collate
        data = data.dataset
    if _is_pair(data):
        inputs, target = (_each(part, lambda leaf: _tensor(leaf, dtype)) for part in data)
        samples: AbstractSamples = _Arrays(inputs, target)
    elif isinstance(data, IterableDataset) or not (
        hasattr(data, "__getitem__") and hasattr(data, "__len__")
    ):
        raise ProblemError(
            f"data is a {type(data).__name__}; a pair (inputs, targets), a Dataset with __getitem__ and "
            "__len__, or a DataLoader over one is needed: a minibatch must be found again by its number"
        )
    else:
        samples = _Items(data, collate)
    if samples.size == 0:
        raise ProblemError("data has no samples; at least one is needed")
    return samples, batch_size


@dataclass
class Minibatches:
    """The batches of all epochs.

    Raises
    ------
    OptionError
        When the batch size is no positive number.
    """

    samples: AbstractSamples
    batch_size: int
    seed: int
    drop_last: bool = False
    augment: Augmentation | None = None
    _order: tuple[int, Indices] | None = field(default=None, repr=False)
    """The last epoch and its order."""

    _last: tuple[int, Batch] | None = field(default=None, repr=False)
    """The last key and its batch."""

    def __post_init__(self) -> None:
        if not (is_a(self.batch_size, int) and self.batch_size >= 1):
            raise OptionError(
                f"batch_size is {self.batch_size!r}; a positive whole number is needed"
            )

    @property
    def per_epoch(self) -> int:
        """Number of batches of an epoch."""
        whole, rest = divmod(self.samples.size, self.batch_size)
        return max(1, whole + (1 if rest and not self.drop_last else 0))

    def batch(self, key: int) -> Batch:
        """Return the batch of a key; the last one is kept."""
        if self._last is None or self._last[0] != key:
            epoch, number = divmod(key, self.per_epoch)
            if self._order is None or self._order[0] != epoch:
                # PCG64 of NumPy: the same order on every machine and for every version of torch.
                rng = np.random.default_rng([self.seed, epoch])
                self._order = (epoch, rng.permutation(self.samples.size))
            first = number * self.batch_size
            self._last = (
                key,
                self._made(self._order[1][first : first + self.batch_size], key),
            )
        return self._last[1]

    def bare(self) -> Minibatches:
        """Return the same batches with nothing kept, to be sent away."""
        return Minibatches(
            self.samples, self.batch_size, self.seed, self.drop_last, self.augment
        )

    def everything(self) -> Iterator[Batch]:
        """Go through all samples once, in their own order and without augmentation."""
        numbers = np.arange(self.samples.size)
        for first in range(0, numbers.size, self.batch_size):
            yield self._made(numbers[first : first + self.batch_size], None)

    def _made(self, numbers: Indices, key: int | None) -> Batch:
        """Fetch a batch; whatever is random in it follows from seed and key."""
        with _random_numbers_from(random_seed(self.seed, "data", key)):
            inputs, target = self.samples.fetch(numbers)
            if self.augment is not None and key is not None:
                generator = torch.Generator()
                generator.manual_seed(random_seed(self.seed, "augment", key))
                inputs = self.augment(inputs, generator)
        if isinstance(inputs, Mapping):
            return Batch((), dict(inputs), target, numbers.size)
        arguments = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
        return Batch(arguments, {}, target, numbers.size)


def random_seed(seed: int, purpose: str, key: int | None) -> int:
    """Return a seed of 63 bits that follows from a seed, a purpose and a key."""
    words = [seed, *purpose.encode(), 0 if key is None else key + 1]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def _random_numbers_from(seed: int) -> Iterator[None]:
    """Seed the generators that data sets use, torch's and Python's, and put them back afterwards."""
    state = random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)


def _is_pair(data: Any) -> bool:
    """Whether this is (inputs, targets) and no list of two samples."""
    if isinstance(data, list):
        return len(data) == 2 and not any(isinstance(part, tuple | list) for part in data)
    return isinstance(data, tuple) and len(data) == 2


def _tensor(value: Any, dtype: torch.dtype) -> torch.Tensor:
    """Take a tensor as it is; give arrays of floating-point numbers the model's type."""
    if isinstance(value, torch.Tensor):
        return value
    try:
        made = torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        raise ProblemError(
            f"data holds a {type(value).__name__}; tensors or arrays of numbers are needed"
        ) from error
    return made.to(dtype) if made.is_floating_point() else made


def _each(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to the arrays of a tuple, a dict or a single array."""
    if isinstance(tree, Mapping):
        return {name: function(leaf) for name, leaf in tree.items()}
    if isinstance(tree, tuple):
        return tuple(function(leaf) for leaf in tree)
    return function(tree)


def _clone(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _leaves(tree: Any) -> list[Any]:
    """List the arrays of a tuple, a dict or a single array."""
    if isinstance(tree, Mapping):
        return list(tree.values())
    return list(tree) if isinstance(tree, tuple) else [tree]
