"""Training a module as an optimization problem.

    minimize  f(x) = mean over samples of loss(model_x(inputs), targets)

over the trainable parameters x of any ``torch.nn.Module``. Methods see minibatches, F(x; key), through
:class:`optlab.core.sampled.AbstractSampled`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from optlab.core.problem import Problem
from optlab.core.sampled import AbstractSampled
from optlab.core.shifts import CoordinateShifts
from optlab.core.stated import AbstractStated
from optlab.errors import OptionError, ProblemError
from optlab.typing import is_a
from optlab_adapters.torch.modes import evaluating
from optlab_adapters.torch.training.data import (
    AbstractSamples,
    Augmentation,
    Batch,
    Minibatches,
    samples_of,
)
from optlab_adapters.torch.training.engine import Engine, Ways
from optlab_adapters.torch.training.module_in_place import ModuleInPlace
from optlab_adapters.torch.training.network import Loss, Network
from optlab_adapters.torch.training.parallel import Spread, processes_of
from optlab_adapters.torch.training.parameters import Parameters
from optlab_adapters.torch.training.ranks import values_of_ranks
from optlab_adapters.torch.training.units import rows_of, shares

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab.core.result import Result
    from optlab.core.shifts import AbstractShifts
    from optlab.typing import Vector

__all__ = ["TrainingTask"]

DEFAULT_BATCH_SIZE = 128


class TrainingTask(AbstractSampled, AbstractStated):
    """The training of a module, for :func:`optlab.minimize`.

    Parameters
    ----------
    model : torch.nn.Module
        Its parameters with ``requires_grad`` are the variables. It is not copied: evaluations write into it, and a
        solve leaves its answer in it.
    loss : callable
        ``loss(output, target) -> scalar tensor``, the mean over the samples of a batch.
    data
        A pair (inputs, targets) of tensors or arrays, a map-style Dataset, or a DataLoader over one. Inputs may be a
        tuple or a dict of tensors, for models with several arguments.
    batch_size : int or None
        Samples of a minibatch; None: that of the DataLoader, else 128.
    seed : int
        Of the order of the samples, augmentation and dropout. Apart from the method's own seed.
    drop_last : bool
        Whether an incomplete last batch of an epoch is left out.
    augment : callable or None
        ``augment(inputs, generator) -> inputs`` for minibatches; draws from the ``torch.Generator`` only.
    training : bool or None
        Mode in which the loss is evaluated: True, batch normalization by batch statistics and dropout (with the same
        random numbers for every evaluation of a key); False, evaluation mode; None, every module as it is.
    threads : int or None
        Threads of one operation while evaluating; None: what ``torch.get_num_threads()`` says.
    reuse : bool
        Whether an evaluation with one displaced coordinate starts at the stage that it changes; the values are the
        same to the bit. See :attr:`split` for how the model was cut.
    stages : sequence or None
        Modules or functions whose composition is the model, where passes may start; None: they are found, in
        ``Sequential`` containers and by ``torch.fx``.
    batched : bool or None
        Whether many displaced points are evaluated in one forward, which agrees with the others to rounding; None: where
        the network is small.
    group : torch.distributed.ProcessGroup or None
        Ranks that run the same ``minimize`` with the same seed and share the evaluations; only numbers are exchanged.

    Raises
    ------
    ProblemError
        When the model has nothing to train, or data is of no known form.
    OptionError
        When an option does not fit.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import TrainingTask
    >>> inputs = torch.linspace(-1.0, 1.0, 64)[:, None]
    >>> task = TrainingTask(torch.nn.Linear(1, 1), torch.nn.functional.mse_loss, (inputs, 3 * inputs), batch_size=16)
    >>> task.n, task.steps_per_epoch, [block.name for block in task.blocks]
    (2, 4, ['weight', 'bias'])
    """

    has_gradient = True

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss,
        data: Any,
        *,
        batch_size: int | None = None,
        seed: int = 0,
        drop_last: bool = False,
        augment: Augmentation | None = None,
        training: bool | None = True,
        threads: int | None = None,
        reuse: bool = True,
        stages: Sequence[Any] | None = None,
        batched: bool | None = None,
        group: Any = None,
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            raise ProblemError(
                f"model is a {type(model).__name__}; a torch.nn.Module is needed"
            )
        if not callable(loss):
            raise ProblemError(
                f"loss is {loss!r}; a function (output, target) -> scalar tensor is needed"
            )
        if not (is_a(seed, int) and seed >= 0):
            raise OptionError(
                f"seed is {seed!r}; a whole number that is not negative is needed"
            )
        parameters = Parameters(model)
        samples, found = samples_of(data, parameters.tensors[0].dtype)
        size = batch_size if batch_size is not None else found or DEFAULT_BATCH_SIZE
        minibatches = Minibatches(samples, size, seed, drop_last, augment)
        ways = Ways(reuse, stages, batched)
        network = Network(model, loss, training, threads)
        self._engine = Engine(network, parameters, minibatches, ways)
        self._spread: Spread | None = None
        self._group = group
        self.blocks = parameters.blocks
        self.steps_per_epoch = minibatches.per_epoch

    @property
    def model(self) -> torch.nn.Module:
        """The module."""
        return self._engine.network.model

    @property
    def n(self) -> int:
        """Number of variables."""
        return self._engine.parameters.n

    # What methods use -----------------------------------------------------------------------------

    def values(
        self,
        x: Vector,
        shifts: AbstractShifts,
        key: int | None,
        executor: Executor | None = None,
    ) -> Vector:
        """Evaluate F(x + s_j; key); see :meth:`optlab.core.sampled.AbstractSampled.values`.

        The displacements are spread over the processes of an executor that has some on this machine
        (``executor=2`` in :func:`optlab.minimize`, or a ``ProcessPoolExecutor``), or over the ranks of ``group``.
        """
        engine, processes = self._engine, processes_of(executor)
        if key is None or len(shifts) == 1 or (self._group is None and not processes):
            return engine.values(x, shifts, key)
        units = engine.spread_units(x, shifts, key)
        if self._group is not None:
            return values_of_ranks(engine, x, shifts, key, units, self._group)
        assert executor is not None
        if self._spread is None:
            self._spread = Spread(engine)
        return self._spread.values(x, shifts, key, rows_of(shares(units, processes)), executor)

    def gradient(self, x: Vector, key: int | None) -> tuple[float, Vector]:
        """Return F(x; key) and its gradient, by backpropagation."""
        return self._engine.gradient(x, key)

    def objective(self, x: Vector) -> float:
        """Return f(x), the mean loss over all samples."""
        nowhere = CoordinateShifts(self.n, np.zeros(1, dtype=np.intp), np.zeros(1))
        return float(self.values(x, nowhere, None)[0])

    def problem(self) -> Problem:
        """State the task as a problem that starts from the parameters of the model as they are."""
        return Problem(
            objective=self.objective,
            gradient=lambda x: self.gradient(x, None)[1],
            x0=self.vector(),
            name=type(self.model).__name__,
            sampled=self,
        )

    def in_place(self) -> ModuleInPlace:
        """Return the variables where they are, for methods such as ``mezo``."""
        return ModuleInPlace(self._engine)

    def deliver(self, result: Result) -> None:
        """Write the answer into the model."""
        self.write(result.x)

    @property
    def split(self) -> str:
        """Say how the model is cut for feature reuse, or why it is not."""
        found = self._engine.split(self.vector())
        if found.reason:
            return f"the model is evaluated as a whole: {found.reason}"
        chain = found.chain
        return (
            f"{len(chain.stages)} stages; passes start at {', '.join(map(str, chain.starts))}"
        )

    # The model ------------------------------------------------------------------------------------

    def vector(self) -> Vector:
        """Return the parameters of the model now, shape (n,)."""
        return self._engine.parameters.vector()

    def write(self, x: Vector) -> None:
        """Write a point into the model, ready to be used.

        The running statistics of batch normalization are computed anew from the training data at that point, so that
        they depend on the point only and not on the way to it.
        """
        self._engine.parameters.load(x)
        self.recalibrate()

    @torch.no_grad()
    def recalibrate(self) -> None:
        """Set the running statistics of batch normalization to the averages over the training data.

        With augmentation they are those of the batches of epoch 0 as they are augmented: the weights were trained for
        inputs like these.
        """
        engine = self._engine
        wanted = engine.network.training
        norms = [
            m
            for m in self.model.modules()
            if isinstance(m, _BatchNorm)
            and m.track_running_stats
            and (m.training if wanted is None else wanted)
        ]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        modes = [(m, m.training) for m in self.model.modules()]
        try:
            self.model.eval()
            for norm in norms:
                norm.reset_running_stats()
                # No momentum: the plain average over the batches.
                norm.momentum = None
                norm.train()
            augmented = engine.minibatches.augment is not None
            keys: Iterable[int | None] = range(self.steps_per_epoch) if augmented else (None,)
            for batch, _ in itertools.chain.from_iterable(map(engine.batches, keys)):
                engine.network.output(batch.copy())
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
            for module, mode in modes:
                module.training = mode

    def accuracy(self, data: Any = None, x: Vector | None = None) -> float:
        """Return the share of samples whose largest output is the target's.

        Parameters
        ----------
        data
            As for the task; None: the training data.
        x
            Point to be written into the model first; None: the model as it is.
        """
        if x is not None:
            self.write(x)
        right = samples = 0
        for output, batch in self.outputs(data):
            right += int((output.argmax(dim=-1) == batch.target).sum())
            samples += batch.size
        return right / samples

    @torch.no_grad()
    def outputs(self, data: Any = None) -> Iterator[tuple[Any, Batch]]:
        """Yield what the model as it is puts out in evaluation mode, with the batches; data: see :meth:`accuracy`."""
        engine = self._engine
        samples = (
            engine.minibatches.samples
            if data is None
            else samples_of(data, engine.parameters.tensors[0].dtype)[0]
        )
        with evaluating(self.model):
            for batch in _in_order(samples, engine.minibatches.batch_size):
                there = batch.to(engine.parameters.device)
                yield engine.network.output(there), there


def _in_order(samples: AbstractSamples, batch_size: int) -> Iterator[Batch]:
    return Minibatches(samples, batch_size, seed=0).everything()
