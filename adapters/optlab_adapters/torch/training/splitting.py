"""Find the stages of a module, check them on a batch, and measure what each costs.

A split is used only when it gives the module's own loss, to the bit, from each of its starts. What cannot be split is
evaluated as a whole, and :class:`Split` says why.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from optlab.errors import OptionError
from optlab_adapters.torch.training.calls import is_sequence, opened
from optlab_adapters.torch.training.chain import Chain, Pass
from optlab_adapters.torch.training.tracing import traced_stages

if TYPE_CHECKING:
    from optlab.typing import Vector
    from optlab_adapters.torch.training.data import Batch
    from optlab_adapters.torch.training.network import Generators, Network
    from optlab_adapters.torch.training.parameters import Parameters

__all__ = ["Split", "Trial", "split"]

REPEATS = 3
"""Passes whose fastest time is the cost of a stage."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a module is evaluated when one of its parameters is displaced."""

    chain: Chain
    reason: str
    """Why it is evaluated as a whole; empty when it is not."""


@dataclass(frozen=True)
class Trial:
    """A batch to try stages on; the parameters hold x, the network is held still."""

    x: Vector
    network: Network
    parameters: Parameters
    generators: Generators
    batch: Batch
    seed: int

    def base(self, chain: Chain) -> Pass:
        """Make a base pass."""
        with self.generators.seeded(self.seed):
            return Pass(self.network, chain, self.batch, self.generators)

    def before(self, chain: Chain, start: int) -> torch.Tensor:
        """Return what goes into a stage, and keep nothing else."""
        batch = self.batch.copy()
        with self.generators.seeded(self.seed):
            value: Any = chain.stages[0](*batch.arguments, **batch.keywords)
            for stage in chain.stages[1:start]:
                value = stage(value)
        self.network.restore()
        found: torch.Tensor = value
        return found

    def tails(self, chain: Chain) -> list[float]:
        """Evaluate the loss from every start."""
        with self.generators.seeded(self.seed):
            base = Pass(self.network, chain, self.batch, self.generators)
            return [base.tail(start) for start in chain.starts]


def split(trial: Trial, given: Sequence[Any] | None) -> Split:
    """Split the module of a trial.

    Parameters
    ----------
    trial
    given
        The user's stages; None: find them.

    Raises
    ------
    OptionError
        When the user's stages are not the module, with the reason.
    """
    whole = Chain.whole(trial.network.model, len(trial.parameters.tensors))
    stages = _found(trial.network.model) if given is None else _checked(given)
    if len(stages) == 1 and given is None:
        return Split(
            whole, "it has no point where a single tensor passes, or it cannot be traced"
        )
    try:
        chain = _fitted(trial, whole, stages)
    except _UnfitError as error:
        if given is not None:
            raise OptionError(f"the stages are not the model: {error}") from error
        return Split(whole, str(error))
    return Split(replace(chain, costs=_measured(trial, chain)), "")


class _UnfitError(Exception):
    """A list of stages cannot stand for the module; says why."""


def _fitted(trial: Trial, whole: Chain, stages: list[Any]) -> Chain:
    """Make a chain of stages and compare it with the module."""
    try:
        first_use = _first_use(trial, stages)
        chain = Chain.of(stages, first_use)
        while found := {*trial.base(chain).overwritten, *_leaks(trial, chain)}:
            unfit = {*found, *(set(first_use) - set(chain.starts))}
            chain = Chain.of(stages, first_use, unfit)
        told = [("the base pass", trial.base(chain).value)]
        told += zip(
            (f"a start at stage {k}" for k in chain.starts), trial.tails(chain), strict=True
        )
        with _displaced(trial, trial.parameters.tensors):
            # A trace keeps as a constant what it cannot see to depend on parameters.
            elsewhere = trial.base(chain).value, trial.base(whole).value
    except Exception as error:  # the user's code runs in another order than he wrote it
        raise _UnfitError(
            f"run one after the other they raise {type(error).__name__}: {error}"
        ) from error
    plain = trial.base(whole).value
    for where, value, wanted in (
        *((where, value, plain) for where, value in told),
        ("the base pass at another point", *elsewhere),
    ):
        if value != wanted and not (math.isnan(value) and math.isnan(wanted)):
            raise _UnfitError(f"{where} gives the loss {value!r}, the model {wanted!r}")
    return chain


def _first_use(trial: Trial, stages: list[Any]) -> list[int]:
    """Return for each tensor of the parameters the first stage that holds it or whose output depends on it."""
    tensors = trial.parameters.tensors
    found = [len(stages)] * len(tensors)
    number = {id(tensor): k for k, tensor in enumerate(tensors)}
    batch = trial.batch.copy()
    with trial.generators.seeded(trial.seed), torch.enable_grad():
        value: Any = None
        for position, stage in enumerate(stages):
            value = stage(value) if position else stage(*batch.arguments, **batch.keywords)
            held = stage.parameters() if isinstance(stage, torch.nn.Module) else ()
            used = {number[id(t)] for t in held if id(t) in number} | _reached(value, tensors)
            for k in used:
                found[k] = min(found[k], position)
            if position + 1 < len(stages):
                if not isinstance(value, torch.Tensor):
                    raise TypeError(
                        f"stage {position} returns a {type(value).__name__}, no tensor"
                    )
                value = value.detach().clone()
    trial.network.restore()
    # What no stage uses changes nothing; a pass from the last start says so as well as any.
    return [k if k < len(stages) else 0 for k in found]


def _leaks(trial: Trial, chain: Chain) -> set[int]:
    """Return the starts whose inputs change with parameters that enter there or later.

    What a derivative does not show, such as a detached weight of a later stage, a displacement does.
    """
    found = set[int]()
    for start in chain.starts[1:]:
        pairs = zip(trial.parameters.tensors, chain.entry, strict=True)
        before = trial.before(chain, start)
        with _displaced(trial, [tensor for tensor, entry in pairs if entry >= start]):
            after = trial.before(chain, start)
        if not torch.allclose(before, after, rtol=0.0, atol=0.0, equal_nan=True):
            found.add(start)
    return found


@contextmanager
def _displaced(trial: Trial, tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Give tensors other values for a while."""
    try:
        for tensor in tensors:
            tensor.data.mul_(1.25).add_(0.125)
        yield
    finally:
        # From the point, so that there is no second copy of the module.
        trial.parameters.load(trial.x)


def _reached(value: Any, tensors: Sequence[torch.Tensor]) -> set[int]:
    """Return which tensors the derivative of an output reaches."""
    outputs = [leaf for leaf in _leaves(value) if leaf.requires_grad]
    if not outputs:
        return set()
    total = torch.stack([leaf.sum() for leaf in outputs]).sum()
    slopes: Sequence[Any] = torch.autograd.grad(total, list(tensors), allow_unused=True)
    return {k for k, slope in enumerate(slopes) if slope is not None}


def _leaves(value: Any) -> list[torch.Tensor]:
    """Return the tensors of an output."""
    leaves: list[Any] = torch.utils._pytree.tree_leaves(value)
    return list(filter(torch.is_tensor, leaves))


def _measured(trial: Trial, chain: Chain) -> tuple[float, ...]:
    """Return the seconds that each stage takes, the least of several passes."""
    best = [math.inf] * len(chain.stages)
    clock = time.perf_counter
    for _ in range(REPEATS):
        batch = trial.batch.copy()
        with trial.generators.seeded(trial.seed):
            begin = clock()
            value = chain.stages[0](*batch.arguments, **batch.keywords)
            best[0] = min(best[0], clock() - begin)
            for k, stage in enumerate(chain.stages[1:], start=1):
                begin = clock()
                value = stage(value)
                best[k] = min(best[k], clock() - begin)
    trial.network.restore()
    return tuple(best)


# Which stages -------------------------------------------------------------------------------------


def _checked(given: Sequence[Any]) -> list[Any]:
    """Take the user's stages, containers opened."""
    if not given or not all(callable(stage) for stage in given):
        raise OptionError(
            f"stages is {given!r}; a list of modules or functions is needed whose composition is the model"
        )
    return [part for stage in given for part in opened(stage)]


def _found(module: torch.nn.Module) -> list[Any]:
    """Open containers; trace what is no module of torch's own."""
    if is_sequence(module):
        return [part for child in module.children() for part in _found(child)]
    if type(module).__module__.startswith("torch.nn") or not any(
        True for _ in module.children()
    ):
        return [module]
    try:
        return traced_stages(module)
    except Exception:  # noqa: BLE001 - tracing runs the user's forward on stand-ins: anything may happen
        return [module]
